// The parameters of lists and of single records: their schemas, made from the model, and what they mean.
import { Type, type TProperties, type TSchema } from "typebox";
import { ENTITIES, isEntity, type Entity } from "#common/contract/model/entities.ts";
import { invalidRequest } from "#relay/core/administration.ts";
import type { ProblemIssue } from "#relay/core/problem.ts";
import { parseExpand } from "#relay/core/records/expansion.ts";
import { parseFields } from "#relay/core/records/field-selection.ts";
import { enumValues, fieldAt, kindOf, recordFields } from "#relay/core/records/model-field.ts";
import { instantBound, type FieldCondition, type RecordFilter } from "#relay/core/records/record-filter.ts";
import { revisionAt } from "#relay/core/revisions.ts";
import type { RecordQuery } from "#relay/core/store.ts";
import { DEFAULT_LIMIT } from "./paging.ts";
import type { RecordShape } from "./record-shape.ts";
import { listPattern } from "./schema-issues.ts";
import { ConnectionParameter, CursorParameter, Limit, PageParameter, PerPage } from "./schemas.ts";

/** Ids in one `ids`. */
const MAX_IDS = 200;
/** Values of one filter. */
const MAX_VALUES = 50;
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const MUST_BE_INSTANT =
  "must be a date (2026-03-02) or a timestamp with its zone (2026-03-02T08:15:00Z; a + in an address is written %2B)";

function text(description: string, examples: readonly string[] = [], maxLength = 2_000): TSchema {
  return Type.Optional(
    Type.String({ minLength: 1, maxLength, description, ...(examples.length === 0 ? {} : { examples }) }),
  );
}

function when(description: string): TSchema {
  return text(description, ["2026-03-02", "2026-03-02T08:15:00Z"], 40);
}

const PLAIN_SHAPE: TProperties = {
  include: Type.Optional(
    Type.String({
      pattern: listPattern(["raw", "provenance", "freshness"]),
      maxLength: 100,
      description:
        "Separated by commas. `raw`: the source's own row, where the plant releases it; `provenance`: the columns that each field comes from; `freshness`: how current the answer is",
      examples: ["raw", "raw,provenance,freshness"],
    }),
  ),
  fields: text("Only these fields, separated by commas; `id` and `revision` are always there", [
    "number,status,vendor.id",
  ]),
};

const SHAPE: TProperties = {
  ...PLAIN_SHAPE,
  expand: text("The referenced records themselves in the place of these references, separated by commas", [
    "vendor,lines.item",
  ]),
};

const BOUNDS: TProperties = {
  modified_after: when("Committed after this date (UTC midnight) or timestamp; exclusive"),
  modified_before: when("Committed before this date (UTC midnight) or timestamp; exclusive"),
};

const COMMON_FILTERS: TProperties = {
  include_deleted: Type.Optional(Type.Boolean({ description: "Also records that are gone from the source" })),
  ids: text(`Only these records, by id, separated by commas; at most ${MAX_IDS}`, [], 8_000),
  remote_id: text("Only the record with this key in the source, as `remote_id` shows it"),
  created_after: when("First seen by the relay after this date or timestamp; exclusive"),
  created_before: when("First seen by the relay before this date or timestamp; exclusive"),
  remote_created_after: when("Made in the source after this date or timestamp; exclusive"),
  remote_created_before: when("Made in the source before this date or timestamp; exclusive"),
  remote_updated_after: when("Changed in the source after this date or timestamp; exclusive"),
  remote_updated_before: when("Changed in the source before this date or timestamp; exclusive"),
};

const PLACE: TProperties = {
  connection_id: ConnectionParameter,
  customer: text("Only connections of this customer", [], 200),
  label: text("Only connections with this label, `name:value`", ["region:north"], 500),
};

const PAGES: TProperties = {
  limit: Limit,
  cursor: CursorParameter,
  page: PageParameter,
  per_page: PerPage,
};

/** Every list's own: with the filters and dates that its entity has. */
export function listQuerySchema(entity: Entity): ReturnType<typeof Type.Object> {
  return Type.Object(
    { ...PAGES, ...BOUNDS, ...fieldFilters(entity), ...COMMON_FILTERS, ...PLACE, ...SHAPE },
    { additionalProperties: false },
  );
}

