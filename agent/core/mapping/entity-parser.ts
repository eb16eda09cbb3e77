// Reads one entity of a pack: its table, key, fields, children and lookups.
import type { Entity } from "#common/contract/model/entities.ts";
import { didYouMean } from "#common/runtime/nearest-match.ts";
import type { DocumentPath } from "#common/runtime/yaml-document.ts";
import type { ChangeStrategy, ChildPlan, DocumentDate, Filter, TableName } from "../source/plan.ts";
import type { CodeLists } from "./code-parser.ts";
import { FieldParser, type FoundReference } from "./field-parser.ts";
import type { ChildPart, CustomFieldsSpec, FieldSpec, Members } from "./field-spec.ts";
import { show, type PackObject, type PackReader } from "./pack-reader.ts";
import type { PackDefaults } from "./pack-schema.ts";
import {
  TABLE_KEYS,
  parseChanges,
  parseDocumentDate,
  parseFilters,
  parseJoin,
  parseOptionalColumns,
  parseTable,
} from "./table-parser.ts";
import { parseCompanion, parseCustom, type Companion } from "./custom-parser.ts";
import type { Vanished } from "./mapping.ts";
import { unifiedFields, type UnifiedFields } from "./unified-fields.ts";
import type { RelatedName } from "./write-field-parser.ts";
import type { WriteDefinition } from "./write-field.ts";
import { parseWrites } from "./write-parser.ts";

const ENTITY_KEYS = [
  ...TABLE_KEYS,
  "description",
  "key",
  "version",
  "poll",
  "reconcile",
  "deleted_when",
  "document_date",
  "open_when",
  "vanished",
  "touched_by",
  "created_at",
  "updated_at",
  "fields",
  "children",
  "lookups",
  "custom_fields",
  "writes",
];
const RELATED_KEYS = [...TABLE_KEYS, "on", "order", "sum", "optional"];
const LOOKUP_KEYS = [...RELATED_KEYS, "custom_fields", "into", "match"];
const CHILD_KEYS = [...RELATED_KEYS, "into", "fields", "custom_fields"];
const TOUCH_KEYS = ["table", "schema", "where", "changes", "on", "optional"];
const VANISHED = { deleted: "deleted", closed: "closed_by_source", archived: "archived" } as const;

export interface EntityDefinition {
  /** Of the unified model, or a custom entity's name. */
  readonly entity: string;
  readonly table: TableName;
  readonly key: readonly string[];
  readonly filters: readonly Filter[];
  readonly change: ChangeStrategy;
  readonly pollMs: number;
  readonly reconcileMs: number;
  readonly versionColumn: string | undefined;
  readonly vanished: Vanished;
  readonly deletedWhen: { readonly column: string; readonly values: ReadonlySet<string> } | undefined;
  readonly documentDate?: DocumentDate | undefined;
  readonly createdAt: FieldSpec | undefined;
  readonly updatedAt: FieldSpec | undefined;
  /** In the schema's order, lists filled from children among them. */
  readonly members: Members;
  readonly custom: CustomFieldsSpec | undefined;
  /** Lookups whose columns are custom fields, of the record or of a child's rows. */
  readonly companions: readonly Companion[];
  readonly optionalColumns: readonly string[];
  /** Children, lookups and touching tables, as declared. Their columns are worked out by `entityPlan`. */
  readonly related: readonly RelatedTable[];
  readonly writes: readonly WriteDefinition[];
}

export interface RelatedTable extends Omit<ChildPlan, "columns"> {
  /** Nothing of it is read: its changes only lead to the parent. */
  readonly isTouchOnly: boolean;
}

export interface EntityScope {
  readonly reader: PackReader;
  readonly codeLists: CodeLists;
  readonly defaults: PackDefaults;
  readonly references: FoundReference[];
  readonly entity: Entity;
}

