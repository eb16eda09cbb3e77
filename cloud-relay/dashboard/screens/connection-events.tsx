// What happened to a connection, the newest first: when it came and went, what failed, what was lost.
import { ask, type Schema } from "../api/client.ts";
import { useResource } from "../api/resource.ts";
import { Badge } from "../parts/badge.tsx";
import { FilterBar, SelectFilter } from "../parts/filter-bar.tsx";
import { Icon } from "../parts/icon.tsx";
import { EmptyState, ProblemNotice } from "../parts/notice.tsx";
import { Card } from "../parts/page.tsx";
import { useQuery } from "../parts/query.ts";
import { duration } from "../parts/text.ts";
import { nowMs, Time } from "../parts/time.tsx";
import {
  heldMs,
  TIMELINE_KINDS,
  TIMELINE_TYPES,
  timelineEntry,
  walkFeed,
  type FeedPage,
  type Walked,
} from "./connection-timeline.ts";
import type { ConnectionTabProps } from "./connection.tsx";

type FeedEvent = Schema<"Event">;

const SHOWN_EVENTS = 100;
const PAGE_EVENTS = 200;
const LOOK_EVERY_MS = 30_000;
/** Where the walk along each connection's feed ended, so that the next one only looks at what is new. */
const walks = new Map<string, Walked<FeedEvent>>();

export function ConnectionEvents({ connection }: ConnectionTabProps) {
  const { id } = connection;
  const query = useQuery();
  const { data, problem, reload } = useResource(`timeline ${id}`, (signal) => loadEvents(id, signal), {
    on: TIMELINE_TYPES,
    everyMs: LOOK_EVERY_MS,
  });
  const kind = TIMELINE_KINDS.find((each) => each.kind === query.get("kind"));
  const shown = (data?.events ?? []).filter(({ type }) => kind?.types.includes(type) ?? true);
  const entries = shown.slice(0, SHOWN_EVENTS).map(timelineEntry);
  return (
    <Card
      title="Timeline"
      isFlush
      actions={
        <FilterBar>
          <SelectFilter
            name="kind"
            all="Everything that happened"
            choices={TIMELINE_KINDS.map((each) => ({ value: each.kind, title: each.title }))}
          />
        </FilterBar>
      }
    >
      {problem !== undefined && <ProblemNotice problem={problem} onRetry={reload} />}
      {data !== undefined && entries.length === 0 && (
        <EmptyState
          icon="clock"
          title="Nothing happened"
          text="Here is when the connection came, went, needed a new login, failed to read or lost something. Passes that ended well are under Sync runs."
        />
      )}
      <ol class="timeline" aria-busy={data === undefined && problem === undefined}>
        {entries.map((entry, index) => (
          <li key={entry.id} data-tone={entry.tone}>
            <Icon name={entry.icon} />
            <div>
              <strong>{entry.title}</strong>{" "}
              {kind?.kind === "status" && <Badge>for {duration(heldMs(entries, index, nowMs.value))}</Badge>}
              {entry.details.map((detail) => (
                <p class="small muted" key={detail}>
                  {detail}
                </p>
              ))}
            </div>
            <Time at={entry.at} />
          </li>
        ))}
      </ol>
      {(data?.isCut === true || shown.length > SHOWN_EVENTS) && (
        <div class="table-foot">
          {data?.isCut === true
            ? "There are very many events: older ones are shown while newer ones are still looked for."
            : `The newest ${SHOWN_EVENTS} are shown; the feed has all of them.`}
        </div>
      )}
    </Card>
  );
}

async function loadEvents(id: string, signal: AbortSignal): Promise<Walked<FeedEvent>> {
  const own = `connection_id=${encodeURIComponent(id)}&types=${TIMELINE_TYPES.join(",")}&limit=${PAGE_EVENTS}`;
  const walked = await walkFeed(walks.get(id), (cursor) =>
    // Asked for JSON: the same address is a stream too, and the typed answer is either.
    ask<FeedPage<FeedEvent>>(
      "GET",
      `/v1/events?${own}${cursor === undefined ? "" : `&cursor=${encodeURIComponent(cursor)}`}`,
      undefined,
      signal,
    ),
  );
  walks.set(id, walked);
  return walked;
}
