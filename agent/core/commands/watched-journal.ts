// A command journal whose audit facts are told as security events once they are durable.
import type { SecurityEvents } from "../security-events.ts";
import type { AuditEntry, AuditFact, AuditHead } from "./audit-chain.ts";
import type { CommandJournal, HaltedPart, JournalCommit, JournalEntry } from "./journal.ts";

/** Nobody who may not ask is a reason to look; a full queue or a source that is away is none. */
const REFUSED_BY_PLANT: ReadonlySet<unknown> = new Set(["NOT_ALLOWED", "RATE_LIMITED", "HALTED"]);

export class WatchedJournal implements CommandJournal {
  readonly #journal: CommandJournal;
  readonly #events: SecurityEvents;

  constructor(journal: CommandJournal, events: SecurityEvents) {
    this.#journal = journal;
    this.#events = events;
  }

  open(): readonly JournalEntry[] {
    return this.#journal.open();
  }

  find(id: string): JournalEntry | undefined {
    return this.#journal.find(id);
  }

  recent(limit: number): readonly JournalEntry[] {
    return this.#journal.recent(limit);
  }

  wasTaken(id: string): boolean {
    return this.#journal.wasTaken(id);
  }

  hasRoom(): boolean {
    return this.#journal.hasRoom();
  }

  halted(): ReadonlySet<HaltedPart> {
    return this.#journal.halted();
  }

  commit(commit: JournalCommit): AuditHead {
    const head = this.#journal.commit(commit);
    for (const fact of commit.facts ?? []) tell(fact, this.#events);
    return head;
  }

  audit(afterSeq: number, limit: number): readonly AuditEntry[] {
    return this.#journal.audit(afterSeq, limit);
  }

  auditBounds(): { readonly anchor: AuditHead; readonly head: AuditHead } {
    return this.#journal.auditBounds();
  }
}

function tell({ event, connection, commandId = "", detail }: AuditFact, events: SecurityEvents): void {
  const text = (name: string): string => (typeof detail[name] === "string" ? detail[name] : "");
  const command = { connection, command: commandId };
  const entity = [text("entity"), text("operation")].filter((part) => part !== "").join(".");
  const named = entity || text("query") || text("action");
  const what = [text("kind"), named].filter((part) => part !== "").join(" ");
  const asked = { ...command, what, actor: text("actor") };
  const by = text("by");
  if (event === "received" && detail["decision"] === "hold") events.note("write_held", asked);
  else if (event === "approved") events.note("write_approved", { ...command, by });
  else if (event === "rejected") events.note("write_rejected", { ...command, by });
  else if (event === "halted" || event === "unhalted") events.note(event, { part: text("part"), by });
  else if (event === "finished") tellEnd(command, text, events);
  else if ((event === "refused" || event === "asked") && REFUSED_BY_PLANT.has(detail["code"]))
    events.note("command_refused", { ...asked, code: text("code") });
}

function tellEnd(
  command: { readonly connection: string; readonly command: string },
  text: (name: string) => string,
  events: SecurityEvents,
): void {
  const outcome = text("outcome");
  if (outcome === "succeeded") events.note("write_done", command);
  // Somebody at the plant has said no: told as that.
  else if (text("code") !== "REJECTED_AT_PLANT")
    events.note("write_failed", { ...command, outcome, code: text("code") });
}
