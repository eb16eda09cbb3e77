// Writes of every entity: create, merge patch, delete, and the actions that the source's pack has.
import type { FastifyReply, FastifyRequest } from "fastify";
import { Type, type Static } from "typebox";
import { ENTITIES, type Entity } from "#common/contract/model/entities.ts";
import { planWrite, type PlanDeps } from "#relay/core/operations/plan-write.ts";
import { isObject, type Values } from "#relay/core/operations/write-check.ts";
import { Problem } from "#relay/core/problem.ts";
import type { Scope, StoredRecord } from "#relay/core/store.ts";
import { readScope } from "./access.ts";
import type { HttpDeps, HttpServer } from "./http-types.ts";
import { recordText } from "#relay/core/records/record-text.ts";
import { answers, Id, ok, schemaName } from "./schemas.ts";
import { REPLAYED, connectionOf, namedConnection, perform } from "./write-desk.ts";
import { sendWritten, WRITE_ANSWERS } from "./write-answer.ts";
import { IfMatchHeaders, termsOf, WriteHeaders, WriteQuery } from "./write-terms.ts";
import { checkedByHand, writableSchema, written } from "./write-schemas.ts";

const PROBLEMS = [400, 401, 403, 404, 409, 412, 413, 415, 422, 429, 501, 502, 503, 504];
const Params = Type.Object({ id: Id });
const ActionParams = Type.Object({
  id: Id,
  operation: Type.String({
    minLength: 1,
    maxLength: 100,
    pattern: "^[A-Za-z][A-Za-z0-9_.-]*$",
    description: "As GET /v1/connections/{id}/capabilities names it",
    examples: ["change_status"],
  }),
});

const HOW = `The values are held against the model and against what the connection takes (\`/v1/connections/{id}/capabilities\`), then the plant decides, writes, and gives back the record as it stands. The change comes by the feed as well, once.

A write that waits (for approval, for a window, for an agent that is away) answers 202 with its operation.`;

export function addWriteRoutes(app: HttpServer, deps: HttpDeps, entity: Entity): void {
  addCreate(app, deps, entity);
  addChange(app, deps, entity, "update");
  addChange(app, deps, entity, "delete");
  addAction(app, deps, entity);
}

export function planDeps({ store, entropy, clock }: HttpDeps): PlanDeps {
  return { reader: store.reader, randomBytes: entropy.randomBytes, nowMs: () => clock.nowMs() };
}

function addCreate(app: HttpServer, deps: HttpDeps, entity: Entity): void {
  const { path, title } = ENTITIES[entity];
  const name = title.toLowerCase();
  const schema = {
    operationId: `create${schemaName(entity)}`,
    tags: [`${title}s`],
    summary: `Create ${withArticle(name)}`,
    description: `${HOW} With a token of several connections, \`connection_id\` says which one. References are \`{"id": …}\` of a record of the same connection, or \`{"remote_id": …}\`.`,
    querystring: WriteQuery,
    headers: WriteHeaders,
    body: writableSchema(entity),
    response: answers(
      {
        200: ok("A dry run: nothing was created", written(entity)),
        201: ok("Created", written(entity)),
        ...WRITE_ANSWERS,
      },
      PROBLEMS,
      "write",
    ),
  };
  app.post(`/v1/${path}`, {
    schema,
    validatorCompiler: checkedByHand,
    config: { access: "write" },
    handler: async (request, reply) => {
      const { connection_id: connectionId, ...values } = objectOf(request.body);
      const scope = readScope(request);
      const connection = await namedConnection(deps, scope, connectionId, "#/connection_id");
      const terms = termsOf(request, request.query, request.headers);
      const { rows, isReplayed } = await perform(deps, request, terms, connection.id, async () => {
        const intent = { connection, entity, operation: "create", record: undefined, values };
        const row = await planWrite(planDeps(deps), { ...intent, ifVersion: undefined }, terms);
        return [{ row, connection }];
      });
      return answer(reply, rows[0], terms.isAsync, isReplayed);
    },
  });
}

function addChange(app: HttpServer, deps: HttpDeps, entity: Entity, operation: "update" | "delete"): void {
  const { path, title } = ENTITIES[entity];
  const isUpdate = operation === "update";
  const name = title.toLowerCase();
  const text = isUpdate
    ? `${HOW} A JSON merge patch (RFC 7396): what is left out stays, null empties. Rows of a list are told apart by their key; those that are not named stay, and one with \`"is_deleted": true\` goes.`
    : `${HOW} Where the source only marks records, the connection has an action for it instead.`;
  const schema = {
    operationId: `${operation}${schemaName(entity)}`,
    tags: [`${title}s`],
    summary: `${isUpdate ? "Change" : "Delete"} ${withArticle(name)}`,
    description: text,
    params: Params,
    querystring: WriteQuery,
    headers: IfMatchHeaders,
    ...(isUpdate ? { body: writableSchema(entity) } : {}),
    response: answers({ 200: ok("Done", written(entity)), ...WRITE_ANSWERS }, PROBLEMS, "write"),
  };
  app.route({
    method: isUpdate ? "PATCH" : "DELETE",
    url: `/v1/${path}/:id`,
    schema,
    validatorCompiler: checkedByHand,
    config: { access: "write" },
    handler: (request, reply) => {
      const values = isUpdate ? objectOf(request.body) : {};
      return changed(deps, { entity, operation, values, request, reply });
    },
  });
}

