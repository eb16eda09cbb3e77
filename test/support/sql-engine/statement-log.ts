// What every session asked and what it cost: so that a test can say how much load a poll is.
import type { BoundParameter } from "./session.ts";

export interface LoggedStatement {
  readonly user: string;
  readonly text: string;
  readonly parameters: readonly BoundParameter[];
  rowsRead: number;
  rowsReturned: number;
  /** Number of the error that it ended with. */
  error: number | undefined;
}

/** Statements remembered, at most; counts go on. */
const MAX_REMEMBERED = 10_000;

export class StatementLog {
  #statements: LoggedStatement[] = [];
  /** Since the last `clear`, whatever is remembered. */
  count = 0;
  rowsRead = 0;

  get statements(): readonly LoggedStatement[] {
    return this.#statements;
  }

  begin(user: string, text: string, parameters: readonly BoundParameter[]): LoggedStatement {
    const statement: LoggedStatement = {
      user,
      text,
      parameters,
      rowsRead: 0,
      rowsReturned: 0,
      error: undefined,
    };
    if (this.#statements.length >= MAX_REMEMBERED)
      this.#statements = this.#statements.slice(MAX_REMEMBERED / 2);
    this.#statements.push(statement);
    this.count += 1;
    return statement;
  }

  clear(): void {
    this.#statements = [];
    this.count = 0;
    this.rowsRead = 0;
  }
}
