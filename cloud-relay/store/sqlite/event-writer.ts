// Appends events to the feed.
import type Database from "better-sqlite3";
import type { NewEvent } from "../../core/store.ts";
import { eventIdColumns, idColumn } from "./columns.ts";
import type { Surrogates } from "./surrogates.ts";

export class EventWriter {
  readonly #names: Surrogates;
  readonly #insert: Database.Statement;
  readonly #raise: Database.Statement<[number, number]>;
  readonly #newest = new Map<number, number>();

  constructor(db: Database.Database, names: Surrogates) {
    this.#names = names;
    this.#insert = db.prepare(
      `INSERT INTO events (position, feed_no, type_no, entity_no, origin_no, epoch_no, seq, entry, at_ms, record_id,
       data, id_text) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    );
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
    const names = this.#names;
    for (const event of events) {
      const { position } = event;
      const feedNo = names.feed(event.workspaceId, event.connectionId);
      const id = eventIdColumns(event.id, position);
      this.#insert.run(
        position,
        feedNo,
        names.term(event.type),
        names.optionalTerm(event.entity),
        names.optionalTerm(event.origin),
        id.epoch === null ? null : names.term(id.epoch),
        id.seq,
        id.entry,
        event.atMs,
        event.recordId === undefined ? null : idColumn(event.recordId),
        event.data,
        id.text,
      );
      if (position > (this.#newest.get(feedNo) ?? 0)) this.#newest.set(feedNo, position);
    }
  }
}
