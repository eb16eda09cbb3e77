// One lane: a connection of its own, short transactions one after another (reads REPEATABLE READ), every call bounded.
import { readFileSync } from "node:fs";
import type { TLSSocket } from "node:tls";
import pg from "pg";
import type { SqlDialect, SqlRow, SqlStatement } from "#agent/core/sql/dialect.ts";
import type { QueryAnswer } from "#agent/core/sql/named-query.ts";
import type { SqlSession } from "#agent/core/sql/sql-source.ts";
import { CommitUnknown, type SqlWriteSession, type WorkDone } from "#agent/core/sql/write-source.ts";
import type { Clock } from "#common/runtime/clock.ts";
import { ConnectorError, messageOf } from "#common/runtime/errors.ts";
import type { PostgresSettings } from "./definition.ts";
import { failureOf } from "./failures.ts";
import { refusalOf, writeFailureOf } from "./write-failures.ts";
import { exactValue } from "./type-map.ts";

export const POSTGRES_DIALECT: SqlDialect = {
  name: "postgres",
  quoteIdentifier: (name) => `"${name.replaceAll('"', '""')}"`,
  placeholder: (position) => `$${position}`,
  limit: "limit",
  hasRowValues: true,
  keyList: "rows",
  nulls: "last",
  maxParameters: 32_000,
  maxListItems: 4096,
};

/** Beyond the server's own time limit: then it does not answer at all, and the connection is destroyed. */
const SILENCE_GRACE_MS = 5000;
/** A farewell is not worth waiting longer for. */
const CLOSE_TIMEOUT_MS = 500;
const KEEP_ALIVE_AFTER_MS = 30_000;

/** Values stay the server's text; type-map.ts reads them. */
const TEXT_ONLY: pg.CustomTypesConfig = { getTypeParser: () => (text: string) => text };

