// The real driver, tedious, with promises around its callbacks: what the tests of the server connect with.
import { Connection, Request, type ConnectionConfiguration, type TYPES } from "tedious";

/** As the driver numbers them. */
export const ISOLATION = { unchanged: 0, readCommitted: 2, snapshot: 5 } as const;

type DriverType = (typeof TYPES)[keyof typeof TYPES];

export interface DriverParameter {
  readonly name: string;
  readonly type: DriverType;
  readonly value?: unknown;
  readonly isOutput?: boolean;
  readonly options?: { readonly length?: number; readonly precision?: number; readonly scale?: number };
}

export interface DriverAnswer {
  /** Of all sets, as the driver gives them. */
  readonly rows: readonly (readonly unknown[])[];
  /** Names of the columns of each set. */
  readonly sets: readonly (readonly string[])[];
  /** Each count that the server sent. */
  readonly counts: readonly number[];
  /** Of each DONE: whether the server said that more comes. */
  readonly mores: readonly boolean[];
  readonly outputs: ReadonlyMap<string, unknown>;
  readonly returnStatus: number | undefined;
}

export interface DriverStatement {
  execute(values: Readonly<Record<string, unknown>>): Promise<Pick<DriverAnswer, "rows">>;
  release(): Promise<void>;
}

export type DriverOptions = NonNullable<ConnectionConfiguration["options"]>;

export interface DriverSettings {
  readonly port: number;
  readonly user?: string;
  readonly password?: string;
  readonly domain?: string;
  readonly options?: DriverOptions;
}

export function driverConfiguration(settings: DriverSettings): ConnectionConfiguration {
  const { port, user = "reader", password = "pä$$wörd", domain, options } = settings;
  return {
    server: "127.0.0.1",
    authentication:
      domain === undefined
        ? { type: "default", options: { userName: user, password } }
        : { type: "ntlm", options: { userName: user, password, domain } },
    options: {
      port,
      encrypt: false,
      trustServerCertificate: false,
      connectTimeout: 5000,
      requestTimeout: 10_000,
      cancelTimeout: 5000,
      database: "plant",
      appName: "millrace-test",
      ...options,
    },
  };
}

export class DriverClient implements AsyncDisposable {
  readonly connection: Connection;
  /** Numbers of messages, errors of logins included. */
  readonly messages: number[] = [];
  /** What the driver raised outside of a request. */
  readonly failures: Error[] = [];
  /** Of the last statement, whole or not. */
  rowsSeen: readonly (readonly unknown[])[] = [];
  readonly #ended: Promise<void>;
  readonly #firstRow = Promise.withResolvers<void>();

