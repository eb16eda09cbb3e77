// What a connector is asked to read for an entity: every column that its fields, keys, markers and joins need.
import type { ChangeStrategy, ChildPlan, EntityPlan } from "../source/plan.ts";
import type { EntityDefinition, RelatedTable } from "./entity-parser.ts";
import { PARENT, usesOf, type CustomFieldsSpec, type Members } from "./field-spec.ts";

/** The columns that a mapping uses, table by table; what is not among them is "the rest". */
export interface UsedColumns {
  readonly own: ReadonlySet<string>;
  /** By child or lookup. */
  readonly related: ReadonlyMap<string, ReadonlySet<string>>;
}

export function usedColumns(definition: EntityDefinition): UsedColumns {
  const own = new Set(definition.key);
  const related = new Map(definition.related.map(({ name }) => [name, new Set<string>()]));
  const collect = (members: Members, row: Set<string>): void => {
    for (const [, spec] of members) {
      for (const { column, from } of usesOf(spec))
        (from === undefined ? row : from === PARENT ? own : related.get(from))?.add(column);
      if (spec.form === "children")
        for (const part of spec.parts) collect(part.members, related.get(part.child) ?? new Set());
    }
  };
  const { createdAt, updatedAt } = definition;
  collect(definition.members, own);
  if (createdAt !== undefined) collect([["", createdAt]], own);
  if (updatedAt !== undefined) collect([["", updatedAt]], own);
  addMarker(own, definition.change);
  if (definition.versionColumn !== undefined) own.add(definition.versionColumn);
  if (definition.deletedWhen !== undefined) own.add(definition.deletedWhen.column);
  for (const { lookup, child, match } of definition.companions)
    for (const pair of match) {
      related.get(lookup)?.add(pair.other);
      related.get(child ?? "")?.add(pair.own);
    }
  for (const { name, on, orderBy, change } of definition.related) {
    const columns = related.get(name) ?? new Set();
    for (const { child, parent } of on) {
      columns.add(child);
      own.add(parent);
    }
    for (const column of orderBy) columns.add(column);
    addMarker(columns, change);
  }
  return { own, related };
}

function addMarker(columns: Set<string>, change: ChangeStrategy | undefined): void {
  if (change !== undefined && change.kind !== "full_scan") columns.add(change.column);
}

export function entityPlan(definition: EntityDefinition, used: UsedColumns): EntityPlan {
  const { entity, table, key, filters, change, versionColumn, optionalColumns, documentDate } = definition;
  const custom = new Map<string, CustomFieldsSpec | undefined>();
  for (const [, spec] of definition.members)
    if (spec.form === "children") for (const part of spec.parts) custom.set(part.child, part.custom);
  for (const companion of definition.companions) custom.set(companion.lookup, companion.custom);
  return {
    entity,
    table,
    key,
    ...columnList(used.own, definition.custom),
    ...(optionalColumns.length === 0 ? {} : { optionalColumns }),
    filters,
    change,
    children: definition.related.map((one) =>
      childPlan(one, columnList(used.related.get(one.name) ?? new Set(), custom.get(one.name))),
    ),
    ...(versionColumn === undefined ? {} : { versionColumn }),
    ...(documentDate === undefined ? {} : { documentDate }),
    ...(definition.writes.length === 0 ? {} : { writes: definition.writes.map(({ plan }) => plan) }),
  };
}

function childPlan(related: RelatedTable, { columns, named }: ReturnType<typeof columnList>): ChildPlan {
  const { isTouchOnly, isOptional, optionalColumns, sums = [], ...rest } = related;
  const marker = rest.change?.kind === "full_scan" ? undefined : rest.change?.column;
  // Rows that are added up cannot be told apart by their markers any more.
  const read = sums.length === 0 ? columns : columns.filter((column) => column !== marker);
  return {
    ...rest,
    columns: isTouchOnly ? [] : read,
    ...(named === undefined ? {} : { named }),
    ...(sums.length === 0 ? {} : { sums }),
    ...(optionalColumns === undefined || optionalColumns.length === 0 ? {} : { optionalColumns }),
    ...(isOptional === true ? { isOptional } : {}),
  };
}

/** `*` alone when custom fields are told by a pattern: nobody but the catalogue knows their names. */
function columnList(
  used: ReadonlySet<string>,
  custom: CustomFieldsSpec | undefined,
): Pick<EntityPlan, "columns" | "named"> {
  const named = [...new Set([...used, ...(custom?.columns ?? [])])];
  return custom !== undefined && (custom.rest || custom.patterns.length > 0)
    ? { columns: ["*"], named }
    : { columns: named };
}
