// Write plans held against the source's catalogue: every missing table and column at once, before anything is written.
import { ConnectorError } from "#common/runtime/errors.ts";
import { didYouMean } from "#common/runtime/nearest-match.ts";
import type { EntityPlan, TableName } from "../source/plan.ts";
import type { ChildWritePlan, NextValue, WritePlan } from "../source/write.ts";
import { type ColumnFacts, type TableFacts, tableLabel } from "./dialect.ts";
import { joinColumns } from "./statements.ts";
import type { Catalogue, ChildShape, EntityShape } from "./table-shape.ts";

/** One writable operation of one entity. */
export interface WriteShape {
  readonly plan: WritePlan;
  readonly entity: EntityShape;
  /** Undefined for procedures. */
  readonly table: TableFacts | undefined;
  /** By slot, and for interface tables also by the names of status, message and key columns. */
  readonly columns: ReadonlyMap<string, ColumnFacts>;
  /** Rows that are written together with the record. */
  readonly rows: readonly RowsShape[];
  /** Children whose rows go before the record does. */
  readonly removed: readonly ChildShape[];
  /** The child that has the amount of an adjustment. */
  readonly child: ChildShape | undefined;
  readonly next: readonly NextShape[];
}

export interface RowsShape {
  readonly plan: ChildWritePlan;
  readonly child: ChildShape;
  /** By slot. */
  readonly columns: ReadonlyMap<string, ColumnFacts>;
  /** The columns that lead to the parent, as a new row takes them. */
  readonly join: readonly ColumnFacts[];
}

export interface NextShape {
  readonly next: NextValue;
  /** Of a table of counters, with its columns by name; undefined for a sequence. */
  readonly counters:
    | { readonly table: TableFacts; readonly columns: ReadonlyMap<string, ColumnFacts> }
    | undefined;
}

const LOG_COLUMNS = ["COMMAND_ID", "IDEMPOTENCY_KEY", "ENTITY", "OPERATION", "RECORD_KEY", "RESULT"] as const;

/** The command-log table: docs/connectors.md has its definition. */
export interface LogShape {
  readonly table: TableFacts;
  readonly columns: Readonly<Record<(typeof LOG_COLUMNS)[number], ColumnFacts>>;
}

export interface WriteShapes {
  readonly writes: readonly WriteShape[];
  readonly log: LogShape | undefined;
}

/** Tables that writing needs beyond those that are read. */
export function writeTables(
  plans: readonly EntityPlan[],
  commandLog: string | undefined,
): readonly TableName[] {
  const tables = plans.flatMap(({ writes = [] }) =>
    writes.flatMap((plan): TableName[] => {
      if (plan.form === "interface_table") return [plan.table];
      const next = plan.form === "insert" ? (plan.next ?? []) : [];
      return next.flatMap((one) => (one.from === "counter" ? [one.table] : []));
    }),
  );
  return commandLog === undefined ? tables : [...tables, logTable(commandLog)];
}

/** `MILLRACE_COMMANDS` or `schema.MILLRACE_COMMANDS`. */
export function logTable(name: string): TableName {
  const dot = name.indexOf(".");
  return dot < 0 ? { name } : { schema: name.slice(0, dot), name: name.slice(dot + 1) };
}

/** What the connector can do beside writing to tables. */
export interface WriteAbilities {
  readonly hasProcedures: boolean;
  readonly hasSequences: boolean;
}

/** @throws ConnectorError misconfigured naming everything that the writes need and the source has not */
export function shapeWrites(
  entities: readonly EntityShape[],
  catalogue: Catalogue,
  commandLog: string | undefined,
  abilities: WriteAbilities,
): WriteShapes {
  const problems: string[] = [];
  const writes = entities.flatMap((entity) =>
    (entity.plan.writes ?? []).flatMap(
      (plan) => shapeWrite(plan, entity, { catalogue, problems, abilities }) ?? [],
    ),
  );
  const log = commandLog === undefined ? undefined : shapeLog(catalogue, logTable(commandLog), problems);
  if (problems.length === 0) return { writes, log };
  throw new ConnectorError(
    "misconfigured",
    `The source does not have what the pack's writes need (${problems.length} problem${problems.length === 1 ? "" : "s"}):\n` +
      `${problems.map((problem) => `  ${problem}`).join("\n")}\n` +
      "Correct the pack, grant this user the right to read and write them, or turn writes off (write.allow).",
  );
}

