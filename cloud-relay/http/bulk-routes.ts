// Many writes of one entity in one request: each an operation of its own, done in order, each with its own result.
import type { FastifyRequest } from "fastify";
import { Type, type Static } from "typebox";
import { ENTITIES, type Entity } from "#common/contract/model/entities.ts";
import type { OperationRow } from "#relay/core/operations/operation.ts";
import { isFinished } from "#relay/core/operations/operation.ts";
import { planWrite, refusedWrite, type WriteIntent } from "#relay/core/operations/plan-write.ts";
import type { Submission } from "#relay/core/operations/operations.ts";
import { isObject } from "#relay/core/operations/write-check.ts";
import { Problem, problemDocument } from "#relay/core/problem.ts";
import type { Scope } from "#relay/core/store.ts";
import { readScope } from "./access.ts";
import type { HttpDeps, HttpServer } from "./http-types.ts";
import { answers, nullable, ok, ref, schemaName } from "./schemas.ts";
import { problemOfOperation, writtenBody } from "./write-answer.ts";
import { connectionOf, namedConnection, perform, REPLAYED } from "./write-desk.ts";
import { existingRecord, goneRecord, planDeps } from "./write-routes.ts";
import { termsOf, WriteHeaders, WriteQuery, type AskedTerms } from "./write-terms.ts";

const MAX_ITEMS = 50;
const MAX_BODY_BYTES = 1024 * 1024;

const Item = Type.Object(
  {
    op: Type.String({
      minLength: 1,
      maxLength: 100,
      pattern: "^[A-Za-z][A-Za-z0-9_.-]*$",
      description: "create, update, delete, or an action of the connection",
      examples: ["update"],
    }),
    id: Type.Optional(
      Type.String({ minLength: 1, maxLength: 100, description: "Of the record; not for create" }),
    ),
    connection_id: Type.Optional(
      Type.String({ minLength: 1, maxLength: 100, description: "For create, if the token sees several" }),
    ),
    values: Type.Optional(Type.Record(Type.String({ maxLength: 200 }), Type.Unknown())),
  },
  { additionalProperties: false },
);
type Item = Static<typeof Item>;

const Body = Type.Object(
  { items: Type.Array(Item, { minItems: 1, maxItems: MAX_ITEMS }) },
  { additionalProperties: false },
);

export const BulkResultSchema = Type.Object(
  {
    index: Type.Integer(),
    status: Type.Integer({
      description: "As the answer of the write alone would have had; 202: it goes on",
      examples: [200],
    }),
    operation_id: Type.String(),
    id: nullable(Type.String({ description: "Of the record" })),
    state: Type.String({ examples: ["succeeded"] }),
    error: Type.Unknown({ description: "The problem (Problem), or null" }),
    result: Type.Unknown({ description: "What the write answered, or null" }),
  },
  { $id: "BulkResult", description: "What became of one item" },
);

export function addBulkRoute(app: HttpServer, deps: HttpDeps, entity: Entity): void {
  const { path, title } = ENTITIES[entity];
  const many = `${title.toLowerCase()}s`;
  const schema = {
    operationId: `bulk${schemaName(entity)}s`,
    tags: [`${title}s`],
    summary: `Write many ${many}`,
    description: `Up to ${MAX_ITEMS} writes, done one after the other. Each succeeds or fails on its own: a wrong one does not keep the others from being done. An Idempotency-Key stands for the whole request.`,
    querystring: WriteQuery,
    headers: WriteHeaders,
    body: Body,
    response: answers(
      {
        200: ok("All are over, well or not", resultsOf()),
        202: ok("Some go on; look at their operations", resultsOf()),
      },
      [400, 401, 403, 404, 409, 413, 415, 422, 429, 503],
      "write",
    ),
  };
  app.post(`/v1/${path}/bulk`, {
    schema,
    bodyLimit: MAX_BODY_BYTES,
    config: { access: "write" },
    handler: async (request, reply) => {
      const terms = termsOf(request, request.query, request.headers);
      const connectionId = readScope(request).connectionIds?.join() ?? "";
      const { rows, isReplayed } = await perform(deps, request, terms, connectionId, () =>
        planned(deps, request, entity, request.body.items, terms),
      );
      if (isReplayed) reply.header(REPLAYED, "true");
      const isOver = rows.every(isFinished);
      reply.code(isOver ? 200 : 202).header("cache-control", "no-store");
      return { results: rows.map(resultOf) };
    },
  });
}

function resultsOf() {
  return Type.Object({ results: Type.Array(ref("BulkResult"), { maxItems: MAX_ITEMS }) });
}

async function planned(
  deps: HttpDeps,
  request: FastifyRequest,
  entity: Entity,
  items: readonly Item[],
  terms: AskedTerms,
): Promise<readonly Submission[]> {
  const scope = readScope(request);
  const submissions: Submission[] = [];
  for (const [index, item] of items.entries()) {
    const intent = await intentOf(deps, scope, entity, item, index);
    submissions.push(await submission(deps, intent, terms));
  }
  return submissions;
}

/** @throws Problem for an item that belongs to no connection: nothing of the request is done then */
async function intentOf(
  deps: HttpDeps,
  scope: Scope,
  entity: Entity,
  item: Item,
  index: number,
): Promise<WriteIntent> {
  const { op: operation, id, connection_id: connectionId, values = {} } = item;
  const root = `#/items/${index}`;
  const own = { entity, operation, ifVersion: undefined, root: `${root}/values` };
  const given = isObject(values) ? values : {};
  if (operation === "create") {
    const connection = await namedConnection(deps, scope, connectionId, `${root}/connection_id`);
    return { ...own, connection, record: undefined, values: given };
  }
  if (id === undefined) {
    const detail = `is needed for ${operation}`;
    throw new Problem("INVALID_REQUEST", `items ${index}: id ${detail}.`, {
      errors: [{ pointer: `${root}/id`, detail }],
    });
  }
  const record = await existingRecord(deps, scope, entity, id);
  const connection = await connectionOf(deps, scope, record);
  return { ...own, connection, record, values: given };
}

async function submission(deps: HttpDeps, intent: WriteIntent, terms: AskedTerms): Promise<Submission> {
  const { connection, record } = intent;
  const plan = planDeps(deps);
  try {
    if (record?.deletedAtMs !== undefined) throw goneRecord(record);
    return { row: await planWrite(plan, intent, terms), connection };
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    return { row: refusedWrite(plan, intent, terms, error), connection };
  }
}

function resultOf(row: OperationRow, index: number): object {
  const problem = problemOfOperation(row);
  const done = row.operation === "create" && row.body.dry_run !== true ? 201 : 200;
  return {
    index,
    status: problem?.status ?? (isFinished(row) ? done : 202),
    operation_id: row.id,
    id: row.recordId ?? null,
    state: row.state,
    error: problem === undefined ? null : problemDocument(problem, row.requestId),
    result: row.state === "succeeded" ? writtenBody(row) : null,
  };
}
