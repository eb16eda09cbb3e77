// The sqlite connector: reads a database file in short transactions, writes where it is allowed to, and skips polls when nothing was committed.
import type {
  BrowseEntry,
  Connector,
  ConnectorContext,
  ReadRequest,
  SourceBatch,
  StrategyReport,
} from "#agent/core/source/connector.ts";
import { EXACT_KEY, type KeyRule } from "#agent/core/source/key-rules.ts";
import type { QueryRequest, QueryResult } from "#agent/core/source/query.ts";
import { answerQuery } from "#agent/core/sql/named-query.ts";
import type { Lane, SqlSession, SqlSource } from "#agent/core/sql/sql-source.ts";
import { describeStrategy } from "#agent/core/sql/strategy-report.ts";
import { TableReader } from "#agent/core/sql/table-reader.ts";
import { TableWriter } from "#agent/core/sql/table-writer.ts";
import { WRITES_ARE_OFF } from "#agent/core/sql/write-settings.ts";
import { shapeWrites, type WriteShapes } from "#agent/core/sql/write-shape.ts";
import { type EntityShape, shapeEntities } from "#agent/core/sql/table-shape.ts";
import type { WriteOutcome, WriteRequest } from "#agent/core/source/write.ts";
import { ConnectorError } from "#common/runtime/errors.ts";
import { browse } from "./browse.ts";
import { SQLITE_DIALECT, SqliteConnection } from "./connection.ts";
import type { SqliteSettings } from "./definition.ts";
import { SqliteWriteSource } from "./write-source.ts";

interface Opened {
  readonly connection: SqliteConnection;
  readonly shapes: readonly EntityShape[];
  readonly reader: TableReader;
  readonly writing: { readonly source: SqliteWriteSource; readonly writer: TableWriter } | undefined;
}

export class SqliteConnector implements Connector {
  readonly #settings: SqliteSettings;
  readonly #context: ConnectorContext;
  #opened: Opened | undefined;

  constructor(settings: SqliteSettings, context: ConnectorContext) {
    this.#settings = settings;
    this.#context = context;
  }

  async open(_signal: AbortSignal): Promise<void> {
    await this[Symbol.asyncDispose]();
    const connection = new SqliteConnection(this.#settings);
    try {
      const { plans, clock, timeZone } = this.#context;
      const catalogue = connection.catalogue();
      const shapes = shapeEntities(plans, catalogue);
      const reader = new TableReader({ source: new SqliteSource(connection), shapes, clock, timeZone });
      const { isAllowed, commandLog } = this.#settings.write;
      const writing = isAllowed
        ? this.#writing(
            shapeWrites(shapes, catalogue, commandLog, { hasProcedures: false, hasSequences: false }),
          )
        : undefined;
      this.#opened = { connection, shapes, reader, writing };
    } catch (error) {
      connection.close();
      throw error;
    }
  }

  strategies(): readonly StrategyReport[] {
    return this.#open().shapes.map((shape) =>
      describeStrategy(shape, {
        timestamp: (overlapMs) => `rows within ${overlapMs / 1000} s of the newest are read again.`,
        counter: "SQLite has one writer at a time, so its order is the order of commits.",
      }),
    );
  }

  keyRules(entity: string): readonly KeyRule[] {
    const shape = this.#open().shapes.find((candidate) => candidate.plan.entity === entity);
    return shape?.keyAt.map((at) => shape.select[at]?.rule ?? EXACT_KEY) ?? [];
  }

  read(request: ReadRequest): AsyncIterable<SourceBatch> {
    return this.#open().reader.read(request);
  }

  async write(request: WriteRequest): Promise<WriteOutcome> {
    const { writing } = this.#open();
    return writing === undefined ? WRITES_ARE_OFF : await writing.writer.write(request);
  }

  async query(request: QueryRequest): Promise<QueryResult> {
    this.#open();
    return await answerQuery(SQLITE_DIALECT, request, async (statement, answer) => {
      // A handle of its own: a reader's transaction sees its own state of the file, and while rows are given nobody else may ask.
      const handle = new SqliteConnection(this.#settings);
      try {
        await handle.answer(request.signal, statement, answer);
      } finally {
        handle.close();
      }
    });
  }

  browse(path: readonly string[]): Promise<readonly BrowseEntry[]> {
    return Promise.resolve(browse(this.#open().connection, path));
  }

  identity(): string {
    return this.#open().connection.identity();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#opened?.writing?.source.close();
    this.#opened?.connection.close();
    this.#opened = undefined;
    return Promise.resolve();
  }

  #writing(shapes: WriteShapes): Opened["writing"] {
    const source = new SqliteWriteSource(this.#settings, this.#context.clock);
    return { source, writer: new TableWriter({ source, shapes, clock: this.#context.clock }) };
  }

  #open(): Opened {
    if (this.#opened !== undefined) return this.#opened;
    throw new ConnectorError("unavailable", `The database file ${this.#settings.file} is not open.`);
  }
}

/** One handle: transactions of both lanes take turns, each a page long. */
class SqliteSource implements SqlSource {
  readonly dialect = SQLITE_DIALECT;
  readonly #connection: SqliteConnection;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(connection: SqliteConnection) {
    this.#connection = connection;
  }

  transaction<T>(_lane: Lane, signal: AbortSignal, work: (session: SqlSession) => Promise<T>): Promise<T> {
    const turn = this.#turn.then(async () => {
      signal.throwIfAborted();
      this.#connection.begin();
      try {
        return await work(this.#connection);
      } finally {
        this.#connection.end();
      }
    });
    this.#turn = turn.catch(() => {});
    return turn;
  }

  changeToken(): string {
    return this.#connection.dataVersion();
  }
}
