// Lists and single records of every entity, from one factory over the model's list of entities.
import type { FastifyReply } from "fastify";
import { Type, type Static } from "typebox";
import { ENTITIES, type Entity } from "#common/contract/model/entities.ts";
import { invalidRequest } from "#relay/core/administration.ts";
import { cursorRevision, fingerprint } from "#relay/core/cursors.ts";
import { Problem, type ProblemConnectionStatus, type ProblemIssue } from "#relay/core/problem.ts";
import { revisionAt } from "#relay/core/revisions.ts";
import type { Directory } from "#relay/core/directory.ts";
import type { RecordQuery, Scope, StoredRecord } from "#relay/core/store.ts";
import { narrowedScope, readScope } from "./access.ts";
import type { HttpDeps, HttpServer } from "./http-types.ts";
import { cursorContext, cursorPosition, DEFAULT_LIMIT, type CursorContext } from "./paging.ts";
import type { PageCache } from "./page-cache.ts";
import { recordPage } from "./record-page.ts";
import { lastValueMember, recordText } from "./record-text.ts";
import {
  answers,
  ConnectionParameter,
  CursorParameter,
  Id,
  Limit,
  listOf,
  ok,
  ref,
  schemaName,
} from "./schemas.ts";

export const JSON_TYPE = "application/json; charset=utf-8";
/** May be kept by the caller alone, and only with a check of its ETag. */
const REVALIDATE = "private, no-cache";

const When = Type.Optional(Type.String({ maxLength: 40, examples: ["2026-03-02", "2026-03-02T08:15:00Z"] }));
const Include = Type.Optional(
  Type.Literal("raw", {
    description: "`raw`: add the source's own row to each record, where the plant releases it",
  }),
);

const ListQuery = Type.Object(
  {
    limit: Limit,
    cursor: CursorParameter,
    modified_after: Type.Optional(
      Type.String({
        ...When,
        description: "Committed after this date (UTC midnight) or timestamp; exclusive",
      }),
    ),
    modified_before: Type.Optional(
      Type.String({
        ...When,
        description: "Committed before this date (UTC midnight) or timestamp; exclusive",
      }),
    ),
    include: Include,
    include_deleted: Type.Optional(
      Type.Boolean({ description: "Also records that are gone from the source" }),
    ),
    connection_id: ConnectionParameter,
  },
  { additionalProperties: false },
);
type ListQuery = Static<typeof ListQuery>;

const OneQuery = Type.Object(
  {
    include: Include,
    include_deleted: Type.Optional(
      Type.Boolean({ description: "Answer with the last state of a record that is gone" }),
    ),
  },
  { additionalProperties: false },
);

const OneHeaders = Type.Object({
  "if-none-match": Type.Optional(
    Type.String({ maxLength: 1_000, description: "An ETag that this address gave" }),
  ),
});

const OneParams = Type.Object({ id: Id });

export function addRecordRoutes(app: HttpServer, deps: HttpDeps, entity: Entity, cache: PageCache): void {
  addList(app, deps, entity, cache);
  addGet(app, deps, entity);
}

function addList(app: HttpServer, deps: HttpDeps, entity: Entity, cache: PageCache): void {
  const { path, title } = ENTITIES[entity];
  const many = `${title.toLowerCase()}s`;
  const schema = {
    operationId: `list${schemaName(entity)}s`,
    tags: [`${title}s`],
    summary: `List ${many}`,
    description: `In the order in which they last changed (by \`revision\`). A walk along \`next_cursor\` never skips a record, whatever is written meanwhile; a record that changes during the walk comes again with its greater revision.`,
    querystring: ListQuery,
    response: answers(
      { 200: ok(`A page of ${many}`, listOf(ref(schemaName(entity)), `A page of ${many}`)) },
      [400, 401, 403, 404, 410],
    ),
  };
  app.get(`/v1/${path}`, {
    schema,
    config: { access: "read" },
    handler: async (request, reply) => {
      const { query } = request;
      const scope = await narrowedScope(deps.store.directory, readScope(request), query.connection_id);
      const context = await cursorContext(deps.store, queryFingerprint(entity, scope, query));
      const wanted = recordQuery(entity, query, context);
      const page = { entity, scope, query: wanted, context, url: request.url };
      reply.header("cache-control", REVALIDATE).type(JSON_TYPE);
      return reply.send(await recordPage(deps.store.reader, cache, page));
    },
  });
}

