// The journal in memory, for simulation and tests; passes the same suite as the one in agent.db.
import {
  EMPTY_HEAD,
  MAX_AUDIT_ENTRIES,
  nextEntry,
  type AuditEntry,
  type AuditHead,
  type Sha256,
} from "./audit-chain.ts";
import {
  MAX_JOURNAL_BYTES,
  MAX_OPEN_COMMANDS,
  MAX_SETTLED_COMMANDS,
  type CommandJournal,
  type HaltedPart,
  type JournalCommit,
  type JournalEntry,
} from "./journal.ts";

export class MemoryJournal implements CommandJournal {
  readonly #sha256: Sha256;
  readonly #entries = new Map<string, JournalEntry>();
  readonly #taken = new Set<string>();
  readonly #halted = new Set<HaltedPart>();
  #trail: AuditEntry[] = [];
  #anchor: AuditHead = EMPTY_HEAD;
  #head: AuditHead = EMPTY_HEAD;
  /** Thrown by the next commits, for tests. */
  failure: Error | undefined;

  constructor(sha256: Sha256) {
    this.#sha256 = sha256;
  }

  open(): readonly JournalEntry[] {
    return [...this.#entries.values()].filter(({ state }) => state !== "settled");
  }

  find(id: string): JournalEntry | undefined {
    return this.#entries.get(id);
  }

  recent(limit: number): readonly JournalEntry[] {
    return [...this.#entries.values()].toReversed().slice(0, limit);
  }

  wasTaken(id: string): boolean {
    return this.#taken.has(id);
  }

  hasRoom(): boolean {
    const open = this.open();
    return open.length < MAX_OPEN_COMMANDS && bytesOf(open) < MAX_JOURNAL_BYTES;
  }

  halted(): ReadonlySet<HaltedPart> {
    return new Set(this.#halted);
  }

  commit({ entries = [], halts = {}, facts = [] }: JournalCommit): AuditHead {
    if (this.failure !== undefined) throw this.failure;
    for (const entry of entries) {
      this.#entries.set(entry.id, entry);
      this.#taken.add(entry.id);
    }
    for (const [part, isHalted] of Object.entries(halts) as [HaltedPart, boolean][])
      if (isHalted) this.#halted.add(part);
      else this.#halted.delete(part);
    for (const fact of facts) {
      const entry = nextEntry(this.#head, fact, this.#sha256);
      this.#trail.push(entry);
      this.#head = { seq: entry.seq, hash: entry.hash };
    }
    this.#trim();
    return this.#head;
  }

  audit(afterSeq: number, limit: number): readonly AuditEntry[] {
    return this.#trail.filter(({ seq }) => seq > afterSeq).slice(0, limit);
  }

  auditBounds(): { readonly anchor: AuditHead; readonly head: AuditHead } {
    return { anchor: this.#anchor, head: this.#head };
  }

  #trim(): void {
    const settled = [...this.#entries.values()].filter(({ state }) => state === "settled");
    let bytes = bytesOf([...this.#entries.values()]);
    let count = settled.length;
    for (const entry of settled) {
      if (count <= MAX_SETTLED_COMMANDS && bytes <= MAX_JOURNAL_BYTES) break;
      this.#entries.delete(entry.id);
      bytes -= bytesOf([entry]);
      count -= 1;
    }
    const surplus = this.#trail.length - MAX_AUDIT_ENTRIES;
    if (surplus <= 0) return;
    const last = this.#trail[surplus - 1];
    if (last !== undefined) this.#anchor = { seq: last.seq, hash: last.hash };
    this.#trail = this.#trail.slice(surplus);
  }
}

function bytesOf(entries: readonly JournalEntry[]): number {
  return entries.reduce((sum, entry) => sum + JSON.stringify(entry).length, 0);
}
