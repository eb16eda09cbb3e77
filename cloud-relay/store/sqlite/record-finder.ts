// Reads what plain lists do not give: records that meet conditions, records by id, counts and places in a list.
import type Database from "better-sqlite3";
import type { FieldCondition, RecordFilter } from "../../core/records/record-filter.ts";
import type { FoundRecords } from "../../core/records/record-reads.ts";
import type { RecordQuery, Revision, Scope, StoredRecord } from "../../core/store.ts";
import { idColumn } from "./columns.ts";
import { mergeOrdered } from "./merge.ts";
import type { Names } from "./names.ts";
import { BARE_RECORD, RAW_RECORD, storedRecord, type RecordColumns } from "./record-columns.ts";
import type { RecordReader } from "./record-reader.ts";

const IN_LIST = "list_no = ? AND revision > ? AND revision < ?";
/** Statements, one for each shape of filter; beyond that they are prepared anew. */
const MAX_STATEMENTS = 200;

type Statement = Database.Statement<unknown[], RecordColumns>;

export class RecordFinder {
  readonly #db: Database.Database;
  readonly #names: Names;
  readonly #records: RecordReader;
  readonly #statements = new Map<string, Statement>();
  readonly #count: Database.Statement<[number, number, number], number>;

  constructor(db: Database.Database, names: Names, records: RecordReader) {
    this.#db = db;
    this.#names = names;
    this.#records = records;
    this.#count = db
      .prepare<[number, number, number], number>(`SELECT count(*) FROM records WHERE ${IN_LIST}`)
      .pluck();
  }

  /** The stretch to look at comes from an index; only its rows are asked whether they meet the conditions. */
  find(scope: Scope, query: RecordQuery, filter: RecordFilter, scanRows: number): FoundRecords {
    if (filter.ids !== undefined) return this.#findAmong(scope, query, filter, filter.ids);
    return this.#records.inSnapshot(() => {
      const reached = this.#records.place(scope, query, scanRows);
      const { afterRevision, limit } = query;
      const before = reached === undefined ? (query.beforeRevision ?? Number.MAX_SAFE_INTEGER) : reached + 1;
      const { sql, values } = conditionsOf(filter);
      const statement = this.#statement(query, `${IN_LIST}${sql} ORDER BY revision LIMIT ?`);
      const from = {
        heads: (lists: readonly number[], low: number, high: number) => this.#records.heads(lists, low, high),
        page: (list: number, low: number, high: number, most: number) =>
          statement.all(list, low, high, ...values, most),
      };
      const rows = mergeOrdered(this.#records.lists.of(scope, query), from, afterRevision, before, limit);
      const records = rows.map((row) => storedRecord(row, this.#names));
      const isFull = records.length >= limit;
      return { records, reached: isFull ? records.at(-1)?.revision : reached };
    });
  }

  #findAmong(scope: Scope, query: RecordQuery, filter: RecordFilter, ids: readonly string[]): FoundRecords {
    const { afterRevision, beforeRevision = Number.MAX_SAFE_INTEGER, limit, includeDeleted } = query;
    const { sql, values } = conditionsOf(filter);
    const statement = this.#statement(query, `id = ? AND revision > ? AND revision < ?${sql}`);
    const found: StoredRecord[] = [];
    for (const id of new Set(ids)) {
      const row = statement.get(idColumn(id), afterRevision, beforeRevision, ...values);
      if (row === undefined || !this.#isIn(scope, row[1], query.entity)) continue;
      if (includeDeleted || !this.#names.list(row[1]).isGone) found.push(storedRecord(row, this.#names));
    }
    const records = found.sort((a, b) => a.revision - b.revision).slice(0, limit);
    return { records, reached: found.length > limit ? records.at(-1)?.revision : undefined };
  }

  byIds(scope: Scope, ids: readonly string[]): readonly StoredRecord[] {
    const statement = this.#statement({ includeRaw: false }, "id = ?");
    return [...new Set(ids)].flatMap((id) => {
      const row = statement.get(idColumn(id));
      return row !== undefined && this.#isIn(scope, row[1], undefined)
        ? [storedRecord(row, this.#names)]
        : [];
    });
  }

  count(scope: Scope, query: RecordQuery): number {
    const { afterRevision, beforeRevision = Number.MAX_SAFE_INTEGER } = query;
    let count = 0;
    for (const list of this.#records.lists.of(scope, query)) {
      count += this.#count.get(list, afterRevision, beforeRevision) ?? 0;
    }
    return count;
  }

  place(scope: Scope, query: RecordQuery, place: number): Revision | undefined {
    return this.#records.inSnapshot(() => this.#records.place(scope, query, place));
  }

  #isIn({ workspaceId, connectionIds }: Scope, listNo: number, entity: string | undefined): boolean {
    const owner = this.#names.list(listNo);
    return (
      owner.workspaceId === workspaceId &&
      (connectionIds?.includes(owner.connectionId) ?? true) &&
      (entity === undefined || owner.entity === entity)
    );
  }

  #statement({ includeRaw }: Pick<RecordQuery, "includeRaw">, where: string): Statement {
    const sql = `${includeRaw ? RAW_RECORD : BARE_RECORD} WHERE ${where}`;
    const known = this.#statements.get(sql);
    if (known !== undefined) return known;
    if (this.#statements.size >= MAX_STATEMENTS) this.#statements.clear();
    const made = this.#db.prepare<unknown[], RecordColumns>(sql).raw();
    this.#statements.set(sql, made);
    return made;
  }
}

interface Conditions {
  readonly sql: string;
  readonly values: readonly unknown[];
}

/** Only shapes get into the text of a statement: paths and values are bound. */
function conditionsOf({ createdAfterMs, createdBeforeMs, conditions }: RecordFilter): Conditions {
  const parts: string[] = [];
  const values: unknown[] = [];
  if (createdAfterMs !== undefined) {
    parts.push("created_ms > ?");
    values.push(createdAfterMs);
  }
  if (createdBeforeMs !== undefined) {
    parts.push("created_ms < ?");
    values.push(createdBeforeMs);
  }
  for (const condition of conditions) {
    parts.push(conditionSql(condition));
    values.push(...conditionValues(condition));
  }
  return { sql: parts.map((part) => ` AND ${part}`).join(""), values };
}

function conditionSql(condition: FieldCondition): string {
  if (condition.test === "in") {
    const some = condition.paths.map(() => "text ->> ? IN (SELECT value FROM json_each(?))");
    return `(${some.join(" OR ")})`;
  }
  return `rtrim(text ->> ?, 'Z') ${condition.test === "after" ? ">" : "<"} ?`;
}

function conditionValues(condition: FieldCondition): readonly unknown[] {
  if (condition.test !== "in") return [jsonPath(condition.path), condition.bound];
  // SQLite gives JSON's true as 1 on both sides, and text as text.
  const wanted = JSON.stringify(condition.values);
  return condition.paths.flatMap((path) => [jsonPath(path), wanted]);
}

function jsonPath(path: string): string {
  return `$.${path
    .split(".")
    .map((name) => `"${name}"`)
    .join(".")}`;
}
