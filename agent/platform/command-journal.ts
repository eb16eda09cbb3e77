// The command journal and its audit trail in agent.db: never in a room's file, so that a new epoch cannot forget a write.
import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import Database from "better-sqlite3";
import {
  EMPTY_HEAD,
  MAX_AUDIT_ENTRIES,
  nextEntry,
  type AuditEntry,
  type AuditFact,
  type AuditHead,
} from "#agent/core/commands/audit-chain.ts";
import {
  MAX_JOURNAL_BYTES,
  MAX_OPEN_COMMANDS,
  MAX_SETTLED_COMMANDS,
  type CommandJournal,
  type HaltedPart,
  type JournalCommit,
  type JournalEntry,
} from "#agent/core/commands/journal.ts";
import { StorageFullError } from "#agent/core/room/storage-errors.ts";
import { messageOf } from "#common/runtime/errors.ts";

/** `position` keeps the order in which commands came; `crc` tells an entry that the disk has changed. */
export const JOURNAL_TABLES = `
  CREATE TABLE command (
    position INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, state TEXT NOT NULL, bytes INTEGER NOT NULL,
    body TEXT NOT NULL, crc INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX command_state ON command (state, position, bytes);
  CREATE TABLE audit (
    seq INTEGER PRIMARY KEY, command TEXT, event TEXT NOT NULL, text TEXT NOT NULL, hash TEXT NOT NULL
  ) STRICT;
  CREATE INDEX audit_command ON audit (command) WHERE command IS NOT NULL;
  CREATE TABLE audit_bound (name TEXT PRIMARY KEY, seq INTEGER NOT NULL, hash TEXT NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE halt (part TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
`;

interface CommandRow {
  readonly body: string;
  readonly crc: number;
}

/** Stored bytes after which what is settled is looked through for what may go; each settled entry does it too. */
const TRIM_AFTER_BYTES = 1024 * 1024;
const OPEN = "state IN ('held', 'waiting', 'started', 'finished')";

export class SqliteJournal implements CommandJournal {
  readonly #db: Database.Database;
  /** By their text: a write waits for some ten of them, and preparing one takes longer than running it. */
  readonly #prepared = new Map<string, Database.Statement>();
  readonly #commit: Database.Transaction<(commit: JournalCommit) => AuditHead>;
  #bytesSinceTrim = 0;

  /** `db` has JOURNAL_TABLES, and is closed by whoever opened it. */
  constructor(db: Database.Database) {
    this.#db = db;
    this.#commit = db.transaction((commit) => this.#write(commit));
  }

  open(): readonly JournalEntry[] {
    return this.#entries(`SELECT body, crc FROM command WHERE ${OPEN} ORDER BY position`);
  }

  find(id: string): JournalEntry | undefined {
    return this.#entries("SELECT body, crc FROM command WHERE id = ?", id)[0];
  }

  recent(limit: number): readonly JournalEntry[] {
    return this.#entries("SELECT body, crc FROM command ORDER BY position DESC LIMIT ?", limit);
  }

  wasTaken(id: string): boolean {
    const text = `SELECT 1 FROM command WHERE id = ? UNION ALL
      SELECT 1 FROM audit WHERE command = ? AND event = 'received' LIMIT 1`;
    return this.#sql(text).get(id, id) !== undefined;
  }

  hasRoom(): boolean {
    const text = `SELECT count(*) AS count, coalesce(sum(bytes), 0) AS bytes FROM command WHERE ${OPEN}`;
    const open = this.#sql<{ count: number; bytes: number }>(text).get();
    return open !== undefined && open.count < MAX_OPEN_COMMANDS && open.bytes < MAX_JOURNAL_BYTES;
  }

  halted(): ReadonlySet<HaltedPart> {
    const rows = this.#sql<{ part: HaltedPart }>("SELECT part FROM halt").all();
    return new Set(rows.map(({ part }) => part));
  }

  commit(commit: JournalCommit): AuditHead {
    try {
      return this.#commit.immediate(commit);
    } catch (error) {
      if (!(error instanceof Database.SqliteError) || !/^SQLITE_(FULL|IOERR)/.test(error.code)) throw error;
      throw new StorageFullError(`the command journal cannot be written: ${messageOf(error)}`, {
        cause: error,
      });
    }
  }

  audit(afterSeq: number, limit: number): readonly AuditEntry[] {
    const text = "SELECT seq, text, hash FROM audit WHERE seq > ? ORDER BY seq LIMIT ?";
    return this.#sql<AuditEntry>(text).all(afterSeq, limit);
  }

