// How a connection stands, in the words that the relay, the status command and a person get.
import type { ConnectionReport } from "#common/contract/messages.ts";
import { messageOf, type ConnectorError } from "#common/runtime/errors.ts";
import type { LoadRates } from "../load/load-meter.ts";
import type { EntityRunner } from "./entity-runner.ts";
import type { Allowance, PausedBy } from "./room-runner.ts";
import type { RoomPosition } from "./room-store.ts";
import { StorageFullError } from "./storage-errors.ts";

/** What keeps the whole connection from being read. */
export interface Trouble {
  readonly status: ConnectionReport["status"];
  readonly reason: string;
  readonly advice: string | undefined;
}

export interface ReportInput {
  readonly connectionId: string;
  readonly system: string;
  readonly position: RoomPosition;
  readonly entities: readonly EntityRunner[];
  /** What the source was asked; of polled sources. */
  readonly rates: LoadRates | undefined;
  readonly standing: {
    readonly trouble: Trouble | undefined;
    readonly isOpen: boolean;
    readonly pausedBy: PausedBy | undefined;
    readonly allowance: Allowance;
  };
  readonly nowMs: number;
}

interface Status {
  readonly status: ConnectionReport["status"];
  readonly reason?: string | undefined;
  readonly advice?: string | undefined;
}

export function connectionReport(input: ReportInput): ConnectionReport {
  const { connectionId, system, position, entities, rates, nowMs } = input;
  const { status, reason, advice } = statusOf(input);
  return {
    type: "connection_report",
    connection_id: connectionId,
    status,
    ...(reason === undefined ? {} : { reason }),
    ...(advice === undefined ? {} : { advice }),
    system,
    backlog_batches: position.nextSeq - 1 - position.ackedSeq,
    backlog_bytes: position.backlogBytes,
    ...(rates === undefined
      ? {}
      : { load: { rows_per_s: rates.rowsPerSecond, statements_per_s: rates.statementsPerSecond } }),
    entities: entities.map((runner) => entityReport(runner, nowMs)),
  };
}

export function troubleOf(failure: ConnectorError | StorageFullError): Trouble {
  const reason = messageOf(failure);
  if (failure instanceof StorageFullError) {
    return { status: "degraded", reason, advice: "Free space on the agent's data volume." };
  }
  switch (failure.kind) {
    case "unauthorized":
      return {
        status: "reauthorization_required",
        reason,
        advice: "Renew the login in the agent's configuration and restart the agent.",
      };
    case "misconfigured":
      return {
        status: "degraded",
        reason,
        advice: "Correct the agent's configuration or the source's permissions.",
      };
    default:
      return { status: "offline", reason, advice: undefined };
  }
}

function entityReport(
  runner: EntityRunner,
  nowMs: number,
): NonNullable<ConnectionReport["entities"]>[number] {
  const { state, read, known, nextRunInMs, readAtMs, error, waits } = runner.progress();
  const { strategy, reason, advice } = runner.strategy;
  return {
    entity: runner.entity,
    strategy: strategy.slice(0, 100),
    reason: reason.slice(0, 500),
    ...(advice === undefined ? {} : { advice: advice.slice(0, 500) }),
    state,
    read,
    // A first reading does not know how much there is to read.
    ...(state === "snapshot" ? {} : { total: known }),
    ...(Number.isFinite(nextRunInMs) ? { next_run_ms: Math.round(nowMs + nextRunInMs) } : {}),
    ...(readAtMs === undefined ? {} : { read_at_ms: Math.round(readAtMs) }),
    ...(error === undefined ? {} : { error }),
    ...(waits === undefined ? {} : { waits }),
  };
}

function statusOf({ entities, standing }: ReportInput): Status {
  const { trouble, isOpen, pausedBy, allowance } = standing;
  if (trouble !== undefined) return trouble;
  if (!isOpen) return { status: "synchronizing", reason: "opening the source" };
  if (pausedBy !== undefined)
    return { status: "paused", reason: pausedBy === "plant" ? "paused at the plant" : "paused from outside" };
  if (allowance.database === "paused") {
    return {
      status: "degraded",
      reason: "the outbox is full: reading waits until the relay has taken it",
      advice: "Check the way to the relay.",
    };
  }
  if (allowance.snapshots === "stopped") {
    return { status: "degraded", reason: "the outbox is almost full: snapshots wait" };
  }
  for (const runner of entities) {
    const { error } = runner.progress();
    if (error !== undefined) return { status: "degraded", reason: `${runner.entity}: ${error}` };
  }
  return {
    status: entities.some((runner) => runner.isSynchronizing) ? "synchronizing" : "online",
    advice: entities.find((runner) => runner.strategy.warning !== undefined)?.strategy.warning,
  };
}
