// The hot path: one source row in, the JSON text of one unified record out. Equal content gives identical text.
import type { Columns, SourceRow } from "../source/connector.ts";
import type { KeyRule } from "../source/key-rules.ts";
import { BadValue } from "./bad-value.ts";
import type { EntityDefinition } from "./entity-parser.ts";
import type { UsedColumns } from "./entity-plan.ts";
import { customWriter, type CustomSource } from "./custom-fields.ts";
import type { CustomFieldsSpec } from "./field-spec.ts";
import {
  createWriter,
  namedWriters,
  type RowScope,
  type Writer,
  type WriterContext,
} from "./field-writer.ts";
import { visibleEntity, type VisibleEntity } from "./hidden.ts";
import { LocalTime } from "./local-time.ts";
import type { MappedRow, MapperContext } from "./mapping.ts";
import { protectedAs, protectedWriter } from "./protection.ts";
import { remoteIdOf } from "./reference-writer.ts";
import { SortedColumns, rawRowText, textOf } from "./source-text.ts";
import { createTimeReader } from "./timestamp.ts";

/** The model's limit for a key, and for one of its values, characters. */
const MAX_KEY_LENGTH = 4_000;
const NOTHING_RELATED: RowScope["related"] = {};

export interface MapperParts {
  readonly definition: EntityDefinition;
  readonly used: UsedColumns;
  readonly system: string;
  readonly noDates: ReadonlySet<string>;
  /** Entities that the pack maps: only for these does the source have key rules. */
  readonly mapped: ReadonlySet<string>;
  readonly onUnmapped: (field: string, code: string) => void;
}

export function createMapper(parts: MapperParts, context: MapperContext): (row: SourceRow) => MappedRow {
  const { definition } = parts;
  const { protection } = context;
  const protectedBy = (path: string): ReturnType<typeof protectedAs> =>
    protection && protectedAs(protection, definition.entity, path);
  const visible = visibleEntity(definition, context.hidden, (path) => protectedBy(path) !== undefined);
  const writers: WriterContext = {
    connectionId: context.connectionId,
    keyRules: (entity) => (parts.mapped.has(entity) ? context.keyRules(entity) : []),
    times: createTimeReader(new LocalTime(context.timeZone), parts.noDates),
    onUnmapped: parts.onUnmapped,
    ...(protection === undefined
      ? {}
      : {
          protect: (path, write) => {
            const as = protectedBy(path);
            return as === undefined ? write : protectedWriter(as, write, path, protection.pseudonym);
          },
        }),
    custom: (spec, child) => {
      const sources = customSources(parts, visible, spec, child);
      return sources.length === 0 ? undefined : customWriter(sources);
    },
  };
  const write = recordWriter(parts, visible, writers);
  const writeRaw = context.raw ? rawWriter(definition, visible) : undefined;
  const { deletedWhen } = definition;
  return (row) => {
    try {
      const scope: RowScope = { parent: row.columns, related: row.children ?? NOTHING_RELATED };
      const record = write(row, scope);
      const isDeleted = deletedWhen !== undefined && hasFlag(row.columns, deletedWhen);
      return { ok: true, record, raw: writeRaw?.(row.columns, scope), isDeleted };
    } catch (error) {
      if (!(error instanceof BadValue)) throw error;
      return { ok: false, code: error.code, detail: error.message.slice(0, 2_000) };
    }
  };
}

/** The envelope's members first, then the fields in the schema's order, then the custom fields. */
function recordWriter(
  parts: MapperParts,
  visible: VisibleEntity,
  context: WriterContext,
): (row: SourceRow, scope: RowScope) => string {
  const { definition, system } = parts;
  const { table } = definition;
  const custom = customSources(parts, visible, definition.custom, undefined);
  const key = keyWriter(definition.key, context.keyRules(definition.entity));
  const tableName = table.schema === undefined ? table.name : `${table.schema}.${table.name}`;
  const source = JSON.stringify({ system, table: tableName.slice(0, 500) });
  const member = (name: string, write: Writer) => ({ token: `"${name}":`, write });
  const writers = [
    ...envelopeTime("remote_created_at", visible.createdAt, context),
    ...envelopeTime("remote_updated_at", visible.updatedAt, context),
    member("source", () => source),
    ...namedWriters(visible.members, "", context),
    ...(custom.length === 0 ? [] : [member("custom_fields", customWriter(custom))]),
  ];
  return (row, scope) => {
    let text = key(row);
    for (const { token, write } of writers) {
      const value = write(row.columns, scope);
      if (value !== undefined) text += `,${token}${value}`;
    }
    return `${text}}`;
  };
}

