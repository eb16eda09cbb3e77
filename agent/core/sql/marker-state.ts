// How far a table's changes have been read: the part of a cursor that belongs to one marker column. Pure arithmetic;
// docs/connectors.md says what each strategy promises.
import type { Cursor } from "../source/connector.ts";
import type { ShapedMarker } from "./table-shape.ts";
import type { CursorValue } from "./cursor-values.ts";
import {
  frameNowMs,
  implausibleFrom,
  isWallClock,
  largestBackwardStepMs,
  markerBefore,
  parseMarker,
} from "./timestamps.ts";

/** JSON, as it stands in the cursor. */
export interface MarkerState {
  /** The highest marker of the completed polls; never above the source's clock. */
  readonly at: CursorValue;
  /** All rows up to here are certainly read (its overlap has passed in elapsed time since it was first seen). */
  readonly settled?: CursorValue;
  /** On its way to `settled`, and when it was first seen (agent's clock). */
  readonly pending?: CursorValue;
  readonly pendingMs?: number;
  /** Row versions older than this were seen by the completed polls (sources with a horizon). */
  readonly horizon?: string;
  /** A poll under way: the last (marker, key) read, when the poll began, its horizon, the highest marker so far. */
  readonly page?: readonly CursorValue[];
  readonly pollMs?: number;
  readonly pollHorizon?: string;
  readonly top?: CursorValue;
  /** Some of the newest (marker, key)s, flat: a source that no longer has them was restored. */
  readonly witnesses?: readonly CursorValue[];
}

export interface MarkerContext {
  readonly marker: ShapedMarker;
  readonly timeZone: string;
  /** The agent's clock, for elapsed time. */
  readonly nowMs: number;
  /** The source's clock where it can be asked, else the agent's. */
  readonly sourceNowMs: number;
  /** The source tells which row versions are new: re-reads need no bound of their own. */
  readonly hasHorizon: boolean;
}

/** The overlap with the zone's largest backward step, ms. */
export function effectiveOverlapMs(context: MarkerContext): number {
  const { strategy } = context.marker;
  if (strategy.kind !== "timestamp") return 0;
  const step = isWallClock(strategy.format)
    ? largestBackwardStepMs(context.timeZone, context.sourceNowMs)
    : 0;
  return strategy.overlapMs + step;
}

/** Where the next poll begins, or undefined: from the very beginning. */
export function lowerBound(
  state: MarkerState,
  context: MarkerContext,
): { readonly value: string | number; readonly isOpen: boolean } | undefined {
  const { strategy } = context.marker;
  if (state.at === null) return undefined;
  if (strategy.kind === "counter") {
    // With a horizon a late commit may stand anywhere below: only the horizon tells.
    return context.hasHorizon ? undefined : { value: state.at, isOpen: true };
  }
  const at = parseMarker(state.at, strategy.format);
  if (at === undefined) return undefined;
  const overlapMs = effectiveOverlapMs(context);
  const settled = parseMarker(state.settled ?? null, strategy.format);
  if (settled !== undefined && !context.hasHorizon && settled.ms >= at.ms - overlapMs) {
    return { value: state.settled as string | number, isOpen: true };
  }
  return { value: markerBefore(at, overlapMs, strategy.format), isOpen: false };
}

/** Markers at or above this are no times to start from (garbage, dates of the far future); for the first "now". */
export function plausibleBelow(context: MarkerContext): string | number | undefined {
  const { strategy } = context.marker;
  if (strategy.kind !== "timestamp") return undefined;
  return implausibleFrom(frameNowMs(context.sourceNowMs, strategy.format, context.timeZone), strategy.format);
}

/** The state that says "everything until now is someone else's": no rows before it are asked for, but for the overlap. */
export function establishedState(
  highest: CursorValue,
  horizon: string | undefined,
  witnesses: readonly CursorValue[],
  context: MarkerContext,
): MarkerState {
  return {
    at: plausible(highest, context) ? highest : null,
    ...(context.marker.strategy.kind === "timestamp" ? { pending: highest, pendingMs: context.nowMs } : {}),
    ...(horizon === undefined ? {} : { horizon }),
    ...(witnesses.length === 0 ? {} : { witnesses }),
  };
}

/** Starts a poll, unless one is under way. */
export function beginPoll(
  state: MarkerState,
  horizon: string | undefined,
  context: MarkerContext,
): MarkerState {
  if (state.page !== undefined) return state;
  return {
    ...state,
    pollMs: context.nowMs,
    ...(horizon === undefined ? {} : { pollHorizon: horizon }),
  };
}

