// One lane: a connection of its own, made anew after any failure; transactions one after another, every call bounded.
import type { SqlDialect, SqlParameter, SqlRow, SqlStatement } from "#agent/core/sql/dialect.ts";
import type { QueryAnswer } from "#agent/core/sql/named-query.ts";
import type { SqlSession } from "#agent/core/sql/sql-source.ts";
import type { Clock } from "#common/runtime/clock.ts";
import { ConnectorError } from "#common/runtime/errors.ts";
import type { SqlServerSettings } from "./definition.ts";
import { failureOf } from "./failures.ts";
import type { SchemaWatch } from "./schema-watch.ts";
import { TdsClient } from "./tds-client.ts";

export const SQL_SERVER_DIALECT: SqlDialect = {
  name: "sql-server",
  quoteIdentifier: (name) => `[${name.replaceAll("]", "]]")}]`,
  placeholder: (position) => `@p${position}`,
  limit: "top",
  hasRowValues: false,
  keyList: "or",
  nulls: "first",
  // The protocol allows 2100.
  maxParameters: 2000,
  // Longer lists of composite keys (ORs) make plans that cost more than they find.
  maxListItems: 256,
};

/** `SNAPSHOT` sees one state and waits for nobody; `READ COMMITTED` is what is left without it. */
export type Isolation = "SNAPSHOT" | "READ COMMITTED";

/** A transaction, with what was true just before its view of the data was taken. */
export interface SqlServerSession extends SqlSession {
  readonly startedMs: number;
  /** Rows at or above belong to transactions that were under way; hex text. */
  readonly minActiveRowversion: SqlParameter;
}

export interface TransactionPlan {
  readonly isolation: Isolation;
  readonly watch: SchemaWatch;
}

/** First of all, for a snapshot taken earlier than this would hide transactions that this no longer counts as active. */
function startOf({ isolation, watch }: TransactionPlan): string {
  return (
    `SET TRANSACTION ISOLATION LEVEL ${isolation}; SELECT CONVERT(varchar(30), SYSUTCDATETIME(), 126), ` +
    `CONVERT(varchar(18), MIN_ACTIVE_ROWVERSION(), 1), ${watch.expression}; BEGIN TRANSACTION`
  );
}

export class SqlServerConnection implements AsyncDisposable {
  readonly #settings: SqlServerSettings;
  readonly #clock: Clock;
  #client: TdsClient | undefined;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(settings: SqlServerSettings, clock: Clock) {
    this.#settings = settings;
    this.#clock = clock;
  }

  /** Connects if need be, and runs `work` in one transaction that only reads. @throws ConnectorError */
  transaction<T>(
    signal: AbortSignal,
    plan: TransactionPlan,
    work: (session: SqlServerSession) => Promise<T>,
  ): Promise<T> {
    return this.#inTurn(signal, async (client) => {
      const session = await begin(client, plan);
      const result = await work(session);
      await client.batch("COMMIT TRANSACTION");
      return result;
    });
  }

  /** The same without a transaction: each statement by itself, so that one which fails spoils nothing. @throws ConnectorError */
  run<T>(signal: AbortSignal, work: (session: SqlSession) => Promise<T>): Promise<T> {
    return this.#inTurn(signal, (client) => work({ query: (statement) => client.query(statement) }));
  }

  /** The rows of any query, until `answer` has enough, in a transaction that is rolled back. @throws ConnectorError */
  answer(
    signal: AbortSignal,
    isolation: Isolation,
    statement: SqlStatement,
    answer: QueryAnswer,
  ): Promise<void> {
    return this.#inTurn(signal, async (client) => {
      await client.batch(`SET TRANSACTION ISOLATION LEVEL ${isolation}; BEGIN TRANSACTION`);
      await client.answer(statement, answer);
      // A statement that was told to stop has rolled back by itself (XACT_ABORT).
      await client.batch("IF @@TRANCOUNT > 0 ROLLBACK TRANSACTION");
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#client?.destroy();
    this.#client = undefined;
    return Promise.resolve();
  }

  #inTurn<T>(signal: AbortSignal, work: (client: TdsClient) => Promise<T>): Promise<T> {
    const turn = this.#turn.then(() => this.#bounded(signal, work));
    this.#turn = turn.catch(() => {});
    return orAborted(turn, signal);
  }

  async #bounded<T>(signal: AbortSignal, work: (client: TdsClient) => Promise<T>): Promise<T> {
    signal.throwIfAborted();
    let client = this.#client?.isAlive === true ? this.#client : undefined;
    const abandon = (): void => client?.abandon();
    signal.addEventListener("abort", abandon, { once: true });
    let doing = "Connecting";
    try {
      client ??= await TdsClient.connect(this.#settings, this.#clock, signal);
      this.#client = client;
      doing = "Reading";
      return await work(client);
    } catch (error) {
      // Whatever the session's state is now: a new one has none.
      this.#client = undefined;
      if (!signal.aborted) client?.destroy();
      throw failureOf(error, this.#settings, doing);
    } finally {
      signal.removeEventListener("abort", abandon);
    }
  }
}

async function begin(client: TdsClient, plan: TransactionPlan): Promise<SqlServerSession> {
  const query: SqlSession["query"] = (statement) => client.query(statement);
  const [start = []] = await client.batch(startOf(plan));
  const token = String(start[2]);
  if (!plan.watch.isCurrent(token)) {
    await client.batch("ROLLBACK TRANSACTION");
    await plan.watch.check({ query }, token);
    return await begin(client, plan);
  }
  return {
    query,
    startedMs: Date.parse(`${String(start[0]).slice(0, 23)}Z`),
    minActiveRowversion: String(start[1]),
  };
}

/** Whoever only waits for the lane leaves at once. */
function orAborted<T>(turn: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const leave = (): void => reject(new ConnectorError("unavailable", "The read was called off."));
  signal.addEventListener("abort", leave, { once: true });
  turn.then(resolve, reject).finally(() => signal.removeEventListener("abort", leave));
  return promise;
}

/** One row of a statement without parameters; empty if there is none. */
export async function askOne(session: SqlSession, text: string): Promise<SqlRow> {
  const [row = []] = await session.query({ text, parameters: [] });
  return row;
}
