// A record beside the row it came from: each field with its columns, and which values of the row these are.

/** With `include=provenance`; null where the plant has not told. */
export interface Provenance {
  readonly table: string;
  readonly fields: Readonly<
    Record<string, { readonly sources: readonly string[]; readonly protection?: string }>
  >;
}

export interface FieldRow {
  /** `lines.0.quantity`. */
  readonly path: string;
  readonly value: unknown;
  /** `TABLE.COLUMN`, as many as it is made of. */
  readonly sources: readonly string[];
  /** How the plant hides it, such as `masked`. */
  readonly protection: string | undefined;
}

export interface RawRow {
  /** `PONUM`, or `$children.lines.0.ITEMNUM` of a row that belongs to it. */
  readonly path: string;
  readonly column: string;
  /** Of a row that belongs to it: `lines.0`. */
  readonly group: string;
  readonly value: unknown;
}

export type JsonObject = Readonly<Record<string, unknown>>;

/** What the relay adds to every record; a record's own fields are the rest. */
const ENVELOPE = new Set([
  "id",
  "connection_id",
  "revision",
  "created_at",
  "updated_at",
  "deleted_at",
  "presence",
  "delete_reason",
  "incarnation",
  "origin",
  "remote_version",
  "content_hash",
  "mapping_version",
  "remote_id",
  "remote_key",
  "source",
  "raw",
  "provenance",
  "freshness",
]);
const CHILDREN = "$children";
const CUSTOM = "custom_fields";

/** Every value of the record, in its own order; lists item by item. */
export function fieldRows(record: JsonObject, provenance: Provenance | null): readonly FieldRow[] {
  const rows: FieldRow[] = [];
  const add = (path: string, value: unknown): void => {
    const inner = innerOf(value);
    if (inner !== undefined) for (const [name, each] of inner) add(`${path}.${name}`, each);
    else rows.push({ path, value, ...originOf(path, provenance) });
  };
  for (const [name, value] of Object.entries(record)) if (!ENVELOPE.has(name)) add(name, value);
  return rows;
}

/** The row's own columns, then those of the rows that belong to it. */
export function rawRows(raw: JsonObject): readonly RawRow[] {
  const rows: RawRow[] = [];
  for (const [column, value] of Object.entries(raw))
    if (column !== CHILDREN) rows.push({ path: column, column, group: "", value });
  const children = raw[CHILDREN];
  if (!isObject(children)) return rows;
  for (const [name, items] of Object.entries(children)) {
    if (!Array.isArray(items)) continue;
    for (const [index, item] of items.entries()) {
      if (!isObject(item)) continue;
      const group = `${name}.${index}`;
      for (const [column, value] of Object.entries(item))
        rows.push({ path: `${CHILDREN}.${group}.${column}`, column, group, value });
    }
  }
  return rows;
}

/**
 * The values of the row that a field is made of. Of a list's item those of the same item, where the row has a list of
 * that name; where lists were put together, all that it may be.
 */
export function rawPathsOf(
  field: Pick<FieldRow, "path" | "sources">,
  table: string | undefined,
  rows: readonly RawRow[],
): readonly string[] {
  const item = /^(.+?)\.(\d+)\./.exec(field.path);
  const found: string[] = [];
  for (const source of field.sources) {
    const { table: of, column } = splitSource(source);
    const named = rows.filter((row) => row.column.toUpperCase() === column.toUpperCase());
    const own = item === null && (of === "" || of === table) ? named.filter(({ group }) => group === "") : [];
    const inItem = item === null ? [] : named.filter(({ group }) => group === `${item[1]}.${item[2]}`);
    const inLists =
      item === null
        ? named.filter(({ group }) => group !== "")
        : named.filter(({ group }) => group.includes(item[1] ?? ""));
    const best = [own, inItem, inLists].find((each) => each.length > 0) ?? [];
    found.push(...best.map(({ path }) => path));
  }
  return [...new Set(found)];
}

/** raw path → the fields that it went into. */
export function fieldsByRaw(
  fields: readonly FieldRow[],
  table: string | undefined,
  rows: readonly RawRow[],
): ReadonlyMap<string, readonly string[]> {
  const all = new Map<string, string[]>();
  for (const field of fields)
    for (const path of rawPathsOf(field, table, rows)) {
      const names = all.get(path);
      if (names === undefined) all.set(path, [field.path]);
      else names.push(field.path);
    }
  return all;
}

/** `PO.TOTALCOST` → the part behind the last point is the column; a table's name may have points of its own. */
export function splitSource(source: string): { readonly table: string; readonly column: string } {
  const at = source.lastIndexOf(".");
  return { table: at < 0 ? "" : source.slice(0, at), column: source.slice(at + 1) };
}

/** In one line: of a reference what it leads to, of a list how much is in it. */
export function valueText(value: unknown): string {
  if (value === null || value === undefined) return "";
  if (typeof value === "string") return value;
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (typeof value === "number") return String(value);
  if (Array.isArray(value)) {
    if (value.every((each) => typeof each !== "object")) return value.join(", ");
    return value.length === 1 ? "1 item" : `${value.length} items`;
  }
  if (isReference(value)) return textOf(value["display"]) ?? textOf(value["remote_id"]) ?? value.id;
  return JSON.stringify(value);
}

/** A reference to another record of the connection; it may lead to one that is not there yet. */
export function isReference(value: unknown): value is JsonObject & { readonly id: string } {
  return isObject(value) && typeof value["id"] === "string" && "remote_id" in value;
}

/** Which entity a reference leads to, by its name; undefined where that does not say it. */
export function referencedEntity(
  path: string,
  entity: string,
  known: ReadonlySet<string>,
): string | undefined {
  const name = path.split(".").findLast((part) => !/^\d+$/.test(part)) ?? "";
  const singular = name.endsWith("s") ? name.slice(0, -1) : name;
  const target = REFERENCE_TARGETS[name] ?? (name === "parent" ? entity : singular);
  return known.has(target) ? target : undefined;
}

const REFERENCE_TARGETS: Readonly<Record<string, string>> = {
  item: "inventory_item",
  request: "maintenance_request",
  storeroom: "location",
  supervisor: "user",
};

function originOf(path: string, provenance: Provenance | null): Pick<FieldRow, "sources" | "protection"> {
  const name = path.replaceAll(/\.\d+(?=\.|$)/g, "");
  const known = provenance?.fields[name] ?? provenance?.fields[name.slice(0, name.lastIndexOf("."))];
  if (known !== undefined) return { sources: known.sources, protection: known.protection };
  // Beyond the model, fields have the names of their columns.
  const custom = name.startsWith(`${CUSTOM}.`) ? name.slice(CUSTOM.length + 1) : undefined;
  if (provenance === null || custom === undefined) return { sources: [], protection: undefined };
  return { sources: [`${provenance.table}.${custom}`], protection: undefined };
}

/** Of what is shown value by value, the values. */
function innerOf(value: unknown): readonly (readonly [string, unknown])[] | undefined {
  if (Array.isArray(value)) {
    const isList = value.length > 0 && value.every((each) => isObject(each) && !isReference(each));
    return isList ? value.map((each: unknown, index) => [String(index), each]) : undefined;
  }
  if (!isObject(value) || isReference(value)) return undefined;
  const entries = Object.entries(value);
  return entries.length === 0 ? undefined : entries;
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}
