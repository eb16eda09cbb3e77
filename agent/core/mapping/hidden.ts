// What must not leave the plant: which columns and fields a policy hides, and what is left of a field without them.
import { ENTITIES, type Entity } from "#common/contract/model/entities.ts";
import type { Issue } from "#common/runtime/errors.ts";
import { didYouMean } from "#common/runtime/nearest-match.ts";
import type { EntityDefinition } from "./entity-parser.ts";
import { PARENT, usesOf, usesOfSource, type ColumnUse, type FieldSpec, type Members } from "./field-spec.ts";
import type { CompiledPack } from "./mapping.ts";
import { unifiedFields, type UnifiedFields } from "./unified-fields.ts";
import type { TableName } from "../source/plan.ts";

export interface HiddenParts {
  /** Case does not count: hiding too much is the safer mistake. */
  isColumnHidden(table: TableName, column: string): boolean;
  isFieldHidden(path: string): boolean;
}

/** @param hidden `TABLE.COLUMN`, `SCHEMA.TABLE.COLUMN`, `TABLE.*` or `entity.field` */
export function hiddenParts(hidden: readonly string[], entity: string): HiddenParts {
  const names = new Set(hidden.map((name) => name.toLowerCase()));
  const has = (name: string): boolean => names.has(name.toLowerCase());
  return {
    isColumnHidden: ({ schema, name }, column) =>
      has(`${name}.${column}`) ||
      has(`${name}.*`) ||
      (schema !== undefined && (has(`${schema}.${name}.${column}`) || has(`${schema}.${name}.*`))),
    isFieldHidden: (path) => has(`${entity}.${path}`),
  };
}

/** An entity without its hidden parts, and the columns that may not appear in `raw` and custom fields. */
export interface VisibleEntity {
  readonly members: Members;
  readonly createdAt: FieldSpec | undefined;
  readonly updatedAt: FieldSpec | undefined;
  /** `related` names a child or lookup; undefined is the entity's own table. */
  isColumnVisible(related: string | undefined, column: string): boolean;
  isCustomFieldVisible(path: string, column: string): boolean;
}

/** `isProtected`: the field leaves in another form, and its columns not at all. */
export function visibleEntity(
  definition: EntityDefinition,
  hidden: readonly string[],
  isProtected: (path: string) => boolean = () => false,
): VisibleEntity {
  const parts = hiddenParts(hidden, definition.entity);
  const tables = new Map(definition.related.map(({ name, table }) => [name, table]));
  const tableOf = (name: string | undefined): TableName =>
    name === undefined ? definition.table : (tables.get(name) ?? definition.table);
  const isHidden = (use: ColumnUse, row: string | undefined): boolean =>
    parts.isColumnHidden(tableOf(tableNameOf(use, row)), use.column);
  /** Columns that feed a hidden field: they must not slip out through `raw`. */
  const feeding = new Set<string>();
  const pruning: Pruning = {
    isHidden,
    isFieldHidden: (path) => parts.isFieldHidden(path),
    drop: (spec, row) => {
      for (const use of usesOf(spec)) feeding.add(columnId(tableNameOf(use, row), use.column));
    },
  };
  const members = pruneMembers(definition.members, "", undefined, pruning);
  dropProtected(members, "", undefined, { isProtected, drop: pruning.drop });
  return {
    members,
    createdAt: definition.createdAt && prune(definition.createdAt, "remote_created_at", undefined, pruning),
    updatedAt: definition.updatedAt && prune(definition.updatedAt, "remote_updated_at", undefined, pruning),
    isColumnVisible: (related, column) =>
      !parts.isColumnHidden(tableOf(related), column) &&
      (!feeding.has(columnId(related, column)) || (related === undefined && definition.key.includes(column))),
    isCustomFieldVisible: (path, column) =>
      !parts.isFieldHidden(path === "" ? `custom_fields.${column}` : `${path}.custom_fields.${column}`) &&
      !parts.isFieldHidden(path === "" ? "custom_fields" : `${path}.custom_fields`),
  };
}

function columnId(related: string | undefined, column: string): string {
  return `${related ?? ""}\n${column}`;
}

/** Which table a use reads, seen from a row of `row` (a child's name, or undefined for the entity's own row). */
function tableNameOf(use: ColumnUse, row: string | undefined): string | undefined {
  if (use.from === undefined) return row;
  return use.from === PARENT ? undefined : use.from;
}

interface Pruning {
  isHidden(use: ColumnUse, row: string | undefined): boolean;
  isFieldHidden(path: string): boolean;
  readonly drop: (spec: FieldSpec, row: string | undefined) => void;
}

function pruneMembers(members: Members, path: string, row: string | undefined, pruning: Pruning): Members {
  return members.flatMap(([name, spec]) => {
    const left = prune(spec, path === "" ? name : `${path}.${name}`, row, pruning);
    return left === undefined ? [] : [[name, left] as const];
  });
}