export function parseEntity(
  scope: EntityScope,
  written: PackObject,
  path: DocumentPath,
): EntityDefinition | undefined {
  const { reader, defaults } = scope;
  reader.object(written, path, ENTITY_KEYS);
  const table = parseTable(reader, written, path, defaults);
  const key = reader.texts(written["key"], [...path, "key"], "a key column");
  const change = parseChanges(reader, written["changes"], [...path, "changes"], defaults);
  const lookups = relatedObjects(reader, written, path, "lookups", LOOKUP_KEYS);
  const children = relatedObjects(reader, written, path, "children", CHILD_KEYS);
  const touches = relatedObjects(reader, written, path, "touched_by", TOUCH_KEYS);
  const names = [...lookups, ...children].map(({ name }) => name);
  checkNames(reader, names, [...path, "lookups"]);
  const fields = new FieldParser(fieldScope(scope, names, false));
  const unified = unifiedFields(scope.entity);
  const own = fields.members(written["fields"], [...path, "fields"], unified);
  const parts = parseParts(scope, children, names, unified, own);
  const instant = (name: string): FieldSpec | undefined =>
    written[name] === undefined ? undefined : fields.instant(written[name], [...path, name]);
  const version = written["version"];
  const vanished = written["vanished"];
  const childNames = children.map(({ name }) => name);
  const companions = lookups.flatMap((one) => parseCompanion(reader, one, childNames) ?? []);
  const tables = [...lookups, ...children, ...touches].flatMap((one) => parseRelated(scope, one) ?? []);
  const related = tables.filter(({ isTouchOnly }) => !isTouchOnly).map((one) => relatedName(one, children));
  const definition = {
    filters: parseFilters(reader, written["where"], [...path, "where"]),
    pollMs: reader.duration(written["poll"], [...path, "poll"], defaults.pollMs),
    reconcileMs: reader.duration(written["reconcile"], [...path, "reconcile"], defaults.reconcileMs),
    versionColumn: version === undefined ? undefined : reader.text(version, [...path, "version"], "a column"),
    vanished:
      VANISHED[
        vanished === undefined
          ? "deleted"
          : (reader.oneOf(vanished, [...path, "vanished"], ["deleted", "closed", "archived"]) ?? "deleted")
      ],
    deletedWhen: parseDeletedWhen(reader, written["deleted_when"], [...path, "deleted_when"]),
    documentDate: parseDocumentDate(reader, written, path, defaults),
    createdAt: instant("created_at"),
    updatedAt: instant("updated_at"),
    members: inOrder(unified, [...own, ...parts]),
    custom: parseCustom(reader, written["custom_fields"], [...path, "custom_fields"], unified),
    companions,
    optionalColumns: parseOptionalColumns(reader, written, path),
    related: tables,
    writes: parseWrites({ reader, defaults, unified, key, related }, written["writes"], [...path, "writes"]),
  };
  return table && change && { entity: scope.entity, table, key, change, ...definition };
}

/** What a write may know of a child or lookup. */
function relatedName({ name, table, on }: RelatedTable, children: readonly Related[]): RelatedName {
  const child = children.find((one) => one.name === name);
  const list = child?.written["into"] ?? child?.name;
  return {
    name,
    list: typeof list === "string" ? list : undefined,
    isMany: table.company?.part === "extensions",
    on: on.map((join) => join.child),
  };
}

interface Related {
  readonly name: string;
  readonly written: PackObject;
  readonly path: DocumentPath;
}

function relatedObjects(
  reader: PackReader,
  written: PackObject,
  path: DocumentPath,
  section: string,
  known: readonly string[],
): readonly Related[] {
  const object = reader.mapping(written[section] ?? {}, [...path, section]) ?? {};
  return Object.entries(object).flatMap(([name, value]) => {
    const place = [...path, section, name];
    const one = reader.object(value, place, known);
    return one === undefined ? [] : [{ name, written: one, path: place }];
  });
}

function checkNames(reader: PackReader, names: readonly string[], path: DocumentPath): void {
  if (names.includes("parent")) reader.problem(path, '"parent" is the row above; choose another name');
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  if (twice !== undefined) reader.problem(path, `"${twice}" is both a lookup and a child; rename one`);
}

function fieldScope(
  scope: EntityScope,
  related: readonly string[],
  hasParent: boolean,
): ConstructorParameters<typeof FieldParser>[0] {
  const { reader, codeLists, references, defaults } = scope;
  return { reader, codeLists, references, timestamps: defaults.timestamps, related, hasParent };
}

