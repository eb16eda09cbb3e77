// Operations and idempotency keys in SQLite: the row is JSON, beside the columns that it is found by.
import type Database from "better-sqlite3";
import { type OperationRow } from "../../core/operations/operation.ts";
import type {
  Created,
  IdempotencyClaim,
  OperationQuery,
  OperationStore,
} from "../../core/operations/operation-store.ts";
import type { IngestTx, Scope } from "../../core/store.ts";

export const OPERATIONS = `
CREATE TABLE operations (
  operation_no INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, workspace_id TEXT NOT NULL, connection_id TEXT NOT NULL,
  state TEXT NOT NULL, created_ms INTEGER NOT NULL, finished_ms INTEGER, body TEXT NOT NULL
);
CREATE INDEX operations_workspace ON operations (workspace_id, operation_no);
CREATE INDEX operations_connection ON operations (connection_id, operation_no);
CREATE INDEX operations_unfinished ON operations (connection_id, operation_no) WHERE finished_ms IS NULL;
CREATE INDEX operations_finished ON operations (finished_ms) WHERE finished_ms IS NOT NULL;
CREATE TABLE idempotency_keys (
  workspace_id TEXT NOT NULL, connection_id TEXT NOT NULL, key TEXT NOT NULL, fingerprint TEXT NOT NULL,
  created_ms INTEGER NOT NULL, operation_ids TEXT NOT NULL, PRIMARY KEY (workspace_id, connection_id, key)
) WITHOUT ROWID;
CREATE INDEX idempotency_keys_age ON idempotency_keys (created_ms);
`;

/** Rows of one kind that one step removes at most. */
const PRUNE_ROWS = 2_000;

export interface SqliteOperationsDeps {
  readonly writer: Database.Database;
  readonly reader: Database.Database;
  readonly ingest: <T>(work: (tx: IngestTx) => Promise<T>) => Promise<T>;
}

const SCOPED = `FROM operations o WHERE o.workspace_id = ? AND (? IS NULL OR o.connection_id IN
  (SELECT value FROM json_each(?))) AND EXISTS (SELECT 1 FROM connections c JOIN workspaces w USING (workspace_no)
  WHERE c.id = o.connection_id AND w.id = o.workspace_id)`;

export function sqliteOperations({ writer, reader, ingest }: SqliteOperationsDeps): OperationStore {
  const write = new OperationWriter(writer);
  const read = new OperationReader(reader);
  return {
    create: (rows, claim) => ingest(async () => write.create(rows, claim)),
    claimed: async (claim) => read.claimed(claim) ?? { kind: "created" },
    get: async (scope, id) => read.get(scope, id),
    byId: async (id) => read.byId(id),
    list: async (scope, query) => read.list(scope, query),
    unfinished: async (connectionId, afterId, limit) => read.unfinished(connectionId, afterId, limit),
    change: (id, decide) =>
      ingest(async (tx) => {
        const before = write.find(id);
        const change = before === undefined ? undefined : decide(before);
        if (change === undefined) return before;
        const { row, event, freesKey = false } = change;
        write.put(row);
        if (freesKey) write.freeKey(row);
        if (event !== undefined) {
          const position = await tx.revisions(1, event.atMs);
          await tx.appendEvents([{ ...event, position, id: `evt_r_${position}` }]);
        }
        return row;
      }),
    prune: (before) => ingest(async () => write.prune(before)),
  };
}

class OperationWriter {
  readonly #find: Database.Statement<[string], string>;
  readonly #insert: Database.Statement;
  readonly #update: Database.Statement;
  readonly #key: Database.Statement<[string, string, string], KeyColumns>;
  readonly #insertKey: Database.Statement;
  readonly #deleteKey: Database.Statement;
  readonly #prune: Database.Statement;
  readonly #pruneKeys: Database.Statement;

