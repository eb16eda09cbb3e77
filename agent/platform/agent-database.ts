// agent.db: what must outlive every room: identity, bindings, small facts, a short history, the command journal.
import { chmodSync, closeSync, existsSync, mkdirSync, openSync } from "node:fs";
import { dirname } from "node:path";
import { crc32 } from "node:zlib";
import Database from "better-sqlite3";
import type { AgentEvent, AgentIdentity } from "#agent/core/agent-identity.ts";
import type { EgressEntry } from "#agent/core/egress.ts";
import type { BoundConnection } from "#common/contract/messages.ts";
import { MillraceError, messageOf } from "#common/runtime/errors.ts";
import { JOURNAL_TABLES, SqliteJournal } from "./command-journal.ts";
import { EGRESS_TABLES, SqliteEgressBook } from "./egress-book.ts";

/** Raised with every change of the tables; `min_reader` says the oldest version that may still open the file. */
export const AGENT_DB_VERSION = 3;
export const AGENT_DB_MIN_READER = 1;
/** The history keeps this many events… */
const MAX_EVENTS = 1_000;
/** …trimmed only now and then. */
const TRIM_EVERY = 100;
const MAX_MESSAGE_CHARS = 2_000;

const TABLES = `
  CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE identity (one INTEGER PRIMARY KEY CHECK (one = 1), body TEXT NOT NULL, crc INTEGER NOT NULL) STRICT;
  CREATE TABLE connection (name TEXT PRIMARY KEY, id TEXT NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE fact (
    scope TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, crc INTEGER NOT NULL, PRIMARY KEY (scope, key)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE event (
    id INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, level TEXT NOT NULL, connection TEXT NOT NULL, message TEXT NOT NULL
  ) STRICT;
`;

/** agent.db cannot be used; the message says what to do. */
export class AgentDatabaseError extends MillraceError {
  override name = "AgentDatabaseError";
}

export class AgentDatabase implements Disposable {
  readonly journal: SqliteJournal;
  readonly egress: SqliteEgressBook;
  readonly #db: Database.Database;
  readonly #file: string;
  #eventsSinceTrim = TRIM_EVERY;

  private constructor(db: Database.Database, file: string) {
    this.#db = db;
    this.#file = file;
    this.journal = new SqliteJournal(db);
    this.egress = new SqliteEgressBook(db);
  }

  /**
   * Opens the file, making it (readable by its owner alone) if it is not there.
   * @throws AgentDatabaseError if it is damaged, locked, newer than this program, or not durable
   */
  static open(file: string): AgentDatabase {
    try {
      makePrivateFile(file);
      const db = new Database(file, { timeout: 5_000 });
      try {
        prepare(db, file);
        return new AgentDatabase(db, file);
      } catch (error) {
        db.close();
        throw error;
      }
    } catch (error) {
      if (error instanceof AgentDatabaseError) throw error;
      throw new AgentDatabaseError(
        `opening ${file} failed: ${messageOf(error)}; check the folder's permissions and free space, and that the disk is local`,
        { cause: error },
      );
    }
  }

  /** Like `open`, for looking only; undefined if there is no file. @throws AgentDatabaseError */
  static openExisting(file: string): AgentDatabase | undefined {
    return existsSync(file) ? AgentDatabase.open(file) : undefined;
  }

  /** Undefined before enrolment. @throws AgentDatabaseError if it does not check out */
  identity(): AgentIdentity | undefined {
    const row = this.#db.prepare<[], { body: string; crc: number }>("SELECT body, crc FROM identity").get();
    if (row === undefined) return undefined;
    if (crc32(row.body) !== row.crc)
      throw new AgentDatabaseError(
        `${this.#file}: the agent's identity is damaged; move the file aside and enrol this agent again`,
      );
    return JSON.parse(row.body) as AgentIdentity;
  }

