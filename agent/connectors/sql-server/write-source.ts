// Writes to SQL Server: a connection of their own, update locks, and which errors are the source's refusal.
import type { EntityPlan, TableName } from "#agent/core/source/plan.ts";
import type { RefusalCode } from "#agent/core/source/write.ts";
import type { StatementWriter } from "#agent/core/sql/statement-writer.ts";
import { quoteTable, type SqlStatement } from "#agent/core/sql/dialect.ts";
import {
  CommitUnknown,
  type ProcedureCall,
  type SqlWriteSession,
  type SqlWriteSource,
  type WorkDone,
  WriteRefused,
} from "#agent/core/sql/write-source.ts";
import type { Clock } from "#common/runtime/clock.ts";
import { ConnectorError, messageOf } from "#common/runtime/errors.ts";
import { SQL_SERVER_DIALECT } from "./connection.ts";
import type { SqlServerSettings } from "./definition.ts";
import { CALL_START, type Procedures, writeProcedureCall } from "./procedures.ts";
import { failureOf, numberOf } from "./failures.ts";
import { TdsClient } from "./tds-client.ts";

/** Errors of the values themselves; Microsoft's documentation, "Database Engine events and errors". */
const REFUSALS: ReadonlyMap<number, RefusalCode> = new Map(
  (
    [
      ["CONSTRAINT", [2627, 2601, 547, 515, 550]],
      ["VALUE", [8152, 2628, 245, 241, 242, 220, 232, 235, 248, 295, 8114, 8115, 257, 206, 271, 544]],
      ["REFUSED", [3609, 3616]],
    ] satisfies [RefusalCode, number[]][]
  ).flatMap(([code, numbers]) => numbers.map((number) => [number, code] as const)),
);
/** RAISERROR and THROW of the product's own. */
const FIRST_USER_ERROR = 50_000;
/** A procedure that commits or rolls back what it has not begun: either may have happened. */
const ENDED_BY_PROCEDURE: ReadonlySet<number> = new Set([266, 3902, 3903]);
/** Severities from here on end the session. */
const FATAL_SEVERITY = 20;

/** The catalogue reads tables by plans: a table that is only written is one that nothing is read of. */
export function planOfTable(table: TableName): EntityPlan {
  return {
    entity: "",
    table,
    key: [],
    columns: [],
    filters: [],
    change: { kind: "full_scan" },
    children: [],
  };
}

export class SqlServerWriteSource implements SqlWriteSource, AsyncDisposable {
  readonly dialect = SQL_SERVER_DIALECT;
  /** Held against writers until the transaction ends, under row versioning as well. */
  readonly rowLock = { behindTable: " WITH (UPDLOCK, ROWLOCK)" };
  readonly #settings: SqlServerSettings;
  readonly #clock: Clock;
  readonly #procedures: Procedures;
  #client: TdsClient | undefined;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(settings: SqlServerSettings, clock: Clock, procedures: Procedures) {
    this.#procedures = procedures;
    // An availability group's listener leads those who only read to a copy.
    this.#settings = { ...settings, isReadOnlyIntent: false };
    this.#clock = clock;
  }

  writeTransaction<T>(
    signal: AbortSignal,
    work: (session: SqlWriteSession) => Promise<WorkDone<T>>,
  ): Promise<T> {
    const turn = this.#turn.then(() => this.#bounded(signal, work));
    this.#turn = turn.catch(() => {});
    return turn;
  }

  writeCall(writer: StatementWriter, call: ProcedureCall): void {
    writeProcedureCall(writer, call, this.#procedures);
  }

  nextOf(sequence: TableName): SqlStatement {
    const name = quoteTable(SQL_SERVER_DIALECT, { schema: "dbo", ...sequence });
    return { text: `SELECT NEXT VALUE FOR ${name}`, parameters: [] };
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#drop();
    return Promise.resolve();
  }

  async #bounded<T>(
    signal: AbortSignal,
    work: (session: SqlWriteSession) => Promise<WorkDone<T>>,
  ): Promise<T> {
    signal.throwIfAborted();
    let client = this.#client?.isAlive === true ? this.#client : undefined;
    const abandon = (): void => client?.abandon();
    signal.addEventListener("abort", abandon, { once: true });
    let done: WorkDone<T>;
    try {
      client ??= await TdsClient.connect(this.#settings, this.#clock, signal);
      this.#client = client;
      await client.batch("SET TRANSACTION ISOLATION LEVEL READ COMMITTED; BEGIN TRANSACTION");
      done = await work(sessionOf(client));
      signal.throwIfAborted();
      if (!done.isKept) await client.batch("ROLLBACK TRANSACTION");
    } catch (error) {
      this.#client = undefined;
      if (!signal.aborted) client?.destroy();
      if (ENDED_BY_PROCEDURE.has(numberOf(error) ?? 0))
        throw new CommitUnknown(`A procedure ended the transaction by itself (${messageOf(error)}).`, {
          cause: error,
        });
      throw this.#failure(error);
    } finally {
      // From here on the commit is waited for: cutting it off would leave its outcome open.
      signal.removeEventListener("abort", abandon);
    }
    if (done.isKept) await this.#commit(client);
    return done.value;
  }

  async #commit(client: TdsClient): Promise<void> {
    try {
      await client.batch("COMMIT TRANSACTION");
    } catch (error) {
      this.#drop();
      const severity = (error as { readonly class?: number }).class ?? FATAL_SEVERITY;
      if (numberOf(error) !== undefined && severity < FATAL_SEVERITY) throw this.#failure(error);
      throw new CommitUnknown(`The connection was lost while committing (${messageOf(error)}).`, {
        cause: error,
      });
    }
  }

  #failure(error: unknown): unknown {
    if (error instanceof WriteRefused) return error;
    const number = numberOf(error);
    if (number === undefined) return failureOf(error, this.#settings, "Writing");
    const code = number >= FIRST_USER_ERROR ? "REFUSED" : REFUSALS.get(number);
    const because = { cause: error };
    if (code !== undefined)
      return new WriteRefused(code, `The source refused: ${messageOf(error)} (${number})`, because);
    if (number !== 229 && number !== 230) return failureOf(error, this.#settings, "Writing");
    const advice =
      "Have an administrator grant INSERT, UPDATE, DELETE or EXECUTE on what the pack's writes name.";
    return new ConnectorError(
      "misconfigured",
      `Writing: ${messageOf(error)} (${number}). ${advice}`,
      because,
    );
  }

  #drop(): void {
    this.#client?.destroy();
    this.#client = undefined;
  }
}

function sessionOf(client: TdsClient): SqlWriteSession {
  return {
    query: async (statement: SqlStatement) => {
      const rows = await client.query(statement);
      // A procedure may have selected rows of its own before its outputs.
      return statement.text.startsWith(CALL_START) ? rows.slice(-1) : rows;
    },
    execute: async ({ text, parameters }) => {
      // The statement's own count, whatever its triggers did.
      const [row] = await client.query({ text: `${text}; SELECT @@ROWCOUNT`, parameters });
      return Number(row?.[0] ?? 0);
    },
  };
}