function envelopeTime(
  name: string,
  spec: EntityDefinition["createdAt"],
  context: WriterContext,
): readonly { token: string; write: Writer }[] {
  return spec === undefined ? [] : [{ token: `"${name}":`, write: createWriter(spec, name, context) }];
}

function keyWriter(columns: readonly string[], rules: readonly KeyRule[]): (row: SourceRow) => string {
  const tokens = columns.map((column, at) => `${at === 0 ? "" : ","}${JSON.stringify(column)}:`);
  return ({ key }) => {
    let values = "";
    for (let at = 0; at < tokens.length; at += 1) {
      const value = key[at];
      if (value === null || value === undefined)
        throw new BadValue(
          "KEY_NULL",
          `key column ${columns[at] ?? ""} is null; a record needs its whole key`,
        );
      if (value.length > MAX_KEY_LENGTH)
        throw new BadValue(
          "KEY_TOO_LONG",
          `key column ${columns[at] ?? ""} holds ${value.length} characters`,
        );
      values += tokens[at] + JSON.stringify(value);
    }
    const id = remoteIdOf(key, rules);
    if (id === "") throw new BadValue("KEY_NULL", `key column ${columns.join(", ")} is empty`);
    if (id.length > MAX_KEY_LENGTH)
      throw new BadValue("KEY_TOO_LONG", `the key has ${id.length} characters; most is ${MAX_KEY_LENGTH}`);
    return `{"remote_id":${JSON.stringify(id)},"remote_key":{${values}}`;
  };
}

function hasFlag(
  columns: Columns,
  { column, values }: NonNullable<EntityDefinition["deletedWhen"]>,
): boolean {
  const value = columns[column];
  if (typeof value === "boolean") return values.has(String(value)) || values.has(value ? "1" : "0");
  const flag = textOf(value, column);
  return typeof flag === "string" && values.has(flag);
}

/** Where custom fields come from: the row itself, and the companion tables of the record or of a child's rows. */
function customSources(
  { definition, used }: MapperParts,
  visible: VisibleEntity,
  own: CustomFieldsSpec | undefined,
  child: string | undefined,
): readonly CustomSource[] {
  const path = child === undefined ? "" : listOf(definition, child);
  const source = (spec: CustomFieldsSpec, related: string | undefined): CustomSource => ({
    spec,
    mapped: (related === undefined ? used.own : used.related.get(related)) ?? new Set<string>(),
    isVisible: (column) =>
      visible.isColumnVisible(related, column) && visible.isCustomFieldVisible(path, column),
  });
  const companions = definition.companions.filter((one) => one.child === child);
  return [
    ...(own === undefined ? [] : [source(own, child)]),
    ...companions.map(({ lookup, custom, match }) =>
      Object.assign(source(custom, lookup), { lookup, match }),
    ),
  ];
}

function listOf(definition: EntityDefinition, child: string): string {
  const list = definition.members.find(
    ([, spec]) => spec.form === "children" && spec.parts.some((part) => part.child === child),
  );
  return list?.[0] ?? "";
}

/** The row's own columns, with children and lookups under `$children`. */
function rawWriter(
  definition: EntityDefinition,
  visible: VisibleEntity,
): (row: Columns, scope: RowScope) => string {
  const own = new SortedColumns((column) => visible.isColumnVisible(undefined, column));
  const read = definition.related.filter(({ isTouchOnly }) => !isTouchOnly);
  const related = read.map(({ name, orderBy }) => ({
    name,
    isOrdered: orderBy.length > 0,
    columns: new SortedColumns((column) => visible.isColumnVisible(name, column)),
  }));
  return (row, scope) => {
    const text = rawRowText(row, own);
    if (related.length === 0) return text;
    const children = related.map(({ name, isOrdered, columns }) => {
      const rows = (scope.related[name] ?? []).map((child) => rawRowText(child, columns));
      // Without an order of its own a query may answer in any: sorted, equal content stays equal.
      return `${JSON.stringify(name)}:[${(isOrdered ? rows : rows.sort()).join(",")}]`;
    });
    return `${text.slice(0, -1)}${text === "{}" ? "" : ","}"$children":{${children.join(",")}}}`;
  };
}
