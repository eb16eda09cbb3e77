// A TDS 7.4 server of our own for tests: real SQL Server drivers connect to it over TCP and find an in-memory database.
import { createServer, type Server } from "node:net";
import { TdsConnection } from "./connection.ts";
import { TdsFaults } from "./faults.ts";
import type { TdsServerOptions } from "./server-options.ts";

const HOST = "127.0.0.1";
const FIRST_SPID = 51;
/** Older requests are forgotten. */
const MAX_REMEMBERED_REQUESTS = 100_000;

export interface ServedRequest {
  readonly spid: number;
  /** The statement, `EXEC <procedure>` or `BEGIN|COMMIT|ROLLBACK TRANSACTION`; see `faults.plan`. */
  readonly subject: string;
  /** Rows that the database gave for it. */
  rows: number;
}

export interface TdsServer extends AsyncDisposable {
  readonly port: number;
  readonly faults: TdsFaults;
  /** Open ones, logged in or not. */
  readonly connections: readonly TdsConnection[];
  /** What was asked for, in order, since the start or `forgetRequests`. */
  readonly requests: readonly ServedRequest[];
  /** Connections made so far. */
  readonly accepted: number;
  forgetRequests(): void;
  /** Ends all sessions without a word, as a restarted server does. */
  killAll(): void;
  /** The port is closed to new clients until `admit`; open sessions stay. */
  refuse(): Promise<void>;
  admit(): Promise<void>;
  close(): Promise<void>;
}

export async function startTdsServer(options: TdsServerOptions): Promise<TdsServer> {
  const server = new InMemoryTdsServer(options);
  await server.listen(options.port ?? 0);
  return server;
}

class InMemoryTdsServer implements TdsServer {
  readonly faults = new TdsFaults();
  readonly #options: TdsServerOptions;
  readonly #connections = new Set<TdsConnection>();
  readonly #requests: ServedRequest[] = [];
  #listener: Server | undefined;
  #port = 0;
  #accepted = 0;

  constructor(options: TdsServerOptions) {
    this.#options = options;
  }

  get port(): number {
    return this.#port;
  }

  get connections(): readonly TdsConnection[] {
    return [...this.#connections];
  }

  get requests(): readonly ServedRequest[] {
    return this.#requests;
  }

  get accepted(): number {
    return this.#accepted;
  }

  forgetRequests(): void {
    this.#requests.length = 0;
  }

  killAll(): void {
    for (const connection of this.#connections) connection.destroy();
  }

  listen(port: number): Promise<void> {
    const listener = createServer({ allowHalfOpen: false }, (socket) => {
      this.#accepted += 1;
      this.#connections.add(
        new TdsConnection({
          socket,
          spid: FIRST_SPID + this.#accepted,
          options: this.#options,
          faults: this.faults,
          onRequest: (spid, subject) => this.#remember({ spid, subject, rows: 0 }),
          onClose: (connection) => this.#connections.delete(connection),
        }),
      );
    });
    this.#listener = listener;
    return new Promise((resolve, reject) => {
      listener.once("error", reject);
      listener.listen(port, HOST, () => {
        const address = listener.address();
        if (typeof address === "object" && address !== null) this.#port = address.port;
        resolve();
      });
    });
  }

  async refuse(): Promise<void> {
    const listener = this.#listener;
    this.#listener = undefined;
    // Its callback waits for open sessions; the port is closed at once.
    listener?.close();
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
  }

  async admit(): Promise<void> {
    if (this.#listener === undefined) await this.listen(this.#port);
  }

  async close(): Promise<void> {
    const listener = this.#listener;
    this.#listener = undefined;
    const closed = new Promise<void>((resolve) => {
      if (listener === undefined) resolve();
      else listener.close(() => resolve());
    });
    this.killAll();
    await closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #remember(request: ServedRequest): ServedRequest {
    this.#requests.push(request);
    if (this.#requests.length > MAX_REMEMBERED_REQUESTS)
      this.#requests.splice(0, MAX_REMEMBERED_REQUESTS / 10);
    return request;
  }
}
