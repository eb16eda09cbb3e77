// Bulk export: all records as lines of JSON, resumable, with the feed cursor that follows the cut.
import type { ServerResponse } from "node:http";
import type { FastifyReply, FastifyRequest } from "fastify";
import { Type } from "typebox";
import { ENTITY_NAMES, isEntity, type Entity } from "#common/contract/model/entities.ts";
import { didYouMean } from "#common/runtime/nearest-match.ts";
import { invalidRequest } from "#relay/core/administration.ts";
import { encodeCursor, fingerprint } from "#relay/core/cursors.ts";
import { Problem } from "#relay/core/problem.ts";
import type { Reader, Revision, Scope } from "#relay/core/store.ts";
import { narrowedScope, readScope } from "./access.ts";
import { eventCursor } from "./event-text.ts";
import type { HttpDeps, HttpServer } from "./http-types.ts";
import { OpenAnswers, writeAndDrain } from "./long-answers.ts";
import { cursorContext, cursorPosition, type CursorContext } from "./paging.ts";
import { recordText } from "#relay/core/records/record-text.ts";
import { answers, ConnectionParameter, CursorParameter } from "./schemas.ts";

/** Exports under way, in this process and for one token. */
const MAX_EXPORTS = 8;
const MAX_EXPORTS_PER_TOKEN = 2;
/** Records read at once, and between two cursor lines. */
const PAGE = 500;
/** What is written while an entity is walked through comes again; after this many such records the feed tells of the rest. */
const MAX_LATECOMERS = 100_000;

const Query = Type.Object(
  {
    entities: Type.Optional(
      Type.String({
        maxLength: 1_000,
        description: "Only these, separated by commas; all if not given",
        examples: ["vendor,purchase_order"],
      }),
    ),
    connection_id: ConnectionParameter,
    include: Type.Optional(Type.Literal("raw", { description: "`raw`: with the source's own rows" })),
    include_deleted: Type.Optional(Type.Boolean({ description: "Also records that are gone" })),
    cursor: CursorParameter,
  },
  { additionalProperties: false },
);

const DESCRIPTION = `One line of JSON each: \`{"entity":…,"record":{…}}\` for a record, \`{"cursor":"…"}\` every ${PAGE} records, and at the end \`{"end":true,"feed_cursor":"…","records":…}\`.

An answer without an \`end\` line is not complete: ask again with the last \`cursor\` line's value and go on where it stopped. Then read /v1/events from \`feed_cursor\`: it tells of everything that changed since the export began. A record that changes meanwhile may come twice; keep the greater revision.`;

export function addExportRoutes(app: HttpServer, deps: HttpDeps): void {
  const open = new OpenAnswers({ perToken: MAX_EXPORTS_PER_TOKEN, inAll: MAX_EXPORTS });
  const schema = {
    operationId: "exportRecords",
    tags: ["Export"],
    summary: "All records, as lines of JSON",
    description: DESCRIPTION,
    querystring: Query,
    response: answers(
      {
        200: {
          description: "Lines of JSON",
          content: { "application/x-ndjson": { schema: Type.String() } },
        },
      },
      [400, 401, 403, 404, 410, 429],
      "stream",
    ),
  };
  app.get("/v1/export", {
    schema,
    config: { access: "read", narrowsEntities: true },
    handler: async (request, reply) => {
      const { query } = request;
      const entities = entitiesOf(query.entities, request.principal?.entities);
      const scope = await narrowedScope(deps.store.directory, readScope(request), query.connection_id);
      const print = fingerprint([
        "export",
        scope.workspaceId,
        ...(scope.connectionIds ?? []),
        ...entities,
        query.include_deleted ?? false,
      ]);
      const context = await cursorContext(deps.store, print);
      const position = cursorPosition(query.cursor, "page", context);
      const start = position === undefined ? await beginning(deps, scope) : placeOf(position);
      const release = open.admit(request.principal?.tokenId ?? "", tooMany);
      const { include, include_deleted: includeDeleted = false } = query;
      const wanted = { entities, scope, context, includeRaw: include === "raw", includeDeleted };
      await serve(deps, request, reply, wanted, start).finally(release);
      return reply;
    },
  });
}

/** Where an export stands. */
interface Place {
  /** Of the feed, when it began. */
  readonly feed: Revision;
  /** Which of the entities. */
  readonly entity: number;
  readonly revision: Revision;
  readonly records: number;
}

interface Wanted {
  readonly entities: readonly Entity[];
  readonly scope: Scope;
  readonly context: CursorContext;
  readonly includeRaw: boolean;
  readonly includeDeleted: boolean;
}

async function beginning(deps: HttpDeps, scope: Scope): Promise<Place> {
  const { newest } = await deps.store.reader.feedBounds(scope.workspaceId);
  return { feed: newest, entity: 0, revision: 0, records: 0 };
}

