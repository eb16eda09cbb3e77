// Writes records: the hottest part of ingest. Row numbers found once are kept for the rest of the transaction.
import type Database from "better-sqlite3";
import type { Presence } from "#common/contract/model/entities.ts";
import type { NewRecord, RecordDelete, RecordState } from "../../core/store.ts";
import { BulkInsert } from "./bulk-insert.ts";
import { idColumn, idText, type IdColumn } from "./columns.ts";
import type { Names } from "./names.ts";
import type { Surrogates } from "./surrogates.ts";
import { VersionKeeper } from "./version-tables.ts";

/** Place among those asked for, then the record's columns. */
type StateRow = [
  place: number,
  recordNo: number,
  listNo: number,
  hash: string,
  presenceNo: number,
  incarnation: number,
  createdAtMs: number,
  epochNo: number,
];
/** Ids in one look-up: a statement for many costs half of one for each. */
const LOOK_UP_IDS = 20;

interface RowInList {
  readonly recordNo: number;
  readonly listNo: number;
}

const COLUMNS = `list_no revision epoch_no incarnation presence_no origin_no mapping_no created_ms updated_ms
  deleted_ms reason_no hash version key text raw read_ms`.split(/\s+/);
/** By row number: known rows are updated without a second look at the index over ids. */
const ON_CONFLICT = `ON CONFLICT (record_no) DO UPDATE SET ${COLUMNS.map((name) => `${name} = excluded.${name}`).join(", ")}`;

export class RecordWriter {
  readonly #surrogates: Surrogates;
  readonly #names: Names;
  readonly #states: Database.Statement<[readonly (IdColumn | null)[]], StateRow>;
  readonly #find: Database.Statement<[IdColumn], number>;
  readonly #lastNo: Database.Statement<[], number>;
  readonly #upsert: BulkInsert;
  readonly #confirm: Database.Statement<[number, IdColumn]>;
  readonly #inList: Database.Statement<[IdColumn], RowInList>;
  readonly #remove: Database.Statement;
  readonly #unconfirmed: Database.Statement<[number, number, number], IdColumn>;
  readonly #countUnconfirmed: Database.Statement<[number, number], number>;
  readonly #countPresent: Database.Statement<[number], number>;
  readonly #raise: Database.Statement<[number, number]>;
  /** Absent: earlier versions are not kept. */
  readonly #versions: VersionKeeper | undefined;
  /** Row numbers of this transaction's records; null: there is none yet. */
  readonly #rows = new Map<string, number | null>();
  /** Highest row number, once this transaction has asked for it. */
  #newestNo: number | undefined;
  /** Newest revision written to each list in this transaction. */
  readonly #newest = new Map<number, number>();

  constructor(db: Database.Database, surrogates: Surrogates, names: Names, keepsVersions: boolean) {
    this.#surrogates = surrogates;
    this.#names = names;
    this.#versions = keepsVersions ? new VersionKeeper(db) : undefined;
    const asked = Array.from({ length: LOOK_UP_IDS }, (_, place) => `(${place}, ?)`).join(", ");
    this.#states = db
      .prepare<[readonly (IdColumn | null)[]], StateRow>(
        `WITH asked (place, id) AS (VALUES ${asked}) SELECT place, record_no, list_no, hash, presence_no, incarnation,
         created_ms, epoch_no FROM asked CROSS JOIN records USING (id)`,
      )
      .raw();
    this.#find = db.prepare<[IdColumn], number>("SELECT record_no FROM records WHERE id = ?").pluck();
    this.#lastNo = db.prepare<[], number>("SELECT coalesce(max(record_no), 0) FROM records").pluck();
    const head = `INSERT OR FAIL INTO records (record_no, id, ${COLUMNS.join(", ")})`;
    this.#upsert = new BulkInsert(db, head, COLUMNS.length + 2, ON_CONFLICT);
    this.#confirm = db.prepare("UPDATE records SET epoch_no = ? WHERE id = ?");
    this.#inList = db.prepare("SELECT record_no AS recordNo, list_no AS listNo FROM records WHERE id = ?");
    this.#remove = db.prepare(
      `UPDATE records SET list_no = ?, revision = ?, epoch_no = ?, presence_no = ?, origin_no = ?, updated_ms = ?,
       deleted_ms = ?, reason_no = ?, read_ms = ? WHERE record_no = ?`,
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
    this.#newestNo = undefined;
    this.#newest.clear();
  }

