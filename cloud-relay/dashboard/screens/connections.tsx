// All connections: which plants there are, and how each of them is.
import type { Schema } from "../api/client.ts";
import { allConnections, MAX_LISTED } from "../api/lists.ts";
import { STATUS_EVENTS } from "../api/live-types.ts";
import { useResource } from "../api/resource.ts";
import { can, workspaceWord } from "../api/session-state.ts";
import { Badge, StatusBadge } from "../parts/badge.tsx";
import { Command } from "../parts/copy-button.tsx";
import { DataTable, type Column } from "../parts/data-table.tsx";
import { FilterBar, SearchFilter, SelectFilter } from "../parts/filter-bar.tsx";
import { NothingFits } from "../parts/nothing-fits.tsx";
import { EmptyState, ProblemNotice } from "../parts/notice.tsx";
import { Card, Page } from "../parts/page.tsx";
import { useQuery } from "../parts/query.ts";
import { statusLook } from "../parts/status.ts";
import { amount, bytes, counted } from "../parts/text.ts";
import { Time } from "../parts/time.tsx";
import { to } from "../paths.ts";
import { passes, shownStatus, valuesOf } from "./connection-filter.ts";

type Connection = Schema<"Connection">;

const LOOK_EVERY_MS = 15_000;
const FILTERS = ["q", "status", "customer", "environment"];

const COLUMNS: readonly Column<Connection>[] = [
  {
    key: "name",
    title: "Connection",
    sort: (row) => row.name,
    cell: (row) => (
      <div>
        <a class="row-link" href={to("/connections/:id", { id: row.id })}>
          {row.name}
        </a>
        <div class="small muted">{row.customer ?? "no customer named"}</div>
      </div>
    ),
  },
  {
    key: "status",
    title: "Status",
    sort: (row) => statusLook(shownStatus(row)).label,
    cell: (row) => (
      <div>
        <StatusBadge status={shownStatus(row)} title={row.status_reason ?? undefined} />
        {row.status_reason !== null && row.status !== "online" && (
          <div class="small muted">{row.status_reason}</div>
        )}
      </div>
    ),
  },
  {
    key: "system",
    title: "System",
    sort: (row) => row.system ?? row.kind,
    cell: (row) => row.system ?? (row.kind === "sandbox" ? <Badge>Sandbox</Badge> : undefined),
  },
  {
    key: "environment",
    title: "Environment",
    sort: (row) => row.environment,
    cell: (row) => row.environment,
  },
  {
    key: "sync",
    title: "Last sync",
    sort: (row) => (row.last_sync_at === null ? null : Date.parse(row.last_sync_at)),
    cell: (row) => <Time at={row.last_sync_at} />,
  },
  {
    key: "backlog",
    title: "Backlog",
    align: "end",
    sort: (row) => row.backlog?.bytes ?? null,
    cell: (row) => <span class="number nowrap">{backlogText(row)}</span>,
  },
  {
    key: "load",
    title: "Rows/s",
    align: "end",
    sort: (row) => row.load?.rows_per_second ?? null,
    cell: (row) => <span class="number">{row.load === null ? "–" : amount(row.load.rows_per_second)}</span>,
  },
];

export function ConnectionsScreen() {
  const { data, problem, reload } = useResource("connections", allConnections, {
    on: STATUS_EVENTS,
    everyMs: LOOK_EVERY_MS,
  });
  const query = useQuery();
  const all = data?.items;
  const filter = {
    search: query.get("q"),
    status: query.get("status"),
    customer: query.get("customer"),
    environment: query.get("environment"),
  };
  const shown = all?.filter((row) => passes(row, filter));
  const statuses = valuesOf(all ?? [], shownStatus);
  return (
    <Page
      title="Connections"
      actions={
        can("admin") && (
          <a class="button primary" href={to("/agents", {}, "?enrol=1")}>
            Connect a plant
          </a>
        )
      }
    >
      {problem !== undefined && <ProblemNotice problem={problem} onRetry={reload} />}
      <FilterBar>
        <SearchFilter label="Name, customer, system, label" />
        <SelectFilter
          name="status"
          all="All states"
          choices={statuses.map((value) => ({ value, title: statusLook(value).label }))}
        />
        <SelectFilter name="customer" all="All customers" choices={choicesOf(all, (row) => row.customer)} />
        <SelectFilter
          name="environment"
          all="All environments"
          choices={choicesOf(all, (row) => row.environment)}
        />
      </FilterBar>
      <Card isFlush>
        <DataTable
          caption="Connections"
          columns={COLUMNS}
          rows={shown}
          rowKey={(row) => row.id}
          empty={all?.length === 0 ? <NoConnections /> : <NothingFits what="connection" filters={FILTERS} />}
          foot={data && all && <FootText shown={shown?.length ?? 0} all={all.length} isCut={data.isCut} />}
        />
      </Card>
    </Page>
  );
}

function FootText(props: { readonly shown: number; readonly all: number; readonly isCut: boolean }) {
  const { shown, all, isCut } = props;
  if (isCut) return <>The first {amount(MAX_LISTED)} connections are shown; the API lists all of them.</>;
  return (
    <>{shown === all ? counted(all, "connection") : `${amount(shown)} of ${counted(all, "connection")}`}</>
  );
}

function NoConnections() {
  return (
    <EmptyState
      icon="connections"
      title="No connection yet"
      text="A connection is one source system at one plant: its ERP or CMMS database, or its machines. Make one, then let the agent at the plant serve it. To look around first, make a sandbox with sample data."
    >
      <Command
        text={`millrace-relay connection create --workspace ${workspaceWord()} --name maximo --customer 'Example plant'`}
      />
      <Command
        text={`millrace-relay connection create --workspace ${workspaceWord()} --name sandbox --sandbox`}
      />
    </EmptyState>
  );
}

function choicesOf(rows: readonly Connection[] | undefined, value: (row: Connection) => string | null) {
  return valuesOf(rows ?? [], value).map((each) => ({ value: each, title: each }));
}

function backlogText({ backlog }: Connection): string {
  if (backlog === null || backlog.bytes === null) return "–";
  return backlog.bytes === 0 ? "none" : bytes(backlog.bytes);
}
