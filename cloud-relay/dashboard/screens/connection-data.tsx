// The data explorer: the records of one entity of a connection, filtered by its fields, page by page.
import { useResource } from "../api/resource.ts";
import { Badge } from "../parts/badge.tsx";
import { DataTable, type Column } from "../parts/data-table.tsx";
import { FilterBar, SelectFilter } from "../parts/filter-bar.tsx";
import { NothingFits } from "../parts/nothing-fits.tsx";
import { EmptyState, ProblemNotice } from "../parts/notice.tsx";
import { Card } from "../parts/page.tsx";
import { useQuery } from "../parts/query.ts";
import { phraseOf, wordsOf } from "../parts/status.ts";
import { amount } from "../parts/text.ts";
import { Time } from "../parts/time.tsx";
import { to } from "../paths.ts";
import type { ConnectionTabProps } from "./connection.tsx";
import { loadEntities, loadEntity, loadRecords, type AnyRecord, type EntityPlace } from "./entity-list.ts";
import { offeredFilters, recordsQuery, shownFields, type RecordFilter } from "./record-columns.ts";
import { valueText } from "./record-fields.ts";

const PAGE_RECORDS = 50;
const MAX_FILTERS = 4;
const LOOK_EVERY_MS = 15_000;

export function ConnectionData({ connection, syncs }: ConnectionTabProps) {
  const { id } = connection;
  const query = useQuery();
  const { data, problem, reload } = useResource(`entities ${id}`, (signal) => loadEntities(id, signal));
  const counts = new Map((syncs ?? []).map(({ entity, records }) => [entity, records]));
  const places = (data ?? []).filter(({ entity, isCustom }) => isCustom || counts.has(entity));
  const first = places.find(({ entity }) => (counts.get(entity) ?? 0) > 0) ?? places[0];
  const place = places.find(({ entity }) => entity === query.get("entity")) ?? first;
  if (problem !== undefined) return <ProblemNotice problem={problem} onRetry={reload} />;
  if (data !== undefined && syncs !== undefined && place === undefined) return <NoEntities />;
  return (
    <div class="explorer">
      <nav class="card entities" aria-label="Entities">
        {places.map(({ entity, title }) => (
          <a
            key={entity}
            href={to("/connections/:id", { id }, `?view=data&entity=${encodeURIComponent(entity)}`)}
            aria-current={entity === place?.entity ? "page" : undefined}
          >
            <span class="truncate">{title}</span>
            <span class="number muted">{amount(counts.get(entity) ?? 0)}</span>
          </a>
        ))}
      </nav>
      {place === undefined ? (
        <div aria-busy="true" />
      ) : (
        <Records key={place.entity} id={id} place={place} count={counts.get(place.entity) ?? 0} />
      )}
    </div>
  );
}

function Records(props: { readonly id: string; readonly place: EntityPlace; readonly count: number }) {
  const { id, place, count } = props;
  const { entity, path, isCustom } = place;
  const query = useQuery();
  const info = useResource(`entity ${id} ${entity}`, async (signal) =>
    isCustom ? undefined : loadEntity(entity, id, signal),
  );
  const fields = info.data?.fields ?? [];
  const filters = offeredFilters(fields, MAX_FILTERS);
  const values: Record<string, string> = {
    connection_id: id,
    limit: String(PAGE_RECORDS),
    cursor: query.get("cursor"),
    remote_id: query.get("remote_id"),
    modified_after: query.get("modified_after"),
    include_deleted: query.get("include_deleted"),
  };
  for (const { name } of filters) values[name] = query.get(name);
  const text = recordsQuery(values);
  const { data, problem, reload } = useResource(
    `records ${path} ${text}`,
    (signal) => loadRecords(path, text, signal),
    // A page behind a cursor stays as it is.
    query.get("cursor") === "" ? { everyMs: LOOK_EVERY_MS } : {},
  );
  const names = ["remote_id", "modified_after", ...filters.map(({ name }) => name)];
  const isFiltered = names.some((name) => query.get(name) !== "");
  return (
    <div class="stack">
      <Filters filters={filters} />
      {problem !== undefined && <ProblemNotice problem={problem} onRetry={reload} />}
      <Card isFlush>
        <DataTable
          caption={`Records: ${place.title}`}
          columns={columnsOf(id, place, isCustom ? customFields(data?.data) : shownFields(fields))}
          rows={data?.data}
          rowKey={(record) => record.id}
          nextCursor={data?.next_cursor}
          empty={
            isFiltered ? (
              <NothingFits
                what="record"
                filters={names}
                text="Filters compare exactly, upper and lower case included. The key is as the source has it, its columns joined by “/”."
              />
            ) : (
              <NoRecords place={place} />
            )
          }
          foot={
            data === undefined
              ? undefined
              : isFiltered
                ? "In the order in which they changed; a page may be short while more are looked for."
                : `${amount(count)} in all, in the order in which they changed`
          }
        />
      </Card>
    </div>
  );
}

