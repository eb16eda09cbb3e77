// How an operation ends: from the agent's result, or by the relay's own word.
import { writeAnswer } from "#common/contract/command-answers.ts";
import type { WriteAnswer } from "#common/contract/commands.ts";
import type { CommandResult } from "#common/contract/messages.ts";
import { ENTITIES, isEntity } from "#common/contract/model/entities.ts";
import { problemOf } from "../commands/command-problem.ts";
import { checkRecord } from "../ingest/record-check.ts";
import { PROBLEM_KINDS, type Problem } from "../problem.ts";
import type { ConnectionStatus } from "../store.ts";
import type { FinalState, OperationError, OperationRow } from "./operation.ts";
import type { OperationChange } from "./operation-store.ts";

export interface OperationEnd {
  readonly state: FinalState;
  readonly result?: WriteAnswer;
  readonly error?: OperationError;
  readonly plantAudit?: OperationRow["plantAudit"];
}

/** What the agent says, judged: it is believed only as far as it is well formed. */
export function endOf(
  row: OperationRow,
  result: CommandResult,
  connection: ConnectionStatus | undefined,
): OperationEnd {
  const end = outcomeOf(row, result, connection);
  return result.audit_head === undefined ? end : { ...end, plantAudit: result.audit_head };
}

function outcomeOf(
  row: OperationRow,
  result: CommandResult,
  connection: ConnectionStatus | undefined,
): OperationEnd {
  if (result.outcome === "succeeded") return { state: "succeeded", result: judged(row, result.result) };
  const problem = problemOf(result, connection);
  const state = finalState(row, result);
  if (state === "unknown_outcome") return { state, error: unknownOutcome(row, problem.message) };
  const current = result.code === "VERSION_CONFLICT" ? judged(row, result.result).record : undefined;
  return { state, error: errorOf(problem, current) };
}

export function errorOf({ code, message, extras }: Problem, current?: unknown): OperationError {
  return { code, detail: message, extras: current === undefined ? extras : { ...extras, current } };
}

/** Nobody can say whether it was written; the caller is told what to look for. */
export function unknownOutcome(row: OperationRow, why: string): OperationError {
  const detail = `Whether it was written is not known: ${why} ${lookUp(row)}`;
  return { code: "UNKNOWN_OUTCOME", detail, extras: {} };
}

/** The finished row with its event in the feed. */
export function finished(
  row: OperationRow,
  { state, result, error, plantAudit }: OperationEnd,
  recordId: string | undefined,
  atMs: number,
): OperationChange {
  const { detail: _, ...rest } = row;
  const ended: OperationRow = {
    ...rest,
    state,
    finishedAtMs: atMs,
    ...(recordId === undefined ? {} : { recordId }),
    ...(plantAudit === undefined ? {} : { plantAudit }),
    ...(result === undefined ? {} : { result }),
    ...(error === undefined ? {} : { error }),
  };
  const data = {
    command_id: row.id,
    operation: row.operation,
    outcome: state,
    ...(error === undefined ? {} : { code: error.code }),
    ...(row.idempotencyKey === undefined ? {} : { idempotency_key: row.idempotencyKey }),
    ...(row.body.dry_run === true ? { dry_run: true } : {}),
    ...(row.traceparent === undefined ? {} : { traceparent: row.traceparent }),
  };
  const { workspaceId, connectionId, entity } = row;
  return {
    row: ended,
    event: {
      type: "command.finished",
      workspaceId,
      connectionId,
      entity,
      recordId,
      origin: undefined,
      atMs,
      data: JSON.stringify(data),
    },
    freesKey: error !== undefined && PROBLEM_KINDS[error.code].retryable,
  };
}

function finalState(row: OperationRow, { outcome, code }: CommandResult): FinalState {
  if (outcome === "unknown_outcome") return "unknown_outcome";
  if (code === "CANCELLED") return "cancelled";
  if (code === "EXPIRED") return row.isCancelling === true ? "cancelled" : "expired";
  return "failed";
}

/** A record that is not one is left out: the write is done all the same. */
function judged({ entity }: OperationRow, value: unknown): WriteAnswer {
  const answer = writeAnswer(value) ?? { is_repeat: false, is_pending: false, is_dry: false };
  if (answer.record === undefined) return answer;
  if (checkRecord(entity, JSON.stringify(answer.record), undefined).ok) return answer;
  const { record: _, ...rest } = answer;
  return rest;
}

function lookUp({ entity, recordId, body }: OperationRow): string {
  if (recordId !== undefined)
    return `Read the record ${recordId} again, from its source, before you decide to repeat it.`;
  const fields = isEntity(entity) ? ENTITIES[entity].display : [];
  const named = fields.filter((field) => typeof body.values[field] === "string");
  if (named.length === 0) return "Look for what it would have made before you repeat it.";
  const values = named.map((field) => `${field} = ${JSON.stringify(body.values[field])}`).join(", ");
  return `Look for a record with ${values} before you repeat it.`;
}
