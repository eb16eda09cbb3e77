// The relay's audit trail as the plant has heard of it: its newest entry, written into the plant's own trail, so that neither can be written anew unseen.
import type { PlantAudit, RelayAudit } from "#common/contract/messages.ts";
import type { Clock } from "#common/runtime/clock.ts";
import type { Logger } from "#common/runtime/logger.ts";
import { StorageFullError } from "../room/storage-errors.ts";
import type { AuditHead } from "./audit-chain.ts";
import type { CommandJournal } from "./journal.ts";

/** The event of these entries. */
export const RELAY_HEAD_EVENT = "relay_head";
/** Heads are noted no more often: a relay must not push the plant's own entries out of their trail. */
const NOTE_EVERY_MS = 60_000;
const PAGE = 1_000;

export interface RelayHeadsDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly journal: CommandJournal;
  /** Whose trail at the relay it is. */
  readonly workspaceId: () => string;
  readonly answer: (answer: PlantAudit) => boolean;
}

/** A head of the relay's, as an entry of the plant's trail has it. */
export interface NotedHead extends AuditHead {
  readonly workspaceId: string;
  /** When, ISO 8601. */
  readonly at: string;
}

export class RelayHeads {
  readonly #deps: RelayHeadsDeps;
  #notedAtMs = Number.NEGATIVE_INFINITY;

  constructor(deps: RelayHeadsDeps) {
    this.#deps = deps;
  }

  /** Notes it, and answers with the plant's own head, which covers it from now on. */
  take({ seq, hash }: RelayAudit): void {
    const { clock, logger, journal, workspaceId, answer } = this.#deps;
    const nowMs = clock.monotonicMs();
    if (nowMs - this.#notedAtMs < NOTE_EVERY_MS) return;
    this.#notedAtMs = nowMs;
    const last = lastRelayHead(journal, workspaceId());
    const isOther = last !== undefined && (seq < last.seq || (seq === last.seq && hash !== last.hash));
    const before = isOther ? { instead_of: last.seq, instead_of_hash: last.hash } : {};
    if (isOther)
      logger.warn(
        { heard: seq, before: last.seq },
        "the relay's audit trail is not the one that it was: its newest entry stands before the one heard last, or has another hash. Ask whoever runs the relay whether it was restored from a backup",
      );
    const detail = { workspace: workspaceId(), relay_seq: seq, relay_hash: hash, ...before };
    const fact = { atMs: clock.nowMs(), event: RELAY_HEAD_EVENT, connection: "", detail };
    try {
      const head = journal.commit({ facts: [fact] });
      answer({ type: "plant_audit", seq: head.seq, hash: head.hash });
    } catch (error) {
      if (!(error instanceof StorageFullError)) throw error;
      logger.error({}, error.message);
    }
  }
}

/** The newest that the trail has; of one workspace, or of any. */
export function lastRelayHead(journal: CommandJournal, workspaceId?: string): NotedHead | undefined {
  const { anchor, head } = journal.auditBounds();
  for (let to = head.seq; to > anchor.seq; to -= PAGE) {
    const from = Math.max(anchor.seq, to - PAGE);
    for (const { text } of journal.audit(from, to - from).toReversed()) {
      const noted = notedIn(text);
      if (noted !== undefined && (workspaceId ?? noted.workspaceId) === noted.workspaceId) return noted;
    }
  }
  return undefined;
}

function notedIn(text: string): NotedHead | undefined {
  if (!text.includes(RELAY_HEAD_EVENT)) return undefined;
  const entry = JSON.parse(text) as Readonly<Record<string, unknown>>;
  if (entry["event"] !== RELAY_HEAD_EVENT) return undefined;
  return {
    workspaceId: String(entry["workspace"]),
    seq: Number(entry["relay_seq"]),
    hash: String(entry["relay_hash"]),
    at: String(entry["at"]),
  };
}
