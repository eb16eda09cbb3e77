// Keeps a room's write-ahead log short: its file counts as outbox, and keeps the size that it once had until it is cut.
import { statSync } from "node:fs";
import type Database from "better-sqlite3";
import { AUTOCHECKPOINT_PAGES, MAX_WAL_BYTES, PAGE_BYTES } from "./room-schema.ts";

/** Share of the outbox that the log may take: as much as it holds is held twice… */
const WAL_SHARE = 1 / 16;
/** …but a checkpoint at every other commit would cost more than the space is worth. */
const MIN_PAGES = 64;

export class WalKeeper {
  readonly #db: Database.Database;
  #pages = AUTOCHECKPOINT_PAGES;
  #maxBytes = MAX_WAL_BYTES;

  constructor(db: Database.Database) {
    this.#db = db;
  }

  /** Size of the log's file. A metric: a stuck reader shows here. */
  bytes(): number {
    return statSync(`${this.#db.name}-wal`, { throwIfNoEntry: false })?.size ?? 0;
  }

  /** The room may hold this much: a small room copies its log into the file more often, and keeps less of it. */
  budget(outboxBytes: number): void {
    const wanted = Math.floor((outboxBytes * WAL_SHARE) / PAGE_BYTES);
    const pages = Math.min(AUTOCHECKPOINT_PAGES, Math.max(MIN_PAGES, wanted));
    if (pages === this.#pages) return;
    this.#pages = pages;
    this.#maxBytes = pages === AUTOCHECKPOINT_PAGES ? MAX_WAL_BYTES : 2 * pages * PAGE_BYTES;
    this.#db.pragma(`wal_autocheckpoint = ${pages}`);
    this.#db.pragma(`journal_size_limit = ${this.#maxBytes}`);
  }

  /** Cuts the log when it is too long, or when nothing else is to be done. */
  shorten(isIdle: boolean): void {
    const bytes = this.bytes();
    if (bytes > this.#maxBytes || (isIdle && bytes > 0)) this.#db.pragma("wal_checkpoint(TRUNCATE)");
  }
}