/** Of entities beyond the model: what all lists have; there are no references to expand. */
export const CUSTOM_LIST_QUERY = Type.Object(
  { ...PAGES, ...BOUNDS, ...COMMON_FILTERS, ...PLACE, ...PLAIN_SHAPE },
  { additionalProperties: false },
);

const ONE: TProperties = {
  include_deleted: Type.Optional(
    Type.Boolean({ description: "Answer with the last state of a record that is gone" }),
  ),
  as_of: when("The record as it was at this date or timestamp, from its history"),
  source: Type.Optional(
    Type.Union([Type.Literal("stored"), Type.Literal("live")], {
      description: "`live`: ask the source itself, through the agent; `stored` if not given",
    }),
  ),
};

export const ONE_QUERY = Type.Object({ ...SHAPE, ...ONE }, { additionalProperties: false });
export const CUSTOM_ONE_QUERY = Type.Object({ ...PLAIN_SHAPE, ...ONE }, { additionalProperties: false });

/** What a list's or a record's query may have, whatever the entity. */
export type QueryText = Readonly<Record<string, string | number | boolean | undefined>>;

export interface ListRequest {
  readonly query: Omit<RecordQuery, "afterRevision">;
  /** From `modified_after`. */
  readonly afterRevision: number;
  readonly filter: RecordFilter | undefined;
  readonly shape: RecordShape | undefined;
  readonly page: number | undefined;
}

/** @throws Problem INVALID_REQUEST with everything that is wrong */
export function readListQuery(entity: string, query: QueryText): ListRequest {
  const issues = new Issues(query);
  const shape = readShape(entity, issues);
  const isPaged = query["page"] !== undefined || query["per_page"] !== undefined;
  if (isPaged && query["cursor"] !== undefined) {
    issues.add("cursor", "cannot be used with page and per_page; use one way to go through a list");
  }
  if (isPaged && query["limit"] !== undefined) issues.add("limit", "is called per_page where pages are used");
  const limit = (isPaged ? query["per_page"] : query["limit"]) ?? DEFAULT_LIMIT;
  const afterRevision = issues.revision("modified_after") ?? 0;
  const beforeRevision = issues.revision("modified_before");
  const filter = readFilter(entity, issues);
  issues.end();
  return {
    query: {
      entity,
      beforeRevision,
      includeDeleted: query["include_deleted"] === true,
      includeRaw: String(query["include"] ?? "").includes("raw"),
      limit: Number(limit),
    },
    afterRevision,
    filter,
    shape,
    page: isPaged ? Number(query["page"] ?? 1) : undefined,
  };
}

export interface OneRequest {
  readonly includeRaw: boolean;
  readonly includeDeleted: boolean;
  readonly shape: RecordShape | undefined;
  readonly asOf: number | undefined;
  readonly isLive: boolean;
}

/** @throws Problem INVALID_REQUEST with everything that is wrong */
export function readOneQuery(entity: string, query: QueryText): OneRequest {
  const issues = new Issues(query);
  const shape = readShape(entity, issues);
  const asOf = issues.revision("as_of");
  const isLive = query["source"] === "live";
  if (isLive && asOf !== undefined) issues.add("as_of", "cannot be used with source=live");
  issues.end();
  const includeRaw = String(query["include"] ?? "").includes("raw");
  return { includeRaw, includeDeleted: query["include_deleted"] === true, shape, asOf, isLive };
}

function fieldFilters(entity: Entity): TProperties {
  const { filters, dates } = ENTITIES[entity];
  const fields = recordFields(entity);
  const schemas: TProperties = {};
  for (const [name, path] of Object.entries(withNative(entity))) {
    const found = fieldAt(fields, path.split("."));
    const field = "schema" in found ? found.schema : {};
    schemas[name] = filterSchema(name, path, field);
  }
  for (const name of dates as readonly string[]) {
    schemas[`${name}_after`] = when(`\`${name}\` after this date or timestamp; exclusive`);
    schemas[`${name}_before`] = when(`\`${name}\` before this date or timestamp; exclusive`);
  }
  return Object.keys(filters).length === 0 && dates.length === 0 ? {} : schemas;
}

