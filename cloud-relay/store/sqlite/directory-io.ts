// Statements of the directory: writes in a transaction of their own, reads that do not wait.
import type Database from "better-sqlite3";
import { DuplicateError, type Scope } from "../../core/store.ts";
import { Descriptions } from "./directory-rows.ts";
import type { WriteQueue } from "./write-queue.ts";

export interface DirectoryDeps {
  readonly writer: Database.Database;
  readonly reader: Database.Database;
  readonly queue: WriteQueue;
}

export type Statement = readonly [sql: string, ...values: unknown[]];

export interface DirectoryIo {
  /** Runs a statement in a transaction of its own; resolves with the rows changed or returned. */
  readonly write: (
    sql: string,
    ...values: readonly unknown[]
  ) => Promise<{ readonly changes: number; readonly rows: readonly unknown[] }>;
  /** All statements in one transaction; resolves with the rows that the first one changed. The others run only if it changed any. */
  readonly writeAll: (first: Statement, ...then: readonly Statement[]) => Promise<number>;
  readonly descriptions: Descriptions;
  readonly read: <Row>(sql: string, ...values: readonly unknown[]) => Promise<readonly Row[]>;
}

export function directoryIo({ writer, reader, queue }: DirectoryDeps): DirectoryIo {
  const prepared = new Map<string, Database.Statement>();
  const prepare = (db: Database.Database, sql: string): Database.Statement => {
    const name = `${db === writer ? "w" : "r"} ${sql}`;
    const statement = prepared.get(name) ?? db.prepare(sql);
    prepared.set(name, statement);
    return statement;
  };
  return {
    write: (sql: string, ...values: readonly unknown[]) =>
      queue.run(() => {
        const statement = prepare(writer, sql);
        if (statement.reader) {
          const returned = statement.all(...values.map(column));
          return { changes: returned.length, rows: returned };
        }
        return { changes: statement.run(...values.map(column)).changes, rows: [] };
      }),
    writeAll: ([sql, ...values], ...then) =>
      queue.run(() => {
        const { changes } = prepare(writer, sql).run(...values.map(column));
        if (changes === 0) return 0;
        for (const [next, ...of] of then) prepare(writer, next).run(...of.map(column));
        return changes;
      }),
    descriptions: new Descriptions(reader),
    read: async <Row>(sql: string, ...values: readonly unknown[]) =>
      prepare(reader, sql).all(...values.map(column)) as Row[],
  };
}

/** In `workspace_no`: a deleted connection whose data is not all gone yet. */
export const DELETED = 0;
export const WORKSPACE_NO = "(SELECT workspace_no FROM workspaces WHERE id = ?)";
/** The second `?` is null for the whole workspace. */
export const IN_SCOPE = "w.id = ? AND (? IS NULL OR c.id IN (SELECT value FROM json_each(?)))";

/** For `IN_SCOPE`. */
export function inScope({ workspaceId, connectionIds }: Scope): readonly unknown[] {
  const ids = connectionIds === undefined ? null : JSON.stringify(connectionIds);
  return [workspaceId, ids, ids];
}

function column(value: unknown): unknown {
  return typeof value === "boolean" ? Number(value) : (value ?? null);
}

/** @throws DuplicateError with the message, when that is what the writing fails with */
export async function unique(message: string, writing: Promise<unknown>): Promise<void> {
  try {
    await writing;
  } catch (error) {
    throw error instanceof DuplicateError ? new DuplicateError(message, { cause: error }) : error;
  }
}
