// What of a connection was or may have been lost: gaps; and rows that could not become records: rejects.
import { unwrap } from "#relay/client/api-client.ts";
import { api, type Schema } from "../api/client.ts";
import { useResource } from "../api/resource.ts";
import { DataTable, type Column } from "../parts/data-table.tsx";
import { FilterBar, SelectFilter } from "../parts/filter-bar.tsx";
import { EmptyState, ProblemNotice } from "../parts/notice.tsx";
import { Card } from "../parts/page.tsx";
import { useQuery } from "../parts/query.ts";
import { wordsOf } from "../parts/status.ts";
import { Time } from "../parts/time.tsx";
import type { ConnectionTabProps } from "./connection.tsx";

type Gap = Schema<"Gap">;
type Reject = Schema<"Reject">;

const PAGE_ITEMS = 50;
const MAX_REJECTS = 200;
const LOOK_EVERY_MS = 15_000;

const GAP_COLUMNS: readonly Column<Gap>[] = [
  {
    key: "what",
    title: "Of what",
    cell: (gap) => (
      <div>
        <strong>{gap.entity === null ? "The whole connection" : wordsOf(gap.entity)}</strong>
        <div class="small muted">{gap.key}</div>
      </div>
    ),
  },
  {
    key: "why",
    title: "Why",
    cell: (gap) => (
      <div>
        {wordsOf(gap.reason)}
        <div class="small muted">{gap.detail}</div>
      </div>
    ),
  },
  { key: "from", title: "From", cell: (gap) => <Time at={gap.from} isExact /> },
  { key: "to", title: "To", cell: (gap) => <Time at={gap.to} isExact /> },
  { key: "recorded", title: "Recorded", cell: (gap) => <Time at={gap.recorded_at} /> },
];

const REJECT_COLUMNS: readonly Column<Reject>[] = [
  {
    key: "row",
    title: "Row",
    cell: (reject) => (
      <div>
        <code>{reject.key}</code>
        <div class="small muted">{wordsOf(reject.entity)}</div>
      </div>
    ),
  },
  {
    key: "why",
    title: "Why, and what to do",
    cell: (reject) => (
      <div>
        {reject.detail}
        <div class="small">
          <code>{reject.code}</code>
        </div>
      </div>
    ),
  },
  { key: "read", title: "Read", cell: (reject) => <Time at={reject.read_at} /> },
];

export function ConnectionLosses({ connection, syncs }: ConnectionTabProps) {
  const entities = (syncs ?? []).map(({ entity }) => ({ value: entity, title: wordsOf(entity) }));
  return (
    <>
      <FilterBar>
        <SelectFilter name="entity" all="All entities" choices={entities} />
      </FilterBar>
      <Gaps id={connection.id} />
      <Rejects id={connection.id} />
    </>
  );
}

function Gaps({ id }: { readonly id: string }) {
  const query = useQuery();
  const [entity, cursor] = [query.get("entity"), query.get("cursor")];
  const { data, problem, reload } = useResource(
    `gaps ${id} ${entity} ${cursor}`,
    (signal) =>
      unwrap(
        api.GET("/v1/gaps", {
          params: {
            query: {
              connection_id: id,
              limit: PAGE_ITEMS,
              ...(entity !== "" && { entity }),
              ...(cursor !== "" && { cursor }),
            },
          },
          signal,
        }),
      ),
    { on: ["gap.recorded"], everyMs: LOOK_EVERY_MS },
  );
  return (
    <Card title="Gaps" isFlush>
      {problem !== undefined && <ProblemNotice problem={problem} onRetry={reload} />}
      <DataTable
        caption="Gaps"
        columns={GAP_COLUMNS}
        rows={data?.data}
        rowKey={(gap) => gap.id}
        nextCursor={data?.next_cursor}
        empty={
          <EmptyState
            icon="check"
            title="Nothing was lost"
            text="Every loss, certain or possible, would be here with its interval and its reason. No gap means that there was none."
          />
        }
        foot="In the order in which they were recorded"
      />
    </Card>
  );
}

function Rejects({ id }: { readonly id: string }) {
  const entity = useQuery().get("entity");
  const { data, problem, reload } = useResource(
    `rejects ${id}`,
    (signal) =>
      unwrap(
        api.GET("/v1/rejects", { params: { query: { connection_id: id, limit: MAX_REJECTS } }, signal }),
      ),
    { everyMs: LOOK_EVERY_MS },
  );
  return (
    <Card title="Rejects" isFlush>
      {problem !== undefined && <ProblemNotice problem={problem} onRetry={reload} />}
      <DataTable
        caption="Rejected rows"
        columns={REJECT_COLUMNS}
        rows={data?.data.filter((reject) => entity === "" || reject.entity === entity)}
        rowKey={(reject) => `${reject.entity} ${reject.key}`}
        empty={
          <EmptyState
            icon="check"
            title="Every row became a record"
            text="A row that cannot become one, such as one without a key or with a date that is none, would be here with its reason. It is tried again when it or the mapping changes."
          />
        }
      />
    </Card>
  );
}
