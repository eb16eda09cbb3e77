// What the agent should make of the demo plant's rows, read the plain way: the truth that other tests compare with.
import type { Database } from "better-sqlite3";
import type { CompiledEntity, CompiledPack, MapperContext } from "#agent/core/mapping/mapping.ts";
import type { Columns, SourceRow } from "#agent/core/source/connector.ts";
import { canonicalKey } from "#agent/core/source/key-rules.ts";
import type { ChildPlan, Filter, TableName } from "#agent/core/source/plan.ts";

/** Canonical key → record text, for every row of an entity that is present. @throws when a row cannot be mapped */
export function plantRecords(
  db: Database,
  entity: CompiledEntity,
  context: MapperContext,
): ReadonlyMap<string, string> {
  const map = entity.mapper(context);
  const rules = context.keyRules(entity.plan.entity);
  const records = new Map<string, string>();
  for (const row of plantRows(db, entity)) {
    const mapped = map(row);
    if (!mapped.ok)
      throw new Error(`${entity.plan.entity} ${row.key.join("/")}: ${mapped.code} ${mapped.detail}`);
    if (!mapped.isDeleted) records.set(canonicalKey(row.key, rules), mapped.record);
  }
  return records;
}

export function entityOf(pack: CompiledPack, name: string): CompiledEntity {
  const entity = pack.entities.find(({ plan }) => plan.entity === name);
  if (entity === undefined) throw new Error(`pack ${pack.name} does not map ${name}`);
  return entity;
}

/** Every row of an entity with its children, in key order. */
export function* plantRows(db: Database, { plan }: CompiledEntity): Generator<SourceRow> {
  const { where, values } = whereOf(plan.filters);
  const order = plan.key.map(quote).join(", ");
  const rows = db
    .prepare(`SELECT * FROM ${tableOf(plan.table)} WHERE ${where} ORDER BY ${order}`)
    .all(values) as Columns[];
  const children = plan.children.map((child) => ({ child, of: childReader(db, child) }));
  for (const row of rows)
    yield {
      op: "upsert",
      key: plan.key.map((column) => String(row[column])),
      columns: only(row, plan.columns),
      children: Object.fromEntries(children.map(({ child, of }) => [child.name, of(row)])),
    };
}

function childReader(db: Database, child: ChildPlan): (parent: Columns) => readonly Columns[] {
  const { where, values } = whereOf(child.filters);
  const on = child.on.map((join) => `${quote(join.child)} = ?`).join(" AND ");
  const order = child.orderBy.length === 0 ? "" : ` ORDER BY ${child.orderBy.map(quote).join(", ")}`;
  const statement = db.prepare(`SELECT * FROM ${tableOf(child.table)} WHERE ${where} AND ${on}${order}`);
  return (parent) =>
    (statement.all([...values, ...child.on.map((join) => parent[join.parent])]) as Columns[]).map((row) =>
      only(row, child.columns),
    );
}

function only(row: Columns, columns: readonly string[]): Columns {
  if (columns[0] === "*") return row;
  return Object.fromEntries(columns.map((column) => [column, row[column] ?? null]));
}

function whereOf(filters: readonly Filter[]): { where: string; values: readonly (string | number)[] } {
  const values: (string | number)[] = [];
  const parts = filters.map(({ column, op, value }) => {
    if (op === "is_null") return `${quote(column)} IS NULL`;
    if (op === "is_not_null") return `${quote(column)} IS NOT NULL`;
    const list = [value ?? ""].flat();
    values.push(...list);
    return op === "in"
      ? `${quote(column)} IN (${list.map(() => "?").join(", ")})`
      : `${quote(column)} ${op} ?`;
  });
  return { where: parts.length === 0 ? "1" : parts.join(" AND "), values };
}

function tableOf({ schema, name }: TableName): string {
  return schema === undefined ? quote(name) : `${quote(schema)}.${quote(name)}`;
}

function quote(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