function addAction(app: HttpServer, deps: HttpDeps, entity: Entity): void {
  const { path, title } = ENTITIES[entity];
  const schema = {
    operationId: `act${schemaName(entity)}`,
    tags: [`${title}s`],
    summary: `Do something with ${withArticle(title.toLowerCase())}`,
    description: `${HOW} Such as \`change_status\`, \`adjust\`, or any action that the connection's capabilities name, with the fields that they name.`,
    params: ActionParams,
    querystring: WriteQuery,
    headers: IfMatchHeaders,
    body: Type.Record(Type.String({ maxLength: 200 }), Type.Unknown(), {
      examples: [{ status: "in_progress" }],
    }),
    response: answers({ 200: ok("Done", written(entity)), ...WRITE_ANSWERS }, PROBLEMS, "write"),
  };
  app.post(`/v1/${path}/:id/actions/:operation`, {
    schema,
    validatorCompiler: checkedByHand,
    config: { access: "write" },
    handler: (request, reply) => {
      const { operation } = request.params;
      const values = objectOf(request.body ?? {});
      return changed(deps, { entity, operation, values, request, reply });
    },
  });
}

type ChangeRequest = FastifyRequest & {
  readonly params: { readonly id: string };
  readonly query: WriteQuery;
  readonly headers: Static<typeof IfMatchHeaders>;
};

interface Change {
  readonly entity: Entity;
  readonly operation: string;
  readonly values: Values;
  readonly request: ChangeRequest;
  readonly reply: FastifyReply;
}

async function changed(deps: HttpDeps, change: Change): Promise<FastifyReply> {
  const { entity, operation, values, request, reply } = change;
  const scope = readScope(request);
  const record = await existingRecord(deps, scope, entity, request.params.id);
  const connection = await connectionOf(deps, scope, record);
  const terms = termsOf(request, request.query, request.headers);
  const { rows, isReplayed } = await perform(deps, request, terms, connection.id, async () => {
    if (record.deletedAtMs !== undefined) throw goneRecord(record);
    const ifVersion = matchedVersion(deps, record, request.headers["if-match"]);
    const intent = { connection, entity, operation, record, values, ifVersion };
    return [{ row: await planWrite(planDeps(deps), intent, terms), connection }];
  });
  return answer(reply, rows[0], terms.isAsync, isReplayed);
}

/** Also one that is gone: a repeat of the delete that removed it must find its answer. @throws Problem NOT_FOUND */
export async function existingRecord(
  deps: HttpDeps,
  scope: Scope,
  entity: Entity,
  id: string,
): Promise<StoredRecord> {
  const record = await deps.store.reader.getRecord(scope, entity, id, false);
  if (record !== undefined) return record;
  const what = ENTITIES[entity].title.toLowerCase();
  throw new Problem("NOT_FOUND", `There is no ${what} with the id ${id} that this token may see.`);
}

export function goneRecord(record: StoredRecord): Problem {
  return new Problem(
    "RECORD_DELETED",
    `The record is gone from its source (presence ${record.presence}); it cannot be written any more.`,
  );
}

/** The source's version that the record must still have, with an If-Match that fits. @throws Problem PRECONDITION_FAILED */
function matchedVersion(
  { entropy }: HttpDeps,
  record: StoredRecord,
  ifMatch: string | undefined,
): string | undefined {
  if (ifMatch === undefined) return undefined;
  const tags = ifMatch.split(",").map((tag) => tag.trim());
  if (tags.includes("*")) return record.version;
  const live = Buffer.from(entropy.sha256Hex(record.text), "hex").toString("base64url").slice(0, 22);
  const isOwn = (tag: string): boolean =>
    /^"(\d+)(?:-[^"]*)?"$/.exec(tag)?.[1] === String(record.revision) || tag.startsWith(`"live-${live}`);
  if (tags.some(isOwn)) return record.version;
  throw new Problem(
    "PRECONDITION_FAILED",
    "The record has changed since the ETag in If-Match was given. `current` is how it stands: decide anew.",
    { current: JSON.parse(recordText(record)) as unknown },
  );
}

function answer(
  reply: FastifyReply,
  row: Parameters<typeof sendWritten>[1] | undefined,
  isAsync: boolean,
  isReplayed: boolean,
): FastifyReply {
  if (isReplayed) reply.header(REPLAYED, "true");
  if (row !== undefined) return sendWritten(reply, row, isAsync);
  throw new Problem("CONFLICT", "What the key stands for is not kept any more. Use a new Idempotency-Key.");
}

function objectOf(body: unknown): Values {
  if (isObject(body)) return body;
  throw new Problem("INVALID_REQUEST", "The body must be a JSON object with the fields to write.");
}

function withArticle(name: string): string {
  return `${/^[aeio]/.test(name) ? "an" : "a"} ${name}`;
}
