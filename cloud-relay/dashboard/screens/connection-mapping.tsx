// Where each field of an entity comes from, with a value out of a stored record.
import { unwrap } from "#relay/client/api-client.ts";
import { api, type Schema } from "../api/client.ts";
import { useResource } from "../api/resource.ts";
import { Badge } from "../parts/badge.tsx";
import { DataTable, type Column } from "../parts/data-table.tsx";
import { FilterBar, SearchFilter, SelectFilter } from "../parts/filter-bar.tsx";
import { NothingFits } from "../parts/nothing-fits.tsx";
import { EmptyState, ProblemNotice } from "../parts/notice.tsx";
import { Card } from "../parts/page.tsx";
import { matchesSearch } from "../parts/query-text.ts";
import { useQuery } from "../parts/query.ts";
import { wordsOf } from "../parts/status.ts";
import { counted } from "../parts/text.ts";
import type { ConnectionTabProps } from "./connection.tsx";
import { valueText } from "./record-fields.ts";

type MappedField = Schema<"Mapping">["entities"][number]["fields"][number];

const COLUMNS: readonly Column<MappedField>[] = [
  {
    key: "field",
    title: "Field",
    sort: (row) => row.field,
    cell: (row) => (
      <span class="row wrap">
        <code>{row.field}</code>
        {row.protection !== null && (
          <Badge tone="info" icon="key" title="By the plant's own file, before it leaves the plant">
            {row.protection}
          </Badge>
        )}
      </span>
    ),
  },
  {
    key: "sources",
    title: "Comes from",
    sort: (row) => row.sources[0],
    cell: (row) =>
      row.sources.length === 0 ? (
        <span class="muted">a fixed value of the mapping</span>
      ) : (
        <ul>
          {row.sources.map((source) => (
            <li key={source}>
              <code>{source}</code>
            </li>
          ))}
        </ul>
      ),
  },
  {
    key: "preview",
    title: "For example",
    cell: (row) =>
      row.preview === null ? (
        <span class="muted">empty in all records that were looked at</span>
      ) : (
        <span class="cut">{valueText(row.preview)}</span>
      ),
  },
];

export function ConnectionMapping({ connection }: ConnectionTabProps) {
  const { id } = connection;
  const query = useQuery();
  const { data, problem, reload } = useResource(
    `mapping ${id}`,
    (signal) => unwrap(api.GET("/v1/connections/{id}/mapping", { params: { path: { id } }, signal })),
    { on: ["mapping.changed"] },
  );
  const entities = data?.entities ?? [];
  const entity = entities.find((each) => each.entity === query.get("entity")) ?? entities[0];
  const search = query.get("q");
  const rows = entity?.fields.filter(({ field, sources }) => matchesSearch(search, [field, ...sources]));
  if (data !== undefined && entities.length === 0) return <NotDescribed />;
  return (
    <>
      <FilterBar>
        <SelectFilter
          name="entity"
          all={wordsOf(entities[0]?.entity ?? "Entity")}
          choices={entities.slice(1).map((each) => ({ value: each.entity, title: wordsOf(each.entity) }))}
        />
        <SearchFilter label="Field or column" />
      </FilterBar>
      {problem !== undefined && <ProblemNotice problem={problem} onRetry={reload} />}
      <Card
        isFlush
        title={
          entity && (
            <>
              {wordsOf(entity.entity)} from <code>{entity.table}</code>
            </>
          )
        }
        actions={
          entity && (
            <span class="small muted">
              key <code>{entity.key.join(" + ")}</code> · mapping <code>{data?.mapping_version}</code>
            </span>
          )
        }
      >
        <DataTable
          caption="Mapping, field by field"
          columns={COLUMNS}
          rows={rows}
          rowKey={(row) => row.field}
          empty={
            <NothingFits what="field" filters={["q"]} text="Neither a field nor a column is called so." />
          }
          foot={
            entity && (
              <>
                {counted(entity.fields.length, "field")}
                {entity.custom_fields.length > 0 &&
                  `; beyond the model, under custom_fields: ${entity.custom_fields.join(", ")}`}
              </>
            )
          }
        />
      </Card>
    </>
  );
}

function NotDescribed() {
  return (
    <EmptyState
      icon="settings"
      title="The mapping is not known yet"
      text="The agent tells it when it first connects: each field with its table and columns, and what the plant masks."
    />
  );
}
