// One marker column that is polled: the entity's own, or a child table's that leads to the parents to read again.
import type { Clock } from "#common/runtime/clock.ts";
import type { ReadRequest, SourceRow } from "../source/connector.ts";
import { type CursorValue, cursorValue, parameterOf } from "./cursor-values.ts";
import type { SqlParameter, SqlRow, SqlStatement } from "./dialect.ts";
import {
  afterPage,
  afterPoll,
  beginPoll,
  establishedState,
  lowerBound,
  type MarkerContext,
  type MarkerState,
  plausibleBelow,
} from "./marker-state.ts";
import { boundWitnesses, checkNotRestored, MAX_WITNESSES, readWitnesses } from "./restored-source.ts";
import { buildRows, distinctKeys } from "./row-builder.ts";
import { readAround, selectPoints, selectRows, type UnreadableRows } from "./unreadable-rows.ts";
import { MAX_PAGE_ROWS, type SqlSession, type SqlSource } from "./sql-source.ts";
import { changedPage, changedParentsPage, highestMarker, type MarkerRange } from "./statements.ts";

import type { ChildShape, EntityShape, ShapedMarker } from "./table-shape.ts";

export interface PollSource {
  /** The state's name in the cursor. */
  readonly slot: string;
  readonly source: SqlSource;
  readonly clock: Clock;
  readonly timeZone: string;
  readonly shape: EntityShape;
  /** Set: the child table whose changes are polled. */
  readonly child: ChildShape | undefined;
}

export interface PollPage {
  readonly rows: readonly SourceRow[];
  readonly state: MarkerState;
  readonly isLast: boolean;
}

export interface PollDeps {
  readonly source: SqlSource;
  readonly clock: Clock;
  readonly timeZone: string;
}

/** The entity's own marker, or that of a child table. */
export function pollSource(shape: EntityShape, child: ChildShape | undefined, deps: PollDeps): PollSource {
  const { source, clock, timeZone } = deps;
  const owner = child === undefined ? "own" : `child ${child.plan.name}`;
  return { slot: slotName(owner, (child ?? shape).marker!), source, clock, timeZone, shape, child };
}

function slotName(who: string, marker: ShapedMarker): string {
  return `${who} ${marker.strategy.kind} ${marker.column.name}`;
}

/** "Now": where to follow changes from, without rows. */
export async function establish(session: SqlSession, poll: PollSource): Promise<MarkerState> {
  const { source, shape, child } = poll;
  const context = await contextOf(session, poll);
  const below = await ceilingOf(session, poll);
  const table = child ?? shape;
  const bound = below ?? plausibleBelow(context);
  const [top] = await session.query(highestMarker(source.dialect, table, bound));
  const horizon = context.hasHorizon ? await source.horizon!.read(session, undefined) : undefined;
  const witnesses = child === undefined ? await readWitnesses(session, source.dialect, shape) : [];
  return establishedState(top === undefined ? null : cursorValue(top[0]!), horizon, witnesses, context);
}

/** One page of one poll, with the rows that it means to be emitted. @throws ConnectorError */
export async function readPollPage(
  poll: PollSource,
  state: MarkerState,
  request: ReadRequest,
  verified: Set<string>,
): Promise<PollPage> {
  const limit = Math.min(request.maxRows, MAX_PAGE_ROWS);
  return await readAround(poll.source, "live", request.signal, poll.shape, async (session, around) => {
    const context = await contextOf(session, poll);
    await verifyOnce(session, poll, state, context, verified);
    const horizon =
      context.hasHorizon && state.page === undefined
        ? await poll.source.horizon!.read(session, state.horizon)
        : undefined;
    const begun = beginPoll(state, horizon, context);
    const range = rangeOf(poll, begun, context, await ceilingOf(session, poll));
    const found = await readRange(session, poll, range, limit, around);
    const isLast = found.pairs.length < limit;
    if (found.pairs.length === 0 && poll.child === undefined) {
      await checkNotRestored(session, poll.source.dialect, poll.shape, state, context);
    }
    const markers = found.pairs.map((pair) => pair[0]!);
    const next = isLast
      ? afterPoll(begun, markers, witnessesOf(poll, begun, found.pairs), context)
      : afterPage(begun, markers, found.pairs.at(-1)!, context);
    return {
      rows: await buildRows(session, poll.source.dialect, poll.shape, found.rows, around),
      state: next,
      isLast,
    };
  });
}