  private constructor(connection: Connection) {
    this.connection = connection;
    this.#ended = new Promise((resolve) => {
      connection.once("end", () => resolve());
    });
    connection.on("error", (error) => this.failures.push(error));
    connection.on("infoMessage", ({ number }) => this.messages.push(number));
    connection.on("errorMessage", ({ number }) => this.messages.push(number));
  }

  /** `onDebug` hears what the driver says about itself; `options.debug` chooses. */
  static async connect(settings: DriverSettings, onDebug?: (text: string) => void): Promise<DriverClient> {
    const client = new DriverClient(new Connection(driverConfiguration(settings)));
    if (onDebug !== undefined) client.connection.on("debug", onDebug);
    await new Promise<void>((resolve, reject) => {
      client.connection.connect((error) => {
        if (error === undefined || error === null) resolve();
        else reject(error);
      });
    }).catch((error: unknown) => {
      throw Object.assign(error as Error, { numbers: client.messages });
    });
    return client;
  }

  get ended(): Promise<void> {
    return this.#ended;
  }

  /** When any row has come. */
  get firstRow(): Promise<void> {
    return this.#firstRow.promise;
  }

  /** `timeoutMs` for this request in place of the connection's. */
  query(
    text: string,
    parameters: readonly DriverParameter[] = [],
    timeoutMs?: number,
  ): Promise<DriverAnswer> {
    return this.#run(text, parameters, (request) => {
      if (timeoutMs !== undefined) request.setTimeout(timeoutMs);
      this.connection.execSql(request);
    });
  }

  batch(text: string): Promise<DriverAnswer> {
    return this.#run(text, [], (request) => this.connection.execSqlBatch(request));
  }

  call(name: string, parameters: readonly DriverParameter[] = []): Promise<DriverAnswer> {
    return this.#run(name, parameters, (request) => this.connection.callProcedure(request));
  }

  async prepare(text: string, parameters: readonly DriverParameter[]): Promise<DriverStatement> {
    let settle: (error?: Error | null) => void = () => {};
    const rows: unknown[][] = [];
    const request = new Request(text, (error) => settle(error));
    for (const { name, type, options } of parameters) request.addParameter(name, type, undefined, options);
    request.on("row", (columns: readonly { readonly value: unknown }[]) => {
      rows.push(columns.map(({ value }) => value));
    });
    const step = (start: () => void): Promise<void> =>
      settled((done) => {
        settle = done;
        start();
      });
    await new Promise<void>((resolve, reject) => {
      request.once("prepared", () => resolve());
      request.once("error", reject);
      this.connection.prepare(request);
    });
    return {
      execute: async (values) => {
        rows.length = 0;
        delete (request as { error?: unknown }).error;
        await step(() => this.connection.execute(request, values));
        return { rows: [...rows] };
      },
      release: () => step(() => this.connection.unprepare(request)),
    };
  }

  /** Like `query`, given up by `cancel` as soon as the request is on its way and `when` is over. */
  cancelled(text: string, when: Promise<unknown>): Promise<DriverAnswer> {
    return this.#run(text, [], (request) => {
      this.connection.execSql(request);
      void when.then(() => this.connection.cancel());
    });
  }

  begin(isolation: keyof typeof ISOLATION = "unchanged"): Promise<void> {
    return settled((done) => this.connection.beginTransaction(done, "", ISOLATION[isolation]));
  }

  commit(): Promise<void> {
    return settled((done) => this.connection.commitTransaction(done));
  }

  rollback(): Promise<void> {
    return settled((done) => this.connection.rollbackTransaction(done));
  }

  reset(): Promise<void> {
    return settled((done) => this.connection.reset(done));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.connection.close();
    await this.#ended;
  }

  #run(
    text: string,
    parameters: readonly DriverParameter[],
    start: (request: Request) => void,
  ): Promise<DriverAnswer> {
    const rows: unknown[][] = [];
    this.rowsSeen = rows;
    const sets: string[][] = [];
    const counts: number[] = [];
    const mores: boolean[] = [];
    const outputs = new Map<string, unknown>();
    let returnStatus: number | undefined;
    return new Promise((resolve, reject) => {
      const request = new Request(text, (error) => {
        if (error === undefined || error === null)
          resolve({ rows, sets, counts, mores, outputs, returnStatus });
        else reject(error);
      });
      for (const { name, type, value, isOutput, options } of parameters)
        if (isOutput === true) request.addOutputParameter(name, type, value, options);
        else request.addParameter(name, type, value, options);
      const count = (rowCount: number | undefined, hasMore: boolean): void => {
        mores.push(hasMore);
        if (rowCount !== undefined) counts.push(rowCount);
      };
      request.on("columnMetadata", (columns) => {
        sets.push(Array.isArray(columns) ? columns.map(({ colName }) => colName) : Object.keys(columns));
      });
      request.on("row", (columns: readonly { readonly value: unknown }[]) => {
        this.#firstRow.resolve();
        rows.push(columns.map(({ value }) => value));
      });
      request.on("returnValue", (name, value) => outputs.set(name, value));
      request.on("done", count);
      request.on("doneInProc", count);
      request.on("doneProc", (rowCount, hasMore, status: number | undefined) => {
        count(rowCount, hasMore);
        returnStatus = status;
      });
      start(request);
    });
  }
}

function settled(start: (done: (error?: Error | null) => void) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    start((error) => {
      if (error === undefined || error === null) resolve();
      else reject(error);
    });
  });
}
