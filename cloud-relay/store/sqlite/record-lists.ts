// Which lists of records a scope has: one for each connection and entity, present and gone records apart.
import type Database from "better-sqlite3";
import type { RecordQuery, Scope } from "../../core/store.ts";

/** The second `?` pair is null for the whole workspace. */
const LISTS = `FROM workspaces w JOIN connections c USING (workspace_no) JOIN lists l USING (connection_no)
  WHERE w.id = ? AND l.entity_no = (SELECT term_no FROM terms WHERE text = ?)
  AND (? IS NULL OR c.id IN (SELECT value FROM json_each(?)))`;

/** Scopes whose lists are remembered; beyond that the memory starts anew. */
const MAX_REMEMBERED_SCOPES = 10_000;
/** Asking which of these have something new costs more than looking into each. */
export const FEW_LISTS = 4;

export class RecordLists {
  readonly #lists: Database.Statement<unknown[], number>;
  readonly #newestList: Database.Statement<[], number>;
  readonly #count: Database.Statement<unknown[], number>;
  readonly #fewLists = new Map<string, readonly number[] | "many">();
  #listsUpTo = 0;

  constructor(db: Database.Database) {
    this.#lists = db
      .prepare<unknown[], number>(`SELECT l.list_no ${LISTS} AND (? OR l.gone = 0) AND l.newest > ?`)
      .pluck();
    this.#newestList = db.prepare<[], number>("SELECT max(list_no) FROM lists").pluck();
    this.#count = db
      .prepare<unknown[], number>(
        `SELECT count(*) FROM records WHERE list_no IN (SELECT l.list_no ${LISTS} AND l.gone = 0)`,
      )
      .pluck();
  }

  /**
   * The lists that the page may come from. Few are remembered by scope: lists are only ever added, so what was found
   * stays right until there are more of them. Of many, those with nothing new are passed over each time.
   */
  of(scope: Scope, query: RecordQuery): readonly number[] {
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
    this.#fewLists.clear();
  }

  countPresent(scope: Scope, entity: string): number {
    return this.#count.get(...inScope(scope, entity)) ?? 0;
  }
}

export function listsName({ workspaceId, connectionIds }: Scope, query: RecordQuery): string {
  return `${query.includeDeleted} ${query.entity} ${workspaceId} ${connectionIds?.join(" ") ?? "*"}`;
}

function inScope({ workspaceId, connectionIds }: Scope, entity: string): readonly unknown[] {
  const ids = connectionIds === undefined ? null : JSON.stringify(connectionIds);
  return [workspaceId, entity, ids, ids];
}
