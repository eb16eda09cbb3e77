// Which fields a list of records shows and filters by, from what the API says about the entity.

export interface EntityField {
  readonly name: string;
  readonly type: string;
  readonly options?: readonly string[];
  /** The parameter that filters by it. */
  readonly filter?: string;
  /** Whether the connection fills it. */
  readonly provided?: boolean;
}

export interface RecordFilter {
  /** Parameter of the API, and of the screen's address. */
  readonly name: string;
  readonly options: readonly string[] | undefined;
}

/** Beside what the record is called and when it changed. */
const MAX_COLUMNS = 5;
/** What people know records by comes first, then how they stand, then what they belong to. */
const FIRST = [
  "number",
  "code",
  "name",
  "title",
  "description",
  "status",
  "type",
  "priority",
  "vendor",
  "asset",
  "item",
  "location",
  "quantity",
  "value",
  "total_amount",
  "total",
];
const SHOWN_TYPES = new Set([
  "text",
  "enum",
  "reference",
  "decimal",
  "date",
  "boolean",
  "integer",
  "instant",
]);

/** Names of fields, those that the connection fills. */
export function shownFields(fields: readonly EntityField[]): readonly string[] {
  const can = fields.filter(
    ({ name, type, provided }) =>
      provided !== false &&
      SHOWN_TYPES.has(type) &&
      !name.includes(".") &&
      !name.startsWith("remote_") &&
      !name.startsWith("native_"),
  );
  const rank = (name: string): number => {
    const at = FIRST.indexOf(name);
    return at < 0 ? FIRST.length : at;
  };
  return can
    .toSorted((a, b) => rank(a.name) - rank(b.name))
    .slice(0, MAX_COLUMNS)
    .map(({ name }) => name);
}

/** Those that people would use: of one column each, the enumerations first. */
export function offeredFilters(fields: readonly EntityField[], max: number): readonly RecordFilter[] {
  const offered: RecordFilter[] = [];
  for (const { filter, options, type, provided } of fields) {
    if (filter === undefined || provided === false || type === "reference") continue;
    if (!offered.some(({ name }) => name === filter)) offered.push({ name: filter, options });
  }
  return offered
    .toSorted((a, b) => Number(a.options === undefined) - Number(b.options === undefined))
    .slice(0, max);
}

/** The query of a list of records: what is set, nothing else. */
export function recordsQuery(values: Readonly<Record<string, string | undefined>>): string {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(values))
    if (value !== undefined && value !== "") params.set(name, value);
  return params.toString();
}
