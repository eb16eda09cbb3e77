// What has left the plant, in agent.db: counts by day, and each list of fields once.
import type Database from "better-sqlite3";
import { EGRESS_DAYS, type EgressBook, type EgressEntry, type EgressField } from "#agent/core/egress.ts";

export const EGRESS_TABLES = `
  CREATE TABLE egress_fields (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE) STRICT;
  CREATE TABLE egress (
    day TEXT NOT NULL, connection TEXT NOT NULL, entity TEXT NOT NULL, fields INTEGER NOT NULL,
    rows INTEGER NOT NULL, bytes INTEGER NOT NULL, raw_bytes INTEGER NOT NULL,
    PRIMARY KEY (day, connection, entity, fields)
  ) STRICT, WITHOUT ROWID;
`;
const DAY_MS = 86_400_000;

interface Row {
  readonly day: string;
  readonly connection: string;
  readonly entity: string;
  readonly text: string;
  readonly rows: number;
  readonly bytes: number;
  readonly rawBytes: number;
}

export class SqliteEgressBook implements EgressBook {
  readonly #db: Database.Database;
  /** Days before the newest one were thinned out already. */
  #newestDay = "";

  /** `db` has EGRESS_TABLES, and is closed by whoever opened it. */
  constructor(db: Database.Database) {
    this.#db = db;
  }

  add(entries: readonly EgressEntry[]): void {
    this.#db
      .transaction(() => {
        for (const entry of entries) this.#addOne(entry);
      })
      .immediate();
  }

  since(day: string): readonly EgressEntry[] {
    const rows = this.#db
      .prepare<[string], Row>(
        `SELECT day, connection, entity, text, rows, bytes, raw_bytes AS rawBytes
           FROM egress JOIN egress_fields ON id = fields WHERE day >= ? ORDER BY day, connection, entity, id`,
      )
      .all(day);
    return rows.map(({ text, ...entry }) =>
      Object.assign(entry, { fields: JSON.parse(text) as readonly EgressField[] }),
    );
  }

  #addOne({ day, connection, entity, fields, rows, bytes, rawBytes }: EgressEntry): void {
    if (day > this.#newestDay) this.#thinOut(day);
    const text = JSON.stringify(fields);
    this.#db.prepare("INSERT INTO egress_fields (text) VALUES (?) ON CONFLICT DO NOTHING").run(text);
    this.#db
      .prepare(
        `INSERT INTO egress SELECT ?, ?, ?, id, ?, ?, ? FROM egress_fields WHERE text = ?
           ON CONFLICT DO UPDATE SET rows = rows + excluded.rows, bytes = bytes + excluded.bytes,
             raw_bytes = raw_bytes + excluded.raw_bytes`,
      )
      .run(day, connection, entity, rows, bytes, rawBytes, text);
  }

  #thinOut(day: string): void {
    this.#newestDay = day;
    const oldest = new Date(Date.parse(day) - EGRESS_DAYS * DAY_MS).toISOString().slice(0, 10);
    this.#db.prepare("DELETE FROM egress WHERE day < ?").run(oldest);
    this.#db.prepare("DELETE FROM egress_fields WHERE id NOT IN (SELECT fields FROM egress)").run();
  }
}
