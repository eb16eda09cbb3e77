// Appends events to the feed.
import type Database from "better-sqlite3";
import type { NewEvent } from "../../core/store.ts";
import { BulkInsert } from "./bulk-insert.ts";
import { EventIds, idColumn } from "./columns.ts";
import type { Surrogates } from "./surrogates.ts";

const HEAD = `INSERT OR FAIL INTO events (position, feed_no, type_no, entity_no, origin_no, epoch_no, seq, entry, at_ms,
  record_id, data, id_text)`;

export class EventWriter {
  readonly #surrogates: Surrogates;
  readonly #insert: BulkInsert;
  readonly #raise: Database.Statement<[number, number]>;
  readonly #ids = new EventIds();
  readonly #newest = new Map<number, number>();

  constructor(db: Database.Database, surrogates: Surrogates) {
    this.#surrogates = surrogates;
    this.#insert = new BulkInsert(db, HEAD, 12);
    this.#raise = db.prepare("UPDATE feeds SET newest = max(newest, ?) WHERE feed_no = ?");
  }

  begin(): void {
    this.#newest.clear();
  }

  /** Once, before the commit. */
  flush(): void {
    for (const [feedNo, position] of this.#newest) this.#raise.run(position, feedNo);
  }

  append(events: readonly NewEvent[]): void {
    const surrogates = this.#surrogates;
    const values: unknown[] = [];
    for (const event of events) {
      const { position } = event;
      const feedNo = surrogates.feed(event.workspaceId, event.connectionId);
      const id = this.#ids.columns(event.id, position);
      values.push(
        position,
        feedNo,
        surrogates.term(event.type),
        surrogates.optionalTerm(event.entity),
        surrogates.optionalTerm(event.origin),
        id.epoch === null ? null : surrogates.term(id.epoch),
        id.seq,
        id.entry,
        event.atMs,
        event.recordId === undefined ? null : idColumn(event.recordId),
        event.data,
        id.text,
      );
      if (position > (this.#newest.get(feedNo) ?? 0)) this.#newest.set(feedNo, position);
    }
    this.#insert.run(values);
  }
}
