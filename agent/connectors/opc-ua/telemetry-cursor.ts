// The cursor of live telemetry: up to which source time everything was handed on, overall and for each point with history.
import { createHash } from "node:crypto";
import type { Cursor } from "#agent/core/source/connector.ts";
import type { PointState } from "./point-state.ts";
import type { QueuedSample } from "./sample-queue.ts";

/** Points with history that are remembered one by one. Beyond, the overall time holds, and a restart may repeat values. */
export const MAX_EXACT_POINTS = 4_000;
/** Microseconds are kept: two values of one point may be that close. */
const PER_MS = 1_000;

export interface Restored {
  readonly watermarkMs: number;
  /** By point key, ms. */
  readonly points: ReadonlyMap<string, number>;
}

export class TelemetryCursor {
  readonly #exact: readonly PointState[];
  readonly #listHash: string;
  #watermarkMs: number | undefined;
  #takenMs: number | undefined;

  constructor(states: readonly PointState[]) {
    this.#exact = states.filter(({ point }) => point.historizing).slice(0, MAX_EXACT_POINTS);
    this.#listHash = hashOf(this.#exact);
  }

  /** What a cursor of this connection says; undefined for none. Point times hold only for the same list of points. */
  restore(cursor: Cursor | undefined): Restored | undefined {
    const watermarkMs = cursor?.["t"];
    if (typeof watermarkMs !== "number") return undefined;
    this.#watermarkMs = watermarkMs;
    const points = new Map<string, number>();
    const list =
      cursor?.["h"] === this.#listHash && typeof cursor["p"] === "string" ? cursor["p"].split(",") : [];
    for (const [index, text] of list.entries()) {
      const state = this.#exact[index];
      if (text === "" || state === undefined) continue;
      points.set(state.point.key, watermarkMs - parseInt(text, 36) / PER_MS);
    }
    return { watermarkMs, points };
  }

  /** Notes what a batch holds. A source clock that runs ahead must not hide what comes later. */
  took(taken: readonly QueuedSample[], nowMs: number): void {
    for (const { atMs } of taken) this.#takenMs = Math.max(this.#takenMs ?? 0, Math.min(atMs, nowMs));
  }

  /** The overall time moves on only when nothing is missing before it, so that a restart looks there again. */
  toCursor(isComplete: boolean): Cursor {
    if (isComplete && this.#takenMs !== undefined) {
      this.#watermarkMs = Math.max(this.#watermarkMs ?? 0, this.#takenMs);
    }
    const watermarkMs = this.#watermarkMs;
    if (watermarkMs === undefined) return { v: 1 };
    if (this.#exact.length === 0) return { v: 1, t: watermarkMs };
    const behind = this.#exact.map(({ deliveredMs }) =>
      deliveredMs === undefined ? "" : Math.round((watermarkMs - deliveredMs) * PER_MS).toString(36),
    );
    return { v: 1, t: watermarkMs, h: this.#listHash, p: behind.join(",") };
  }
}

function hashOf(states: readonly PointState[]): string {
  const hash = createHash("sha256");
  for (const { point } of states) hash.update(`${point.key}\n`);
  return hash.digest("base64url").slice(0, 16);
}
