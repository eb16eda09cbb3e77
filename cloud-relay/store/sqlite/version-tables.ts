// Earlier versions of records: the table, and how a version gets there when another takes its place.
import type Database from "better-sqlite3";
import { BulkInsert } from "./bulk-insert.ts";

/**
 * A version's row is named by the revision that took its place. So a record's history is a chain without an index: from its
 * revision to the row of that name, from that row's own revision to the next. Rows are only ever added at the end.
 */
export const VERSION_TABLES = `
ALTER TABLE records ADD COLUMN read_ms INTEGER;
CREATE TABLE versions (
  until_revision INTEGER PRIMARY KEY, record_no INTEGER NOT NULL, revision INTEGER NOT NULL, incarnation INTEGER NOT NULL,
  presence_no INTEGER NOT NULL, origin_no INTEGER NOT NULL, mapping_no INTEGER NOT NULL, created_ms INTEGER NOT NULL,
  updated_ms INTEGER NOT NULL, deleted_ms INTEGER, reason_no INTEGER, read_ms INTEGER, hash TEXT NOT NULL, version TEXT,
  text TEXT NOT NULL
);
`;

/** Shared by `records` and `versions`. */
export const VERSION_COLUMNS = `record_no, revision, incarnation, presence_no, origin_no, mapping_no, created_ms, updated_ms,
  deleted_ms, reason_no, read_ms, hash, version, text`;

export class VersionKeeper {
  readonly #copy: BulkInsert;

  constructor(db: Database.Database) {
    const tail = `) INSERT OR FAIL INTO versions (until_revision, ${VERSION_COLUMNS})
      SELECT until_revision, ${VERSION_COLUMNS} FROM changed CROSS JOIN records USING (record_no)`;
    this.#copy = new BulkInsert(db, "WITH changed (record_no, until_revision) AS (", 2, tail);
  }

  /** Before the records are written over. Pairs, one after the other: a record's number and its next revision. */
  keep(changes: readonly number[]): void {
    this.#copy.run(changes);
  }
}
