// What the agent notes down about itself: in its log, and in the short history that `status` shows.
import type { AgentDatabase } from "#agent/platform/agent-database.ts";
import { AgentDatabaseError } from "#agent/platform/agent-database.ts";
import { systemClock } from "#common/runtime/clock.ts";
import type { Logger } from "#common/runtime/logger.ts";

type Level = "info" | "warn" | "error";

export class AgentHistory {
  readonly #logger: Logger;
  readonly #database: AgentDatabase;

  constructor(logger: Logger, database: AgentDatabase) {
    this.#logger = logger;
    this.#database = database;
  }

  /** In both; `connection` is empty for the agent itself. */
  record(level: Level, connection: string, message: string): void {
    this.#logger[level](connection === "" ? {} : { connection }, message);
    this.remember(level, connection, message);
  }

  /** In the history alone: the log has it already. */
  remember(level: Level, connection: string, message: string): void {
    this.unlessFull(() =>
      this.#database.recordEvent({ atMs: systemClock.nowMs(), level, connection, message }),
    );
  }

  /** A full disk must not end the agent: what it could not write down is said in its log. */
  unlessFull(write: () => void): void {
    try {
      write();
    } catch (error) {
      if (!(error instanceof AgentDatabaseError)) throw error;
      this.#logger.error({}, error.message);
    }
  }
}