interface ShapeContext {
  readonly catalogue: Catalogue;
  readonly problems: string[];
  readonly abilities: WriteAbilities;
}

function shapeWrite(plan: WritePlan, entity: EntityShape, context: ShapeContext): WriteShape | undefined {
  const { catalogue, problems, abilities } = context;
  const user = `${entity.plan.entity}.${plan.operation}`;
  const plain = { plan, entity, columns: new Map(), rows: [], removed: [], child: undefined, next: [] };
  if (plan.form === "procedure") {
    if (!abilities.hasProcedures) problems.push(`${user}: this connector calls no procedures`);
    return { ...plain, table: undefined };
  }
  const childOf = (name: string): ChildShape | undefined => {
    const child = entity.children.find((one) => one.rowsUnder === name);
    if (child === undefined) problems.push(`${user}: the source has no table for ${name}`);
    return child;
  };
  const child = plan.form === "adjust" && plan.child !== undefined ? childOf(plan.child) : undefined;
  if (plan.form === "adjust" && plan.child !== undefined && child === undefined) return undefined;
  const table =
    plan.form === "interface_table" ? find(catalogue, plan.table, user, problems) : (child ?? entity).facts;
  if (table === undefined) return undefined;
  const columns = columnsOf(table, namesIn(plan), user, problems);
  const planned = plan.form === "insert" || plan.form === "update" ? (plan.children ?? []) : [];
  const rows = planned.flatMap((one): RowsShape[] => {
    const found = childOf(one.child);
    if (found === undefined) return [];
    const names = one.slots.map(({ name }) => name);
    const columns = columnsOf(found.facts, names, user, problems);
    return [{ plan: one, child: found, columns, join: joinColumns(found) }];
  });
  const removed = plan.form === "delete" ? plan.children.flatMap((name) => childOf(name) ?? []) : [];
  const next = plan.form === "insert" ? (plan.next ?? []) : [];
  return { ...plain, table, columns, rows, removed, child, next: shapeNext(next, user, context) };
}

function shapeNext(
  next: readonly NextValue[],
  user: string,
  { catalogue, problems, abilities }: ShapeContext,
): readonly NextShape[] {
  return next.flatMap((one): NextShape[] => {
    if (one.from === "sequence") {
      if (!abilities.hasSequences) problems.push(`${user}: this connector has no sequences; use a counter`);
      return [{ next: one, counters: undefined }];
    }
    const table = find(catalogue, one.table, user, problems);
    if (table === undefined) return [];
    const names = [one.counter, ...one.where.map(({ column }) => column)];
    return [{ next: one, counters: { table, columns: columnsOf(table, names, user, problems) } }];
  });
}

function shapeLog(catalogue: Catalogue, wanted: TableName, problems: string[]): LogShape | undefined {
  const table = find(catalogue, wanted, "write.command_log", problems);
  if (table === undefined) return undefined;
  const columns = columnsOf(table, LOG_COLUMNS, "write.command_log", problems);
  return { table, columns: Object.fromEntries(columns) as LogShape["columns"] };
}

function namesIn(plan: WritePlan): readonly string[] {
  const names = plan.slots.map(({ name }) => name);
  if (plan.form !== "interface_table" || plan.status === undefined) return names;
  const { column, message, keyFrom = [] } = plan.status;
  return [...new Set([...names, column, ...(message === undefined ? [] : [message]), ...keyFrom])];
}

function find(
  catalogue: Catalogue,
  wanted: TableName,
  user: string,
  problems: string[],
): TableFacts | undefined {
  const table = catalogue.table(wanted);
  if (table === undefined)
    problems.push(`${user}: no table ${tableLabel(wanted)}${didYouMean(wanted.name, catalogue.tableNames)}`);
  return table;
}

function columnsOf(
  table: TableFacts,
  names: readonly string[],
  user: string,
  problems: string[],
): ReadonlyMap<string, ColumnFacts> {
  const known = table.columns.map(({ name }) => name);
  return new Map(
    names.flatMap((name) => {
      const column =
        table.columns.find((one) => one.name === name) ??
        table.columns.find((one) => one.name.toLowerCase() === name.toLowerCase());
      if (column !== undefined) return [[name, column] as const];
      problems.push(`${user}: no column ${tableLabel(table.table)}.${name}${didYouMean(name, known)}`);
      return [];
    }),
  );
}