/** Columns of protected fields must not slip out beside them. */
function dropProtected(
  members: Members,
  path: string,
  row: string | undefined,
  to: { isProtected(path: string): boolean; drop: Pruning["drop"] },
): void {
  for (const [name, spec] of members) {
    const here = path === "" ? name : `${path}.${name}`;
    if (spec.form === "object") dropProtected(spec.members, here, row, to);
    else if (spec.form === "children")
      for (const part of spec.parts) dropProtected(part.members, here, part.child, to);
    else if (spec.form === "list") {
      for (const item of spec.items)
        if (item.form === "object") dropProtected(item.members, here, row, to);
        else if (to.isProtected(here)) to.drop(item, row);
    } else if (to.isProtected(here)) to.drop(spec, row);
  }
}

/** What is left of a field; undefined if nothing. A reference may lose its display text alone. */
function prune(
  spec: FieldSpec,
  path: string,
  row: string | undefined,
  pruning: Pruning,
): FieldSpec | undefined {
  if (pruning.isFieldHidden(path)) {
    dropAll(spec, row, pruning);
    return undefined;
  }
  const isHidden = (use: ColumnUse): boolean => pruning.isHidden(use, row);
  switch (spec.form) {
    case "object": {
      const members = pruneMembers(spec.members, path, row, pruning);
      return members.length === 0 ? undefined : { ...spec, members };
    }
    case "list": {
      const items = spec.items.flatMap((item) => prune(item, path, row, pruning) ?? []);
      return items.length === 0 ? undefined : { ...spec, items };
    }
    case "children": {
      const parts = spec.parts.map((part) => ({
        ...part,
        members: pruneMembers(part.members, path, part.child, pruning),
      }));
      const left = parts.filter(({ members, custom }) => members.length > 0 || custom !== undefined);
      return left.length === 0 ? undefined : { ...spec, parts: left };
    }
    case "reference":
      if (spec.key.flatMap(usesOfSource).some(isHidden)) return undefined;
      if (spec.display === undefined || !usesOfSource(spec.display).some(isHidden)) return spec;
      return { ...spec, display: undefined };
    default:
      return usesOf(spec).some(isHidden) ? undefined : spec;
  }
}

function dropAll(spec: FieldSpec, row: string | undefined, pruning: Pruning): void {
  if (spec.form !== "children") pruning.drop(spec, row);
  else
    for (const { child, members } of spec.parts)
      for (const [, member] of members) dropAll(member, child, pruning);
}

/**
 * Entries that hide nothing, because nothing of that name is read: a mistyped one would let personal data out silently.
 * Columns of tables that are read whole (custom fields) cannot be checked here.
 */
export function hiddenIssues(pack: CompiledPack, hidden: readonly string[]): readonly Issue[] {
  const columns = new Set<string>();
  const wholeTables: string[] = [];
  const keys = new Set<string>();
  const fields = new Set<string>();
  for (const { plan } of pack.entities) {
    for (const { table, columns: read } of [plan, ...plan.children])
      for (const name of tableNames(table)) {
        columns.add(`${name}.*`);
        if (read.includes("*")) wholeTables.push(`${name}.`.toLowerCase());
        for (const column of read) columns.add(`${name}.${column}`);
      }
    for (const column of plan.key)
      for (const name of tableNames(plan.table)) keys.add(`${name}.${column}`.toLowerCase());
    if (Object.hasOwn(ENTITIES, plan.entity))
      addFields(fields, plan.entity, unifiedFields(plan.entity as Entity));
  }
  const known = [...columns, ...fields];
  const lower = new Set(known.map((name) => name.toLowerCase()));
  return hidden.flatMap((name, at) => {
    const path = `hidden[${at}]`;
    const text = name.toLowerCase();
    if (keys.has(text)) return [{ path, message: `${name} is a key column; a key cannot be hidden` }];
    const isCustom =
      /\.custom_fields\../.test(text) && lower.has(text.slice(0, text.indexOf(".custom_fields.") + 14));
    if (lower.has(text) || isCustom || wholeTables.some((table) => text.startsWith(table))) return [];
    return [{ path, message: `pack ${pack.name} has no column or field ${name}${didYouMean(name, known)}` }];
  });
}

function tableNames({ schema, name }: TableName): readonly string[] {
  return schema === undefined ? [name] : [name, `${schema}.${name}`];
}

function addFields(into: Set<string>, path: string, fields: UnifiedFields): void {
  if (fields.hasCustomFields) into.add(`${path}.custom_fields`);
  if (!path.includes(".")) into.add(`${path}.remote_created_at`).add(`${path}.remote_updated_at`);
  for (const [name, kind] of fields.byName) {
    into.add(`${path}.${name}`);
    const item = kind.kind === "list" ? kind.item : kind;
    if (item.kind === "object") addFields(into, `${path}.${name}`, item.fields);
  }
}
