// Writes records: the hottest part of ingest. Row numbers found once are kept for the rest of the transaction.
import type Database from "better-sqlite3";
import type { Presence } from "#common/contract/model/entities.ts";
import type { NewRecord, RecordDelete, RecordState } from "../../core/store.ts";
import { idColumn, idText, type IdColumn } from "./columns.ts";
import type { Surrogates } from "./surrogates.ts";

interface StateRow {
  readonly recordNo: number;
  readonly connectionNo: number;
  readonly hash: string;
  readonly presence: Presence;
  readonly incarnation: number;
  readonly createdAtMs: number;
  readonly epochNo: number;
}

interface PresentRow {
  readonly recordNo: number;
  readonly goneListNo: number | null;
  readonly connectionId: string;
  readonly entity: string;
}

const SET = `list_no = ?, revision = ?, epoch_no = ?, incarnation = ?, presence_no = ?, origin_no = ?, mapping_no = ?,
  created_ms = ?, updated_ms = ?, deleted_ms = ?, reason_no = ?, hash = ?, version = ?, key = ?, text = ?, raw = ?`;
const COLUMNS = `list_no, revision, epoch_no, incarnation, presence_no, origin_no, mapping_no, created_ms, updated_ms,
  deleted_ms, reason_no, hash, version, key, text, raw`;
const STATE = `SELECT r.record_no AS recordNo, l.connection_no AS connectionNo, r.hash, t.text AS presence,
  r.incarnation, r.created_ms AS createdAtMs, r.epoch_no AS epochNo
  FROM records r JOIN lists l USING (list_no) JOIN terms t ON t.term_no = r.presence_no WHERE r.id = ?`;
const PRESENT = `SELECT r.record_no AS recordNo, gone.list_no AS goneListNo, c.id AS connectionId, t.text AS entity
  FROM records r JOIN lists l USING (list_no) JOIN connections c USING (connection_no)
  JOIN terms t ON t.term_no = l.entity_no
  LEFT JOIN lists gone ON gone.connection_no = l.connection_no AND gone.entity_no = l.entity_no AND gone.gone = 1
  WHERE r.id = ? AND l.gone = 0`;

export class RecordWriter {
  readonly #names: Surrogates;
  readonly #state: Database.Statement<[IdColumn], StateRow>;
  readonly #find: Database.Statement<[IdColumn], number>;
  readonly #insert: Database.Statement;
  readonly #update: Database.Statement;
  readonly #confirm: Database.Statement<[number, IdColumn]>;
  readonly #present: Database.Statement<[IdColumn], PresentRow>;
  readonly #remove: Database.Statement;
  readonly #unconfirmed: Database.Statement<[number, number, number], IdColumn>;
  readonly #countUnconfirmed: Database.Statement<[number, number], number>;
  readonly #countPresent: Database.Statement<[number], number>;
  readonly #raise: Database.Statement<[number, number]>;
  /** Row numbers of this transaction's records; null: there is none yet. */
  readonly #rows = new Map<string, number | null>();
  /** Newest revision written to each list in this transaction. */
  readonly #newest = new Map<number, number>();