function addGet(app: HttpServer, deps: HttpDeps, entity: Entity): void {
  const { path, title } = ENTITIES[entity];
  const schema = {
    operationId: `get${schemaName(entity)}`,
    tags: [`${title}s`],
    summary: `Get one ${title.toLowerCase()}`,
    description:
      "With an ETag: send it back in If-None-Match and get 304 as long as nothing changed. A record that is gone from its source answers 404 RECORD_DELETED unless `include_deleted=true`.",
    params: OneParams,
    querystring: OneQuery,
    headers: OneHeaders,
    response: answers(
      { 200: ok(title, ref(schemaName(entity))), 304: { description: "Not changed", type: "null" } },
      [400, 401, 403, 404],
    ),
  };
  app.get(`/v1/${path}/:id`, {
    schema,
    config: { access: "read" },
    handler: async (request, reply) => {
      const scope = readScope(request);
      const { include, include_deleted: includeDeleted } = request.query;
      const { id } = request.params;
      const record = await deps.store.reader.getRecord(scope, entity, id, include === "raw");
      if (record === undefined) throw await missingRecord(deps, scope, entity, id);
      if (record.deletedAtMs !== undefined && includeDeleted !== true) throw deletedProblem(record);
      const extra = entity === "telemetry_point" ? await lastValue(deps, record) : "";
      reply.header("cache-control", REVALIDATE);
      return sendTagged(reply, request.headers["if-none-match"], etagOf(record, extra), () =>
        recordText(record, extra),
      );
    },
  });
}

/** The same for a record that is not there and for one outside the scope. */
export async function missingRecord(
  deps: HttpDeps,
  scope: Scope,
  entity: Entity,
  id: string,
): Promise<Problem> {
  const status = await troubledConnection(deps.store.directory, scope);
  return new Problem(
    "NOT_FOUND",
    `There is no ${ENTITIES[entity].title.toLowerCase()} with the id ${id} that this token may see.`,
    status === undefined ? {} : { connectionStatus: status },
  );
}

function sendTagged(
  reply: FastifyReply,
  ifNoneMatch: string | undefined,
  etag: string,
  body: () => string,
): FastifyReply {
  reply.header("etag", etag);
  if (ifNoneMatch !== undefined && matches(ifNoneMatch, etag)) return reply.code(304).send();
  return reply.type(JSON_TYPE).send(body());
}

function matches(ifNoneMatch: string, etag: string): boolean {
  if (ifNoneMatch.trim() === "*") return true;
  return ifNoneMatch.split(",").some((tag) => tag.trim().replace(/^W\//, "") === etag);
}

/** Strong: names the revision and whatever else is in the body. */
function etagOf(record: StoredRecord, extra: string): string {
  const raw = record.raw === undefined ? "" : "-raw";
  return extra === "" ? `"${record.revision}${raw}"` : `"${record.revision}-${fingerprint([extra])}${raw}"`;
}

/** For a token of one connection that is not online: what is missing may only not have arrived. */
async function troubledConnection(
  directory: Directory,
  scope: Scope,
): Promise<ProblemConnectionStatus | undefined> {
  const [id, ...others] = scope.connectionIds ?? [];
  if (id === undefined || others.length > 0) return undefined;
  const connection = await directory.connection(scope, id);
  if (connection === undefined || connection.state === "online") return undefined;
  const { state, reason, advice } = connection;
  return { state, ...(reason === undefined ? {} : { reason }), ...(advice === undefined ? {} : { advice }) };
}

function deletedProblem(record: StoredRecord): Problem {
  const at = new Date(record.deletedAtMs ?? 0).toISOString();
  return new Problem(
    "RECORD_DELETED",
    `The record is gone from its source since ${at} (presence ${record.presence}). Add include_deleted=true to read its last state.`,
  );
}

async function lastValue(deps: HttpDeps, record: StoredRecord): Promise<string> {
  const samples = await deps.store.reader.lastSamples(record.connectionId, [record.key]);
  return lastValueMember(samples.get(record.key));
}

function recordQuery(entity: Entity, query: ListQuery, context: CursorContext): RecordQuery {
  const issues: ProblemIssue[] = [];
  const after = revisionOf("modified_after", query.modified_after, issues);
  const before = revisionOf("modified_before", query.modified_before, issues);
  if (issues.length > 0) throw invalidRequest("The request is not valid", issues);
  const position = cursorPosition(query.cursor, "records", context);
  return {
    entity,
    afterRevision: position === undefined ? (after ?? 0) : cursorRevision(position),
    beforeRevision: before,
    includeDeleted: query.include_deleted ?? false,
    includeRaw: query.include === "raw",
    limit: query.limit ?? DEFAULT_LIMIT,
  };
}

function revisionOf(name: string, text: string | undefined, issues: ProblemIssue[]): number | undefined {
  if (text === undefined) return undefined;
  const revision = revisionAt(text);
  if (revision !== undefined) return revision;
  const detail =
    "must be a date (2026-03-02) or a timestamp with its zone (2026-03-02T08:15:00Z; a + in an address is written %2B)";
  issues.push({ pointer: `#/query/${name}`, detail });
  return undefined;
}

/** What a cursor is bound to; `limit` and `include` may change on the way. */
function queryFingerprint(entity: Entity, scope: Scope, query: ListQuery): string {
  return fingerprint([
    entity,
    scope.workspaceId,
    ...(scope.connectionIds ?? []),
    query.modified_after,
    query.modified_before,
    query.include_deleted ?? false,
  ]);
}
