// What an incremental pass follows, one after the other: the entity's own marker or feed, then those of its children.
import type { Cursor, ReadRequest, SourceRow } from "../source/connector.ts";
import { feedTrack } from "./change-feed.ts";
import { stateFromCursor, stateToCursor } from "./marker-state.ts";
import { establish, type PollDeps, type PollSource, pollSource, readPollPage } from "./poll-source.ts";
import type { SqlSession } from "./sql-source.ts";
import type { EntityShape } from "./table-shape.ts";

export interface PollTrack {
  /** The state's name in the cursor: it holds strategy and column, so that another way of following is another slot. */
  readonly slot: string;
  establish(session: SqlSession): Promise<Cursor>;
  /** One page after `state`, with the rows to be emitted. @throws ConnectorError */
  readPage(state: Cursor, request: ReadRequest, verified: Set<string>): Promise<TrackPage>;
}

export interface TrackPage {
  readonly rows: readonly SourceRow[];
  readonly state: Cursor;
  readonly isLast: boolean;
}

/** Empty: nothing tells what changed, so every row is read. */
export function tracksOf(shape: EntityShape, deps: PollDeps): readonly PollTrack[] {
  const own = trackOf(shape, undefined, deps);
  if (own === undefined) return [];
  const children = shape.children.map((child) => trackOf(shape, child, deps));
  return [own, ...children.filter((track) => track !== undefined)];
}

function trackOf(
  shape: EntityShape,
  child: EntityShape["children"][number] | undefined,
  deps: PollDeps,
): PollTrack | undefined {
  const feed = deps.source.feed?.(shape, child);
  if (feed !== undefined) return feedTrack(feed, deps.source, shape, child);
  return (child ?? shape).marker === undefined ? undefined : markerTrack(pollSource(shape, child, deps));
}

function markerTrack(poll: PollSource): PollTrack {
  return {
    slot: poll.slot,
    establish: async (session) => stateToCursor(await establish(session, poll)),
    readPage: async (state, request, verified) => {
      const page = await readPollPage(poll, stateFromCursor(state)!, request, verified);
      return { ...page, state: stateToCursor(page.state) };
    },
  };
}
