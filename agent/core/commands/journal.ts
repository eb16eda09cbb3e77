// What must outlive the agent's process about writes: which were taken, how far each has come, who was told, and the audit trail.
// SQLite keeps it in agent.db, memory keeps it in tests; both pass test/conformance/command-journal.
import type { WriteBody } from "#common/contract/commands.ts";
import type { CommandResult } from "#common/contract/messages.ts";
import type { AuditEntry, AuditFact, AuditHead } from "./audit-chain.ts";

/**
 * held      waits for somebody at the plant to approve it
 * waiting   waits for its window
 * started   was or is about to be given to its room: the source may have it
 * finished  has its result, which the relay may not hold yet
 * settled   the relay holds the result; kept for a while, so that a repeated command is known
 */
export type JournalState = "held" | "waiting" | "started" | "finished" | "settled";

export interface JournalEntry {
  readonly id: string;
  readonly connectionId: string;
  /** As the agent's file names it. */
  readonly connection: string;
  readonly state: JournalState;
  readonly body: WriteBody;
  /** W3C Trace Context of whoever asked, as it came. */
  readonly traceparent?: string;
  readonly receivedAtMs: number;
  /** What has not begun by then is EXPIRED. */
  readonly expiresAtMs: number;
  readonly approvedBy?: string;
  readonly startedAtMs?: number;
  readonly finishedAtMs?: number;
  readonly result?: CommandResult;
}

/** What an operator has stopped. */
export type HaltedPart = "writes" | "egress";

export interface JournalCommit {
  /** Added, or replaced by id. */
  readonly entries?: readonly JournalEntry[];
  readonly halts?: Readonly<Partial<Record<HaltedPart, boolean>>>;
  readonly facts?: readonly AuditFact[];
}

/** Commands that are not settled, at most: more would only wait. */
export const MAX_OPEN_COMMANDS = 1_000;
/** Bodies and results together; settled commands go first, the oldest of them. */
export const MAX_JOURNAL_BYTES = 64 * 1024 * 1024;
export const MAX_SETTLED_COMMANDS = 10_000;

export interface CommandJournal {
  /** Everything that is not settled, oldest first. */
  open(): readonly JournalEntry[];
  find(id: string): JournalEntry | undefined;
  /** Newest first. */
  recent(limit: number): readonly JournalEntry[];
  /** Whether a command of this id was ever taken: its entry may have gone since. */
  wasTaken(id: string): boolean;
  /** Whether what is open leaves room for more. */
  hasRoom(): boolean;
  halted(): ReadonlySet<HaltedPart>;
  /** All or nothing, and durable when it returns. @throws StorageFullError (nothing was changed) */
  commit(commit: JournalCommit): AuditHead;
  /** From a position on, oldest first. */
  audit(afterSeq: number, limit: number): readonly AuditEntry[];
  /** What came before the first entry that is kept, and the newest entry as it was noted beside the trail. */
  auditBounds(): { readonly anchor: AuditHead; readonly head: AuditHead };
}

/** What is kept of a settled command: enough to answer it again, without the record. */
export function settledEntry(entry: JournalEntry): JournalEntry {
  if (entry.result === undefined) return { ...entry, state: "settled" };
  const { result: _, ...result } = entry.result;
  return { ...entry, state: "settled", body: { ...entry.body, values: {} }, result };
}
