// One TDS connection: made, asked one thing at a time, cancelled, and destroyed when the server does not answer.
import { constants } from "node:crypto";
import { readFileSync } from "node:fs";
import type { SecureContextOptions, TLSSocket } from "node:tls";
import {
  Connection,
  ConnectionError,
  type ConnectionConfiguration,
  Request,
  RequestError,
  TYPES,
} from "tedious";
import type { SqlParameter, SqlRow, SqlStatement } from "#agent/core/sql/dialect.ts";
import type { Clock } from "#common/runtime/clock.ts";
import { ConnectorError, messageOf } from "#common/runtime/errors.ts";
import type { SqlServerSettings } from "./definition.ts";
import type { QueryAnswer } from "#agent/core/sql/named-query.ts";
import { type DriverColumn, queryValue } from "./query-values.ts";
import { exactValue } from "./type-map.ts";

/** How long a server may take to acknowledge that a statement was cancelled. */
const CANCEL_GRACE_MS = 5000;
/** The same when somebody waits for the end. */
const ABORT_GRACE_MS = 700;
/** Longest text that travels as `nvarchar(4000)`: one declaration, one plan. */
const MAX_SHORT_TEXT = 4000;
const MAX_SHORT_BYTES = 8000;
/** Of one `(max)` value: more than any record may hold even as text of two bytes a character, so what is cut is never sent. */
const MAX_VALUE_BYTES = 1_100_000;

/** What the server said when it refused a login; the driver's own error has no number. */
interface Refusal {
  readonly number: number;
  readonly state: number;
}

export class TdsClient {
  readonly #connection: Connection;
  readonly #clock: Clock;
  readonly #requestTimeoutMs: number;
  #isDead = false;

  /** @throws whatever the driver throws; failures.ts knows what it means */
  static async connect(settings: SqlServerSettings, clock: Clock, signal: AbortSignal): Promise<TdsClient> {
    signal.throwIfAborted();
    const connection = new Connection(configuration(settings));
    const client = new TdsClient(connection, settings, clock);
    const abort = (): void => connection.close();
    signal.addEventListener("abort", abort, { once: true });
    try {
      await connected(connection, settings);
      signal.throwIfAborted();
      await client.batch(sessionSettings(settings));
    } catch (error) {
      client.destroy();
      throw error;
    } finally {
      signal.removeEventListener("abort", abort);
    }
    return client;
  }

  private constructor(connection: Connection, settings: SqlServerSettings, clock: Clock) {
    this.#connection = connection;
    this.#clock = clock;
    this.#requestTimeoutMs = settings.requestTimeoutMs;
    // A connection may break while nobody asks anything: the next call tells. Without a listener it would end the process.
    connection.on("error", () => this.destroy());
    connection.on("end", () => {
      this.#isDead = true;
    });
  }

  get isAlive(): boolean {
    return !this.#isDead;
  }

  /** Statements without parameters in the session's own scope (SET, BEGIN, COMMIT). */
  batch(text: string): Promise<readonly SqlRow[]> {
    return this.#ask(text, [], (request) => this.#connection.execSqlBatch(request));
  }

  query(statement: SqlStatement): Promise<readonly SqlRow[]> {
    return this.#ask(statement.text, statement.parameters, (request) => this.#connection.execSql(request));
  }

  /** The rows of any query, until `answer` has enough: then the server is told to stop. */
  async answer({ text, parameters }: SqlStatement, answer: QueryAnswer): Promise<void> {
    let problem: unknown;
    let isEnough = false;
    const stop = (): void => {
      isEnough = true;
      this.#connection.cancel();
    };
    const take = (columns: readonly DriverColumn[]): void => {
      if (isEnough) return;
      try {
        if (!answer.add(columns.map(queryValue))) stop();
      } catch (error) {
        problem = error;
        stop();
      }
    };
    try {
      await this.#ask(text, parameters, (request) => {
        request.on("columnMetadata", (columns) => {
          answer.columns = Object.values(columns).map(({ colName }) => colName);
        });
        request.removeAllListeners("row").on("row", take);
        this.#connection.execSql(request);
      });
    } catch (error) {
      if (!isEnough || this.#isDead) throw error;
    }
    if (problem !== undefined) throw problem;
  }

  /** Tells the server to stop, and cuts the line when it has answered or does not. */
  abandon(): void {
    if (this.#isDead) return;
    if (!this.#connection.cancel()) {
      this.destroy();
      return;
    }
    this.#clock.setTimer(ABORT_GRACE_MS, () => this.destroy());
  }

  destroy(): void {
    this.#isDead = true;
    this.#connection.close();
  }

  async #ask(
    text: string,
    parameters: readonly SqlParameter[],
    start: (request: Request) => void,
  ): Promise<readonly SqlRow[]> {
    const { promise, resolve, reject } = Promise.withResolvers<readonly SqlRow[]>();
    const rows: SqlRow[] = [];
    const request = new Request(text, (error) => {
      if (error === null || error === undefined) resolve(rows);
      else reject(error);
    });
    request.on("row", (columns: readonly { readonly value: unknown }[]) => {
      const row = Array.from<SqlRow[number]>({ length: columns.length });
      for (let at = 0; at < row.length; at += 1) row[at] = exactValue(columns[at]!.value);
      rows.push(row);
    });
    for (const [at, value] of parameters.entries()) addParameter(request, `p${at + 1}`, value);
    let isLate = false;
    // The driver's own time limit ends with the first packet of an answer; this one with the last.
    const cancel = this.#clock.setTimer(this.#requestTimeoutMs, () => {
      isLate = true;
      this.#connection.cancel();
    });
    const cut = this.#clock.setTimer(this.#requestTimeoutMs + CANCEL_GRACE_MS, () => {
      this.destroy();
      reject(new RequestError("the server did not answer", "ESILENT"));
    });
    try {
      start(request);
      return await promise;
    } catch (error) {
      throw isLate && !isSilence(error) ? new RequestError(messageOf(error), "ETIMEOUT") : driverError(error);
    } finally {
      cancel();
      cut();
    }
  }
}