  /**
   * Makes an enrolment durable, all or nothing. Facts and commands belong to one relay, workspace and connection: those of
   * another one are dropped.
   */
  saveEnrolment(identity: AgentIdentity, connections: readonly BoundConnection[]): void {
    const body = JSON.stringify(identity);
    this.#transaction(() => {
      const before = this.#identityOrNothing();
      const isSameHome =
        before?.relayKey === identity.relayKey && before.workspaceId === identity.workspaceId;
      // Another relay must neither see nor finish what this one asked for; the audit trail stays.
      if (!isSameHome) this.#db.exec("DELETE FROM fact; DELETE FROM command");
      this.#db
        .prepare("INSERT OR REPLACE INTO identity (one, body, crc) VALUES (1, ?, ?)")
        .run(body, crc32(body));
      this.#bind(connections);
    });
  }

  /** Replaces the bindings by what the relay says now. @throws AgentDatabaseError when they could not be kept */
  bindConnections(connections: readonly BoundConnection[]): void {
    this.#kept(() => this.#transaction(() => this.#bind(connections)));
  }

  /** By name. */
  connections(): readonly BoundConnection[] {
    return this.#db.prepare<[], BoundConnection>("SELECT id, name FROM connection ORDER BY name").all();
  }

  /** A small durable value; one that does not check out counts as absent. `scope` is a connection id, or `agent`. */
  fact(scope: string, key: string): string | undefined {
    const row = this.#db
      .prepare<[string, string], { value: string; crc: number }>(
        "SELECT value, crc FROM fact WHERE scope = ? AND key = ?",
      )
      .get(scope, key);
    return row !== undefined && crc32(factText(scope, key, row.value)) === row.crc ? row.value : undefined;
  }

  /** `undefined` removes it. Durable when it returns. @throws AgentDatabaseError when there is no space for it */
  setFact(scope: string, key: string, value: string | undefined): void {
    const remove = this.#db.prepare("DELETE FROM fact WHERE scope = ? AND key = ?");
    const put = this.#db.prepare("INSERT OR REPLACE INTO fact (scope, key, value, crc) VALUES (?, ?, ?, ?)");
    this.#kept(() => {
      if (value === undefined) remove.run(scope, key);
      else put.run(scope, key, value, crc32(factText(scope, key, value)));
    });
  }

  /** Appends to the history, which keeps its newest entries. @throws AgentDatabaseError when there is no space for it */
  recordEvent({ atMs, level, connection, message }: AgentEvent): void {
    this.#kept(() => {
      this.#db
        .prepare("INSERT INTO event (at_ms, level, connection, message) VALUES (?, ?, ?, ?)")
        .run(Math.round(atMs), level, connection, message.slice(0, MAX_MESSAGE_CHARS));
      this.#eventsSinceTrim += 1;
      if (this.#eventsSinceTrim < TRIM_EVERY) return;
      this.#eventsSinceTrim = 0;
      this.#db.prepare("DELETE FROM event WHERE id <= (SELECT max(id) FROM event) - ?").run(MAX_EVENTS);
    });
  }

  /** Adds to what has left the plant. @throws AgentDatabaseError when there is no space for it */
  countEgress(entries: readonly EgressEntry[]): void {
    this.#kept(() => this.egress.add(entries));
  }

  /** Newest first. */
  recentEvents(limit: number): readonly AgentEvent[] {
    return this.#db
      .prepare<[number], AgentEvent>(
        "SELECT at_ms AS atMs, level, connection, message FROM event ORDER BY id DESC LIMIT ?",
      )
      .all(limit);
  }

  [Symbol.dispose](): void {
    this.#db.close();
  }

  /** For a new enrolment, which repairs a damaged identity. */
  #identityOrNothing(): AgentIdentity | undefined {
    try {
      return this.identity();
    } catch {
      return undefined;
    }
  }

  #bind(connections: readonly BoundConnection[]): void {
    this.#db.exec("DELETE FROM connection");
    const insert = this.#db.prepare("INSERT OR REPLACE INTO connection (name, id) VALUES (?, ?)");
    for (const { name, id } of connections) insert.run(name, id);
  }

  /** What the disk refuses is for the caller to judge: most of this file can wait. */
  #kept(write: () => void): void {
    try {
      write();
    } catch (error) {
      if (!(error instanceof Database.SqliteError) || !/^SQLITE_(FULL|IOERR)/.test(error.code)) throw error;
      throw new AgentDatabaseError(
        `writing to ${this.#file} failed: ${messageOf(error)}; free space on its volume`,
        { cause: error },
      );
    }
  }

  #transaction(work: () => void): void {
    this.#db.transaction(work).immediate();
  }
}

/** Only before SQLite opens it: an `fs` handle on a live database would drop SQLite's locks when closed. */
function makePrivateFile(file: string): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  try {
    closeSync(openSync(file, "wx", 0o600));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    if (process.platform !== "win32") chmodSync(file, 0o600);
  }
}

function prepare(db: Database.Database, file: string): void {
  const mode = db.pragma("journal_mode = WAL", { simple: true });
  db.pragma("synchronous = FULL");
  if (mode !== "wal" || db.pragma("synchronous", { simple: true }) !== 2)
    throw new AgentDatabaseError(
      `${file}: SQLite would not use WAL with synchronous=FULL (got ${String(mode)}); put data_dir on a local disk`,
    );
  if (db.pragma("quick_check(1)", { simple: true }) !== "ok")
    throw new AgentDatabaseError(
      `${file} is damaged; move it and its -wal and -shm files aside and enrol this agent again: the relay keeps what it has`,
    );
  const version = Number(db.pragma("user_version", { simple: true }));
  if (version < AGENT_DB_VERSION) {
    db.transaction(() => {
      // Whoever comes second finds it done.
      const from = Number(db.pragma("user_version", { simple: true }));
      if (from === 0) {
        db.exec(TABLES);
        db.prepare("INSERT INTO meta VALUES ('min_reader', ?)").run(String(AGENT_DB_MIN_READER));
      }
      if (from < 2) db.exec(JOURNAL_TABLES);
      if (from < 3) db.exec(EGRESS_TABLES);
      db.pragma(`user_version = ${AGENT_DB_VERSION}`);
    }).immediate();
    return;
  }
  if (version <= AGENT_DB_VERSION) return;
  const row = db.prepare<[], { value: string }>("SELECT value FROM meta WHERE name = 'min_reader'").get();
  if (Number(row?.value ?? Infinity) > AGENT_DB_VERSION)
    throw new AgentDatabaseError(
      `${file} was written by a newer Millrace (version ${version}, this one reads ${AGENT_DB_VERSION}); install that one again, or restore an older copy`,
    );
}

function factText(scope: string, key: string, value: string): string {
  return JSON.stringify([scope, key, value]);
}
