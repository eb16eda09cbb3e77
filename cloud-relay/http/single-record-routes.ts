// Single records of every entity: as they are stored, as they were, or as their source has them now.
import type { FastifyReply, FastifyRequest } from "fastify";
import { Type } from "typebox";
import { ENTITIES, isEntity, type Entity } from "#common/contract/model/entities.ts";
import { plantStatus } from "#relay/core/commands/command-problem.ts";
import { liveRecords } from "#relay/core/commands/live-read.ts";
import { Problem, type ProblemConnectionStatus } from "#relay/core/problem.ts";
import { recordFields } from "#relay/core/records/model-field.ts";
import type { Directory } from "#relay/core/directory.ts";
import { instantOf, revisionInstant } from "#relay/core/revisions.ts";
import type { ConnectionRow, Scope, StoredRecord } from "#relay/core/store.ts";
import { readScope } from "./access.ts";
import { freshnessMember, refuseIfAway } from "./freshness.ts";
import type { HttpDeps, HttpServer } from "./http-types.ts";
import { ONE_QUERY, readOneQuery, type OneRequest, type QueryText } from "./record-query.ts";
import { JSON_TYPE, REVALIDATE, type Exchange, type RecordRouteParts } from "./record-routes.ts";
import { shapedRecords } from "./record-shape.ts";
import { lastValueMember, recordText } from "#relay/core/records/record-text.ts";
import { answers, Id, ok, ref, schemaName } from "./schemas.ts";
import { traceOf } from "./trace-context.ts";

/** A live read's answer must have come by then. */
const LIVE_TIMEOUT_MS = 15_000;

export const OneHeaders = Type.Object({
  "if-none-match": Type.Optional(
    Type.String({ maxLength: 1_000, description: "An ETag that this address gave" }),
  ),
});

const Params = Type.Object({ id: Id });

const PLAIN: OneRequest = {
  includeRaw: false,
  includeDeleted: false,
  shape: undefined,
  asOf: undefined,
  isLive: false,
};

export const ONE_DESCRIPTION = `With an ETag: send it back in If-None-Match and get 304 as long as nothing changed. A record that is gone from its source answers 404 RECORD_DELETED unless \`include_deleted=true\`.

\`as_of\` gives the version that held then. \`source=live\` asks the source itself, through the agent at the plant; nothing of that answer is stored, the change comes by its stream as always.`;

export function addSingleRecord(
  app: HttpServer,
  deps: HttpDeps,
  entity: Entity,
  parts: RecordRouteParts,
): void {
  const { path, title } = ENTITIES[entity];
  const schema = {
    operationId: `get${schemaName(entity)}`,
    tags: [`${title}s`],
    summary: `Get one ${title.toLowerCase()}`,
    description: ONE_DESCRIPTION,
    params: Params,
    querystring: ONE_QUERY,
    headers: OneHeaders,
    response: answers(
      { 200: ok(title, ref(schemaName(entity))), 304: { description: "Not changed", type: "null" } },
      [400, 401, 403, 404, 429, 501, 502, 503, 504],
      "live",
    ),
  };
  app.get(`/v1/${path}/:id`, {
    schema,
    config: { access: "read" },
    handler: async (request, reply) =>
      sendOne(deps, parts, { entity, id: request.params.id }, { request, reply }),
  });
}

/** One record of an entity, of the model or beyond it, as the request's query asks for it. */
export async function sendOne(
  deps: HttpDeps,
  parts: RecordRouteParts,
  { entity, id }: { readonly entity: string; readonly id: string },
  { request, reply }: Exchange,
): Promise<FastifyReply> {
  const scope = readScope(request);
  const query = request.query as QueryText;
  const wanted = Object.keys(query).length === 0 ? PLAIN : readOneQuery(entity, query);
  const stored = await deps.store.reader.getRecord(scope, entity, id, wanted.includeRaw);
  if (stored === undefined) throw await missingRecord(deps, scope, entity, id);
  if (wanted === PLAIN && entity !== "telemetry_point" && stored.deletedAtMs === undefined) {
    // The usual case, as short as can be.
    if (parts.recent.isThere(stored.connectionId)) {
      reply.header("cache-control", REVALIDATE).type(JSON_TYPE);
      return sendTagged(request, reply, `"${stored.revision}"`, () => recordText(stored));
    }
  }
  const connection = await parts.recent.of(scope, stored.connectionId);
  if (wanted.isLive) return sendLive(deps, request, reply, { scope, entity, stored, connection, wanted });
  await refuseIfAway(deps.store, connection);
  const record = wanted.asOf === undefined ? stored : await heldAt(deps, scope, stored, wanted.asOf);
  if (record.deletedAtMs !== undefined && !wanted.includeDeleted) throw deletedProblem(record);
  const isAsked = wanted.shape?.withFreshness === true;
  const freshness = await freshnessMember(deps, connection, entity, isAsked);
  const extra = (entity === "telemetry_point" ? await lastValue(deps, record) : "") + freshness;
  reply.header("cache-control", REVALIDATE).type(JSON_TYPE);
  if (wanted.shape === undefined) {
    return sendTagged(request, reply, plainTag(record, extra, deps), () => recordText(record, extra));
  }
  const viewer = { scope, entities: request.principal?.entities };
  const [text = ""] = await shapedRecords(deps.store, viewer, [record], wanted.shape, () => extra);
  return sendTagged(request, reply, bodyTag(record, text, deps), () => text);
}

interface LiveRequest {
  readonly scope: Scope;
  readonly entity: string;
  readonly stored: StoredRecord;
  readonly connection: ConnectionRow | undefined;
  readonly wanted: OneRequest;
}

