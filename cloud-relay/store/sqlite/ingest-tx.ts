// The write transaction of ingest over the one writer connection.
import type Database from "better-sqlite3";
import { MillraceError } from "#common/runtime/errors.ts";
import type { IngestTx, StreamState } from "../../core/store.ts";
import { connectionRow, CONNECTION_COLUMNS, Descriptions, type ConnectionColumns } from "./directory-rows.ts";
import { EventWriter } from "./event-writer.ts";
import { Names } from "./names.ts";
import { NoteWriter } from "./note-writer.ts";
import { RecordWriter } from "./record-writer.ts";
import { SampleWriter } from "./sample-writer.ts";
import { Surrogates } from "./surrogates.ts";

/** Prepared once; every transaction of the queue uses it in turn. */
export class IngestStatements {
  readonly names: Names;
  readonly surrogates: Surrogates;
  readonly records: RecordWriter;
  readonly events: EventWriter;
  readonly samples: SampleWriter;
  readonly notes: NoteWriter;
  readonly session: Database.Statement<[string, number], number>;
  readonly stream: Database.Statement<[string], StreamState>;
  readonly putStream: Database.Statement<[number, string, number, number, string]>;
  readonly rememberEpoch: Database.Statement<[number, string]>;
  readonly seenEpoch: Database.Statement<[number, string], number>;
  readonly lastRevision: Database.Statement<[], number>;
  readonly putLastRevision: Database.Statement<[number]>;
  readonly connection: Database.Statement<[string], ConnectionColumns>;
  readonly descriptions: Descriptions;
  readonly status: Database.Statement;

  constructor(db: Database.Database, keepsVersions: boolean) {
    this.names = new Names(db);
    this.surrogates = new Surrogates(db);
    this.records = new RecordWriter(db, this.surrogates, this.names, keepsVersions);
    this.events = new EventWriter(db, this.surrogates);
    this.samples = new SampleWriter(db, this.surrogates);
    this.notes = new NoteWriter(db, this.surrogates);
    this.session = db
      .prepare<[string, number], number>(
        `SELECT 1 FROM agents WHERE id = ? AND session = ? AND revoked_ms IS NULL AND quarantined_ms IS NULL`,
      )
      .pluck();
    this.stream = db.prepare(
      `SELECT c.id AS connectionId, s.epoch, s.epoch_no AS epochNo, s.acked_seq AS ackedSeq, s.acked_id AS ackedId
       FROM connections c JOIN streams s USING (connection_no)
       WHERE c.id = ? AND c.disconnected_ms IS NULL`,
    );
    this.putStream = db.prepare("INSERT OR REPLACE INTO streams VALUES (?, ?, ?, ?, ?)");
    this.rememberEpoch = db.prepare("INSERT OR IGNORE INTO epochs VALUES (?, ?)");
    this.seenEpoch = db
      .prepare<[number, string], number>("SELECT 1 FROM epochs WHERE connection_no = ? AND epoch = ?")
      .pluck();
    this.lastRevision = db.prepare<[], number>("SELECT last_revision FROM hybrid_clock").pluck();
    this.putLastRevision = db.prepare("UPDATE hybrid_clock SET last_revision = ?");
    this.descriptions = new Descriptions(db);
    this.connection = db.prepare(`SELECT ${CONNECTION_COLUMNS} WHERE c.id = ?`);
    this.status = db.prepare(
      `UPDATE connections SET state = ?, reason = ?, advice = ?, status_ms = ?,
       connected_ms = CASE WHEN ? THEN coalesce(connected_ms, ?) ELSE connected_ms END WHERE connection_no = ?`,
    );
  }

  forget(): void {
    this.names.forget();
    this.surrogates.forget();
    this.samples.forget();
  }
}

/**
 * Runs `work` over a transaction that is already open. A write that fails fails the whole transaction, even when
 * `work` catches it, so that no half of a batch is ever kept; a call after the end is refused.
 */
export async function runIngest<T>(
  db: Database.Database,
  statements: IngestStatements,
  pause: () => Promise<boolean>,
  work: (tx: IngestTx) => Promise<T>,
): Promise<T> {
  const scope = new TxScope(db);
  statements.records.begin();
  statements.events.begin();
  try {
    const value = await work(ingestTx(statements, scope, pause));
    scope.check();
    statements.records.flush();
    statements.events.flush();
    return value;
  } finally {
    scope.end();
  }
}

