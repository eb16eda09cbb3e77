// Every pass over the entities of a connection, the newest first; what is under way moves by itself.
import { unwrap } from "#relay/client/api-client.ts";
import { api, type Schema } from "../api/client.ts";
import { useResource } from "../api/resource.ts";
import { Badge } from "../parts/badge.tsx";
import { DataTable, type Column } from "../parts/data-table.tsx";
import { FilterBar, SelectFilter } from "../parts/filter-bar.tsx";
import { EmptyState, ProblemNotice } from "../parts/notice.tsx";
import { Card } from "../parts/page.tsx";
import { useQuery } from "../parts/query.ts";
import { wordsOf } from "../parts/status.ts";
import { amount, duration, percent } from "../parts/text.ts";
import { Time } from "../parts/time.tsx";
import type { ConnectionTabProps } from "./connection.tsx";
import { progressText, runLook, shareOf } from "./sync-look.ts";

type SyncRun = Schema<"SyncRun">;

const PAGE_RUNS = 50;
/** Progress comes with every look. */
const LOOK_EVERY_MS = 2_000;

const COLUMNS: readonly Column<SyncRun>[] = [
  {
    key: "entity",
    title: "Pass",
    cell: (run) => (
      <div>
        <strong>{wordsOf(run.entity)}</strong>
        <div class="small muted">{run.pass}</div>
      </div>
    ),
  },
  { key: "state", title: "State", cell: (run) => <State run={run} /> },
  { key: "started", title: "Started", cell: (run) => <Time at={run.started_at} /> },
  {
    key: "took",
    title: "Took",
    align: "end",
    cell: (run) => (
      <span class="number nowrap">{run.duration_ms === null ? "–" : duration(run.duration_ms)}</span>
    ),
  },
  { key: "read", title: "Read", align: "end", cell: (run) => figure(run.read) },
  { key: "changed", title: "Changed", align: "end", cell: (run) => figure(run.changed) },
  { key: "deleted", title: "Deleted", align: "end", cell: (run) => figure(run.deleted) },
  {
    key: "rejected",
    title: "Rejected",
    align: "end",
    cell: (run) => (
      <span title={run.error_rate === null ? undefined : `${percent(run.error_rate)} of the rows`}>
        {figure(run.rejected)}
      </span>
    ),
  },
  {
    key: "speed",
    title: "Rows/s",
    align: "end",
    cell: (run) => (run.rows_per_second === null ? "–" : figure(Math.round(run.rows_per_second))),
  },
];

export function ConnectionSyncs({ connection, syncs }: ConnectionTabProps) {
  const { id } = connection;
  const query = useQuery();
  const [entity, cursor] = [query.get("entity"), query.get("cursor")];
  const { data, problem, reload } = useResource(
    `runs ${id} ${entity} ${cursor}`,
    (signal) =>
      unwrap(
        api.GET("/v1/connections/{id}/syncs", {
          params: {
            path: { id },
            query: { limit: PAGE_RUNS, ...(entity !== "" && { entity }), ...(cursor !== "" && { cursor }) },
          },
          signal,
        }),
      ),
    cursor === "" ? { everyMs: LOOK_EVERY_MS } : {},
  );
  return (
    <>
      <FilterBar>
        <SelectFilter
          name="entity"
          all="All entities"
          choices={(syncs ?? []).map((each) => ({ value: each.entity, title: wordsOf(each.entity) }))}
        />
      </FilterBar>
      {problem !== undefined && <ProblemNotice problem={problem} onRetry={reload} />}
      <Card isFlush>
        <DataTable
          caption="Sync runs"
          columns={COLUMNS}
          rows={data?.data}
          rowKey={(run) => `${run.entity} ${run.run}`}
          nextCursor={data?.next_cursor}
          empty={
            <EmptyState
              icon="sync"
              title="No pass yet"
              text="A pass reads one entity: all of it (snapshot), what has changed (incremental), or only the keys to find what is gone (reconcile). “Sync now” above asks for one."
            />
          }
        />
      </Card>
    </>
  );
}

function State({ run }: { readonly run: SyncRun }) {
  const { label, tone, icon } = runLook(run.state);
  const share = shareOf(run.progress);
  return (
    <div>
      <Badge tone={tone} icon={icon}>
        {label}
      </Badge>
      {run.state === "running" && (
        <div class="small muted">
          {share !== undefined && (
            <progress value={share} max={1} aria-label={`${wordsOf(run.entity)}: progress`} />
          )}
          {run.progress !== null && <div class="nowrap">{progressText(run.progress)}</div>}
        </div>
      )}
      {run.error !== null && <div class="small muted">{run.error}</div>}
    </div>
  );
}

function figure(value: number | null) {
  return <span class="number">{value === null ? "–" : amount(value)}</span>;
}
