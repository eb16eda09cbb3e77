// Unified on the left, the source's own row on the right: pointing at a field shows the columns that it is made of.
import { useEffect, useRef, useState } from "preact/hooks";
import { Badge } from "../parts/badge.tsx";
import { EmptyState } from "../parts/notice.tsx";
import { Card } from "../parts/page.tsx";
import { useQuery } from "../parts/query.ts";
import {
  fieldRows,
  fieldsByRaw,
  isReference,
  rawPathsOf,
  rawRows,
  referencedEntity,
  valueText,
  type FieldRow,
  type JsonObject,
  type Provenance,
  type RawRow,
} from "./record-fields.ts";

export interface SideBySideProps {
  readonly record: JsonObject;
  readonly provenance: Provenance | null;
  readonly entity: string;
  /** Entities that references may lead to. */
  readonly known: ReadonlySet<string>;
  readonly hrefOf: (entity: string, id: string) => string;
}

/** The field that is pointed at is in the address: `field`. */
export function SideBySide(props: SideBySideProps) {
  const { record, provenance } = props;
  const query = useQuery();
  const [over, setOver] = useState<string>();
  const fields = fieldRows(record, provenance);
  const raw = record["raw"];
  const rows = typeof raw === "object" && raw !== null ? rawRows(raw as JsonObject) : undefined;
  const current = over ?? query.get("field");
  const field = fields.find(({ path }) => path === current);
  const marked = new Set(
    field === undefined || rows === undefined ? [] : rawPathsOf(field, provenance?.table, rows),
  );
  const pinned = query.get("field");
  const raws = useRef<HTMLDivElement>(null);
  useEffect(() => {
    // Not while pointing about: only what was chosen moves the other side, and never the page.
    const row = raws.current?.querySelector<HTMLElement>("[data-marked]");
    if (pinned === "" || row == null || raws.current === null) return;
    raws.current.scrollTop = row.offsetTop - raws.current.clientHeight / 3;
  }, [pinned]);
  const toggle = (path: string): void => query.set({ field: pinned === path ? undefined : path });
  return (
    <div class="sides">
      <Card
        title="Unified"
        isFlush
        actions={<span class="small muted">Choose a field to see where it is from</span>}
      >
        <div class="side-scroll" tabIndex={0} role="region" aria-label="Unified fields">
          <table class="values">
            <caption class="visually-hidden">Fields of the record</caption>
            <thead class="visually-hidden">
              <tr>
                <th scope="col">Field</th>
                <th scope="col">Value, and where it is from</th>
              </tr>
            </thead>
            <tbody>
              {fields.map((row) => (
                <tr
                  key={row.path}
                  data-marked={row.path === field?.path ? "" : undefined}
                  onMouseEnter={() => setOver(row.path)}
                  onMouseLeave={() => setOver(undefined)}
                >
                  <th scope="row">
                    <button
                      type="button"
                      class="plain-button mono"
                      aria-pressed={pinned === row.path}
                      onClick={() => toggle(row.path)}
                    >
                      {row.path}
                    </button>
                  </th>
                  <td>
                    <Value row={row} {...props} />
                    <Origin row={row} />
                    {pinned === row.path && marked.size > 0 && (
                      <ul class="small raw-inline">
                        {rows
                          ?.filter(({ path }) => marked.has(path))
                          .map(({ path, column, value }) => (
                            <li key={path}>
                              <code>{column}</code> {value === null ? "null" : rawText(value)}
                            </li>
                          ))}
                      </ul>
                    )}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </Card>
      <Card title={<>Raw {provenance !== null && <code class="muted">{provenance.table}</code>}</>} isFlush>
        {rows === undefined ? (
          <EmptyState
            icon="key"
            title="The plant does not release its own rows"
            text="The plant's file decides whether they leave it, per entity and column. The unified record is complete without them."
          />
        ) : (
          <div class="side-scroll" ref={raws} tabIndex={0} role="region" aria-label="Row of the source">
            <RawTable
              rows={rows}
              marked={marked}
              fieldsOf={fieldsByRaw(fields, provenance?.table, rows)}
              current={field?.path}
            />
          </div>
        )}
      </Card>
    </div>
  );
}

function Value({ row, entity, known, hrefOf }: SideBySideProps & { readonly row: FieldRow }) {
  const { path, value } = row;
  if (value === null || value === "") return <span class="muted">{value === null ? "null" : "empty"}</span>;
  const target = isReference(value) ? referencedEntity(path, entity, known) : undefined;
  if (isReference(value) && target !== undefined)
    return <a href={hrefOf(target, value.id)}>{valueText(value)}</a>;
  if (typeof value === "object" && !isReference(value) && !Array.isArray(value))
    return <code>{JSON.stringify(value)}</code>;
  return <span class="pre">{valueText(value)}</span>;
}

function Origin({ row }: { readonly row: FieldRow }) {
  if (row.sources.length === 0 && row.protection === undefined)
    return <div class="small muted">set by the mapping</div>;
  return (
    <div class="small muted origin">
      {row.sources.length > 0 && <>from {row.sources.join(" + ")}</>}
      {row.protection !== undefined && (
        <Badge tone="info" icon="key" title="By the plant's own file, before it left the plant">
          {row.protection}
        </Badge>
      )}
    </div>
  );
}

function RawTable(props: {
  readonly rows: readonly RawRow[];
  readonly marked: ReadonlySet<string>;
  readonly fieldsOf: ReadonlyMap<string, readonly string[]>;
  readonly current: string | undefined;
}) {
  const { rows, marked, fieldsOf } = props;
  return (
    <table class="values">
      <caption class="visually-hidden">Columns of the source's row</caption>
      <thead class="visually-hidden">
        <tr>
          <th scope="col">Column</th>
          <th scope="col">Value, and what it became</th>
        </tr>
      </thead>
      <tbody>
        {rows.map(({ path, column, group, value }, index) => {
          const names = fieldsOf.get(path) ?? [];
          return [
            group !== "" && rows[index - 1]?.group !== group && (
              <tr key={`${group} head`} class="group">
                <th scope="rowgroup" colSpan={2}>
                  {group}
                </th>
              </tr>
            ),
            <tr key={path} data-marked={marked.has(path) ? "" : undefined}>
              <th scope="row">
                <code>{column}</code>
              </th>
              <td>
                {value === null ? <span class="muted">null</span> : <span class="pre">{rawText(value)}</span>}
                {names.length > 0 && <div class="small muted">to {names.join(", ")}</div>}
              </td>
            </tr>,
          ];
        })}
      </tbody>
    </table>
  );
}

function rawText(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}