function filterSchema(name: string, path: string, field: Parameters<typeof kindOf>[0]): TSchema {
  const kind = kindOf(field);
  const what = name === path ? "" : `By \`${path}\`. `;
  if (kind === "boolean") return Type.Optional(Type.Boolean({ description: `${what}true or false` }));
  if (kind === "reference") {
    return text(`${what}Id (several with commas) or \`remote_id\` of the referenced record`);
  }
  if (kind !== "enum") return text(`${what}Exactly this`);
  const values = enumValues(field) ?? [];
  return Type.Optional(
    Type.String({
      pattern: listPattern(values),
      maxLength: 2_000,
      description: `${what}One or, with commas, several of: ${values.join(", ")}`,
      examples: values.slice(0, 2),
    }),
  );
}

/** The model's filters, and the source's own words beside normalised ones. */
function withNative(entity: Entity): Readonly<Record<string, string>> {
  const fields = recordFields(entity);
  const filters: Readonly<Record<string, string>> = ENTITIES[entity].filters;
  const native = Object.keys(filters)
    .map((name) => `native_${name}`)
    .filter((name) => Object.hasOwn(fields, name));
  return { ...filters, ...Object.fromEntries(native.map((name) => [name, name])) };
}

type ReadParameter = (issues: Issues, value: string | number | boolean) => readonly FieldCondition[];

/** How each parameter that compares a field is read; made once for each entity, because every list asks for it. */
const parameters = new Map<string, ReadonlyMap<string, ReadParameter>>();

function parametersOf(entity: string): ReadonlyMap<string, ReadParameter> {
  // All beyond the model have the same.
  const name = isEntity(entity) ? entity : "";
  const known = parameters.get(name);
  if (known !== undefined) return known;
  const made = new Map<string, ReadParameter>();
  const fields = recordFields(entity);
  for (const [filter, path] of isEntity(entity) ? Object.entries(withNative(entity)) : []) {
    const found = fieldAt(fields, path.split("."));
    const kind = "schema" in found ? kindOf(found.schema) : "text";
    made.set(filter, (issues, value) => [
      valueCondition(path, kind, value, (detail) => issues.add(filter, detail)),
    ]);
  }
  made.set("remote_id", (_, value) => [{ test: "in", paths: ["remote_id"], values: [String(value)] }]);
  const ranges: (readonly [name: string, path: string])[] = [
    ...datesOf(entity).map((date) => [date, date] as const),
    ["remote_created", "remote_created_at"],
    ["remote_updated", "remote_updated_at"],
  ];
  for (const [range, path] of ranges) {
    const found = fieldAt(fields, [path]);
    const isDate = "schema" in found && kindOf(found.schema) === "date";
    for (const test of ["after", "before"] as const) {
      made.set(`${range}_${test}`, (issues) => issues.bound(`${range}_${test}`, test, path, isDate));
    }
  }
  parameters.set(name, made);
  return made;
}

function datesOf(entity: string): readonly string[] {
  return isEntity(entity) ? ENTITIES[entity].dates : [];
}

function readFilter(entity: string, issues: Issues): RecordFilter | undefined {
  const { query } = issues;
  const conditions: FieldCondition[] = [];
  const known = parametersOf(entity);
  for (const name in query) {
    const value = query[name];
    if (value !== undefined) conditions.push(...(known.get(name)?.(issues, value) ?? []));
  }
  const ids = readIds(issues);
  const createdAfterMs = issues.millis("created_after");
  const createdBeforeMs = issues.millis("created_before");
  const isEmpty = ids === undefined && createdAfterMs === undefined && createdBeforeMs === undefined;
  if (isEmpty && conditions.length === 0) return undefined;
  return { ids, createdAfterMs, createdBeforeMs, conditions };
}

