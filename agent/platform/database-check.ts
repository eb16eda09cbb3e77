// The weekly check of agent.db: the file remembers itself when it was checked.
import { IntegrityRounds, type FileCheck } from "#agent/core/integrity-rounds.ts";
import { systemClock } from "#common/runtime/clock.ts";
import type { Logger } from "#common/runtime/logger.ts";
import type { AgentDatabase } from "./agent-database.ts";

const FACT = "integrity";

export interface DatabaseCheckDeps {
  readonly check: (file: string) => Promise<string>;
  readonly database: Pick<AgentDatabase, "fact" | "setFact">;
  readonly file: string;
  readonly logger: Logger;
  /** What an operator should know and do. */
  readonly damaged: (message: string) => void;
}

export class DatabaseCheck {
  readonly #deps: DatabaseCheckDeps;
  readonly #rounds: IntegrityRounds;
  /** Told already, even if the file could not keep it. */
  #damage: FileCheck | undefined;

  constructor(deps: DatabaseCheckDeps) {
    this.#deps = deps;
    const { check, logger } = deps;
    this.#rounds = new IntegrityRounds({
      check,
      nowMs: () => systemClock.nowMs(),
      random: Math.random,
      logger,
    });
  }

  /** What came of the last one; undefined before the first. */
  get last(): FileCheck | undefined {
    const last = this.#damage ?? this.#kept();
    return last?.detail === "" ? undefined : last;
  }

  /** Begins a check if one is due; called now and then. */
  look(): void {
    const { database, file, damaged } = this.#deps;
    this.#rounds.look({
      file,
      last: this.#kept(),
      keep: (check) => database.setFact("agent", FACT, JSON.stringify(check)),
      damaged: (detail) => {
        this.#damage = { atMs: systemClock.nowMs(), detail };
        damaged(
          `${file} is damaged (${detail}): stop the agent, move the file and its -wal and -shm aside, and enrol this agent again; the relay keeps what it has`,
        );
      },
    });
  }

  #kept(): FileCheck | undefined {
    const kept = this.#deps.database.fact("agent", FACT);
    return kept === undefined ? undefined : (JSON.parse(kept) as FileCheck);
  }
}
