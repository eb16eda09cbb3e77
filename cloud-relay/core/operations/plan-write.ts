// From what a caller asks for to an operation that can be kept and sent, or to everything that speaks against it.
import type { WriteBody } from "#common/contract/commands.ts";
import { requireConnected, requireSource } from "../connections/reachability.ts";
import { newId } from "../identifiers.ts";
import { Problem } from "../problem.ts";
import type { ConnectionRow, Reader, StoredRecord } from "../store.ts";
import type { Entropy } from "../tokens.ts";
import { errorOf } from "./operation-end.ts";
import type { OperationRow } from "./operation.ts";
import { actionFields, describedWrite, invalidValues, writeIssues, type Values } from "./write-check.ts";
import { resolveReferences } from "./write-references.ts";

export interface PlanDeps {
  readonly reader: Pick<Reader, "recordsByIds">;
  readonly randomBytes: Entropy["randomBytes"];
  readonly nowMs: () => number;
}

/** How the caller wants it done. */
export interface WriteTerms {
  readonly isDry: boolean;
  /** Waits for an agent that is away. */
  readonly mayQueue: boolean;
  /** For it to begin, from now; absent: what suits what becomes of it. */
  readonly ttlMs: number | undefined;
  readonly requestId: string;
  /** W3C Trace Context of the request. */
  readonly traceparent?: string;
  readonly idempotencyKey: string | undefined;
  /** Who asks, for the plant's audit. */
  readonly actor: string;
}

/** A write that is to be done now must begin within this. */
const ONLINE_TTL_MS = 60_000;
/** One that waits for its agent, for somebody's approval or for its hours. */
const WAITING_TTL_MS = 86_400_000;

export interface WriteIntent {
  readonly connection: ConnectionRow;
  readonly entity: string;
  readonly operation: string;
  /** Of what exists already. */
  readonly record: StoredRecord | undefined;
  readonly values: Values;
  /** The source's version that the record must still have. */
  readonly ifVersion: string | undefined;
  /** Where the values stand in the caller's body, as a JSON pointer. */
  readonly root?: string;
}

/**
 * @throws Problem UNSUPPORTED_OPERATION, NOT_ALLOWED_BY_PLANT, VALIDATION_FAILED, INVALID_REQUEST, or what keeps the source from
 * being asked
 */
export async function planWrite(
  deps: PlanDeps,
  intent: WriteIntent,
  terms: WriteTerms,
): Promise<OperationRow> {
  const { connection, entity, operation, values, root } = intent;
  const write = describedWrite(connection, entity, operation);
  if (terms.mayQueue) requireQueueable(connection);
  else requireSource(connection);
  const scope = { workspaceId: connection.workspaceId, connectionIds: [connection.id] };
  const resolved = await resolveReferences(deps.reader, scope, write, values, root);
  const elsewhere = actionFields(connection, entity);
  const issues = [...writeIssues(write, values, root, elsewhere), ...resolved.issues];
  if (issues.length > 0) throw invalidValues(issues);
  const waits = terms.mayQueue || write.policy !== "apply";
  const ttlMs = terms.ttlMs ?? (waits ? WAITING_TTL_MS : ONLINE_TTL_MS);
  return { ...draft(deps, intent, terms, ttlMs), body: bodyOf(intent, terms, resolved.values) };
}

/** The operation that a refused one of several leaves behind, so that each has its place. */
export function refusedWrite(
  deps: PlanDeps,
  intent: WriteIntent,
  terms: WriteTerms,
  problem: Problem,
): OperationRow {
  const row = draft(deps, intent, terms, 0);
  return { ...row, state: "failed", finishedAtMs: row.createdAtMs, error: errorOf(problem) };
}

function draft(deps: PlanDeps, intent: WriteIntent, terms: WriteTerms, ttlMs: number): OperationRow {
  const { connection, entity, operation, record } = intent;
  const { requestId, idempotencyKey, mayQueue, traceparent } = terms;
  const nowMs = deps.nowMs();
  return {
    id: newId("op", nowMs, deps.randomBytes),
    workspaceId: connection.workspaceId,
    connectionId: connection.id,
    entity,
    operation,
    ...(record === undefined ? {} : { recordId: record.id }),
    state: "accepted",
    body: bodyOf(intent, terms, {}),
    mayQueue,
    ...(connection.kind === "sandbox" ? { isSandbox: true } : {}),
    createdAtMs: nowMs,
    expiresAtMs: nowMs + ttlMs,
    requestId,
    ...(traceparent === undefined ? {} : { traceparent }),
    ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
  };
}

function bodyOf(intent: WriteIntent, terms: WriteTerms, values: Values): WriteBody {
  const { entity, operation, record, ifVersion } = intent;
  const { isDry, idempotencyKey, actor } = terms;
  return {
    entity,
    operation,
    ...(record === undefined ? {} : { key: record.key }),
    values: { ...values },
    ...(ifVersion === undefined ? {} : { if_version: ifVersion }),
    ...(isDry ? { dry_run: true } : {}),
    ...(idempotencyKey === undefined ? {} : { idempotency_key: idempotencyKey }),
    actor,
  };
}

/** A machine must not be told hours later what was meant for now. */
function requireQueueable(connection: ConnectionRow): void {
  requireConnected(connection);
  if (connection.description?.connector !== "opc-ua") return;
  const detail = "what is written to a machine does not wait for an agent that is away";
  throw new Problem("INVALID_REQUEST", `queue_if_offline: ${detail}.`, {
    errors: [{ pointer: "#/query/queue_if_offline", detail }],
  });
}