/** After a page that is not the last. `markers` in the page's order; `last` its last (marker, key). */
export function afterPage(
  state: MarkerState,
  markers: readonly CursorValue[],
  last: readonly CursorValue[],
  context: MarkerContext,
): MarkerState {
  return { ...state, page: last, top: highestPlausible(state, markers, context) };
}

/** After the last page of a poll (`markers` may be empty). */
export function afterPoll(
  state: MarkerState,
  markers: readonly CursorValue[],
  witnesses: readonly CursorValue[],
  context: MarkerContext,
): MarkerState {
  const at = highestPlausible(state, markers, context);
  const horizon = state.pollHorizon ?? state.horizon;
  return {
    at,
    ...(context.marker.strategy.kind === "timestamp" && !context.hasHorizon
      ? settle(state, at, context)
      : {}),
    ...(horizon === undefined ? {} : { horizon }),
    ...(witnesses.length === 0 ? {} : { witnesses }),
  };
}

/**
 * A marker that was first seen more than an overlap before a complete poll began is settled: whatever was being
 * written below it then is committed and read by now. Elapsed time on one clock, so a source whose clock is wrong
 * settles as well. Without this an idle table would give its last rows again and again.
 */
function settle(state: MarkerState, at: CursorValue, context: MarkerContext): Partial<MarkerState> {
  const { strategy } = context.marker;
  const format = strategy.kind === "timestamp" ? strategy.format : "utc";
  const pending = state.pending ?? null;
  const startedMs = state.pollMs ?? context.nowMs;
  const settled = state.settled === undefined ? {} : { settled: state.settled };
  if (pending === null || state.pendingMs === undefined) {
    return { ...settled, ...(at === null ? {} : { pending: at, pendingMs: context.nowMs }) };
  }
  const granularityMs = parseMarker(pending, format)?.granularityMs ?? 0;
  const waitMs = effectiveOverlapMs(context) + granularityMs;
  if (state.pendingMs > context.nowMs) return { ...settled, pending, pendingMs: context.nowMs };
  if (startedMs - state.pendingMs < waitMs) return { ...settled, pending, pendingMs: state.pendingMs };
  if (at === pending) return { settled: pending };
  return { settled: pending, pending: at, pendingMs: context.nowMs };
}

function highestPlausible(
  state: MarkerState,
  markers: readonly CursorValue[],
  context: MarkerContext,
): CursorValue {
  const known = state.top ?? state.at;
  for (let index = markers.length - 1; index >= 0; index -= 1) {
    const marker = markers[index]!;
    if (plausible(marker, context)) return isBelow(marker, known, context) ? known : marker;
  }
  return known;
}

/** A time, and not after the source's own now: a row dated 2099 must not carry the cursor away. */
function plausible(marker: CursorValue, context: MarkerContext): boolean {
  const { strategy } = context.marker;
  if (strategy.kind === "counter") return marker !== null;
  const parsed = parseMarker(marker, strategy.format);
  return (
    parsed !== undefined && parsed.ms <= frameNowMs(context.sourceNowMs, strategy.format, context.timeZone)
  );
}

function isBelow(marker: CursorValue, known: CursorValue, context: MarkerContext): boolean {
  if (known === null || marker === null) return false;
  return compareMarkers(marker, known, context) < 0;
}

/** Negative, zero, positive. Times as times, counters as integers, anything else (hex row versions of one length) as text. */
export function compareMarkers(left: CursorValue, right: CursorValue, context: MarkerContext): number {
  const { strategy } = context.marker;
  if (strategy.kind === "timestamp") {
    const a = parseMarker(left, strategy.format)?.ms ?? Number.NEGATIVE_INFINITY;
    const b = parseMarker(right, strategy.format)?.ms ?? Number.NEGATIVE_INFINITY;
    return a - b;
  }
  const [a, b] = [String(left), String(right)];
  if (/^-?\d+$/.test(a) && /^-?\d+$/.test(b)) return Number(BigInt(a) - BigInt(b));
  return a < b ? -1 : a > b ? 1 : 0;
}

/** The state as a cursor's part and back. */
export function stateToCursor(state: MarkerState): Cursor {
  return { ...state };
}

export function stateFromCursor(cursor: Cursor | undefined): MarkerState | undefined {
  return cursor === undefined ? undefined : (cursor as unknown as MarkerState);
}