async function sendLive(
  deps: HttpDeps,
  request: FastifyRequest,
  reply: FastifyReply,
  { scope, entity, stored, connection, wanted }: LiveRequest,
): Promise<FastifyReply> {
  if (connection === undefined) throw await missingRecord(deps, scope, entity, stored.id);
  const gone = new AbortController();
  const onClose = (): void => gone.abort();
  request.raw.socket.once("close", onClose);
  const [live] = await liveRecords(deps, connection, entity, [stored.key], {
    raw: wanted.includeRaw,
    timeoutMs: LIVE_TIMEOUT_MS,
    ...traceOf(request),
    signal: gone.signal,
  }).finally(() => request.raw.socket.off("close", onClose));
  if (live === undefined) {
    const detail = `The source of ${connection.name} does not have the record (any more). Without source=live its last stored state is given.`;
    throw new Problem("NOT_FOUND", detail);
  }
  const nowMs = deps.clock.nowMs();
  const at = instantOf(nowMs);
  const hash = hashOf(deps, live.text);
  const record: StoredRecord = {
    ...stored,
    text: live.text,
    raw: live.raw,
    version: live.version,
    ...(live.text === stored.text ? {} : { hash }),
    presence: "present",
    deletedAtMs: undefined,
    deleteReason: undefined,
  };
  const freshness = { as_of: at, source_watermark: at, state: connection.state };
  const extra = `,"freshness":${JSON.stringify(freshness)}`;
  const shape = wanted.shape;
  const viewer = { scope, entities: request.principal?.entities };
  const text =
    shape === undefined
      ? recordText(record, extra)
      : ((await shapedRecords(deps.store, viewer, [record], shape, () => extra))[0] ?? "");
  reply.header("cache-control", "no-store").type(JSON_TYPE);
  // By content alone: the time of reading is another in every answer.
  return sendTagged(request, reply, `"live-${hash}${wanted.includeRaw ? "-raw" : ""}"`, () => text);
}

async function heldAt(
  deps: HttpDeps,
  scope: Scope,
  stored: StoredRecord,
  asOf: number,
): Promise<StoredRecord> {
  const { entity, id } = stored;
  const held = await deps.store.reader.versionAt(scope, entity, id, asOf);
  const at = revisionInstant(asOf);
  if (held === "too_old") {
    const detail = `What the record was at ${at} is not held any more. GET …/${id}/history shows how far back it goes.`;
    throw new Problem("NOT_FOUND", detail, { errors: [{ pointer: "#/query/as_of", detail }] });
  }
  if (held === undefined) {
    const detail = `The record was not there yet at ${at}.`;
    throw new Problem("NOT_FOUND", detail, { errors: [{ pointer: "#/query/as_of", detail }] });
  }
  const { until: _until, readAtMs: _readAtMs, ...version } = held;
  // The source's own row is kept of the version that holds only.
  return { ...stored, ...version, raw: held.until === undefined ? stored.raw : undefined };
}

/** The same for a record that is not there and for one outside the scope. */
export async function missingRecord(
  deps: HttpDeps,
  scope: Scope,
  entity: string,
  id: string,
): Promise<Problem> {
  const status = await troubledConnection(deps.store.directory, scope);
  const title = isEntity(entity) ? ENTITIES[entity].title.toLowerCase() : entity;
  return new Problem(
    "NOT_FOUND",
    `There is no ${title} with the id ${id} that this token may see.${numberHint(entity, id)}`,
    status === undefined ? {} : { connectionStatus: status },
  );
}

/** A number that people read off their screen is no id. */
function numberHint(entity: string, id: string): string {
  if (/^[0-9a-f]{8}-[0-9a-f]{4}-/i.test(id) || !isEntity(entity)) return "";
  const fields = recordFields(entity);
  const name = ["number", "code"].find((field) => Object.hasOwn(fields, field));
  if (name === undefined) return "";
  return ` By its ${name} it is found so: GET /v1/${ENTITIES[entity].path}?${name}=${encodeURIComponent(id)}`;
}

function sendTagged(
  request: FastifyRequest,
  reply: FastifyReply,
  etag: string,
  body: () => string,
): FastifyReply {
  const ifNoneMatch = request.headers["if-none-match"];
  reply.header("etag", etag);
  if (ifNoneMatch !== undefined && matches(ifNoneMatch, etag)) {
    return reply.removeHeader("content-type").code(304).send();
  }
  return reply.send(body());
}

function matches(ifNoneMatch: string, etag: string): boolean {
  if (ifNoneMatch.trim() === "*") return true;
  return ifNoneMatch.split(",").some((tag) => tag.trim().replace(/^W\//, "") === etag);
}

/** Strong: names the revision and whatever else is in the body. */
function plainTag(record: StoredRecord, extra: string, deps: HttpDeps): string {
  const raw = record.raw === undefined ? "" : "-raw";
  return extra === "" ? `"${record.revision}${raw}"` : `"${record.revision}-${hashOf(deps, extra)}${raw}"`;
}

function bodyTag(record: StoredRecord, text: string, deps: HttpDeps): string {
  return `"${record.revision}-${hashOf(deps, text)}"`;
}

function hashOf(deps: HttpDeps, text: string): string {
  return Buffer.from(deps.entropy.sha256Hex(text), "hex").toString("base64url").slice(0, 22);
}

/** For a token of one connection that is not online: what is missing may only not have arrived. */
async function troubledConnection(
  directory: Directory,
  scope: Scope,
): Promise<ProblemConnectionStatus | undefined> {
  const [id, ...others] = scope.connectionIds ?? [];
  if (id === undefined || others.length > 0) return undefined;
  const connection = await directory.connection(scope, id);
  return connection === undefined || connection.state === "online" ? undefined : plantStatus(connection);
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
