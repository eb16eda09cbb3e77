// Reads records for the API: pages in revision order over one or many connections, and single records.
import type Database from "better-sqlite3";
import type { Origin } from "#common/contract/entry.ts";
import type { Presence } from "#common/contract/model/entities.ts";
import type { RecordQuery, Scope, StoredRecord } from "../../core/store.ts";
import { idAsHex, idColumn, idOfHex, type IdColumn } from "./columns.ts";
import { mergeOrdered, type Head } from "./merge.ts";
import type { ListName, Names } from "./names.ts";

/** In the order of COLUMNS. An array, because an object costs a third more. */
type RecordColumns = readonly [
  id: string,
  listNo: number,
  revision: number,
  incarnation: number,
  presenceNo: number,
  originNo: number,
  mappingNo: number,
  createdAtMs: number,
  updatedAtMs: number,
  deletedAtMs: number | null,
  reasonNo: number | null,
  hash: string,
  version: string | null,
  key: string,
  text: string,
  raw?: string | null,
];

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

/** The second `?` pair is null for the whole workspace. */
const LISTS = `FROM workspaces w JOIN connections c USING (workspace_no) JOIN lists l USING (connection_no)
  WHERE w.id = ? AND l.entity_no = (SELECT term_no FROM terms WHERE text = ?)
  AND (? IS NULL OR c.id IN (SELECT value FROM json_each(?)))`;
const COLUMNS = `SELECT ${idAsHex("id")}, list_no, revision, incarnation, presence_no, origin_no, mapping_no, created_ms,
  updated_ms, deleted_ms, reason_no, hash, version, key, text`;
const BARE = `${COLUMNS} FROM records`;
const RAW = `${COLUMNS}, raw FROM records`;
const IN_LIST = "WHERE list_no = ? AND revision > ? AND revision < ? ORDER BY revision LIMIT";

const HEADS = `SELECT source, at FROM (SELECT j.value AS source, (SELECT revision FROM records
  WHERE list_no = j.value AND revision > ? AND revision < ? ORDER BY revision LIMIT 1) AS at FROM json_each(?) j)
  WHERE at IS NOT NULL`;

/** What leaves a list goes to the one beside it, of present or gone records, and makes that one's `newest` grow. */
const MARK = `SELECT (SELECT max(list_no) FROM lists) AS lastList, (SELECT max(beside.newest) FROM lists own
  JOIN lists beside USING (connection_no, entity_no) WHERE own.list_no IN (?, ?, ?, ?)) AS newest`;

/** Scopes whose lists are remembered; beyond that the memory starts anew. */
const MAX_REMEMBERED_SCOPES = 10_000;
/** Pages whose revisions are remembered; beyond that the memory starts anew. */
const MAX_REMEMBERED_PAGES = 2_000;
/** Single records that are remembered, each no longer than this; beyond that the memory starts anew. */
const MAX_REMEMBERED_RECORDS = 4_000;
const MAX_REMEMBERED_CHARS = 8 * 1024;
/** Asking which of these have something new costs more than looking into each. */
const FEW_LISTS = 4;

export class RecordReader {
  readonly #names: Names;
  readonly #lists: Database.Statement<unknown[], number>;
  readonly #newestList: Database.Statement<[], number>;
  readonly #fewLists = new Map<string, readonly number[] | "many">();
  #listsUpTo = 0;
  readonly #heads: Database.Statement<[number, number, string], Head>;
  readonly #pages: Both<Page>;
  readonly #revisions: Database.Statement<[number, number, number, number], number>;
  readonly #mark: Database.Statement<FewLists, Mark>;
  readonly #knownRevisions = new Map<string, KnownRevisions>();
  readonly #one: Both<One>;
  readonly #dataVersion: Database.Statement<[], number>;
  readonly #asked = new Map<string, "once" | (Found & { readonly version: number | undefined })>();
  readonly #count: Database.Statement<unknown[], number>;
  readonly #snapshot: <T>(read: () => T) => T;

  constructor(db: Database.Database, names: Names) {
    this.#names = names;
    this.#lists = db
      .prepare<unknown[], number>(`SELECT l.list_no ${LISTS} AND (? OR l.gone = 0) AND l.newest > ?`)
      .pluck();
    this.#newestList = db.prepare<[], number>("SELECT max(list_no) FROM lists").pluck();
    this.#heads = db.prepare(HEADS);
    const pages = (columns: string): Page =>
      db.prepare<[number, number, number, number], RecordColumns>(`${columns} ${IN_LIST} ?`).raw();
    this.#pages = { bare: pages(BARE), raw: pages(RAW) };
    this.#revisions = db
      .prepare<[number, number, number, number], number>(`SELECT revision FROM records ${IN_LIST} ?`)
      .pluck();
    this.#mark = db.prepare(MARK);
    const one = (columns: string): One =>
      db.prepare<[IdColumn], RecordColumns>(`${columns} WHERE id = ?`).raw();
    this.#one = { bare: one(BARE), raw: one(RAW) };
    this.#dataVersion = db.prepare<[], number>("PRAGMA data_version").pluck();
    this.#count = db
      .prepare<unknown[], number>(
        `SELECT count(*) FROM records WHERE list_no IN (SELECT l.list_no ${LISTS} AND l.gone = 0)`,
      )
      .pluck();
    const inTransaction = db.transaction((read: () => unknown) => read());
    this.#snapshot = <T>(read: () => T) => inTransaction(read) as T;
  }

