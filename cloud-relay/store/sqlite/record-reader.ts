// Reads records for the API: pages in revision order over one or many connections, and single records.
import type Database from "better-sqlite3";
import type { RecordQuery, Scope, StoredRecord } from "../../core/store.ts";
import { idColumn, type IdColumn } from "./columns.ts";
import { mergeOrdered, type Head } from "./merge.ts";
import type { ListName, Names } from "./names.ts";
import { BARE_RECORD, RAW_RECORD, storedRecord, type RecordColumns } from "./record-columns.ts";
import { FEW_LISTS, listsName, RecordLists } from "./record-lists.ts";

/** Changes with every list that is added and with every record that comes to one of the lists or leaves it. */
interface Mark {
  readonly lastList: number | null;
  readonly newest: number | null;
}

type FewLists = [number | null, number | null, number | null, number | null];

interface KnownRevisions extends Mark {
  readonly lists: FewLists;
  readonly revisions: readonly number[];
}

interface Found {
  readonly owner: ListName;
  readonly record: StoredRecord;
}

type Page = Database.Statement<[number, number, number, number], RecordColumns>;
type One = Database.Statement<[IdColumn], RecordColumns>;
/** With the source's own row or without it, which may be as long again. */
type Both<Statement> = Readonly<Record<"bare" | "raw", Statement>>;

const IN_LIST = "WHERE list_no = ? AND revision > ? AND revision < ? ORDER BY revision LIMIT";

const HEADS = `SELECT source, at FROM (SELECT j.value AS source, (SELECT revision FROM records
  WHERE list_no = j.value AND revision > ? AND revision < ? ORDER BY revision LIMIT 1) AS at FROM json_each(?) j)
  WHERE at IS NOT NULL`;

/** What leaves a list goes to the one beside it, of present or gone records, and makes that one's `newest` grow. */
const MARK = `SELECT (SELECT max(list_no) FROM lists) AS lastList, (SELECT max(beside.newest) FROM lists own
  JOIN lists beside USING (connection_no, entity_no) WHERE own.list_no IN (?, ?, ?, ?)) AS newest`;

/** Pages whose revisions are remembered; beyond that the memory starts anew. */
const MAX_REMEMBERED_PAGES = 2_000;
/** Single records that are remembered, each no longer than this; beyond that the memory starts anew. */
const MAX_REMEMBERED_RECORDS = 4_000;
const MAX_REMEMBERED_CHARS = 8 * 1024;
/** How long what another process commits may go unnoticed; of this one's commits the reader is told. */
const FOREIGN_LOOK_MS = 5;

export class RecordReader {
  readonly lists: RecordLists;
  readonly #names: Names;
  readonly #heads: Database.Statement<[number, number, string], Head>;
  readonly #pages: Both<Page>;
  readonly #revisions: Database.Statement<[number, number, number, number], number>;
  readonly #mark: Database.Statement<FewLists, Mark>;
  readonly #knownRevisions = new Map<string, KnownRevisions>();
  readonly #one: Both<One>;
  readonly #dataVersion: Database.Statement<[], number>;
  readonly #asked = new Map<string, "once" | (Found & { readonly version: number | undefined })>();
  #version: number | undefined;
  /** When `#version` was looked up, `performance.now()`. */
  #lookedAtMs = Number.NEGATIVE_INFINITY;
  /** Everything within sees one state of the store. */
  readonly inSnapshot: <T>(read: () => T) => T;

  constructor(db: Database.Database, names: Names) {
    this.#names = names;
    this.lists = new RecordLists(db);
    this.#heads = db.prepare(HEADS);
    const pages = (columns: string): Page =>
      db.prepare<[number, number, number, number], RecordColumns>(`${columns} ${IN_LIST} ?`).raw();
    this.#pages = { bare: pages(BARE_RECORD), raw: pages(RAW_RECORD) };
    this.#revisions = db
      .prepare<[number, number, number, number], number>(`SELECT revision FROM records ${IN_LIST} ?`)
      .pluck();
    this.#mark = db.prepare(MARK);
    const one = (columns: string): One =>
      db.prepare<[IdColumn], RecordColumns>(`${columns} WHERE id = ?`).raw();
    this.#one = { bare: one(BARE_RECORD), raw: one(RAW_RECORD) };
    this.#dataVersion = db.prepare<[], number>("PRAGMA data_version").pluck();
    const inTransaction = db.transaction((read: () => unknown) => read());
    this.inSnapshot = <T>(read: () => T) => inTransaction(read) as T;
  }

  list(scope: Scope, query: RecordQuery): readonly StoredRecord[] {
    const pages = query.includeRaw ? this.#pages.raw : this.#pages.bare;
    return this.inSnapshot(() =>
      this.#page(scope, query, pages).map((row) => storedRecord(row, this.#names)),
    );
  }

