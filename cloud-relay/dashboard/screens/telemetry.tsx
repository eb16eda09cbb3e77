// All telemetry points: what the machines say now, and how good that is.
import { unwrap } from "#relay/client/api-client.ts";
import { api, type Schema } from "../api/client.ts";
import { allConnections } from "../api/lists.ts";
import { useResource } from "../api/resource.ts";
import { Badge } from "../parts/badge.tsx";
import { DataTable, type Column } from "../parts/data-table.tsx";
import { FilterBar, SearchFilter, SelectFilter } from "../parts/filter-bar.tsx";
import { NothingFits } from "../parts/nothing-fits.tsx";
import { EmptyState, ProblemNotice } from "../parts/notice.tsx";
import { Card, Page } from "../parts/page.tsx";
import { TextFilter } from "../parts/period-filter.tsx";
import { useQuery, type Query } from "../parts/query.ts";
import { wordsOf } from "../parts/status.ts";
import { Time } from "../parts/time.tsx";
import { to } from "../paths.ts";
import { toneOfQuality, valueText } from "./telemetry-value.ts";

type Point = Schema<"TelemetryPoint">;

const LOOK_EVERY_MS = 3_000;
const PAGE_POINTS = 50;
const FILTERS = ["name", "connection_id", "asset"] as const;

export function TelemetryScreen() {
  const query = useQuery();
  const own = Object.fromEntries([...FILTERS, "cursor"].map((name) => [name, query.get(name)]));
  const { data, problem, reload } = useResource(
    `telemetry ${JSON.stringify(own)}`,
    (signal) => load(query, signal),
    { everyMs: LOOK_EVERY_MS },
  );
  const connections = useResource("connections", allConnections).data?.items ?? [];
  const names = new Map(connections.map(({ id, name }) => [id, name]));
  return (
    <Page title="Telemetry">
      {problem !== undefined && <ProblemNotice problem={problem} onRetry={reload} />}
      <FilterBar>
        <SearchFilter name="name" label="Name of the point" />
        <TextFilter name="asset" label="Asset" />
        <SelectFilter
          name="connection_id"
          all="All connections"
          choices={[...names].map(([value, title]) => ({ value, title }))}
        />
      </FilterBar>
      <Card isFlush>
        <DataTable
          caption="Telemetry points"
          columns={columnsOf(names)}
          rows={data?.data}
          rowKey={(row) => row.id}
          nextCursor={data?.next_cursor}
          empty={
            FILTERS.some((name) => query.get(name) !== "") ? (
              <NothingFits what="point" filters={FILTERS} />
            ) : (
              <NoPoints />
            )
          }
        />
      </Card>
    </Page>
  );
}

function load(query: Query, signal: AbortSignal) {
  const asked = Object.fromEntries(
    [...FILTERS, "cursor"].flatMap((name) => (query.get(name) === "" ? [] : [[name, query.get(name)]])),
  );
  return unwrap(
    api.GET("/v1/telemetry-points", { params: { query: { ...asked, limit: PAGE_POINTS } }, signal }),
  );
}

function columnsOf(names: ReadonlyMap<string, string>): readonly Column<Point>[] {
  return [
    {
      key: "name",
      title: "Point",
      cell: (row) => (
        <div>
          <a class="row-link" href={to("/telemetry/:id", { id: row.id })}>
            {row.name ?? row.remote_id}
          </a>
          <div class="small muted">{row.browse_path ?? row.node_id}</div>
        </div>
      ),
    },
    {
      key: "value",
      title: "Last value",
      cell: (row) =>
        row.last_value === null ? (
          <span class="muted">none yet</span>
        ) : (
          <span class="number">{valueText(row.last_value.value, row.uom)}</span>
        ),
    },
    {
      key: "quality",
      title: "Quality",
      cell: (row) =>
        row.last_value !== null && (
          <Badge tone={toneOfQuality(row.last_value.quality)}>{wordsOf(row.last_value.quality)}</Badge>
        ),
    },
    {
      key: "at",
      title: "Since",
      cell: (row) => <Time at={row.last_value?.source_timestamp ?? row.last_value?.server_timestamp} />,
    },
    { key: "asset", title: "Asset", cell: (row) => row.asset?.display ?? row.asset?.remote_id },
    {
      key: "connection",
      title: "Connection",
      cell: (row) => (
        <a href={to("/connections/:id", { id: row.connection_id })}>
          {names.get(row.connection_id) ?? row.connection_id}
        </a>
      ),
    },
  ];
}

function NoPoints() {
  return (
    <EmptyState
      icon="telemetry"
      title="No telemetry point yet"
      text="A connection to machines (OPC UA) or to a historian brings them: each variable that the agent's settings name becomes a point with its samples, and whatever was lost on the way shows as a gap."
    >
      <a class="button" href={to("/connections")}>
        To the connections
      </a>
    </EmptyState>
  );
}