async function serve(
  deps: HttpDeps,
  request: FastifyRequest,
  reply: FastifyReply,
  wanted: Wanted,
  start: Place,
): Promise<void> {
  const response = begin(reply);
  const gone = new AbortController();
  response.once("close", () => gone.abort());
  const signal = AbortSignal.any([gone.signal, deps.stopping]);
  try {
    for await (const text of exportText(deps, wanted, start)) {
      if (signal.aborted || !(await writeAndDrain(response, text, signal))) return;
    }
    response.end();
  } catch (error) {
    deps.logger.error({ requestId: request.id, err: error }, "an export failed");
  } finally {
    // What was broken off must not look like a whole answer.
    if (!response.writableEnded) response.destroy();
  }
}

async function* exportText(deps: HttpDeps, wanted: Wanted, start: Place): AsyncGenerator<string> {
  const { entities, scope, context } = wanted;
  let place = start;
  for (const [index, entity] of entities.entries()) {
    if (index < place.entity) continue;
    const from = index > place.entity ? beginningOf(index, place) : place;
    for await (const page of pages(deps.store.reader, wanted, entity, from)) {
      place = page.place;
      const cursor = encodeCursor({ kind: "page", position: positionOf(place), ...context });
      yield `${page.text}{"cursor":"${cursor}"}\n`;
    }
  }
  const { generation } = context;
  const feed = eventCursor(place.feed, { generation, fingerprint: fingerprint(["feed", scope.workspaceId]) });
  yield `{"end":true,"feed_cursor":"${feed}","records":${place.records}}\n`;
}

interface Page {
  readonly text: string;
  readonly place: Place;
}

async function* pages(reader: Reader, wanted: Wanted, entity: Entity, from: Place): AsyncGenerator<Page> {
  const { scope, includeRaw, includeDeleted } = wanted;
  let place = from;
  let latecomers = 0;
  for (;;) {
    const found = await reader.listRecords(scope, {
      entity,
      afterRevision: place.revision,
      beforeRevision: undefined,
      includeDeleted,
      includeRaw,
      limit: PAGE,
    });
    const last = found.at(-1);
    if (last === undefined) return;
    let text = "";
    for (const record of found) text += `{"entity":"${entity}","record":${recordText(record)}}\n`;
    place = after(place, last.revision, found.length);
    yield { text, place };
    if (last.revision > place.feed) latecomers += found.length;
    if (found.length < PAGE || latecomers > MAX_LATECOMERS) return;
  }
}

function beginningOf(entity: number, { feed, records }: Place): Place {
  return { feed, entity, revision: 0, records };
}

function after({ feed, entity, records }: Place, revision: Revision, more: number): Place {
  return { feed, entity, revision, records: records + more };
}

function positionOf({ feed, entity, revision, records }: Place): string {
  return [feed, entity, revision, records].join(".");
}

function placeOf(position: string): Place {
  const parts = position.split(".").map(Number);
  const [feed, entity, revision, records] = parts;
  const isWhole = parts.length === 4 && parts.every((part) => Number.isSafeInteger(part) && part >= 0);
  if (
    !isWhole ||
    feed === undefined ||
    entity === undefined ||
    revision === undefined ||
    records === undefined
  ) {
    throw new Problem("INVALID_CURSOR", "That is not a cursor of an export.");
  }
  return { feed, entity, revision, records };
}

/** From here on Fastify leaves the response to us. */
function begin(reply: FastifyReply): ServerResponse {
  const headers = reply.getHeaders();
  reply.hijack();
  reply.raw.writeHead(200, {
    ...(headers as Record<string, string>),
    "content-type": "application/x-ndjson; charset=utf-8",
    "cache-control": "no-store, no-transform",
    "x-accel-buffering": "no",
    // Nothing waits for a line that was busy this long.
    connection: "close",
  });
  return reply.raw;
}

function tooMany(own: number, all: number): string {
  return `There are ${own} exports under way with this token (${MAX_EXPORTS_PER_TOKEN} are possible) and ${all} in all (${MAX_EXPORTS}). Wait for one to end.`;
}

/** In the model's order. @throws Problem INVALID_REQUEST, INSUFFICIENT_SCOPE */
function entitiesOf(text: string | undefined, visible: readonly string[] | undefined): readonly Entity[] {
  const isVisible = (entity: string): boolean => visible?.includes(entity) ?? true;
  if (text === undefined) return ENTITY_NAMES.filter(isVisible);
  const names = new Set(text.split(",").map((name) => name.trim()));
  for (const name of names) {
    if (!isEntity(name)) {
      const hint = didYouMean(name, ENTITY_NAMES) || `; known: ${ENTITY_NAMES.join(", ")}`;
      const detail = `${JSON.stringify(name.slice(0, 50))} is not an entity${hint}`;
      throw invalidRequest("The request is not valid", [{ pointer: "#/query/entities", detail }]);
    }
    if (!isVisible(name)) throw new Problem("INSUFFICIENT_SCOPE", `The token does not see ${name}.`);
  }
  return ENTITY_NAMES.filter((entity) => names.has(entity));
}
