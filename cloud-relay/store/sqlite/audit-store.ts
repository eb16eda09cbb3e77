// The audit trail in SQLite. Nothing changes or removes an entry.
import { hash } from "node:crypto";
import type Database from "better-sqlite3";
import { FIRST_HASH, sealedText, type AuditStore, type NewAuditEntry } from "../../core/audit/audit-store.ts";
import type { WriteQueue } from "./write-queue.ts";

export const AUDIT = `
CREATE TABLE audit_entries (
  workspace_id TEXT NOT NULL, number INTEGER NOT NULL, hash TEXT NOT NULL, body TEXT NOT NULL,
  PRIMARY KEY (workspace_id, number)
) WITHOUT ROWID;
`;

/** The trail of the relay itself, in `workspace_id`. */
const RELAY = "";

interface Columns {
  readonly number: number;
  readonly hash: string;
}

export interface SqliteAuditDeps {
  readonly writer: Database.Database;
  readonly reader: Database.Database;
  readonly queue: WriteQueue;
}

export function sqliteAudit({ writer, reader, queue }: SqliteAuditDeps): AuditStore {
  const newest = writer.prepare<[string], Columns>(
    "SELECT number, hash FROM audit_entries WHERE workspace_id = ? ORDER BY number DESC LIMIT 1",
  );
  const insert = writer.prepare("INSERT INTO audit_entries VALUES (?, ?, ?, ?)");
  const list = reader.prepare<[string, number, number], Columns & { readonly body: string }>(
    `SELECT number, hash, body FROM audit_entries WHERE workspace_id = ? AND number < ?
     ORDER BY number DESC LIMIT ?`,
  );
  return {
    append: (entry) =>
      queue.run(() => {
        const trail = entry.workspaceId ?? RELAY;
        const last = newest.get(trail) ?? { number: 0, hash: FIRST_HASH };
        const number = last.number + 1;
        const sealed = hash("sha256", sealedText(last.hash, number, entry));
        insert.run(trail, number, sealed, JSON.stringify(entry));
        return { ...entry, number, hash: sealed };
      }),
    list: async (workspaceId, { below = Number.MAX_SAFE_INTEGER, limit }) =>
      list
        .all(workspaceId ?? RELAY, below, limit)
        .map(({ number, hash: sealed, body }) =>
          Object.assign(JSON.parse(body) as NewAuditEntry, { number, hash: sealed }),
        ),
  };
}
