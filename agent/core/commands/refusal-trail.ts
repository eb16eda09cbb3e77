// Refused writes in the audit trail: who floods the agent with them must not fill its disk.
import type { WriteBody } from "#common/contract/commands.ts";
import type { Command } from "#common/contract/messages.ts";
import type { Clock } from "#common/runtime/clock.ts";
import type { Logger } from "#common/runtime/logger.ts";
import { StorageFullError } from "../room/storage-errors.ts";
import type { Sha256 } from "./audit-chain.ts";
import { askedDetail, entryFact } from "./audit-facts.ts";
import type { CommandFailed } from "./command-failure.ts";
import type { CommandJournal } from "./journal.ts";
import type { PlantConnection } from "./plant-commands.ts";

/** Noted one by one; of more, the next entry says how many. */
const REFUSALS_PER_MINUTE = 30;
const MINUTE_MS = 60_000;

export interface RefusalTrailDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly journal: CommandJournal;
  readonly sha256: Sha256;
}

export class RefusalTrail {
  readonly #deps: RefusalTrailDeps;
  #sinceMs = Number.NEGATIVE_INFINITY;
  #noted = 0;
  #unnoted = 0;

  constructor(deps: RefusalTrailDeps) {
    this.#deps = deps;
  }

  add(command: Command, { name, policy }: PlantConnection, failure: CommandFailed): void {
    const { clock, journal, logger, sha256 } = this.#deps;
    const nowMs = clock.monotonicMs();
    if (nowMs - this.#sinceMs >= MINUTE_MS) [this.#sinceMs, this.#noted] = [nowMs, 0];
    this.#noted += 1;
    if (this.#noted > REFUSALS_PER_MINUTE) {
      this.#unnoted += 1;
      return;
    }
    const detail = {
      ...askedDetail(command.body as WriteBody, sha256, policy.auditValues),
      code: failure.code,
      reason: failure.message.slice(0, 500),
      ...(this.#unnoted === 0 ? {} : { unnoted_before: this.#unnoted }),
    };
    const entry = { id: command.command_id, connection: name };
    try {
      journal.commit({ facts: [entryFact("refused", entry, clock.nowMs(), detail)] });
      this.#unnoted = 0;
    } catch (error) {
      if (!(error instanceof StorageFullError)) throw error;
      this.#unnoted += 1;
      logger.error({ connection: name }, error.message);
    }
  }
}
