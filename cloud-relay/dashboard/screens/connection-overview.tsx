// A connection at a glance: its facts, how the sync of each entity goes, and what happened to it.
import type { ComponentChildren } from "preact";
import { ask, type Schema } from "../api/client.ts";
import { useResource } from "../api/resource.ts";
import { Badge } from "../parts/badge.tsx";
import { CopyButton } from "../parts/copy-button.tsx";
import { DataTable, type Column } from "../parts/data-table.tsx";
import { FilterBar, SelectFilter } from "../parts/filter-bar.tsx";
import { KeyValue } from "../parts/key-value.tsx";
import { EmptyState, ProblemNotice } from "../parts/notice.tsx";
import { Card } from "../parts/page.tsx";
import { useQuery } from "../parts/query.ts";
import { Sparkline } from "../parts/sparkline.tsx";
import { wordsOf } from "../parts/status.ts";
import { amount, bytes, duration } from "../parts/text.ts";
import { nowMs, Time } from "../parts/time.tsx";
import { to } from "../paths.ts";
import { Icon } from "../parts/icon.tsx";
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
import { isReading, progressText, shareOf } from "./sync-look.ts";

type Connection = Schema<"Connection">;
type SyncStatus = Schema<"SyncStatus">;
type FeedEvent = Schema<"Event">;

const SHOWN_EVENTS = 50;
const PAGE_EVENTS = 200;
const LOOK_EVERY_MS = 30_000;
/** Where the walk along each connection's feed ended, so that the next one only looks at what is new. */
const walks = new Map<string, Walked<FeedEvent>>();

export function ConnectionOverview({ connection, syncs }: ConnectionTabProps) {
  return (
    <>
      <Facts connection={connection} />
      <Card title="Entities" isFlush>
        <DataTable
          caption="Sync of each entity"
          columns={columnsOf(connection.id)}
          rows={syncs}
          rowKey={(row) => row.entity}
          empty={<NothingRead kind={connection.kind} />}
        />
      </Card>
      <Timeline id={connection.id} />
    </>
  );
}

function Facts({ connection }: { readonly connection: Connection }) {
  const { id, customer, environment, system, kind, labels, backlog, load, agent_id: agentId } = connection;
  const items: readonly (readonly [string, ComponentChildren])[] = [
    ["State since", <Time at={connection.status_changed_at} />],
    ["Last sync", <Time at={connection.last_sync_at} />],
    ["System", system ?? wordsOf(kind)],
    ["Customer", customer],
    ["Environment", environment],
    ["Labels", labelsText(labels)],
    ["Served by", agentId === null ? undefined : <a href={to("/agents", {}, `?q=${agentId}`)}>{agentId}</a>],
    ["Backlog at the plant", backlog?.bytes == null ? undefined : bytes(backlog.bytes)],
    ["Load", load === null ? undefined : `${amount(load.rows_per_second)} rows/s`],
    [
      "Id",
      <span class="row">
        <code>{id}</code>
        <CopyButton text={id} label="Copy the connection's id" />
      </span>,
    ],
  ];
  return (
    <Card>
      <div class="facts">
        <KeyValue items={items.filter(([, value]) => value != null && value !== "")} />
      </div>
    </Card>
  );
}

function labelsText(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}: ${value}`)
    .join(", ");
}

function columnsOf(id: string): readonly Column<SyncStatus>[] {
  return [
    {
      key: "entity",
      title: "Entity",
      sort: (row) => row.entity,
      cell: (row) => (
        <a class="row-link" href={to("/connections/:id", { id }, `?view=data&entity=${row.entity}`)}>
          {wordsOf(row.entity)}
        </a>
      ),
    },
    {
      key: "state",
      title: "State",
      sort: (row) => row.state,
      cell: (row) => <SyncState row={row} />,
    },
    {
      key: "records",
      title: "Records",
      align: "end",
      sort: (row) => row.records,
      cell: (row) => <span class="number">{amount(row.records)}</span>,
    },
    {
      key: "changed",
      title: "Changed, last passes",
      cell: (row) => (
        <Sparkline
          values={row.runs.map(({ changed }) => changed).toReversed()}
          label={`${row.entity}: records changed in each of the last ${row.runs.length} passes`}
        />
      ),
    },
    {
      key: "good",
      title: "Last success",
      sort: (row) => (row.last_success_at === null ? null : Date.parse(row.last_success_at)),
      cell: (row) => <Time at={row.last_success_at} />,
    },
    {
      key: "how",
      title: "Changes are found by",
      cell: (row) => (
        <span class="small muted" title={row.strategy_reason ?? undefined}>
          {row.strategy ?? "–"}
          {row.strategy_advice !== null && <div>{row.strategy_advice}</div>}
        </span>
      ),
    },
  ];
}

function SyncState({ row }: { readonly row: SyncStatus }) {
  const share = isReading(row) ? shareOf(row.progress) : undefined;
  return (
    <div>
      {wordsOf(row.state)}
      {isReading(row) && row.progress !== null && (
        <div class="small muted">
          {share !== undefined && (
            <progress value={share} max={1} aria-label={`${wordsOf(row.entity)}: progress`} />
          )}
          <div class="nowrap">{progressText(row.progress)}</div>
        </div>
      )}
      <div class="small muted">{row.error ?? row.waits}</div>
    </div>
  );
}

function NothingRead({ kind }: { readonly kind: string }) {
  return (
    <EmptyState
      icon="sync"
      title="Nothing was read yet"
      text={
        kind === "agent"
          ? "As soon as an agent serves this connection, each entity that it reads is here with its progress. Enrol one, and name this connection in the agent's file."
          : "The sandbox shows its entities as soon as it has made its sample data."
      }
    >
      {kind === "agent" && (
        <a class="button" href={to("/agents", {}, "?enrol=1")}>
          Enrol an agent
        </a>
      )}
    </EmptyState>
  );
}

function Timeline({ id }: { readonly id: string }) {
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