  constructor(db: Database.Database) {
    this.#find = db.prepare<[string], string>("SELECT body FROM operations WHERE id = ?").pluck();
    this.#insert = db.prepare(
      `INSERT INTO operations (id, workspace_id, connection_id, state, created_ms, finished_ms, body)
       VALUES (?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#update = db.prepare("UPDATE operations SET state = ?, finished_ms = ?, body = ? WHERE id = ?");
    this.#key = db.prepare(KEY);
    this.#insertKey = db.prepare("INSERT INTO idempotency_keys VALUES (?, ?, ?, ?, ?, ?)");
    // A key of several operations stays: the others stand.
    this.#deleteKey = db.prepare("DELETE FROM idempotency_keys WHERE operation_ids = ?");
    this.#prune = db.prepare(
      `DELETE FROM operations WHERE operation_no IN
       (SELECT operation_no FROM operations WHERE finished_ms < ? LIMIT ${PRUNE_ROWS})`,
    );
    this.#pruneKeys = db.prepare(
      `DELETE FROM idempotency_keys WHERE (workspace_id, connection_id, key) IN
       (SELECT workspace_id, connection_id, key FROM idempotency_keys WHERE created_ms < ? LIMIT ${PRUNE_ROWS})`,
    );
  }

  find(id: string): OperationRow | undefined {
    return parsed(this.#find.get(id));
  }

  create(rows: readonly OperationRow[], claim: IdempotencyClaim | undefined): Created {
    if (claim !== undefined) {
      const { workspaceId, connectionId, key, fingerprint, atMs } = claim;
      const taken = this.#key.get(workspaceId, connectionId, key);
      if (taken !== undefined) return takenBy(taken, (id) => this.find(id));
      const ids = JSON.stringify(rows.map(({ id }) => id));
      this.#insertKey.run(workspaceId, connectionId, key, fingerprint, atMs, ids);
    }
    for (const row of rows) {
      const { id, workspaceId, connectionId, state, createdAtMs, finishedAtMs = null } = row;
      this.#insert.run(id, workspaceId, connectionId, state, createdAtMs, finishedAtMs, JSON.stringify(row));
    }
    return { kind: "created" };
  }

  put(row: OperationRow): void {
    this.#update.run(row.state, row.finishedAtMs ?? null, JSON.stringify(row), row.id);
  }

  freeKey({ id }: OperationRow): void {
    this.#deleteKey.run(JSON.stringify([id]));
  }

  prune({ operationsMs, keysMs }: { readonly operationsMs: number; readonly keysMs: number }): boolean {
    const operations = this.#prune.run(operationsMs).changes;
    const keys = this.#pruneKeys.run(keysMs).changes;
    return operations === PRUNE_ROWS || keys === PRUNE_ROWS;
  }
}

interface KeyColumns {
  readonly fingerprint: string;
  readonly operationIds: string;
}

const KEY = `SELECT fingerprint, operation_ids AS operationIds FROM idempotency_keys
  WHERE workspace_id = ? AND connection_id = ? AND key = ?`;

class OperationReader {
  readonly #find: Database.Statement<[string], string>;
  readonly #get: Database.Statement<unknown[], string>;
  readonly #list: Database.Statement<unknown[], string>;
  readonly #unfinished: Database.Statement<unknown[], string>;
  readonly #key: Database.Statement<[string, string, string], KeyColumns>;

  constructor(db: Database.Database) {
    const bodies = (sql: string): Database.Statement<unknown[], string> =>
      db.prepare<unknown[], string>(sql).pluck();
    this.#find = db.prepare<[string], string>("SELECT body FROM operations WHERE id = ?").pluck();
    this.#get = bodies(`SELECT o.body ${SCOPED} AND o.id = ?`);
    this.#list = bodies(
      `SELECT o.body ${SCOPED} AND (? IS NULL OR o.state IN (SELECT value FROM json_each(?)))
       AND (? IS NULL OR o.created_ms > ?) AND (? IS NULL OR o.created_ms < ?)
       AND (? IS NULL OR o.operation_no < (SELECT operation_no FROM operations WHERE id = ?))
       ORDER BY o.operation_no DESC LIMIT ?`,
    );
    this.#unfinished = bodies(
      `SELECT body FROM operations WHERE finished_ms IS NULL AND (? IS NULL OR connection_id = ?)
       AND (? IS NULL OR operation_no > (SELECT operation_no FROM operations WHERE id = ?))
       ORDER BY operation_no LIMIT ?`,
    );
    this.#key = db.prepare(KEY);
  }

  byId(id: string): OperationRow | undefined {
    return parsed(this.#find.get(id));
  }

  get(scope: Scope, id: string): OperationRow | undefined {
    return parsed(this.#get.get(...inScope(scope), id));
  }

  list(scope: Scope, query: OperationQuery): readonly OperationRow[] {
    const { createdAfterMs = null, createdBeforeMs = null, afterId = null, limit } = query;
    const states = query.states === undefined ? null : JSON.stringify(query.states);
    const filters = [
      states,
      states,
      createdAfterMs,
      createdAfterMs,
      createdBeforeMs,
      createdBeforeMs,
      afterId,
      afterId,
    ];
    return this.#list.all(...inScope(scope), ...filters, limit).map(rowOf);
  }

  unfinished(
    connectionId: string | undefined,
    afterId: string | undefined,
    limit: number,
  ): readonly OperationRow[] {
    const where = [connectionId, connectionId, afterId, afterId].map((value) => value ?? null);
    return this.#unfinished.all(...where, limit).map(rowOf);
  }

  claimed({ workspaceId, connectionId, key }: IdempotencyClaim): Created | undefined {
    const taken = this.#key.get(workspaceId, connectionId, key);
    return taken === undefined ? undefined : takenBy(taken, (id) => this.byId(id));
  }
}

function takenBy(
  { fingerprint, operationIds }: KeyColumns,
  find: (id: string) => OperationRow | undefined,
): Created {
  const ids = JSON.parse(operationIds) as readonly string[];
  const operations = ids.map(find).filter((row) => row !== undefined);
  return { kind: "taken", fingerprint, operations };
}

function inScope({ workspaceId, connectionIds }: Scope): readonly unknown[] {
  const ids = connectionIds === undefined ? null : JSON.stringify(connectionIds);
  return [workspaceId, ids, ids];
}

function parsed(body: string | undefined): OperationRow | undefined {
  return body === undefined ? undefined : rowOf(body);
}

function rowOf(body: string): OperationRow {
  return JSON.parse(body) as OperationRow;
}