interface FoundRange {
  /** `(marker, …key or join columns)` in order, as the next page goes on from them. */
  readonly pairs: readonly (readonly CursorValue[])[];
  readonly rows: readonly SqlRow[];
}

async function readRange(
  session: SqlSession,
  poll: PollSource,
  range: MarkerRange,
  limit: number,
  around: UnreadableRows | undefined,
): Promise<FoundRange> {
  const { source, shape, child } = poll;
  const { dialect } = source;
  if (child === undefined) {
    const statement = (select: EntityShape["select"]): SqlStatement =>
      changedPage(dialect, shape, range, limit, select);
    const rows = await selectRows(session, source, shape, statement, around, [shape.marker!.column]);
    const places = [...new Set([shape.markerAt!, ...shape.keyAt])];
    return { rows, pairs: rows.map((row) => places.map((at) => cursorValue(row[at]!))) };
  }
  const changed = await session.query(changedParentsPage(dialect, child, range, limit));
  const parentColumns = child.parentAt.map((at) => shape.select[at]!);
  const joinOrder = [...new Set([child.marker!.column, ...child.joinAt.map((at) => child.select[at]!)])];
  const joinPlaces = child.joinAt.map((at) => joinOrder.indexOf(child.select[at]!));
  const parents = distinctKeys(changed, joinPlaces).filter((key) => !key.includes(null));
  const rows = await selectPoints(session, source, shape, parentColumns, parents, around);
  return { rows, pairs: changed.map((row) => row.map(cursorValue)) };
}

function rangeOf(
  poll: PollSource,
  state: MarkerState,
  context: MarkerContext,
  below: SqlParameter | undefined,
): MarkerRange {
  const { source, shape, child } = poll;
  const from = lowerBound(state, context);
  const extra =
    context.hasHorizon && state.horizon !== undefined
      ? source.horizon!.condition(state.horizon, child ?? shape)
      : undefined;
  return {
    from: from === undefined ? undefined : { value: parameterOf(from.value)!, isOpen: from.isOpen },
    below,
    after: state.page?.map(parameterOf),
    extra,
  };
}

/** The last rows read become the newest witnesses; older ones fill up. */
function witnessesOf(
  poll: PollSource,
  state: MarkerState,
  pairs: readonly (readonly CursorValue[])[],
): readonly CursorValue[] {
  const stride = poll.shape.keyAt.length + 1;
  const known = state.witnesses ?? [];
  if (poll.child !== undefined || pairs.length === 0 || pairs[0]!.length !== stride) return known;
  const fresh = pairs.slice(-MAX_WITNESSES).toReversed();
  const keys = new Set(fresh.map((pair) => JSON.stringify(pair.slice(1))));
  const merged = [...fresh];
  for (let at = 0; at + stride <= known.length && merged.length < MAX_WITNESSES; at += stride) {
    const old = known.slice(at, at + stride);
    if (!keys.has(JSON.stringify(old.slice(1)))) merged.push(old);
  }
  return boundWitnesses(merged.flat());
}

/** Whoever opens a source looks once whether it is still the one that the cursor came from. */
async function verifyOnce(
  session: SqlSession,
  poll: PollSource,
  state: MarkerState,
  context: MarkerContext,
  verified: Set<string>,
): Promise<void> {
  const { entity } = poll.shape.plan;
  if (poll.child !== undefined || verified.has(entity)) return;
  await checkNotRestored(session, poll.source.dialect, poll.shape, state, context);
  verified.add(entity);
}

async function contextOf(session: SqlSession, poll: PollSource): Promise<MarkerContext> {
  const nowMs = poll.clock.nowMs();
  const table = poll.child ?? poll.shape;
  return {
    marker: table.marker!,
    timeZone: poll.timeZone,
    nowMs,
    sourceNowMs: poll.source.clockMs === undefined ? nowMs : await poll.source.clockMs(session),
    hasHorizon: poll.source.horizon !== undefined && table.facts.hasHorizon,
  };
}

async function ceilingOf(session: SqlSession, poll: PollSource): Promise<SqlParameter | undefined> {
  const marker = (poll.child ?? poll.shape).marker!;
  if (marker.strategy.kind !== "counter" || poll.source.counterCeiling === undefined) return undefined;
  return await poll.source.counterCeiling(session, marker);
}