/** Children by the list that they fill; several tables may fill one list, in the order in which they stand. */
function parseParts(
  scope: EntityScope,
  children: readonly Related[],
  names: readonly string[],
  unified: UnifiedFields,
  own: Members,
): Members {
  const { reader } = scope;
  const parser = new FieldParser(fieldScope(scope, names, true));
  const lists = [...unified.byName].flatMap(([name, kind]) =>
    kind.kind === "list" && kind.item.kind === "object" ? [name] : [],
  );
  const parts = new Map<string, { parts: ChildPart[]; maxItems: number }>();
  for (const { name, written, path } of children) {
    const into = written["into"] ?? name;
    const kind = typeof into === "string" ? unified.byName.get(into) : undefined;
    if (typeof into !== "string" || kind?.kind !== "list" || kind.item.kind !== "object") {
      const hint =
        didYouMean(typeof into === "string" ? into : "", lists) ||
        `; lists of ${scope.entity}: ${lists.join(", ") || "none"}`;
      reader.problem(path, `${show(into)} is no list of the unified model${hint}`, "key");
      continue;
    }
    if (own.some(([field]) => field === into))
      reader.problem(path, `"${into}" is already made of the parent's own columns`, "key");
    const members = parser.members(written["fields"], [...path, "fields"], kind.item.fields);
    const custom = parseCustom(
      reader,
      written["custom_fields"],
      [...path, "custom_fields"],
      kind.item.fields,
    );
    const list = parts.get(into) ?? { parts: [], maxItems: kind.maxItems };
    list.parts.push({ child: name, members, custom });
    parts.set(into, list);
  }
  return [...parts].map(([name, list]) => [name, { form: "children", ...list }] as const);
}

function inOrder(unified: UnifiedFields, members: Members): Members {
  const byName = new Map(members);
  return [...unified.byName.keys()].flatMap((name) => {
    const spec = byName.get(name);
    return spec === undefined ? [] : [[name, spec] as const];
  });
}

function parseRelated(scope: EntityScope, { name, written, path }: Related): RelatedTable | undefined {
  const { reader, defaults } = scope;
  const table = parseTable(reader, written, path, defaults);
  const changes = written["changes"];
  const change =
    changes === undefined ? undefined : parseChanges(reader, changes, [...path, "changes"], defaults);
  const order = written["order"];
  if (order === undefined && path.at(-2) === "children")
    reader.problem(
      [...path, "order"],
      "missing; without it the same rows could come in another order and look changed",
    );
  const isTouchOnly = path.at(-2) === "touched_by";
  if (isTouchOnly && changes === undefined)
    reader.problem([...path, "changes"], "missing; expected how a changed row is noticed");
  if (table === undefined) return undefined;
  return {
    name,
    isTouchOnly,
    sums: parseSums(reader, written, path),
    isOptional: reader.flag(written["optional"], [...path, "optional"]),
    optionalColumns: parseOptionalColumns(reader, written, path),
    table,
    on: parseJoin(reader, written["on"], [...path, "on"]),
    orderBy: order === undefined ? [] : reader.texts(order, [...path, "order"], "a column"),
    filters: parseFilters(reader, written["where"], [...path, "where"]),
    ...(change === undefined ? {} : { change }),
  };
}

/** Columns that the source adds up over all others that are read. */
function parseSums(reader: PackReader, written: PackObject, path: DocumentPath): readonly string[] {
  if (written["sum"] === undefined) return [];
  if (written["custom_fields"] !== undefined)
    reader.problem([...path, "sum"], "rows that are added up have no custom fields", "key");
  return reader.texts(written["sum"], [...path, "sum"], "a column");
}

function parseDeletedWhen(
  reader: PackReader,
  value: unknown,
  path: DocumentPath,
): EntityDefinition["deletedWhen"] {
  if (value === undefined) return undefined;
  const object = reader.object(value, path, ["column", "in"]);
  const column = reader.text(object?.["column"], [...path, "column"], "a column");
  const values = reader.texts(object?.["in"], [...path, "in"], "value");
  return column === undefined ? undefined : { column, values: new Set(values) };
}