export class PostgresConnection implements AsyncDisposable {
  readonly #settings: PostgresSettings;
  readonly #clock: Clock;
  #client: pg.Client | undefined;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(settings: PostgresSettings, clock: Clock) {
    this.#settings = settings;
    this.#clock = clock;
  }

  /** Connects if need be, and runs `work` in one read-only transaction. @throws ConnectorError */
  transaction<T>(signal: AbortSignal, work: (session: SqlSession) => Promise<T>): Promise<T> {
    return this.#inTurn(signal, (client) =>
      work({ query: async (statement) => (await this.#query(client, statement)).rows }),
    );
  }

  /** The rows of any query, some at a time until `answer` has enough, in one read-only transaction. @throws ConnectorError */
  answer(signal: AbortSignal, statement: SqlStatement, answer: QueryAnswer): Promise<void> {
    const { text, parameters } = statement;
    const fetch = { text: `FETCH FORWARD ${answer.chunkRows} FROM millrace_query`, parameters: [] };
    return this.#inTurn(signal, async (client) => {
      await this.#query(client, { text: `DECLARE millrace_query NO SCROLL CURSOR FOR ${text}`, parameters });
      for (;;) {
        const { rows, columns } = await this.#query(client, fetch);
        answer.columns = columns;
        const isTaken = rows.every((row) => answer.add(row));
        if (!isTaken || rows.length < answer.chunkRows) return;
      }
    });
  }

  #inTurn<T>(signal: AbortSignal, work: (client: pg.Client) => Promise<T>): Promise<T> {
    const turn = this.#turn.then(() => this.#bounded(signal, work));
    this.#turn = turn.catch(() => {});
    return orAborted(turn, signal);
  }

  /** Connects if need be, and runs `work` in one read-write transaction, as SqlWriteSource.writeTransaction says. */
  write<T>(signal: AbortSignal, work: (session: SqlWriteSession) => Promise<WorkDone<T>>): Promise<T> {
    const turn = this.#turn.then(() => this.#boundedWrite(signal, work));
    this.#turn = turn.catch(() => {});
    return turn;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const client = this.#client;
    this.#client = undefined;
    if (client === undefined) return;
    const cancel = this.#clock.setTimer(CLOSE_TIMEOUT_MS, () => destroy(client));
    await client.end().catch(() => {});
    cancel();
  }

  async #bounded<T>(signal: AbortSignal, work: (client: pg.Client) => Promise<T>): Promise<T> {
    signal.throwIfAborted();
    // On abort the connection is cut: the server notices and ends the statement (client_connection_check_interval).
    const cut = (): void => this.#drop();
    signal.addEventListener("abort", cut, { once: true });
    try {
      const client = this.#client ?? (await this.#connect(signal));
      await this.#ask(client, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
      const result = await work(client);
      await this.#ask(client, "COMMIT");
      return result;
    } catch (error) {
      // Whatever the transaction's state is now: a new connection has none.
      this.#drop();
      throw failureOf(error, this.#settings, "Reading");
    } finally {
      signal.removeEventListener("abort", cut);
    }
  }

  async #boundedWrite<T>(
    signal: AbortSignal,
    work: (session: SqlWriteSession) => Promise<WorkDone<T>>,
  ): Promise<T> {
    signal.throwIfAborted();
    const cut = (): void => this.#drop();
    signal.addEventListener("abort", cut, { once: true });
    let client: pg.Client;
    let done: WorkDone<T>;
    try {
      client = this.#client ?? (await this.#connect(signal));
      await this.#ask(client, "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE");
      done = await work({
        query: async (statement) => (await this.#query(client, statement)).rows,
        execute: async (statement) => (await this.#ask(client, arrayQuery(statement))).rowCount ?? 0,
      });
      signal.throwIfAborted();
      if (!done.isKept) await this.#ask(client, "ROLLBACK");
    } catch (error) {
      this.#drop();
      throw refusalOf(error) ?? writeFailureOf(error, this.#settings);
    } finally {
      // From here on the commit is waited for: cutting it off would leave its outcome open.
      signal.removeEventListener("abort", cut);
    }
    if (done.isKept) await this.#commit(client);
    return done.value;
  }

  async #commit(client: pg.Client): Promise<void> {
    try {
      await this.#ask(client, "COMMIT");
    } catch (error) {
      this.#drop();
      // What the server itself refuses (a deferred constraint) it has rolled back; a broken connection tells nothing.
      const isCertain = error instanceof pg.DatabaseError && error.severity === "ERROR";
      if (isCertain) throw refusalOf(error) ?? writeFailureOf(error, this.#settings);
      throw new CommitUnknown(`The connection was lost while committing (${messageOf(error)}).`, {
        cause: error,
      });
    }
  }

  async #query(
    client: pg.Client,
    statement: SqlStatement,
  ): Promise<{ readonly columns: readonly string[]; readonly rows: readonly SqlRow[] }> {
    const { rows, fields } = await this.#ask(client, arrayQuery(statement));
    const types = fields.map((field) => field.dataTypeID);
    for (const row of rows as unknown[][]) {
      for (let at = 0; at < row.length; at += 1) row[at] = exactValue(row[at] as string | null, types[at]!);
    }
    return { columns: fields.map(({ name }) => name), rows };
  }

  async #ask(client: pg.Client, query: string | pg.QueryArrayConfig): Promise<pg.QueryArrayResult> {
    const deadlineMs = this.#settings.statementTimeoutMs + SILENCE_GRACE_MS;
    let isSilent = false;
    const cancel = this.#clock.setTimer(deadlineMs, () => {
      isSilent = true;
      destroy(client);
    });
    try {
      return await client.query(query as pg.QueryArrayConfig);
    } catch (error) {
      if (!isSilent) throw error;
      throw new ConnectorError(
        "unavailable",
        `The PostgreSQL server ${this.#settings.host} has not answered for ${deadlineMs} ms; the connection was cut.`,
      );
    } finally {
      cancel();
    }
  }

  async #connect(signal: AbortSignal): Promise<pg.Client> {
    const client = new pg.Client(clientConfig(this.#settings));
    // A connection may break while nobody asks anything; the next query tells.
    client.on("error", () => {
      if (this.#client === client) this.#drop();
    });
    this.#client = client;
    try {
      await client.connect();
      signal.throwIfAborted();
      await this.#ask(client, sessionSettings(this.#settings));
    } catch (error) {
      this.#drop();
      throw failureOf(error, this.#settings, "Connecting");
    }
    return client;
  }

  #drop(): void {
    const client = this.#client;
    this.#client = undefined;
    if (client !== undefined) destroy(client);
  }
}

function arrayQuery({ text, parameters }: SqlStatement): pg.QueryArrayConfig {
  return { text, values: [...parameters], rowMode: "array", types: TEXT_ONLY };
}

/** Whoever only waits for the lane leaves at once. */
function orAborted<T>(turn: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const leave = (): void => reject(new ConnectorError("unavailable", "The read was called off."));
  signal.addEventListener("abort", leave, { once: true });
  turn.then(resolve, reject).finally(() => signal.removeEventListener("abort", leave));
  return promise;
}

/** Cuts the socket; pending queries reject. */
function destroy(client: pg.Client): void {
  const { connection } = client as unknown as { connection: { stream: TLSSocket } };
  connection.stream.destroy();
}

function clientConfig(settings: PostgresSettings): pg.ClientConfig {
  const { host, port, database, user, password, applicationName, connectTimeoutMs } = settings;
  return {
    host,
    port,
    database,
    user,
    // Never from the environment or a password file: settings alone decide.
    password: () => password ?? "",
    application_name: applicationName,
    connectionTimeoutMillis: connectTimeoutMs,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE_AFTER_MS,
    ssl: tlsOptions(settings),
  };
}

function tlsOptions({ tls, host }: PostgresSettings): pg.ClientConfig["ssl"] {
  if (tls.mode === "disable") return false;
  const base = { rejectUnauthorized: true, host };
  if (tls.caFile === undefined) return base;
  try {
    return { ...base, ca: readFileSync(tls.caFile, "utf8") };
  } catch (error) {
    throw new ConnectorError(
      "misconfigured",
      `Reading the certificate authority tls.ca_file ${tls.caFile}: ${messageOf(error)}. Check path and rights.`,
    );
  }
}

/** How values are written and how long anything may take. The interval makes the server notice a client that is gone. */
function sessionSettings({ statementTimeoutMs, lockTimeoutMs }: PostgresSettings): string {
  return [
    "SET DateStyle = 'ISO, YMD'",
    "SET TimeZone = 'UTC'",
    "SET bytea_output = 'hex'",
    "SET extra_float_digits = 1",
    "SET standard_conforming_strings = on",
    "SET default_transaction_read_only = on",
    `SET statement_timeout = ${statementTimeoutMs}`,
    `SET lock_timeout = ${lockTimeoutMs}`,
    `SET idle_in_transaction_session_timeout = ${statementTimeoutMs}`,
    `DO $$ BEGIN
       IF current_setting('server_version_num')::int >= 140000 THEN
         PERFORM set_config('client_connection_check_interval', '1s', false);
       END IF;
     EXCEPTION WHEN OTHERS THEN NULL; END $$`,
  ].join("; ");
}
