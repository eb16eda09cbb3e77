// What lies between requests and the database: prepared statements, procedures with a meaning of their own, transactions.
import {
  DatabaseError,
  type BoundParameter,
  type DatabaseSession,
  type DbType,
  type DbValue,
  type StatementResult,
} from "#test/support/sql-engine/session.ts";
import { declaredNames, type CallParameter, type CallRequest, type TransactionRequest } from "./requests.ts";

const MAX_PREPARED_STATEMENTS = 10_000;
const INT: DbType = { kind: "int", bits: 32 };
const NO_RESULT: StatementResult = { sets: [], rowsAffected: 0 };

export interface Output {
  readonly name: string;
  readonly ordinal: number;
  readonly type: DbType;
  readonly value: DbValue;
}

export interface Outcome {
  /** What was run; a part of the answer depends on its words. */
  readonly text: string;
  readonly result: StatementResult;
  /** False under SET NOCOUNT ON: clients hear no numbers of rows. */
  readonly isCounted: boolean;
  readonly error?: DatabaseError;
  readonly outputs: readonly Output[];
  readonly transaction?: "begin" | "commit" | "rollback" | undefined;
}

interface Prepared {
  readonly text: string;
  readonly names: readonly string[];
}

/** A request ready to run. */
export interface Work {
  /** As faults and the log name it. */
  readonly subject: string;
  readonly isProcedure: boolean;
  run(signal: AbortSignal): Promise<Outcome>;
}

export class TdsSession {
  readonly #session: DatabaseSession;
  readonly #prepared = new Map<number, Prepared>();
  #nextHandle = 1;
  #isInTransaction = false;
  #transactionName = "";
  /** Until a batch says otherwise; what a statement with parameters sets ends with it. */
  #isCounted = true;

  constructor(session: DatabaseSession) {
    this.#session = session;
  }

  close(): void {
    this.#session.close();
  }

  batch(text: string): Work {
    return {
      subject: text,
      isProcedure: false,
      run: async (signal) => {
        const outcome = await this.#watched(text, () => this.#session.execute(text, [], signal));
        if (outcome.error === undefined) this.#isCounted = outcome.isCounted;
        return outcome;
      },
    };
  }

