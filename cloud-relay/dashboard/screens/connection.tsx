// One connection: what it is, how it stands, and how the sync of each of its entities goes.
import type { ComponentChildren } from "preact";
import { unwrap } from "#relay/client/api-client.ts";
import { api, type Schema } from "../api/client.ts";
import { allSyncStatus } from "../api/lists.ts";
import { STATUS_EVENTS } from "../api/live-types.ts";
import { useResource } from "../api/resource.ts";
import { StatusBadge } from "../parts/badge.tsx";
import { CopyButton } from "../parts/copy-button.tsx";
import { DataTable, type Column } from "../parts/data-table.tsx";
import { JsonView } from "../parts/json-view.tsx";
import { KeyValue } from "../parts/key-value.tsx";
import { EmptyState, ProblemNotice } from "../parts/notice.tsx";
import { Card, Page } from "../parts/page.tsx";
import { useQuery } from "../parts/query.ts";
import { Sparkline } from "../parts/sparkline.tsx";
import { wordsOf } from "../parts/status.ts";
import { Tabs } from "../parts/tabs.tsx";
import { amount, bytes } from "../parts/text.ts";
import { Time } from "../parts/time.tsx";
import { to } from "../paths.ts";
import type { ScreenProps } from "../screens.ts";
import { shownStatus } from "./connection-filter.ts";

type Connection = Schema<"Connection">;
type SyncStatus = Schema<"SyncStatus">;

const LOOK_EVERY_MS = 10_000;

/** `view` in the address names the tab. */
const TABS: readonly { readonly view: string; readonly title: string }[] = [
  { view: "", title: "Syncs" },
  { view: "api", title: "API" },
];

export function ConnectionScreen({ params }: ScreenProps) {
  const id = params["id"] ?? "";
  const query = useQuery();
  const { data, problem, reload } = useResource(
    `connection ${id}`,
    (signal) => unwrap(api.GET("/v1/connections/{id}", { params: { path: { id } }, signal })),
    { on: STATUS_EVENTS, everyMs: LOOK_EVERY_MS },
  );
  const view = query.get("view");
  return (
    <Page
      title={data?.name ?? "Connection"}
      back={{ title: "Connections", href: to("/connections") }}
      beside={data && <StatusBadge status={shownStatus(data)} />}
    >
      {problem !== undefined && <ProblemNotice problem={problem} onRetry={reload} />}
      {data !== undefined && <Facts connection={data} />}
      <Tabs
        label="Parts of the connection"
        tabs={TABS.map((tab) => ({
          title: tab.title,
          href: query.href({ view: tab.view }),
          isCurrent: tab.view === view,
        }))}
      />
      {view === "" && <Syncs id={id} />}
      {view === "api" && data !== undefined && <JsonView value={data} label={`GET /v1/connections/${id}`} />}
    </Page>
  );
}

function Facts({ connection }: { readonly connection: Connection }) {
  const { id, customer, environment, system, kind, labels, backlog, status_reason, status_advice } =
    connection;
  const items: readonly (readonly [string, ComponentChildren])[] = [
    ["Since", <Time at={connection.status_changed_at} />],
    ["Why", status_reason],
    ["What to do", status_advice],
    ["Customer", customer],
    ["System", system ?? wordsOf(kind)],
    ["Environment", environment],
    [
      "Labels",
      Object.entries(labels)
        .map(([name, value]) => `${name}: ${value}`)
        .join(", "),
    ],
    ["Last sync", <Time at={connection.last_sync_at} />],
    ["Backlog", backlog?.bytes == null ? undefined : bytes(backlog.bytes)],
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
      <KeyValue items={items.filter(([, value]) => value != null && value !== "")} />
    </Card>
  );
}

const SYNC_COLUMNS: readonly Column<SyncStatus>[] = [
  { key: "entity", title: "Entity", sort: (row) => row.entity, cell: (row) => wordsOf(row.entity) },
  {
    key: "state",
    title: "State",
    cell: (row) => (
      <div>
        {wordsOf(row.state)}
        <div class="small muted">{row.error ?? row.waits}</div>
      </div>
    ),
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
  { key: "good", title: "Last success", cell: (row) => <Time at={row.last_success_at} /> },
];

function Syncs({ id }: { readonly id: string }) {
  const { data, problem, reload } = useResource(`syncs ${id}`, (signal) => allSyncStatus(signal, id), {
    on: STATUS_EVENTS,
    everyMs: LOOK_EVERY_MS,
  });
  return (
    <>
      {problem !== undefined && <ProblemNotice problem={problem} onRetry={reload} />}
      <Card isFlush>
        <DataTable
          caption="Syncs of the connection"
          columns={SYNC_COLUMNS}
          rows={data?.items}
          rowKey={(row) => row.entity}
          empty={
            <EmptyState
              icon="sync"
              title="Nothing was read yet"
              text="As soon as an agent serves this connection, each entity that it reads is here with its passes."
            />
          }
        />
      </Card>
    </>
  );
}
