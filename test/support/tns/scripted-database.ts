// A database for tests of the protocol: answers statements by a list of patterns, and records what it was given.
import {
  DatabaseError,
  type BoundParameter,
  type DatabaseSession,
  type DbType,
  type DbValue,
  type Login,
  type ServedDatabase,
  type StatementResult,
} from "../sql-engine/session.ts";

export type ScriptedAnswer = (
  parameters: ReadonlyMap<string, DbValue>,
  signal: AbortSignal,
) => StatementResult | Promise<StatementResult>;

/** Statements that no pattern matches are refused with their text, as the real engine does. */
export class ScriptedDatabase implements ServedDatabase {
  readonly logins: Login[] = [];
  readonly statements: { readonly text: string; readonly parameters: readonly BoundParameter[] }[] = [];
  closedSessions = 0;
  readonly #answers: { readonly pattern: RegExp; readonly answer: ScriptedAnswer }[] = [];

  /** The first pattern that matches answers. */
  on(pattern: RegExp, answer: ScriptedAnswer): this {
    this.#answers.push({ pattern, answer });
    return this;
  }

  logIn(login: Login): DatabaseSession {
    this.logins.push(login);
    return {
      execute: async (text, parameters, signal) => {
        this.statements.push({ text, parameters });
        const found = this.#answers.find(({ pattern }) => pattern.test(text));
        if (found === undefined && /^(?:COMMIT|ROLLBACK)$/.test(text)) return changed(0);
        if (found === undefined) throw new DatabaseError(900, `invalid SQL statement: ${text}`);
        return found.answer(new Map(parameters.map(({ name, value }) => [name, value])), signal);
      },
      call: async (name) => {
        throw new DatabaseError(6550, `${name} is not scripted`);
      },
      close: () => {
        this.closedSessions += 1;
      },
    };
  }
}

/** The result of a query. */
export function rowsOf(
  columns: Readonly<Record<string, DbType>>,
  rows: readonly (readonly DbValue[])[],
): StatementResult {
  const described = Object.entries(columns).map(([name, type]) => ({ name, type, isNullable: true }));
  return { sets: [{ columns: described, rows }], rowsAffected: 0 };
}

/** The result of a statement that wrote. */
export function changed(rowsAffected: number): StatementResult {
  return { sets: [], rowsAffected };
}
