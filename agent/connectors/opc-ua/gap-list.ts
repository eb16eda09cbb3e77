// Gaps on their way to the runner; many of the same kind become one.
import type { SourceGap } from "#agent/core/source/connector.ts";
import type { PointState } from "./point-state.ts";

/** More gaps of one reason than this are told as one, for the whole connection. */
export const MAX_POINT_GAPS = 200;

type PointGap = SourceGap & { readonly point: string; readonly fromMs: number };

export class GapList {
  #gaps: PointGap[] = [];

  get isEmpty(): boolean {
    return this.#gaps.length === 0;
  }

  add(state: PointState, reason: string, fromMs: number, toMs: number, detail: string): void {
    this.#gaps.push({ reason, point: state.point.key, fromMs, toMs: Math.max(fromMs, toMs), detail });
  }

  take(): readonly SourceGap[] {
    const byReason = Map.groupBy(this.#gaps, (gap) => gap.reason);
    this.#gaps = [];
    return [...byReason.values()].flatMap((gaps): readonly SourceGap[] =>
      gaps.length <= MAX_POINT_GAPS ? gaps : [merged(gaps)],
    );
  }
}

function merged(gaps: readonly PointGap[]): SourceGap {
  const [first] = gaps;
  return {
    reason: first?.reason ?? "reconnect",
    fromMs: gaps.reduce((least, gap) => Math.min(least, gap.fromMs), Number.POSITIVE_INFINITY),
    toMs: gaps.reduce((most, gap) => Math.max(most, gap.toMs), 0),
    detail: `${gaps.length} points of this connection: ${first?.detail ?? ""}`,
  };
}