  auditBounds(): { readonly anchor: AuditHead; readonly head: AuditHead } {
    return { anchor: this.#bound("anchor"), head: this.#bound("head") };
  }

  #sql<Row>(text: string): Database.Statement<unknown[], Row> {
    const statement = this.#prepared.get(text) ?? this.#db.prepare(text);
    this.#prepared.set(text, statement);
    return statement as Database.Statement<unknown[], Row>;
  }

  #write({ entries = [], halts = {}, facts = [] }: JournalCommit): AuditHead {
    let mayTrim = false;
    for (const entry of entries) {
      this.#put(entry);
      mayTrim ||= entry.state === "settled";
    }
    for (const [part, isHalted] of Object.entries(halts))
      this.#sql(isHalted ? "INSERT OR REPLACE INTO halt VALUES (?)" : "DELETE FROM halt WHERE part = ?").run(
        part,
      );
    const head = this.#append(facts);
    if (mayTrim || this.#bytesSinceTrim > TRIM_AFTER_BYTES) this.#trimCommands();
    if (facts.length > 0) this.#trimTrail(head);
    return head;
  }

  #put(entry: JournalEntry): void {
    const body = JSON.stringify(entry);
    const bytes = Buffer.byteLength(body);
    this.#bytesSinceTrim += bytes;
    this.#sql(
      `INSERT INTO command (id, state, bytes, body, crc) VALUES (?, ?, ?, ?, ?)
       ON CONFLICT (id) DO UPDATE SET state = excluded.state, bytes = excluded.bytes, body = excluded.body, crc = excluded.crc`,
    ).run(entry.id, entry.state, bytes, body, crc32(body));
  }

  #append(facts: readonly AuditFact[]): AuditHead {
    let head = this.#bound("head");
    const insert = this.#sql("INSERT INTO audit (seq, command, event, text, hash) VALUES (?, ?, ?, ?, ?)");
    for (const fact of facts) {
      const entry = nextEntry(head, fact, sha256);
      insert.run(entry.seq, fact.commandId ?? null, fact.event, entry.text, entry.hash);
      head = { seq: entry.seq, hash: entry.hash };
    }
    if (facts.length > 0) this.#setBound("head", head);
    return head;
  }

  #trimCommands(): void {
    this.#bytesSinceTrim = 0;
    const counts = this.#sql<{ settled: number; bytes: number }>(
      "SELECT count(*) FILTER (WHERE state = 'settled') AS settled, coalesce(sum(bytes), 0) AS bytes FROM command",
    ).get() ?? { settled: 0, bytes: 0 };
    if (counts.settled <= MAX_SETTLED_COMMANDS && counts.bytes <= MAX_JOURNAL_BYTES) return;
    const settled = "SELECT position, bytes FROM command WHERE state = 'settled' ORDER BY position";
    for (const row of this.#sql<{ position: number; bytes: number }>(settled).all()) {
      if (counts.settled <= MAX_SETTLED_COMMANDS && counts.bytes <= MAX_JOURNAL_BYTES) break;
      this.#sql("DELETE FROM command WHERE position = ?").run(row.position);
      counts.settled -= 1;
      counts.bytes -= row.bytes;
    }
  }

  #trimTrail(head: AuditHead): void {
    const firstKept = head.seq - MAX_AUDIT_ENTRIES + 1;
    if (firstKept <= 1 || firstKept <= this.#bound("anchor").seq + 1) return;
    const [last] = this.audit(firstKept - 2, 1);
    if (last !== undefined) this.#setBound("anchor", last);
    this.#sql("DELETE FROM audit WHERE seq < ?").run(firstKept);
  }

  #bound(name: "anchor" | "head"): AuditHead {
    const text = "SELECT seq, hash FROM audit_bound WHERE name = ?";
    return this.#sql<AuditHead>(text).get(name) ?? EMPTY_HEAD;
  }

  #setBound(name: "anchor" | "head", { seq, hash }: AuditHead): void {
    this.#sql("INSERT OR REPLACE INTO audit_bound (name, seq, hash) VALUES (?, ?, ?)").run(name, seq, hash);
  }

  /** An entry that does not check out is left out: what became of it is told by the audit trail. */
  #entries(text: string, ...parameters: readonly (string | number)[]): readonly JournalEntry[] {
    return this.#sql<CommandRow>(text)
      .all(...parameters)
      .filter(({ body, crc }) => crc32(body) === crc)
      .map(({ body }) => JSON.parse(body) as JournalEntry);
  }
}

export function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
