// Writes what ingest notes beside records: gaps, rejects, sync runs and batches that cannot be decoded.
import type Database from "better-sqlite3";
import type { RejectEntry } from "#common/contract/entry.ts";
import type { StoredGap, SyncRun } from "../../core/store.ts";
import type { Surrogates } from "./surrogates.ts";

/** Undecodable batches kept per connection, for the operator; the oldest go first. */
export const MAX_UNDECODABLE_BATCHES = 100;

export class NoteWriter {
  readonly #surrogates: Surrogates;
  readonly #gap: Database.Statement;
  readonly #reject: Database.Statement;
  readonly #hasRejects: Database.Statement<[number, string]>;
  readonly #clearReject: Database.Statement;
  readonly #run: Database.Statement;
  readonly #synced: Database.Statement;
  readonly #undecodable: Database.Statement;
  readonly #trimUndecodable: Database.Statement;

  constructor(db: Database.Database, surrogates: Surrogates) {
    this.#surrogates = surrogates;
    this.#gap = db.prepare(
      `INSERT INTO gaps (id, connection_no, entity, key, recorded_ms, body) VALUES (?, ?, ?, ?, ?, ?)
       ON CONFLICT (id) DO UPDATE SET connection_no = excluded.connection_no, entity = excluded.entity,
         key = excluded.key, recorded_ms = excluded.recorded_ms, body = excluded.body`,
    );
    this.#reject = db.prepare("INSERT OR REPLACE INTO rejects VALUES (?, ?, ?, ?)");
    this.#hasRejects = db.prepare("SELECT 1 FROM rejects WHERE connection_no = ? AND entity = ? LIMIT 1");
    this.#clearReject = db.prepare("DELETE FROM rejects WHERE connection_no = ? AND entity = ? AND key = ?");
    this.#run = db.prepare(
      `INSERT INTO sync_runs (connection_no, entity, run, started_ms, ended_ms, body) VALUES (?, ?, ?, ?, ?, ?)
       ON CONFLICT (connection_no, entity, run) DO UPDATE SET started_ms = excluded.started_ms,
         ended_ms = excluded.ended_ms, body = excluded.body`,
    );
    this.#synced = db.prepare(
      "UPDATE connections SET last_sync_ms = max(coalesce(last_sync_ms, 0), ?) WHERE connection_no = ?",
    );
    this.#undecodable = db.prepare(
      "INSERT INTO undecodable_batches (connection_no, epoch, seq, reason, blob) VALUES (?, ?, ?, ?, ?)",
    );
    this.#trimUndecodable = db.prepare(
      `DELETE FROM undecodable_batches WHERE batch_no IN (SELECT batch_no FROM undecodable_batches
       WHERE connection_no = ? ORDER BY batch_no DESC LIMIT -1 OFFSET ${MAX_UNDECODABLE_BATCHES})`,
    );
  }

  putGaps(gaps: readonly StoredGap[]): void {
    for (const gap of gaps) {
      const { connectionNo } = this.#surrogates.connection(gap.connectionId);
      const { entity = null, key = null } = gap;
      this.#gap.run(gap.id, connectionNo, entity, key, gap.recordedAtMs, JSON.stringify(gap));
    }
  }

  putRejects(connectionId: string, rejects: readonly RejectEntry[]): void {
    const { connectionNo } = this.#surrogates.connection(connectionId);
    for (const reject of rejects) {
      this.#reject.run(connectionNo, reject.entity, reject.key, JSON.stringify(reject));
    }
  }

  clearRejects(connectionId: string, entity: string, keys: readonly string[]): void {
    const { connectionNo } = this.#surrogates.connection(connectionId);
    // Every good record comes by here, and hardly ever is there anything to clear.
    if (this.#hasRejects.get(connectionNo, entity) === undefined) return;
    for (const key of keys) this.#clearReject.run(connectionNo, entity, key);
  }

  putRuns(runs: readonly SyncRun[]): void {
    for (const run of runs) {
      const { connectionNo } = this.#surrogates.connection(run.connectionId);
      const endedMs = run.ended_ms ?? null;
      this.#run.run(connectionNo, run.entity, run.run, run.started_ms, endedMs, JSON.stringify(run));
      if (run.outcome === "ok" && endedMs !== null) this.#synced.run(endedMs, connectionNo);
    }
  }

  putUndecodable(connectionId: string, epoch: string, seq: number, blob: Uint8Array, reason: string): void {
    const { connectionNo } = this.#surrogates.connection(connectionId);
    this.#undecodable.run(connectionNo, epoch, seq, reason, blob);
    this.#trimUndecodable.run(connectionNo);
  }
}
