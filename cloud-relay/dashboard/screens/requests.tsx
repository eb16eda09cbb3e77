// The API's request log: what programs asked and were answered, found by request id.
import { unwrap } from "#relay/client/api-client.ts";
import { api, type Schema } from "../api/client.ts";
import { allConnections } from "../api/lists.ts";
import { useResource } from "../api/resource.ts";
import { workspaceWord } from "../api/session-state.ts";
import { Badge } from "../parts/badge.tsx";
import { Command } from "../parts/copy-button.tsx";
import { DataTable, type Column } from "../parts/data-table.tsx";
import { FilterBar, SearchFilter, SelectFilter } from "../parts/filter-bar.tsx";
import { NothingFits } from "../parts/nothing-fits.tsx";
import { EmptyState, ProblemNotice } from "../parts/notice.tsx";
import { Card, Page } from "../parts/page.tsx";
import { PeriodFilter, TextFilter } from "../parts/period-filter.tsx";
import { useQuery, type Query } from "../parts/query.ts";
import { bytes, milliseconds } from "../parts/text.ts";
import { Time } from "../parts/time.tsx";
import { to } from "../paths.ts";
import { toneOfStatus } from "./http-tone.ts";

type Logged = Schema<"LoggedRequest">;

const LOOK_EVERY_MS = 10_000;
const METHODS = ["GET", "POST", "PATCH", "PUT", "DELETE"];
const STATUSES = [200, 201, 202, 204, 304, 400, 401, 403, 404, 409, 412, 422, 429, 500, 502, 503, 504];
const FILTERS = ["id", "method", "status", "code", "path", "connection_id", "after"] as const;

export function RequestsScreen() {
  const query = useQuery();
  const own = Object.fromEntries(FILTERS.map((name) => [name, query.get(name)]));
  const cursor = query.get("cursor");
  const { data, problem, reload } = useResource(
    `requests ${JSON.stringify(own)} ${cursor}`,
    (signal) => load(query, signal),
    cursor === "" ? { everyMs: LOOK_EVERY_MS } : {},
  );
  const names = useConnectionNames();
  return (
    <Page title="API log">
      {problem !== undefined && <ProblemNotice problem={problem} onRetry={reload} />}
      <FilterBar>
        <SearchFilter name="id" label="Request id" />
        <SelectFilter name="method" all="All methods" choices={choices(METHODS)} />
        <SelectFilter name="status" all="All statuses" choices={choices(STATUSES.map(String))} />
        <TextFilter name="path" label="Path begins with" />
        <TextFilter name="code" label="Problem code" />
        <SelectFilter
          name="connection_id"
          all="All connections"
          choices={[...names].map(([value, title]) => ({ value, title }))}
        />
        <PeriodFilter name="after" all="Any time" />
      </FilterBar>
      <Card isFlush>
        <DataTable
          caption="Requests"
          columns={columnsOf(names)}
          rows={data?.data}
          rowKey={(row) => `${row.id} ${row.at}`}
          nextCursor={data?.next_cursor}
          empty={
            FILTERS.some((name) => query.get(name) !== "") ? (
              <NothingFits
                what="request"
                filters={FILTERS}
                text="A request id is looked for as a whole, as it stands in X-Request-Id and in problems. What is older than the log is held is gone."
              />
            ) : (
              <NoRequests />
            )
          }
          foot="Writes and refusals are all here; of reads that went well up to 200 a second."
        />
      </Card>
    </Page>
  );
}

function load(query: Query, signal: AbortSignal) {
  const status = Number(query.get("status"));
  const texts = Object.fromEntries(
    ["id", "method", "code", "path", "connection_id", "after", "cursor"].flatMap((name) =>
      query.get(name) === "" ? [] : [[name, query.get(name)]],
    ),
  );
  const asked = { ...texts, ...(Number.isInteger(status) && status > 0 && { status }), limit: 50 };
  return unwrap(api.GET("/admin/v1/requests", { params: { query: asked }, signal }));
}

function useConnectionNames(): ReadonlyMap<string, string> {
  const { data } = useResource("connections", allConnections);
  return new Map(data?.items.map(({ id, name }) => [id, name]));
}

function columnsOf(names: ReadonlyMap<string, string>): readonly Column<Logged>[] {
  return [
    {
      key: "request",
      title: "Request",
      cell: (row) => (
        <div>
          <a class="row-link" href={to("/requests/:id", { id: row.id })}>
            <code>
              {row.method} {row.url.split("?")[0]}
            </code>
          </a>
          <div class="small muted">
            <code>{row.id}</code>
          </div>
        </div>
      ),
    },
    {
      key: "status",
      title: "Answer",
      cell: (row) => (
        <div>
          <Badge tone={toneOfStatus(row.status)}>{row.status}</Badge>
          {row.code !== null && (
            <div class="small">
              <code>{row.code}</code>
            </div>
          )}
        </div>
      ),
    },
    {
      key: "connection",
      title: "Connection",
      cell: (row) => row.connection_id !== null && (names.get(row.connection_id) ?? row.connection_id),
    },
    {
      key: "took",
      title: "Took",
      align: "end",
      cell: (row) => <span class="number nowrap">{milliseconds(row.duration_ms)}</span>,
    },
    {
      key: "bytes",
      title: "Sent",
      align: "end",
      cell: (row) => <span class="number nowrap">{bytes(row.sent_bytes)}</span>,
    },
    { key: "at", title: "When", cell: (row) => <Time at={row.at} /> },
  ];
}

function NoRequests() {
  return (
    <EmptyState
      icon="log"
      title="No request yet"
      text="What programs ask this workspace's API is held here for some days: who asked what, what was answered and how long it took. Make a token, and ask something:"
    >
      <Command text={`millrace-relay token create --workspace ${workspaceWord()} --scope read`} />
      <Command
        text={`curl -H "Authorization: Bearer $MILLRACE_TOKEN" ${globalThis.location.origin}/v1/connections`}
      />
    </EmptyState>
  );
}

function choices(values: readonly string[]) {
  return values.map((value) => ({ value, title: value }));
}
