// A database of planted answers, for tests of the protocol server itself: no SQL is understood, only looked up.
import {
  DatabaseError,
  type BoundParameter,
  type DatabaseSession,
  type DbType,
  type DbValue,
  type Login,
  type ServedDatabase,
  type StatementResult,
} from "#test/support/sql-engine/session.ts";

export type Planted = (
  parameters: readonly BoundParameter[],
  signal: AbortSignal,
) => StatementResult | Promise<StatementResult>;

export interface Heard {
  readonly text: string;
  readonly parameters: readonly BoundParameter[];
}

/** Answers by statement; anything else is refused with its text. */
export class PlantedDatabase implements ServedDatabase {
  readonly logins: Login[] = [];
  readonly heard: Heard[] = [];
  /** Sessions that ended. */
  closed = 0;
  refusal: DatabaseError | undefined;
  /** What sessions say about their transaction; without it, nothing. */
  isInTransaction: (() => boolean) | undefined;
  readonly #answers = new Map<string, Planted>();

  plant(text: string, answer: StatementResult | Planted): void {
    this.#answers.set(text, typeof answer === "function" ? answer : () => answer);
  }

  logIn(login: Login): DatabaseSession {
    this.logins.push(login);
    if (this.refusal !== undefined) throw this.refusal;
    const run = async (
      text: string,
      parameters: readonly BoundParameter[],
      signal: AbortSignal,
    ): Promise<StatementResult> => {
      this.heard.push({ text, parameters });
      const answer = this.#answers.get(text);
      if (answer === undefined) throw new DatabaseError(40_000, `not planted: ${text}`);
      return answer(parameters, signal);
    };
    const session: DatabaseSession = {
      execute: run,
      call: (name, parameters, signal) => run(`EXEC ${name}`, parameters, signal),
      close: () => (this.closed += 1),
    };
    const state = this.isInTransaction;
    if (state === undefined) return session;
    return Object.defineProperty(session, "isInTransaction", { get: state });
  }
}

/** One set of one row: name, type, value. Nullable unless said otherwise. */
export function rowOf(
  ...columns: readonly (readonly [name: string, type: DbType, value: DbValue, isNullable?: boolean])[]
): StatementResult {
  return {
    sets: [
      {
        columns: columns.map(([name, type, , isNullable = true]) => ({ name, type, isNullable })),
        rows: [columns.map(([, , value]) => value)],
      },
    ],
    rowsAffected: 0,
  };
}
