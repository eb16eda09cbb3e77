// Write plans held against the source's catalogue: every missing table and column at once, before anything is written.
import { ConnectorError } from "#common/runtime/errors.ts";
import { didYouMean } from "#common/runtime/nearest-match.ts";
import type { EntityPlan, TableName } from "../source/plan.ts";
import type { WritePlan } from "../source/write.ts";
import { type ColumnFacts, type TableFacts, tableLabel } from "./dialect.ts";
import type { Catalogue, EntityShape } from "./table-shape.ts";

/** One writable operation of one entity. */
export interface WriteShape {
  readonly plan: WritePlan;
  readonly entity: EntityShape;
  /** Undefined for procedures. */
  readonly table: TableFacts | undefined;
  /** By slot, and for interface tables also by the names of status, message and key columns. */
  readonly columns: ReadonlyMap<string, ColumnFacts>;
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
    writes.flatMap((plan) => (plan.form === "interface_table" ? [plan.table] : [])),
  );
  return commandLog === undefined ? tables : [...tables, logTable(commandLog)];
}

/** `MILLRACE_COMMANDS` or `schema.MILLRACE_COMMANDS`. */
export function logTable(name: string): TableName {
  const dot = name.indexOf(".");
  return dot < 0 ? { name } : { schema: name.slice(0, dot), name: name.slice(dot + 1) };
}

/** @throws ConnectorError misconfigured naming everything that the writes need and the source has not */
export function shapeWrites(
  entities: readonly EntityShape[],
  catalogue: Catalogue,
  commandLog: string | undefined,
  hasProcedures: boolean,
): WriteShapes {
  const problems: string[] = [];
  const writes = entities.flatMap((entity) =>
    (entity.plan.writes ?? []).flatMap((plan): WriteShape[] => {
      const user = `${entity.plan.entity}.${plan.operation}`;
      if (plan.form === "procedure") {
        if (!hasProcedures) problems.push(`${user}: this connector calls no procedures`);
        return [{ plan, entity, table: undefined, columns: new Map() }];
      }
      const table =
        plan.form === "interface_table" ? find(catalogue, plan.table, user, problems) : entity.facts;
      if (table === undefined) return [];
      return [{ plan, entity, table, columns: columnsOf(table, namesIn(plan), user, problems) }];
    }),
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
