// CREATE, ALTER, DROP and TRUNCATE carried out on the storage.
import type { ColumnSpec, DefinitionStatement, Expression } from "./ast.ts";
import { compileExpression } from "./compile-expression.ts";
import { convertValue } from "./convert.ts";
import type { Run } from "./run.ts";
import { Scope } from "./scope.ts";
import { DatabaseError, type DbValue } from "./session.ts";
import type { ColumnDefinition, Storage } from "./storage.ts";
import type { Column, Table } from "./table.ts";
import { placeIn } from "./table-writer.ts";

type TableChange = (DefinitionStatement & { kind: "alter_table" })["change"];

/** What is not a matter of tables alone is left to the database. */
export function runDefinition(statement: DefinitionStatement, run: Run): boolean {
  const { storage } = run.host;
  switch (statement.kind) {
    case "create_table": {
      const [name, schema] = statement.table.toReversed();
      const table = storage.createTable({
        ...(schema === undefined || schema === "" ? {} : { schema }),
        name: name!,
        columns: statement.columns.map((column) => columnDefinition(column, run)),
        ...(statement.primaryKey === undefined ? {} : { primaryKey: statement.primaryKey }),
        indexes: statement.uniques.map((columns) => ({ columns, isUnique: true })),
        rowDependencies: statement.rowDependencies,
      });
      return table !== undefined;
    }
    case "create_index": {
      const table = pathTable(statement.table, storage);
      for (const column of statement.columns) placeIn(table, column);
      const { name, columns, isUnique } = statement;
      table.addIndex({ name, columns, isUnique, isPrimary: false });
      return true;
    }
    case "drop_table": {
      const table = statement.ifExists
        ? storage.findTable(statement.table.at(-2), statement.table.at(-1)!)
        : pathTable(statement.table, storage);
      if (table !== undefined) storage.dropTable(table);
      return true;
    }
    case "truncate":
      storage.truncate(pathTable(statement.table, storage));
      return true;
    case "alter_table": {
      const table = pathTable(statement.table, storage);
      if (!alterTable(table, statement.change, run)) return false;
      storage.commitClock += 1;
      table.definedAt = storage.commitClock;
      return true;
    }
    default:
      return false;
  }
}

export function pathTable(path: readonly string[], storage: Storage): Table {
  const found = storage.findTable(path.at(-2), path.at(-1)!);
  if (found === undefined)
    return storage.table(
      path
        .filter((part) => part !== "")
        .slice(-2)
        .join("."),
    );
  return found;
}

function columnDefinition(column: ColumnSpec, run: Run): ColumnDefinition {
  const { name, type, isNullable, isIdentity, defaultValue } = column;
  return {
    name,
    type,
    isNullable,
    isIdentity,
    ...(defaultValue === undefined ? {} : { defaultValue: defaultOf(defaultValue, column, run) }),
  };
}

function defaultOf(expression: Expression, column: ColumnSpec, run: Run): () => DbValue {
  const { dialect } = run.host;
  return () => {
    const fresh: Run = { ...run, nowMs: run.host.storage.nowMs() };
    const value = compileExpression(expression, new Scope(fresh, undefined));
    const raw = value.eval({ rows: [], outer: undefined, aggregates: [], rowNumber: 1 });
    return convertValue(raw, value.type, column.type, { dialect, mayCut: true });
  };
}

function alterTable(table: Table, change: TableChange, run: Run): boolean {
  const { storage, dialect } = run.host;
  switch (change.kind) {
    case "add": {
      const added = change.columns.map((column) => storage.column(columnDefinition(column, run)));
      const fresh = added.map((column) => (column.isNullable ? null : (column.defaultValue?.() ?? null)));
      table.reshape([...table.columns, ...added], (values) => [...values, ...fresh]);
      return true;
    }
    case "drop": {
      const gone = new Set(change.columns.map((name) => dropPlace(table, name, dialect === "oracle")));
      table.reshape(
        table.columns.filter((_, place) => !gone.has(place)),
        (values) => values.filter((_, place) => !gone.has(place)),
      );
      return true;
    }
    case "retype": {
      const place = placeIn(table, change.column.name);
      const old = table.columns[place]!;
      const next: Column = { ...old, type: change.column.type, isNullable: change.column.isNullable };
      table.reshape(
        table.columns.map((column, at) => (at === place ? next : column)),
        (values) =>
          values.map((value, at) =>
            at === place ? convertValue(value, old.type, next.type, { dialect, mayCut: false }) : value,
          ),
      );
      return true;
    }
    case "rename": {
      const place = placeIn(table, change.from);
      table.reshape(
        table.columns.map((column, at) => (at === place ? { ...column, name: change.to } : column)),
        (values) => values,
      );
      return true;
    }
    default:
      return false;
  }
}

function dropPlace(table: Table, name: string, isOracle: boolean): number {
  const place = table.place(name);
  if (place < 0) {
    throw isOracle
      ? new DatabaseError(904, `ORA-00904: "${name}": invalid identifier`)
      : new DatabaseError(
          4924,
          `ALTER TABLE DROP COLUMN failed because column '${name}' does not exist in table '${table.name}'.`,
        );
  }
  return place;
}
