// One write on its way to a plant: durable from the moment it is accepted until it is told how it ended.
import type { WriteAnswer, WriteBody } from "#common/contract/commands.ts";
import type { ProblemCode, ProblemExtras } from "../problem.ts";

/**
 * queued_offline   never sent: the agent is away, and the caller wants it to wait
 * accepted         about to be sent, or sent and nothing heard yet
 * delivered        sent; nothing heard for a while
 * held, waiting_window, executing   as the agent tells
 * succeeded, failed, expired, cancelled, unknown_outcome   the end
 */
export const OPERATION_STATES = [
  "queued_offline",
  "accepted",
  "delivered",
  "held",
  "waiting_window",
  "executing",
  "succeeded",
  "failed",
  "expired",
  "cancelled",
  "unknown_outcome",
] as const;
export type OperationState = (typeof OPERATION_STATES)[number];
export type FinalState = "succeeded" | "failed" | "expired" | "cancelled" | "unknown_outcome";

/** Its id is the command's id on the wire. Rows are JSON. */
export interface OperationRow {
  readonly id: string;
  readonly workspaceId: string;
  readonly connectionId: string;
  readonly entity: string;
  readonly operation: string;
  /** Of the record that is written, as far as it is known. */
  readonly recordId?: string;
  readonly state: OperationState;
  /** Why it is in this state, in the plant's words. */
  readonly detail?: string;
  /** The command itself. */
  readonly body: WriteBody;
  /** Its connection is a sandbox: whatever becomes of it, nothing is written. */
  readonly isSandbox?: boolean;
  /** Waits for an agent that is away, until it expires. */
  readonly mayQueue: boolean;
  readonly createdAtMs: number;
  /** What has not begun by then does not begin. */
  readonly expiresAtMs: number;
  readonly finishedAtMs?: number;
  /** The caller wants it stopped; the agent says whether that was in time. */
  readonly isCancelling?: boolean;
  readonly requestId: string;
  /** W3C Trace Context of the request. */
  readonly traceparent?: string;
  readonly idempotencyKey?: string;
  /** The newest entry of the plant's audit trail, as the agent said with the end. */
  readonly plantAudit?: { readonly seq: number; readonly hash: string };
  /** Of a success. */
  readonly result?: WriteAnswer;
  /** Of every other end. */
  readonly error?: OperationError;
}

export interface OperationError {
  readonly code: ProblemCode;
  readonly detail: string;
  readonly extras: ProblemExtras;
}

export function isFinished(row: OperationRow): boolean {
  return row.finishedAtMs !== undefined;
}

/** Whether it stands still until somebody or something at the plant, or the plant itself, comes back. */
export function isParked({ state }: OperationRow): boolean {
  return state === "queued_offline" || state === "held" || state === "waiting_window";
}