  /** Once, before the commit. */
  flush(): void {
    for (const [listNo, revision] of this.#newest) this.#raise.run(revision, listNo);
  }

  states(connectionId: string, ids: readonly string[]): Map<string, RecordState> {
    const states = new Map<string, RecordState>();
    for (let from = 0; from < ids.length; from += LOOK_UP_IDS) {
      const some = ids.slice(from, from + LOOK_UP_IDS);
      const columns: (IdColumn | null)[] = some.map(idColumn);
      while (columns.length < LOOK_UP_IDS) columns.push(null);
      for (const id of some) this.#rows.set(id, null);
      for (const row of this.#states.all(columns)) {
        const [place, recordNo, listNo, hash, presenceNo, incarnation, createdAtMs, epochNo] = row;
        const id = some[place] ?? "";
        this.#rows.set(id, recordNo);
        if (this.#names.list(listNo).connectionId !== connectionId) continue;
        const presence = this.#names.term(presenceNo) as Presence;
        states.set(id, { id, hash, presence, incarnation, createdAtMs, epochNo });
      }
    }
    return states;
  }

  put(records: readonly NewRecord[]): void {
    const surrogates = this.#surrogates;
    const values: unknown[] = [];
    const replaced: number[] = [];
    for (const record of records) {
      const listNo = surrogates.list(record.connectionId, record.entity, record.presence !== "present");
      const id = idColumn(record.id);
      const known = this.#knownRow(record.id, id);
      if (known !== undefined) replaced.push(known, record.revision);
      values.push(
        known ?? this.#newRow(record.id),
        id,
        listNo,
        record.revision,
        record.epochNo,
        record.incarnation,
        surrogates.term(record.presence),
        surrogates.term(record.origin),
        surrogates.term(record.mappingVersion),
        record.createdAtMs,
        record.updatedAtMs,
        record.deletedAtMs ?? null,
        surrogates.optionalTerm(record.deleteReason),
        record.hash,
        record.version ?? null,
        record.key,
        record.text,
        record.raw ?? null,
        record.readAtMs ?? null,
      );
      this.#raiseNewest(listNo, record.revision);
    }
    if (replaced.length > 0) this.#versions?.keep(replaced);
    this.#upsert.run(values);
  }

  confirm(ids: readonly string[], epochNo: number): void {
    for (const id of ids) this.#confirm.run(epochNo, idColumn(id));
  }

  remove(deletes: readonly RecordDelete[]): void {
    const surrogates = this.#surrogates;
    for (const gone of deletes) {
      const row = this.#inList.get(idColumn(gone.id));
      if (row === undefined) continue;
      const { connectionId, entity, isGone } = this.#names.list(row.listNo);
      if (isGone) continue;
      const listNo = surrogates.list(connectionId, entity, true);
      this.#versions?.keep([row.recordNo, gone.revision]);
      this.#remove.run(
        listNo,
        gone.revision,
        gone.epochNo,
        surrogates.term(gone.presence),
        surrogates.term(gone.origin),
        gone.atMs,
        gone.atMs,
        surrogates.term(gone.reason),
        gone.readAtMs ?? null,
        row.recordNo,
      );
      this.#raiseNewest(listNo, gone.revision);
    }
  }

  unconfirmed(connectionId: string, entity: string, epochNo: number, limit: number): string[] {
    return this.#unconfirmed
      .all(this.#surrogates.list(connectionId, entity, false), epochNo, limit)
      .map(idText);
  }

  countUnconfirmed(connectionId: string, entity: string, epochNo: number): number {
    return this.#countUnconfirmed.get(this.#surrogates.list(connectionId, entity, false), epochNo) ?? 0;
  }

  countPresent(connectionId: string, entity: string): number {
    return this.#countPresent.get(this.#surrogates.list(connectionId, entity, false)) ?? 0;
  }

  /** Undefined: the record is new. */
  #knownRow(id: string, column: IdColumn): number | undefined {
    const known = this.#rows.get(id);
    return (known === undefined ? this.#find.get(column) : known) ?? undefined;
  }

  #newRow(id: string): number {
    this.#newestNo ??= this.#lastNo.get() ?? 0;
    this.#newestNo += 1;
    this.#rows.set(id, this.#newestNo);
    return this.#newestNo;
  }

  #raiseNewest(listNo: number, revision: number): void {
    if (revision > (this.#newest.get(listNo) ?? 0)) this.#newest.set(listNo, revision);
  }
}