function Filters({ filters }: { readonly filters: readonly RecordFilter[] }) {
  const query = useQuery();
  return (
    <FilterBar>
      <ExactFilter name="remote_id" label="Key in the source" />
      {filters.map(({ name, options }) =>
        options === undefined ? (
          <ExactFilter key={name} name={name} label={wordsOf(name)} />
        ) : (
          <SelectFilter
            key={name}
            name={name}
            all={`${wordsOf(name)}: any`}
            choices={options.map((value) => ({ value, title: wordsOf(value) }))}
          />
        ),
      )}
      <label class="row small">
        Changed after
        <input
          class="input date"
          type="date"
          value={query.get("modified_after")}
          onChange={(event) => query.set({ modified_after: event.currentTarget.value })}
        />
      </label>
      <label class="row small">
        <input
          type="checkbox"
          checked={query.get("include_deleted") === "true"}
          onChange={(event) =>
            query.set({ include_deleted: event.currentTarget.checked ? "true" : undefined })
          }
        />
        Also deleted
      </label>
    </FilterBar>
  );
}

/** The API compares exactly: it is asked when the value is whole, by Enter or when the field is left. */
function ExactFilter({ name, label }: { readonly name: string; readonly label: string }) {
  const query = useQuery();
  return (
    <input
      class="input exact"
      type="text"
      placeholder={`${label} is …`}
      aria-label={`${label}, exactly`}
      value={query.get(name)}
      onChange={(event) => query.set({ [name]: event.currentTarget.value.trim() })}
    />
  );
}

function columnsOf(id: string, place: EntityPlace, names: readonly string[]): readonly Column<AnyRecord>[] {
  return [
    {
      key: "record",
      title: "Record",
      cell: (record) => (
        <div>
          <a class="row-link" href={recordPath(id, place.entity, record.id)}>
            {record.remote_id ?? record.id}
          </a>{" "}
          {record.presence !== "present" && <Badge tone="warn">{wordsOf(record.presence)}</Badge>}
        </div>
      ),
    },
    ...names.map((name) => ({
      key: name,
      title: wordsOf(name),
      cell: (record: AnyRecord) => {
        const value = place.isCustom
          ? (record["custom_fields"] as Record<string, unknown> | undefined)?.[name]
          : record[name];
        return <span class="cut">{valueText(value)}</span>;
      },
    })),
    { key: "updated", title: "Here since", cell: (record) => <Time at={record.updated_at} /> },
  ];
}

const MAX_CUSTOM_COLUMNS = 5;

/** Of an entity beyond the model nothing is known but what its records have. */
function customFields(records: readonly AnyRecord[] | undefined): readonly string[] {
  const first = records?.[0]?.["custom_fields"];
  return Object.keys(first ?? {}).slice(0, MAX_CUSTOM_COLUMNS);
}

function recordPath(id: string, entity: string, record: string): string {
  return to("/connections/:id/records/:entity/:record", { id, entity, record });
}

function NoRecords({ place }: { readonly place: EntityPlace }) {
  return (
    <EmptyState
      icon="circle"
      title="No record"
      text={`The source has no ${phraseOf(place.entity)}, or the first sync of it has not come so far.`}
    />
  );
}

function NoEntities() {
  return (
    <EmptyState
      icon="connections"
      title="No data yet"
      text="Records are here as soon as the first sync has begun. Under Status is what it waits for."
    />
  );
}
