// Small numbers for what repeats in hot tables: terms, connections, lists and feeds. Cached by the writer.
import type Database from "better-sqlite3";
import { MillraceError } from "#common/runtime/errors.ts";

export interface ConnectionNumbers {
  readonly connectionNo: number;
  readonly workspaceNo: number;
}

/** Terms, lists and feeds that a relay meets; beyond this the caches start anew. */
const MAX_CACHED = 200_000;
/** In `feeds.connection_no`: events of the workspace itself. */
const NO_CONNECTION = 0;

export class Surrogates {
  readonly #select: (sql: string, ...values: unknown[]) => number | undefined;
  readonly #insert: (sql: string, ...values: unknown[]) => number;
  readonly #connectionRow: Database.Statement<[string], ConnectionNumbers>;
  readonly #terms = new Map<string, number>();
  readonly #connections = new Map<string, ConnectionNumbers>();
  readonly #lists = new Map<string, number>();
  readonly #feeds = new Map<string, number>();

  constructor(db: Database.Database) {
    const prepared = new Map<string, Database.Statement>();
    const statement = (sql: string): Database.Statement => {
      const found = prepared.get(sql) ?? db.prepare(sql);
      prepared.set(sql, found);
      return found;
    };
    this.#select = (sql, ...values) =>
      statement(sql)
        .pluck()
        .get(...values) as number | undefined;
    this.#insert = (sql, ...values) => Number(statement(sql).run(...values).lastInsertRowid);
    this.#connectionRow = db.prepare(
      "SELECT connection_no AS connectionNo, workspace_no AS workspaceNo FROM connections WHERE id = ?",
    );
  }

  /** Numbers made by a transaction that was rolled back may be given again to something else. */
  forget(): void {
    for (const cache of [this.#terms, this.#connections, this.#lists, this.#feeds]) cache.clear();
  }

  term(text: string): number {
    return cached(
      this.#terms,
      text,
      () =>
        this.#select("SELECT term_no FROM terms WHERE text = ?", text) ??
        this.#insert("INSERT INTO terms (text) VALUES (?)", text),
    );
  }

  optionalTerm(text: string | undefined): number | null {
    return text === undefined ? null : this.term(text);
  }

  /** @throws MillraceError when the store has no such connection */
  connection(id: string): ConnectionNumbers {
    return cached(this.#connections, id, () => {
      const row = this.#connectionRow.get(id);
      if (row !== undefined) return row;
      throw new MillraceError(`the relay's store has no connection ${id}; create it before writing to it`);
    });
  }

  list(connectionId: string, entity: string, isGone: boolean): number {
    return cached(
      this.#lists,
      isGone ? `${entity} gone ${connectionId}` : `${entity} ${connectionId}`,
      () => {
        const of = [this.connection(connectionId).connectionNo, this.term(entity), isGone ? 1 : 0];
        return (
          this.#select(
            "SELECT list_no FROM lists WHERE connection_no = ? AND entity_no = ? AND gone = ?",
            ...of,
          ) ?? this.#insert("INSERT INTO lists (connection_no, entity_no, gone) VALUES (?, ?, ?)", ...of)
        );
      },
    );
  }

  feed(workspaceId: string, connectionId: string | undefined): number {
    return cached(this.#feeds, `${workspaceId} ${connectionId ?? ""}`, () => {
      const of =
        connectionId === undefined
          ? [this.#workspace(workspaceId), NO_CONNECTION]
          : [this.connection(connectionId).workspaceNo, this.connection(connectionId).connectionNo];
      return (
        this.#select("SELECT feed_no FROM feeds WHERE workspace_no = ? AND connection_no = ?", ...of) ??
        this.#insert("INSERT INTO feeds (workspace_no, connection_no) VALUES (?, ?)", ...of)
      );
    });
  }

  #workspace(id: string): number {
    const found = this.#select("SELECT workspace_no FROM workspaces WHERE id = ?", id);
    if (found !== undefined) return found;
    throw new MillraceError(`the relay's store has no workspace ${id}; create it before writing to it`);
  }
}

function cached<Value>(cache: Map<string, Value>, key: string, make: () => Value): Value {
  const found = cache.get(key);
  if (found !== undefined) return found;
  const made = make();
  if (cache.size >= MAX_CACHED) cache.clear();
  cache.set(key, made);
  return made;
}
