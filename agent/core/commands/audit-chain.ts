// The audit trail's chain: each entry's hash covers the one before, so that a changed, missing or moved entry shows.

/** A JSON object; what it holds depends on the event. */
export interface AuditFact {
  readonly atMs: number;
  /** `received`, `refused`, `approved`, `rejected`, `started`, `finished`, `asked`, `halted`, `unhalted`, `relay_head` */
  readonly event: string;
  /** As the agent's file names it; empty for the agent itself. */
  readonly connection: string;
  readonly commandId?: string;
  readonly detail: Readonly<Record<string, unknown>>;
}

export interface AuditHead {
  /** Of the newest entry; 0 before the first. */
  readonly seq: number;
  /** Its hash, 64 hex digits; empty before the first. */
  readonly hash: string;
}

export interface AuditEntry extends AuditHead {
  /** JSON: what the hash covers, with the hash before. */
  readonly text: string;
}

export const EMPTY_HEAD: AuditHead = { seq: 0, hash: "" };
/** Entries that are kept; the oldest go first, and the chain then begins at an anchor. */
export const MAX_AUDIT_ENTRIES = 200_000;

export type Sha256 = (text: string) => string;

/** SHA-256 over the hash before, a line feed, and the entry's text. */
export function nextEntry(head: AuditHead, fact: AuditFact, sha256: Sha256): AuditEntry {
  const { atMs, event, connection, commandId, detail } = fact;
  const seq = head.seq + 1;
  const at = new Date(atMs).toISOString();
  const named = commandId === undefined ? {} : { command: commandId };
  const text = JSON.stringify({ seq, at, event, connection, ...named, ...detail });
  return { seq, text, hash: sha256(`${head.hash}\n${text}`) };
}

/** Goes through a trail from its anchor on, and remembers the first thing that is wrong. */
export class ChainCheck {
  readonly #sha256: Sha256;
  #head: AuditHead;
  #problem: string | undefined;

  constructor(anchor: AuditHead, sha256: Sha256) {
    this.#head = anchor;
    this.#sha256 = sha256;
  }

  /** Undefined: nothing is wrong so far. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** The last entry that was good. */
  get head(): AuditHead {
    return this.#head;
  }

  take(entry: AuditEntry): void {
    if (this.#problem !== undefined) return;
    const { seq, hash } = this.#head;
    if (entry.seq !== seq + 1) this.#problem = `entry ${seq + 1} is missing (the next one is ${entry.seq})`;
    else if (this.#sha256(`${hash}\n${entry.text}`) !== entry.hash)
      this.#problem = `entry ${entry.seq} is not as it was written, or the one before it is not`;
    else if (seqIn(entry.text) !== entry.seq)
      this.#problem = `entry ${entry.seq} says of itself to be another`;
    else this.#head = { seq: entry.seq, hash: entry.hash };
  }

  /** The trail's end, as it was noted beside it. */
  end(noted: AuditHead): void {
    const { seq, hash } = this.#head;
    if (this.#problem !== undefined || (noted.seq === seq && noted.hash === hash)) return;
    this.#problem = `the trail ends with entry ${seq}; the last one noted is ${noted.seq}`;
  }
}

function seqIn(text: string): unknown {
  try {
    return (JSON.parse(text) as { readonly seq?: unknown } | null)?.seq;
  } catch {
    return undefined;
  }
}