  transaction({ kind, isolation, name }: TransactionRequest): Work {
    const isNamed = name !== "" && name !== this.#transactionName;
    const isSavepoint = kind === "save" || (kind === "rollback" && isNamed);
    const verb = `${kind.toUpperCase()} TRANSACTION`;
    const level = isolation === undefined ? "" : `SET TRANSACTION ISOLATION LEVEL ${isolation}; `;
    const text = isSavepoint ? `${verb} ${name}` : `${level}${verb}`;
    return {
      subject: verb,
      isProcedure: false,
      run: async (signal) => {
        const run = (): Promise<StatementResult> => this.#session.execute(text, [], signal);
        if (kind === "begin") this.#transactionName = name;
        if (this.#session.isInTransaction !== undefined) return this.#watched(text, run);
        const outcome = await this.#attempt(text, run);
        if (outcome.error !== undefined || isSavepoint) return outcome;
        this.#isInTransaction = kind === "begin";
        return { ...outcome, transaction: kind };
      },
    };
  }

  call(request: CallRequest): Work {
    const name = request.procedure.replaceAll(/[[\]]/g, "").replace(/^(?:master\.)?(?:sys|dbo)?\./i, "");
    switch (name.toLowerCase()) {
      case "sp_executesql": {
        const [statement, , ...values] = request.parameters;
        const declaration = textOf(request.parameters[1]);
        return this.#statement(textOf(statement), named(values, declaredNames(declaration)), 2);
      }
      case "sp_prepare":
        return this.#immediate("EXEC sp_prepare", () => [this.#prepare(request)]);
      case "sp_prepexec":
        return this.#prepareAndRun(request);
      case "sp_execute":
        return this.#executePrepared(request);
      case "sp_unprepare":
        return this.#immediate("EXEC sp_unprepare", () => {
          this.#prepared.delete(Number(request.parameters[0]?.value));
          return [];
        });
      default:
        return this.#procedure(request);
    }
  }

  #procedure({ procedure, parameters }: CallRequest): Work {
    return {
      subject: `EXEC ${procedure}`,
      isProcedure: true,
      run: async (signal) => {
        const outcome = await this.#watched(`EXEC ${procedure}`, () =>
          this.#session.call(procedure, bound(parameters), signal),
        );
        return { ...outcome, outputs: outputsOf(outcome.result, parameters, 0) };
      },
    };
  }

  #statement(text: string, parameters: readonly CallParameter[], ordinal: number): Work {
    return {
      subject: text,
      isProcedure: true,
      run: async (signal) => {
        const outcome = await this.#watched(text, () =>
          this.#session.execute(text, bound(parameters), signal),
        );
        return { ...outcome, outputs: outputsOf(outcome.result, parameters, ordinal) };
      },
    };
  }

  #executePrepared({ parameters }: CallRequest): Work {
    const [handle, ...values] = parameters;
    const prepared = this.#prepared.get(Number(handle?.value));
    if (prepared !== undefined) return this.#statement(prepared.text, named(values, prepared.names), 1);
    const error = new DatabaseError(
      8179,
      `Could not find prepared statement with handle ${Number(handle?.value)}.`,
    );
    return {
      subject: "EXEC sp_execute",
      isProcedure: true,
      run: () => Promise.resolve(refused(error)),
    };
  }

  #prepareAndRun(request: CallRequest): Work {
    const handle = this.#prepare(request);
    const [, , statement, ...values] = request.parameters;
    const names = declaredNames(textOf(request.parameters[1]));
    const work = this.#statement(textOf(statement), named(values, names), 3);
    return {
      ...work,
      run: async (signal) => {
        const outcome = await work.run(signal);
        return { ...outcome, outputs: [handle, ...outcome.outputs] };
      },
    };
  }

  #prepare({ parameters }: CallRequest): Output {
    const [handle, declaration, statement] = parameters;
    if (this.#prepared.size >= MAX_PREPARED_STATEMENTS)
      throw new DatabaseError(
        701,
        `more than ${MAX_PREPARED_STATEMENTS} prepared statements in one session`,
        17,
      );
    const number = this.#nextHandle++;
    this.#prepared.set(number, { text: textOf(statement), names: declaredNames(textOf(declaration)) });
    return { name: handle?.name ?? "", ordinal: 0, type: INT, value: number };
  }

  #immediate(subject: string, run: () => readonly Output[]): Work {
    return {
      subject,
      isProcedure: true,
      run: () =>
        this.#attempt(subject, () => Promise.resolve(NO_RESULT)).then((outcome) => ({
          ...outcome,
          outputs: run(),
        })),
    };
  }

  /** Runs it and looks whether a transaction began or ended by its own words. */
  async #watched(text: string, run: () => Promise<StatementResult>): Promise<Outcome> {
    const outcome = await this.#attempt(text, run);
    const isIn = this.#session.isInTransaction;
    if (isIn === undefined || isIn === this.#isInTransaction) return outcome;
    this.#isInTransaction = isIn;
    const isRolledBack = outcome.error !== undefined || /\brollback\b/i.test(text);
    return { ...outcome, transaction: isIn ? "begin" : isRolledBack ? "rollback" : "commit" };
  }

  async #attempt(text: string, run: () => Promise<StatementResult>): Promise<Outcome> {
    const isCounted = countedAfter(text) ?? this.#isCounted;
    try {
      return { text, result: await run(), isCounted, outputs: [] };
    } catch (error) {
      return { text, result: NO_RESULT, isCounted, error: asDatabaseError(error), outputs: [] };
    }
  }
}

/** The outcome of what was not run. */
export function refused(error: DatabaseError): Outcome {
  return { text: "", result: NO_RESULT, isCounted: true, error, outputs: [] };
}

/** Undefined where the words do not set it. */
function countedAfter(text: string): boolean | undefined {
  const setting = Array.from(text.matchAll(/\bset\s+nocount\s+(on|off)\b/gi)).at(-1)?.[1];
  return setting === undefined ? undefined : setting.toLowerCase() === "off";
}

/** A failure of the engine itself is told to the client, where the test sees it. */
export function asDatabaseError(error: unknown): DatabaseError {
  if (error instanceof DatabaseError) return error;
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return new DatabaseError(50_001, `the test database failed: ${text}`);
}

function bound(parameters: readonly CallParameter[]): readonly BoundParameter[] {
  return parameters.map(({ name, type, value }) => ({ name, type, value }));
}

/** Parameters without a name have that of their place in the declaration. */
function named(values: readonly CallParameter[], names: readonly string[]): readonly CallParameter[] {
  return values.map((value, index) => (value.name === "" ? { ...value, name: names[index] ?? "" } : value));
}

/** What the database did not set comes back as it was sent. */
function outputsOf(
  { outputs }: StatementResult,
  parameters: readonly CallParameter[],
  firstOrdinal: number,
): readonly Output[] {
  return parameters.flatMap((parameter, index) => {
    if (!parameter.isOutput) return [];
    const { type, value } = outputs?.get(parameter.name) ?? parameter;
    return [{ name: parameter.name, ordinal: firstOrdinal + index, type, value }];
  });
}

function textOf(parameter: CallParameter | undefined): string {
  return typeof parameter?.value === "string" ? parameter.value : "";
}