  /**
   * From the index `records_order` alone: a twentieth of the cost of the rows. Of few lists they are remembered for as
   * long as nothing is written to these, which a single short statement tells.
   */
  revisions(scope: Scope, query: RecordQuery): readonly number[] {
    const name = `${query.afterRevision} ${query.beforeRevision} ${query.limit} ${listsName(scope, query)}`;
    const known = this.#knownRevisions.get(name);
    if (known !== undefined && this.#isUnchanged(known)) return known.revisions;
    return this.inSnapshot(() => {
      const revisions = this.#page(scope, query, this.#revisions);
      const lists = this.lists.of(scope, query);
      if (lists.length <= FEW_LISTS) this.#remember(name, fewOf(lists), revisions);
      return revisions;
    });
  }

  #remember(name: string, lists: FewLists, revisions: readonly number[]): void {
    const mark = this.#mark.get(...lists);
    if (mark === undefined) return;
    if (this.#knownRevisions.size >= MAX_REMEMBERED_PAGES) this.#knownRevisions.clear();
    this.#knownRevisions.set(name, { ...mark, lists, revisions });
  }

  #isUnchanged(known: KnownRevisions): boolean {
    const mark = this.#mark.get(...known.lists);
    return mark?.lastList === known.lastList && mark.newest === known.newest;
  }

  #page<Row>(
    scope: Scope,
    query: RecordQuery,
    pages: Database.Statement<[number, number, number, number], Row>,
  ): readonly Row[] {
    const { afterRevision, beforeRevision = Number.MAX_SAFE_INTEGER, limit } = query;
    const lists = this.lists.of(scope, query);
    const from = {
      heads: (listNos: readonly number[], low: number, high: number) => this.heads(listNos, low, high),
      page: (listNo: number, low: number, high: number, most: number) => pages.all(listNo, low, high, most),
    };
    return mergeOrdered(lists, from, afterRevision, beforeRevision, limit);
  }

  /** Of each list that has a record between the bounds, the first. */
  heads(listNos: readonly number[], low: number, high: number): readonly Head[] {
    return this.#heads.all(low, high, JSON.stringify(listNos));
  }

  /** The revision of the record at a place of the list, from 1, by the index alone. */
  place(scope: Scope, query: RecordQuery, place: number): number | undefined {
    return this.#page(scope, { ...query, limit: place }, this.#revisions)[place - 1];
  }

  get(scope: Scope, entity: string, id: string, includeRaw: boolean): StoredRecord | undefined {
    const found = includeRaw ? this.#find(id, this.#one.raw) : this.#remembered(id);
    if (found === undefined) return undefined;
    const { owner, record } = found;
    const isVisible =
      owner.entity === entity &&
      owner.workspaceId === scope.workspaceId &&
      (scope.connectionIds?.includes(owner.connectionId) ?? true);
    return isVisible ? record : undefined;
  }

  /**
   * A record that is asked for again and again is remembered until anybody commits anything.
   */
  #remembered(id: string): Found | undefined {
    const known = this.#asked.get(id);
    if (known === undefined) {
      if (this.#asked.size >= MAX_REMEMBERED_RECORDS) this.#asked.clear();
      this.#asked.set(id, "once");
      return this.#find(id, this.#one.bare);
    }
    const version = this.#versionNow();
    if (known !== "once" && known.version === version) return known;
    const found = this.#find(id, this.#one.bare);
    if (found !== undefined && found.record.text.length <= MAX_REMEMBERED_CHARS) {
      this.#asked.set(id, { ...found, version });
    }
    return found;
  }

  #find(id: string, statement: One): Found | undefined {
    const row = statement.get(idColumn(id));
    return row === undefined
      ? undefined
      : { owner: this.#names.list(row[1]), record: storedRecord(row, this.#names) };
  }

  /** This process has committed something. */
  committed(): void {
    this.#lookedAtMs = Number.NEGATIVE_INFINITY;
  }

  /** Asking SQLite costs a quarter of reading the record. */
  #versionNow(): number | undefined {
    const nowMs = performance.now();
    if (nowMs - this.#lookedAtMs > FOREIGN_LOOK_MS) {
      this.#version = this.#dataVersion.get();
      this.#lookedAtMs = nowMs;
    }
    return this.#version;
  }

  /** A connection was deleted: what is remembered may name it. */
  forget(): void {
    this.#names.forget();
    this.lists.forget();
    this.#knownRevisions.clear();
    this.#asked.clear();
  }

  count(scope: Scope, entity: string): number {
    return this.lists.countPresent(scope, entity);
  }
}

function fewOf([a = null, b = null, c = null, d = null]: readonly (number | null)[]): FewLists {
  return [a, b, c, d];
}