  list(scope: Scope, query: RecordQuery): readonly StoredRecord[] {
    const pages = query.includeRaw ? this.#pages.raw : this.#pages.bare;
    return this.#snapshot(() => this.#page(scope, query, pages).map((row) => this.#stored(row)));
  }

  /**
   * From the index `records_order` alone: a twentieth of the cost of the rows. Of few lists they are remembered for as
   * long as nothing is written to these, which a single short statement tells.
   */
  revisions(scope: Scope, query: RecordQuery): readonly number[] {
    const name = `${query.afterRevision} ${query.beforeRevision} ${query.limit} ${listsName(scope, query)}`;
    const known = this.#knownRevisions.get(name);
    if (known !== undefined && this.#isUnchanged(known)) return known.revisions;
    return this.#snapshot(() => {
      const revisions = this.#page(scope, query, this.#revisions);
      const lists = this.#listsOf(scope, query);
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
    const lists = this.#listsOf(scope, query);
    const from = {
      heads: (listNos: readonly number[], low: number, high: number) =>
        this.#heads.all(low, high, JSON.stringify(listNos)),
      page: (listNo: number, low: number, high: number, most: number) => pages.all(listNo, low, high, most),
    };
    return mergeOrdered(lists, from, afterRevision, beforeRevision, limit);
  }

  /**
   * The lists that the page may come from. Few are remembered by scope: lists are only ever added, so what was found
   * stays right until there are more of them. Of many, those with nothing new are passed over each time.
   */
  #listsOf(scope: Scope, query: RecordQuery): readonly number[] {
    const newest = this.#newestList.get() ?? 0;
    if (newest !== this.#listsUpTo || this.#fewLists.size >= MAX_REMEMBERED_SCOPES) {
      this.#fewLists.clear();
      this.#listsUpTo = newest;
    }
    const name = listsName(scope, query);
    const known = this.#fewLists.get(name);
    if (known !== undefined && known !== "many") return known;
    const from = known === "many" ? query.afterRevision : -1;
    const found = this.#lists.all(...inScope(scope, query.entity), query.includeDeleted ? 1 : 0, from);
    if (known === undefined) this.#fewLists.set(name, found.length <= FEW_LISTS ? found : "many");
    return found;
  }

  /** A connection was deleted: what is remembered may name it. */
  forget(): void {
    this.#names.forget();
    this.#fewLists.clear();
    this.#knownRevisions.clear();
    this.#asked.clear();
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
   * A record that is asked for again and again is remembered until anybody commits anything, which costs a quarter of
   * the record to find out.
   */
  #remembered(id: string): Found | undefined {
    const known = this.#asked.get(id);
    if (known === undefined) {
      if (this.#asked.size >= MAX_REMEMBERED_RECORDS) this.#asked.clear();
      this.#asked.set(id, "once");
      return this.#find(id, this.#one.bare);
    }
    const version = this.#dataVersion.get();
    if (known !== "once" && known.version === version) return known;
    const found = this.#find(id, this.#one.bare);
    if (found !== undefined && found.record.text.length <= MAX_REMEMBERED_CHARS) {
      this.#asked.set(id, { ...found, version });
    }
    return found;
  }

  #find(id: string, statement: One): Found | undefined {
    const row = statement.get(idColumn(id));
    return row === undefined ? undefined : { owner: this.#names.list(row[1]), record: this.#stored(row) };
  }

  count(scope: Scope, entity: string): number {
    return this.#count.get(...inScope(scope, entity)) ?? 0;
  }

  #stored(row: RecordColumns): StoredRecord {
    const [id, listNo, revision, incarnation, presenceNo, originNo, mappingNo, createdAtMs, updatedAtMs] =
      row;
    const [, , , , , , , , , deletedAtMs, reasonNo, hash, version, key, text, raw] = row;
    const names = this.#names;
    const { connectionId, entity } = names.list(listNo);
    return {
      id: idOfHex(id),
      connectionId,
      entity,
      key,
      text,
      raw: raw ?? undefined,
      hash,
      version: version ?? undefined,
      revision,
      createdAtMs,
      updatedAtMs,
      deletedAtMs: deletedAtMs ?? undefined,
      presence: names.term(presenceNo) as Presence,
      deleteReason: names.optionalTerm(reasonNo),
      incarnation,
      origin: names.term(originNo) as Origin,
      mappingVersion: names.term(mappingNo),
    };
  }
}

function listsName({ workspaceId, connectionIds }: Scope, query: RecordQuery): string {
  return `${query.includeDeleted} ${query.entity} ${workspaceId} ${connectionIds?.join(" ") ?? "*"}`;
}

function fewOf([a = null, b = null, c = null, d = null]: readonly (number | null)[]): FewLists {
  return [a, b, c, d];
}

function inScope({ workspaceId, connectionIds }: Scope, entity: string): readonly unknown[] {
  const ids = connectionIds === undefined ? null : JSON.stringify(connectionIds);
  return [workspaceId, entity, ids, ids];
}
