// What a write answers: the record as it is now, the operation that goes on, or the problem that ended it.
import type { FastifyReply } from "fastify";
import { Type } from "typebox";
import { ENTITIES, isEntity } from "#common/contract/model/entities.ts";
import { OPERATION_STATES, isFinished, type OperationRow } from "#relay/core/operations/operation.ts";
import { Problem, problemDocument } from "#relay/core/problem.ts";
import { instantOf } from "#relay/core/revisions.ts";
import { Instant, nullable, NullableInstant, ref } from "./schemas.ts";

export const WrittenSchema = Type.Object({
  id: nullable(Type.String({ description: "Of the record; null where the source has not told its key yet" })),
  connection_id: Type.String(),
  freshness: Type.Object({ as_of: Instant, source_watermark: Instant, state: Type.String() }),
  written: Type.Object({
    operation_id: Type.String({ examples: ["op_0198f2c17a517c1e9f6e4a1b2c3d4e5f"] }),
    operation: Type.String({ examples: ["update"] }),
    is_repeat: Type.Boolean({ description: "The plant had done it before under the same id" }),
    is_pending: Type.Boolean({ description: "It is handed to the product, which has not taken it yet" }),
    dry_run: Type.Boolean({ description: "Nothing was kept" }),
    sandbox: Type.Boolean({
      description: "The connection is a sandbox: the record is as it would be, and nothing was kept",
    }),
    outputs: Type.Record(Type.String(), Type.Unknown(), {
      description: "What a procedure or method gave back",
    }),
  }),
});

export const OperationSchema = Type.Object(
  {
    id: Type.String({ examples: ["op_0198f2c17a517c1e9f6e4a1b2c3d4e5f"] }),
    connection_id: Type.String(),
    entity: Type.String({ examples: ["work_order"] }),
    operation: Type.String({ examples: ["update"] }),
    record_id: nullable(Type.String()),
    state: Type.String({
      description: `One of: ${OPERATION_STATES.join(", ")}. More may be added.`,
      examples: ["held"],
    }),
    is_finished: Type.Boolean(),
    detail: nullable(Type.String({ description: "Why it is in this state, in the plant's words" })),
    dry_run: Type.Boolean(),
    sandbox: Type.Boolean({ description: "Its connection is a sandbox: nothing is written in any case" }),
    created_at: Instant,
    expires_at: Type.String({
      format: "date-time",
      description: "What has not begun by then does not begin",
    }),
    finished_at: NullableInstant,
    request_id: Type.String({ description: "Of the request that asked for it" }),
    idempotency_key: nullable(Type.String()),
    plant_audit: nullable(
      Type.Object(
        { seq: Type.Integer({ minimum: 0 }), hash: Type.String() },
        {
          description:
            "The newest entry of the plant's own audit trail when this ended. `millrace-agent audit verify` at the plant must find it: else the trail was cut off or made anew",
        },
      ),
    ),
    error: Type.Unknown({ description: "The problem that ended it (Problem), or null" }),
    result: Type.Unknown({ description: "What the write answered, or null" }),
  },
  { $id: "Operation", description: "One write on its way to a plant, kept for 30 days after its end" },
);

/** Sends what the operation has become; throws its problem. */
export function sendWritten(reply: FastifyReply, row: OperationRow, isAsync: boolean): FastifyReply {
  reply.header("cache-control", "no-store");
  if (isAsync || !isFinished(row)) {
    if (isAsync) reply.header("preference-applied", "respond-async");
    return reply.code(202).header("location", `/v1/operations/${row.id}`).send(operationBody(row));
  }
  const problem = problemOfOperation(row);
  if (problem !== undefined) throw problem;
  const { entity, recordId, operation, body } = row;
  const isNew = operation === "create" && body.dry_run !== true;
  if (recordId !== undefined && isEntity(entity)) {
    reply.header(isNew ? "location" : "content-location", `/v1/${ENTITIES[entity].path}/${recordId}`);
  }
  return reply.code(isNew ? 201 : 200).send(writtenBody(row));
}

export function problemOfOperation({ error, id }: OperationRow): Problem | undefined {
  if (error === undefined) return undefined;
  return new Problem(error.code, error.detail, { ...error.extras, operationId: id });
}

/** Of a success. */
export function writtenBody(row: OperationRow): object {
  const { id, connectionId, operation, recordId, finishedAtMs = row.createdAtMs, result } = row;
  const at = instantOf(finishedAtMs);
  const record = typeof result?.record === "object" && result.record !== null ? result.record : {};
  return {
    id: recordId ?? null,
    connection_id: connectionId,
    ...record,
    freshness: { as_of: at, source_watermark: at, state: "online" },
    written: {
      operation_id: id,
      operation,
      is_repeat: result?.is_repeat ?? false,
      is_pending: result?.is_pending ?? false,
      dry_run: row.body.dry_run ?? false,
      sandbox: row.isSandbox ?? false,
      outputs: result?.outputs ?? {},
    },
  };
}

export function operationBody(row: OperationRow): object {
  const problem = problemOfOperation(row);
  return {
    id: row.id,
    connection_id: row.connectionId,
    entity: row.entity,
    operation: row.operation,
    record_id: row.recordId ?? null,
    state: row.state,
    is_finished: isFinished(row),
    detail: row.detail ?? null,
    dry_run: row.body.dry_run ?? false,
    sandbox: row.isSandbox ?? false,
    created_at: instantOf(row.createdAtMs),
    expires_at: instantOf(row.expiresAtMs),
    finished_at: row.finishedAtMs === undefined ? null : instantOf(row.finishedAtMs),
    request_id: row.requestId,
    idempotency_key: row.idempotencyKey ?? null,
    plant_audit: row.plantAudit ?? null,
    error: problem === undefined ? null : problemDocument(problem, row.requestId),
    result: row.state === "succeeded" ? writtenBody(row) : null,
  };
}

export const WRITE_ANSWERS = {
  202: {
    description: "It goes on: waits for the plant, for somebody's approval, or is being done",
    content: { "application/json": { schema: ref("Operation") } },
  },
};
