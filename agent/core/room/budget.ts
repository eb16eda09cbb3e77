// What the room may still do as its space fills up, and how one total is split between rooms.
import type { RoomBudget } from "./messages.ts";
import type { Allowance } from "./room-runner.ts";

/** Shares of the outbox budget at which the room gives something up. */
export const SLOW_POLL_AT = 0.8;
export const STOP_SNAPSHOTS_AT = 0.9;
export const PAUSE_AT = 0.95;
/** A threshold is left only this far below it, so that a room at the edge does not flicker. */
export const HYSTERESIS = 0.05;
/** Below this share acknowledged batches are kept, for a relay that rewinds. */
export const KEEP_ACKED_BELOW = 0.5;

const DEFAULT_TOTAL_BYTES = 4 * 1024 ** 3;
/** Known records grow with the source's rows, outboxes with outages: the outbox gets three quarters. */
const OUTBOX_SHARE = 0.75;

/** 0 all is well · 1 slow polling · 2 no snapshots · 3 sources pause, telemetry policy · 4 nothing new is written. */
export type SpaceStage = 0 | 1 | 2 | 3 | 4;

export interface SpaceUse {
  readonly outboxBytes: number;
  readonly knownBytes: number;
}

export interface SpaceState extends Allowance {
  readonly stage: SpaceStage;
  /** Used share of the tighter of both budgets. */
  readonly fraction: number;
}

const STAGES: readonly (readonly [at: number, stage: SpaceStage])[] = [
  [SLOW_POLL_AT, 1],
  [STOP_SNAPSHOTS_AT, 2],
  [PAUSE_AT, 3],
  [1, 4],
];

/** Remembers the stage, for the hysteresis. One for each room. */
export class SpaceGauge {
  #stage: SpaceStage = 0;

  /** Up at once, down only when use is `HYSTERESIS` below what led there. */
  measure(use: SpaceUse, budget: RoomBudget): SpaceState {
    const outbox = share(use.outboxBytes, budget.outboxBytes);
    const known = share(use.knownBytes, budget.knownBytes);
    const reached = stageOf(outbox, known);
    const held = stageOf(outbox + HYSTERESIS, known + HYSTERESIS);
    if (reached > this.#stage) this.#stage = reached;
    else if (held < this.#stage) this.#stage = held;
    return stateOf(budget.volumeFull ? 4 : this.#stage, Math.max(outbox, known));
  }
}

/**
 * Known records are budgeted apart: they stop snapshots, which let them grow, but never pause what is already known.
 * A room at its own limit pauses; only a full volume or an outbox over its budget refuses writes.
 */
function stageOf(outbox: number, known: number): SpaceStage {
  let stage: SpaceStage = 0;
  for (const [at, next] of STAGES) if (outbox >= at) stage = next;
  if (known >= STOP_SNAPSHOTS_AT && stage < 2) stage = 2;
  return stage;
}

function stateOf(stage: SpaceStage, fraction: number): SpaceState {
  return {
    stage,
    fraction,
    poll: stage >= 1 ? "slow" : "normal",
    snapshots: stage >= 2 ? "stopped" : "allowed",
    database: stage >= 3 ? "paused" : "running",
    telemetry: stage >= 3 ? "policy" : "normal",
    writes: stage >= 4 ? "refused" : "allowed",
  };
}

function share(used: number, budget: number): number {
  return budget > 0 ? used / budget : used > 0 ? Infinity : 0;
}

/** The smaller of 4 GiB and half of what would be free without our own files. */
export function defaultTotalBytes(freeDiskBytes: number, usedBytes: number): number {
  return Math.min(DEFAULT_TOTAL_BYTES, Math.floor((freeDiskBytes + usedBytes) / 2));
}

/**
 * Splits a total fairly: every room may use an equal share, and what modest rooms leave over goes to those that hold more
 * (they are in an outage). No room is given less than it holds unless the total is over-committed.
 * @returns budgets in the order of `uses`; their sum is at most the total
 */
export function splitBudget(
  totalBytes: number,
  uses: readonly SpaceUse[],
  volumeFull: boolean,
): RoomBudget[] {
  const outbox = fairShares(
    totalBytes * OUTBOX_SHARE,
    uses.map(({ outboxBytes }) => outboxBytes),
  );
  const known = fairShares(
    totalBytes * (1 - OUTBOX_SHARE),
    uses.map(({ knownBytes }) => knownBytes),
  );
  return uses.map((_, index) => ({
    outboxBytes: Math.floor(outbox[index] ?? 0),
    knownBytes: Math.floor(known[index] ?? 0),
    volumeFull,
  }));
}

/** A room that uses little keeps room to grow: twice its use, or half of an equal share, whichever is more. */
function fairShares(total: number, uses: readonly number[]): number[] {
  const equal = total / Math.max(1, uses.length);
  const wishes = uses.map((use) => (use < equal / 2 ? Math.max(equal / 2, use * 2) : Infinity));
  const modest = wishes.filter((wish) => wish !== Infinity);
  const hungry = uses.length - modest.length;
  if (hungry === 0) return uses.map(() => equal);
  const left = total - modest.reduce((sum, wish) => sum + wish, 0);
  return wishes.map((wish) => (wish === Infinity ? left / hungry : wish));
}