class TxScope {
  readonly #db: Database.Database;
  #failure: Error | undefined;
  #isEnded = false;

  constructor(db: Database.Database) {
    this.#db = db;
  }

  do<T>(step: () => T | Promise<T>): Promise<T> {
    try {
      this.check();
      return Promise.resolve(step());
    } catch (error) {
      const failure = error instanceof Error ? error : new MillraceError(String(error));
      this.#failure ??= failure;
      return Promise.reject(failure);
    }
  }

  check(): void {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#isEnded) throw new MillraceError("this transaction has ended; its work must await every call");
    if (!this.#db.inTransaction) throw new MillraceError("the transaction was rolled back");
  }

  end(): void {
    this.#isEnded = true;
  }
}

function ingestTx(of: IngestStatements, scope: TxScope, pause: () => Promise<boolean>): IngestTx {
  const { records, events, samples, notes, surrogates } = of;
  return {
    pause: () => scope.do(pause),
    isCurrentSession: (agentId, session) => scope.do(() => of.session.get(agentId, session) !== undefined),
    stream: (connectionId) => scope.do(() => of.stream.get(connectionId)),
    putStream: (stream) =>
      scope.do(() => {
        const { connectionNo } = surrogates.connection(stream.connectionId);
        of.putStream.run(connectionNo, stream.epoch, stream.epochNo, stream.ackedSeq, stream.ackedId);
        of.rememberEpoch.run(connectionNo, stream.epoch);
      }),
    hasSeenEpoch: (connectionId, epoch) =>
      scope.do(() => of.seenEpoch.get(surrogates.connection(connectionId).connectionNo, epoch) !== undefined),
    revisions: (count, nowMs) =>
      scope.do(() => {
        const first = Math.max((of.lastRevision.get() ?? 0) + 1, Math.floor(nowMs * 1000));
        of.putLastRevision.run(first + count - 1);
        return first;
      }),
    recordStates: (connectionId, ids) => scope.do(() => records.states(connectionId, ids)),
    putRecords: (rows) => scope.do(() => records.put(rows)),
    confirmRecords: (ids, epochNo) => scope.do(() => records.confirm(ids, epochNo)),
    deleteRecords: (deletes) => scope.do(() => records.remove(deletes)),
    unconfirmed: (connectionId, entity, epochNo, limit) =>
      scope.do(() => records.unconfirmed(connectionId, entity, epochNo, limit)),
    countPresent: (connectionId, entity) => scope.do(() => records.countPresent(connectionId, entity)),
    countUnconfirmed: (connectionId, entity, epochNo) =>
      scope.do(() => records.countUnconfirmed(connectionId, entity, epochNo)),
    appendEvents: (rows) => scope.do(() => events.append(rows)),
    putSamples: (connectionId, rows) => scope.do(() => samples.put(connectionId, rows)),
    putGaps: (gaps) => scope.do(() => notes.putGaps(gaps)),
    putRejects: (connectionId, rejects) => scope.do(() => notes.putRejects(connectionId, rejects)),
    clearRejects: (connectionId, entity, keys) =>
      scope.do(() => notes.clearRejects(connectionId, entity, keys)),
    putSyncRuns: (runs) => scope.do(() => notes.putRuns(runs)),
    putUndecodable: (connectionId, epoch, seq, blob, reason) =>
      scope.do(() => notes.putUndecodable(connectionId, epoch, seq, blob, reason)),
    connection: (connectionId) =>
      scope.do(() => {
        const row = of.connection.get(connectionId);
        return row === undefined ? undefined : connectionRow(row, of.descriptions);
      }),
    setConnectionStatus: (connectionId, status, atMs) =>
      scope.do(() => {
        const { connectionNo } = surrogates.connection(connectionId);
        const { state, reason = null, advice = null } = status;
        const isConnected = state === "pending" ? 0 : 1;
        of.status.run(state, reason, advice, atMs, isConnected, atMs, connectionNo);
      }),
  };
}