  constructor(db: Database.Database, names: Surrogates) {
    this.#names = names;
    this.#state = db.prepare(STATE);
    this.#find = db.prepare<[IdColumn], number>("SELECT record_no FROM records WHERE id = ?").pluck();
    this.#insert = db.prepare(
      `INSERT INTO records (id, ${COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#update = db.prepare(`UPDATE records SET ${SET} WHERE record_no = ?`);
    this.#confirm = db.prepare("UPDATE records SET epoch_no = ? WHERE id = ?");
    this.#present = db.prepare(PRESENT);
    this.#remove = db.prepare(
      `UPDATE records SET list_no = ?, revision = ?, epoch_no = ?, presence_no = ?, origin_no = ?, updated_ms = ?,
       deleted_ms = ?, reason_no = ? WHERE record_no = ?`,
    );
    this.#unconfirmed = db
      .prepare<[number, number, number], IdColumn>(
        "SELECT id FROM records WHERE list_no = ? AND epoch_no < ? ORDER BY id LIMIT ?",
      )
      .pluck();
    this.#countUnconfirmed = db
      .prepare<[number, number], number>("SELECT count(*) FROM records WHERE list_no = ? AND epoch_no < ?")
      .pluck();
    this.#countPresent = db
      .prepare<[number], number>("SELECT count(*) FROM records WHERE list_no = ?")
      .pluck();
    this.#raise = db.prepare("UPDATE lists SET newest = max(newest, ?) WHERE list_no = ?");
  }

  /** Forgets what belongs to the last transaction, whatever became of it. */
  begin(): void {
    this.#rows.clear();
    this.#newest.clear();
  }

  /** Once, before the commit. */
  flush(): void {
    for (const [listNo, revision] of this.#newest) this.#raise.run(revision, listNo);
  }

  states(connectionId: string, ids: readonly string[]): Map<string, RecordState> {
    const { connectionNo } = this.#names.connection(connectionId);
    const states = new Map<string, RecordState>();
    for (const id of ids) {
      const row = this.#state.get(idColumn(id));
      this.#rows.set(id, row?.recordNo ?? null);
      if (row === undefined || row.connectionNo !== connectionNo) continue;
      const { hash, presence, incarnation, createdAtMs, epochNo } = row;
      states.set(id, { id, hash, presence, incarnation, createdAtMs, epochNo });
    }
    return states;
  }

  put(records: readonly NewRecord[]): void {
    const names = this.#names;
    for (const record of records) {
      const listNo = names.list(record.connectionId, record.entity, record.presence !== "present");
      const values = [
        listNo,
        record.revision,
        record.epochNo,
        record.incarnation,
        names.term(record.presence),
        names.term(record.origin),
        names.term(record.mappingVersion),
        record.createdAtMs,
        record.updatedAtMs,
        record.deletedAtMs ?? null,
        names.optionalTerm(record.deleteReason),
        record.hash,
        record.version ?? null,
        record.key,
        record.text,
        record.raw ?? null,
      ];
      this.#write(record.id, values);
      this.#raiseNewest(listNo, record.revision);
    }
  }

  confirm(ids: readonly string[], epochNo: number): void {
    for (const id of ids) this.#confirm.run(epochNo, idColumn(id));
  }

  remove(deletes: readonly RecordDelete[]): void {
    for (const gone of deletes) {
      const row = this.#present.get(idColumn(gone.id));
      if (row === undefined) continue;
      const listNo = row.goneListNo ?? this.#names.list(row.connectionId, row.entity, true);
      const { revision, epochNo, atMs } = gone;
      const presenceNo = this.#names.term(gone.presence);
      const originNo = this.#names.term(gone.origin);
      const reasonNo = this.#names.term(gone.reason);
      this.#remove.run(listNo, revision, epochNo, presenceNo, originNo, atMs, atMs, reasonNo, row.recordNo);
      this.#raiseNewest(listNo, revision);
    }
  }

  unconfirmed(connectionId: string, entity: string, epochNo: number, limit: number): string[] {
    return this.#unconfirmed.all(this.#names.list(connectionId, entity, false), epochNo, limit).map(idText);
  }

  countUnconfirmed(connectionId: string, entity: string, epochNo: number): number {
    return this.#countUnconfirmed.get(this.#names.list(connectionId, entity, false), epochNo) ?? 0;
  }

  countPresent(connectionId: string, entity: string): number {
    return this.#countPresent.get(this.#names.list(connectionId, entity, false)) ?? 0;
  }

  #write(id: string, values: readonly unknown[]): void {
    const known = this.#rows.get(id);
    const column = known === undefined || known === null ? idColumn(id) : undefined;
    const recordNo = known === undefined && column !== undefined ? this.#find.get(column) : known;
    if (recordNo === undefined || recordNo === null) {
      const { lastInsertRowid } = this.#insert.run(column, ...values);
      this.#rows.set(id, Number(lastInsertRowid));
    } else {
      this.#update.run(...values, recordNo);
      this.#rows.set(id, recordNo);
    }
  }

  #raiseNewest(listNo: number, revision: number): void {
    if (revision > (this.#newest.get(listNo) ?? 0)) this.#newest.set(listNo, revision);
  }
}
