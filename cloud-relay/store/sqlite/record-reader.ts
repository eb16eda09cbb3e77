// Reads records for the API: pages in revision order over one or many connections, and single records.
import type Database from "better-sqlite3";
import type { Presence } from "#common/contract/model/entities.ts";
import type { Origin } from "#common/contract/entry.ts";
import type { RecordQuery, Scope, StoredRecord } from "../../core/store.ts";
import { idColumn, idText, type IdColumn } from "./columns.ts";
import { mergeOrdered } from "./merge.ts";

interface RecordColumns {
  readonly id: IdColumn;
  readonly connectionId: string;
  readonly entity: string;
  readonly key: string;
  readonly text: string;
  readonly raw: string | null;
  readonly hash: string;
  readonly version: string | null;
  readonly revision: number;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
  readonly deletedAtMs: number | null;
  readonly presence: Presence;
  readonly deleteReason: string | null;
  readonly incarnation: number;
  readonly origin: Origin;
  readonly mappingVersion: string;
}

/** Every list of the scope's connections; the last `?` pair is null for the whole workspace. */
const LISTS = `FROM workspaces w JOIN connections c USING (workspace_no) JOIN lists l USING (connection_no)
  WHERE w.id = ? AND l.entity_no = (SELECT term_no FROM terms WHERE text = ?)
  AND (? IS NULL OR c.id IN (SELECT value FROM json_each(?)))`;

const recordColumns = (
  withRaw: boolean,
): string => `r.id, c.id AS connectionId, e.text AS entity, r.key, r.text,
  ${withRaw ? "r.raw" : "NULL AS raw"}, r.hash, r.version, r.revision, r.created_ms AS createdAtMs,
  r.updated_ms AS updatedAtMs, r.deleted_ms AS deletedAtMs, p.text AS presence, d.text AS deleteReason, r.incarnation,
  o.text AS origin, m.text AS mappingVersion
  FROM records r JOIN lists l USING (list_no) JOIN connections c USING (connection_no)
  JOIN terms e ON e.term_no = l.entity_no JOIN terms p ON p.term_no = r.presence_no
  JOIN terms o ON o.term_no = r.origin_no JOIN terms m ON m.term_no = r.mapping_no
  LEFT JOIN terms d ON d.term_no = r.reason_no`;

const PAGE = "WHERE r.list_no = ? AND r.revision > ? AND r.revision < ? ORDER BY r.revision LIMIT ?";
const ONE = `JOIN workspaces w USING (workspace_no)
  WHERE r.id = ? AND w.id = ? AND e.text = ? AND (? IS NULL OR c.id IN (SELECT value FROM json_each(?)))`;

export class RecordReader {
  readonly #lists: Database.Statement<unknown[], number>;
  readonly #head: Database.Statement<[number, number, number], number>;
  readonly #page: Readonly<
    Record<"bare" | "raw", Database.Statement<[number, number, number, number], RecordColumns>>
  >;
  readonly #one: Readonly<Record<"bare" | "raw", Database.Statement<unknown[], RecordColumns>>>;
  readonly #count: Database.Statement<unknown[], number>;
  readonly #snapshot: <T>(read: () => T) => T;

  constructor(db: Database.Database) {
    this.#lists = db
      .prepare<unknown[], number>(`SELECT l.list_no ${LISTS} AND (? OR l.gone = 0) AND l.newest > ?`)
      .pluck();
    this.#head = db
      .prepare<[number, number, number], number>(
        "SELECT revision FROM records WHERE list_no = ? AND revision > ? AND revision < ? ORDER BY revision LIMIT 1",
      )
      .pluck();
    this.#page = {
      bare: db.prepare(`SELECT ${recordColumns(false)} ${PAGE}`),
      raw: db.prepare(`SELECT ${recordColumns(true)} ${PAGE}`),
    };
    this.#one = {
      bare: db.prepare(`SELECT ${recordColumns(false)} ${ONE}`),
      raw: db.prepare(`SELECT ${recordColumns(true)} ${ONE}`),
    };
    this.#count = db
      .prepare<unknown[], number>(
        `SELECT count(*) FROM records WHERE list_no IN (SELECT l.list_no ${LISTS} AND l.gone = 0)`,
      )
      .pluck();
    const inTransaction = db.transaction((read: () => unknown) => read());
    this.#snapshot = <T>(read: () => T) => inTransaction(read) as T;
  }

  list(scope: Scope, query: RecordQuery): readonly StoredRecord[] {
    const { afterRevision, limit } = query;
    const before = query.beforeRevision ?? Number.MAX_SAFE_INTEGER;
    const pages = query.includeRaw ? this.#page.raw : this.#page.bare;
    return this.#snapshot(() => {
      const includeGone = query.includeDeleted ? 1 : 0;
      const lists = this.#lists.all(...inScope(scope, query.entity), includeGone, afterRevision);
      const from = {
        head: (listNo: number, low: number, high: number) => this.#head.get(listNo, low, high),
        page: (listNo: number, low: number, high: number, most: number) => pages.all(listNo, low, high, most),
      };
      return mergeOrdered(lists, from, afterRevision, before, limit).map(storedRecord);
    });
  }

  get(scope: Scope, entity: string, id: string, includeRaw: boolean): StoredRecord | undefined {
    const statement = includeRaw ? this.#one.raw : this.#one.bare;
    const row = statement.get(idColumn(id), ...inScope(scope, entity));
    return row === undefined ? undefined : storedRecord(row);
  }

  count(scope: Scope, entity: string): number {
    return this.#count.get(...inScope(scope, entity)) ?? 0;
  }
}

function inScope({ workspaceId, connectionIds }: Scope, entity: string): readonly unknown[] {
  const ids = connectionIds === undefined ? null : JSON.stringify(connectionIds);
  return [workspaceId, entity, ids, ids];
}

function storedRecord(row: RecordColumns): StoredRecord {
  return {
    ...row,
    id: idText(row.id),
    raw: row.raw ?? undefined,
    version: row.version ?? undefined,
    deletedAtMs: row.deletedAtMs ?? undefined,
    deleteReason: row.deleteReason ?? undefined,
  };
}