function valueCondition(
  path: string,
  kind: ReturnType<typeof kindOf>,
  value: string | number | boolean,
  wrong: (detail: string) => void,
): FieldCondition {
  if (typeof value !== "string") return { test: "in", paths: [path], values: [Boolean(value)] };
  const parts = value.split(",").map((part) => part.trim());
  if (kind === "enum") {
    if (parts.length > MAX_VALUES) wrong(`has ${parts.length} values; ${MAX_VALUES} are possible`);
    return { test: "in", paths: [path], values: parts };
  }
  if (kind !== "reference") return { test: "in", paths: [path], values: [value] };
  const ids = parts.every((part) => UUID.test(part)) ? parts.map((part) => part.toLowerCase()) : [value];
  if (ids.length > MAX_VALUES) wrong(`has ${ids.length} ids; ${MAX_VALUES} are possible`);
  return { test: "in", paths: [`${path}.id`, `${path}.remote_id`], values: ids };
}

function readIds(issues: Issues): readonly string[] | undefined {
  const value = issues.query["ids"];
  if (value === undefined) return undefined;
  const ids = String(value)
    .split(",")
    .map((id) => id.trim().toLowerCase());
  if (ids.length > MAX_IDS) issues.add("ids", `has ${ids.length} ids; ${MAX_IDS} are possible`);
  const bad = ids.find((id) => !UUID.test(id));
  if (bad !== undefined) issues.add("ids", `${JSON.stringify(bad.slice(0, 50))} is not an id of a record`);
  return ids;
}

function readShape(entity: string, issues: Issues): RecordShape | undefined {
  const { query } = issues;
  if (query["include"] === undefined && query["fields"] === undefined && query["expand"] === undefined) {
    return undefined;
  }
  const include = String(query["include"] ?? "").split(",");
  const expand =
    query["expand"] === undefined
      ? []
      : parseExpand(entity, String(query["expand"]), (detail) => issues.add("expand", detail));
  const fields =
    query["fields"] === undefined
      ? undefined
      : parseFields(entity, String(query["fields"]), expand, (detail) => issues.add("fields", detail));
  const withProvenance = include.includes("provenance");
  const withFreshness = include.includes("freshness");
  if (fields === undefined && expand.length === 0 && !withProvenance && !withFreshness) return undefined;
  return { fields, expand, withProvenance, withFreshness };
}

/** Everything that is wrong with a query, told at once. */
class Issues {
  readonly query: QueryText;
  readonly #issues: ProblemIssue[] = [];

  constructor(query: QueryText) {
    this.query = query;
  }

  add(name: string, detail: string): void {
    this.#issues.push({ pointer: `#/query/${name}`, detail });
  }

  /** µs since the Unix epoch. */
  revision(name: string): number | undefined {
    const value = this.query[name];
    if (value === undefined) return undefined;
    const revision = revisionAt(String(value));
    if (revision === undefined) this.add(name, MUST_BE_INSTANT);
    return revision;
  }

  millis(name: string): number | undefined {
    const micros = this.revision(name);
    return micros === undefined ? undefined : micros / 1_000;
  }

  /** A date or an instant that a field must come after or before. */
  bound(
    parameter: string,
    test: "after" | "before",
    path: string,
    isDate: boolean,
  ): readonly FieldCondition[] {
    if (isDate) return this.#dateBound(parameter, test, path, String(this.query[parameter]));
    const micros = this.revision(parameter);
    return micros === undefined ? [] : [{ test, path, bound: instantBound(test, isoOf(micros)) }];
  }

  #dateBound(
    parameter: string,
    test: "after" | "before",
    path: string,
    value: string,
  ): readonly FieldCondition[] {
    if (value.length === 10 && revisionAt(value) !== undefined) return [{ test, path, bound: value }];
    this.add(parameter, "must be a date (2026-03-02): the field has no time of day");
    return [];
  }

  end(): void {
    if (this.#issues.length > 0) throw invalidRequest("The request is not valid", this.#issues);
  }
}

/** With all six digits. */
function isoOf(micros: number): string {
  const whole = new Date(Math.floor(micros / 1_000)).toISOString().slice(0, -1);
  return `${whole}${String(micros % 1_000).padStart(3, "0")}Z`;
}