/** What comes out of the driver as any error at all is an answer that it could not read. */
function driverError(error: unknown): unknown {
  const isKnown =
    error instanceof RequestError || error instanceof ConnectionError || error instanceof AggregateError;
  return isKnown ? error : new RequestError(messageOf(error), "EPROTOCOL", { cause: error });
}

function isSilence(error: unknown): boolean {
  return error instanceof RequestError && error.code === "ESILENT";
}

async function connected(connection: Connection, settings: SqlServerSettings): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let refusal: Refusal | undefined;
  connection.on("errorMessage", (token: Refusal) => {
    refusal ??= { number: token.number, state: token.state };
  });
  connection.on("connect", (error: Error | undefined) => {
    if (error === undefined) resolve();
    else reject(refusal === undefined ? driverError(error) : withNumber(error, refusal));
  });
  connection.on("end", () => reject(new ConnectionError("the connection was closed", "ECLOSE")));
  const { fingerprint } = settings.tls;
  if (fingerprint !== undefined) {
    connection.on("secure", (socket: TLSSocket) => {
      const problem = pinProblem(socket, fingerprint);
      if (problem === undefined) return;
      // Nothing more leaves this machine, the login least of all; the driver is in the middle of its handshake.
      socket.cork();
      reject(problem);
      setImmediate(() => connection.close());
    });
  }
  connection.connect();
  await promise;
}

function withNumber(error: Error, { number, state }: Refusal): RequestError {
  const numbered = new RequestError(messageOf(error), "ELOGIN", { cause: error });
  return Object.assign(numbered, { number, state });
}

function pinProblem(socket: TLSSocket, fingerprint: string): ConnectorError | undefined {
  const shown = (socket.getPeerCertificate().fingerprint256 ?? "").replaceAll(":", "");
  if (shown === fingerprint) return undefined;
  return new ConnectorError(
    "misconfigured",
    `The server shows another certificate (SHA-256 ${shown}) than the one pinned in tls.fingerprint. ` +
      "If its administrator has replaced it, put the new fingerprint there; otherwise somebody stands in between.",
  );
}

function addParameter(request: Request, name: string, value: SqlParameter): void {
  if (value === null || typeof value === "string") {
    const isShort = value === null || value.length <= MAX_SHORT_TEXT;
    request.addParameter(name, TYPES.NVarChar, value, isShort ? { length: MAX_SHORT_TEXT } : {});
  } else if (value instanceof Uint8Array) {
    const isShort = value.length <= MAX_SHORT_BYTES;
    request.addParameter(
      name,
      TYPES.VarBinary,
      Buffer.from(value),
      isShort ? { length: MAX_SHORT_BYTES } : {},
    );
  } else if (typeof value === "number" && !Number.isSafeInteger(value)) {
    request.addParameter(name, TYPES.Float, value);
  } else {
    request.addParameter(name, TYPES.BigInt, String(value));
  }
}

function configuration(settings: SqlServerSettings): ConnectionConfiguration {
  const { server, endpoint, database, login, tls } = settings;
  const { user: userName, password, domain } = login;
  return {
    server,
    authentication:
      login.method === "ntlm"
        ? { type: "ntlm", options: { userName, password, domain: domain ?? "" } }
        : { type: "default", options: { userName, password } },
    options: {
      ...(endpoint.by === "port" ? { port: endpoint.port } : { instanceName: endpoint.instance }),
      database,
      appName: settings.applicationName,
      readOnlyIntent: settings.isReadOnlyIntent,
      connectTimeout: settings.connectTimeoutMs,
      // Time limits are ours (see #ask); the runner owns every retry.
      requestTimeout: 0,
      cancelTimeout: CANCEL_GRACE_MS,
      maxRetriesOnTransientErrors: 0,
      encrypt: tls.mode === "strict" ? "strict" : tls.mode !== "disable",
      trustServerCertificate: tls.verify === "none" || tls.fingerprint !== undefined,
      ...(tls.serverName === undefined ? {} : { serverName: tls.serverName }),
      cryptoCredentialsDetails: tlsContext(settings),
      rowCollectionOnDone: false,
      rowCollectionOnRequestCompletion: false,
      useUTC: true,
      textsize: MAX_VALUE_BYTES,
    },
  };
}

/** @throws ConnectorError misconfigured for an authority that cannot be read */
function tlsContext({ tls }: SqlServerSettings): SecureContextOptions {
  const ca = tls.caFile === undefined ? {} : { ca: readAuthority(tls.caFile) };
  if (tls.mode !== "legacy") return { minVersion: "TLSv1.2", ...ca };
  return {
    minVersion: "TLSv1",
    ciphers: "DEFAULT@SECLEVEL=0",
    secureOptions: constants.SSL_OP_LEGACY_SERVER_CONNECT,
    ...ca,
  };
}

function readAuthority(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw new ConnectorError(
      "misconfigured",
      `Reading the certificate authority tls.ca_file ${file}: ${messageOf(error)}. Check path and rights.`,
    );
  }
}

/** The agent gives way to the plant's own programs, and never waits long for them. */
function sessionSettings({ lockTimeoutMs }: SqlServerSettings): string {
  return `SET NOCOUNT ON; SET XACT_ABORT ON; SET DEADLOCK_PRIORITY LOW; SET LOCK_TIMEOUT ${lockTimeoutMs}`;
}
