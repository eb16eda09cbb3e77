// Removes what deleted connections held, in steps that are short enough not to hold up ingest.
import type Database from "better-sqlite3";
import { DELETED } from "./directory-io.ts";
import { WebhooksOfConnection } from "./webhook-removal.ts";

/** In `workspace_no`: nothing of the connection is left but its numbers, which are never given again. */
const REMOVED = -1;

const LISTS = "(SELECT list_no FROM lists WHERE connection_no = ?)";
const FEEDS = "(SELECT feed_no FROM feeds WHERE connection_no = ?)";
/** The chains (version-tables.ts) of some records. */
const VERSIONS = `DELETE FROM versions WHERE until_revision IN (
  WITH RECURSIVE chain (name) AS (SELECT * FROM (SELECT revision FROM records WHERE list_no IN ${LISTS} LIMIT ?)
    UNION ALL SELECT v.revision FROM chain JOIN versions v ON v.until_revision = chain.name)
  SELECT name FROM chain)`;
const POINTS = "(SELECT point_no FROM points WHERE connection_no = ?)";

const OF_CONNECTION = "connection_id = (SELECT id FROM connections WHERE connection_no = ?)";

export class Removal {
  readonly #next: Database.Statement<[], number>;
  readonly #removals: readonly {
    run(connectionNo: number, rows: number): { readonly changes: number };
  }[];
  readonly #leftovers: readonly Database.Statement<[number]>[];
  readonly #rows: number;

  constructor(db: Database.Database, rows: number) {
    this.#rows = rows;
    this.#next = db
      .prepare<[], number>(`SELECT connection_no FROM connections WHERE workspace_no = ${DELETED} LIMIT 1`)
      .pluck();
    const some = (table: string, where: string) =>
      db.prepare<[number, number]>(
        `DELETE FROM ${table} WHERE rowid IN (SELECT rowid FROM ${table} WHERE ${where} LIMIT ?)`,
      );
    const records = some("records", `list_no IN ${LISTS}`);
    const versions = db.prepare<[number, number]>(VERSIONS);
    this.#removals = [
      // First what hangs on the records that go next.
      { run: (connectionNo, rows) => (versions.run(connectionNo, rows), records.run(connectionNo, rows)) },
      some("events", `feed_no IN ${FEEDS}`),
      db.prepare(
        `DELETE FROM samples WHERE (point_no, at_us, server_us, sourced) IN
         (SELECT point_no, at_us, server_us, sourced FROM samples WHERE point_no IN ${POINTS} LIMIT ?)`,
      ),
      some("last_samples", `point_no IN ${POINTS}`),
      some("gaps", "connection_no = ?"),
      db.prepare(
        `DELETE FROM rejects WHERE (connection_no, entity, key) IN
         (SELECT connection_no, entity, key FROM rejects WHERE connection_no = ? LIMIT ?)`,
      ),
      some("sync_runs", "connection_no = ?"),
      some("undecodable_batches", "connection_no = ?"),
      some("operations", OF_CONNECTION),
      new WebhooksOfConnection(db),
    ];
    this.#leftovers = [
      "DELETE FROM streams WHERE connection_no = ?",
      "DELETE FROM epochs WHERE connection_no = ?",
      `DELETE FROM settings_documents WHERE ${OF_CONNECTION}`,
      `DELETE FROM settings_reports WHERE ${OF_CONNECTION}`,
      `DELETE FROM connection_links WHERE ${OF_CONNECTION}`,
      "UPDATE points SET key = point_no WHERE connection_no = ?",
      `UPDATE connections SET workspace_no = ${REMOVED}, name = id WHERE connection_no = ?`,
    ].map((sql) => db.prepare<[number]>(sql));
  }

  /** One step, inside a transaction of the caller's. True when there is more to do. */
  step(): boolean {
    const connectionNo = this.#next.get();
    if (connectionNo === undefined) return false;
    for (const removal of this.#removals) {
      if (removal.run(connectionNo, this.#rows).changes === this.#rows) return true;
    }
    for (const leftover of this.#leftovers) leftover.run(connectionNo);
    return true;
  }
}
