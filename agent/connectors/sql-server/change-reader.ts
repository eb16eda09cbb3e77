// The sql-server connector: two lanes of short transactions; changes by change tracking, CDC, rowversion or timestamp.
import type {
  BrowseEntry,
  Connector,
  ConnectorContext,
  ReadRequest,
  SourceBatch,
  StrategyReport,
} from "#agent/core/source/connector.ts";
import { EXACT_KEY, type KeyRule } from "#agent/core/source/key-rules.ts";
import type { SqlParameter } from "#agent/core/sql/dialect.ts";
import type { ChangeFeed } from "#agent/core/sql/change-feed.ts";
import type { Lane, SqlSession, SqlSource } from "#agent/core/sql/sql-source.ts";
import type { QueryRequest, QueryResult } from "#agent/core/source/query.ts";
import { answerQuery } from "#agent/core/sql/named-query.ts";
import type { WriteOutcome, WriteRequest } from "#agent/core/source/write.ts";
import { TableReader } from "#agent/core/sql/table-reader.ts";
import { TableWriter } from "#agent/core/sql/table-writer.ts";
import { WRITES_ARE_OFF } from "#agent/core/sql/write-settings.ts";
import { shapeWrites, type WriteShapes, writeTables } from "#agent/core/sql/write-shape.ts";
import {
  type ChildShape,
  type EntityShape,
  type ShapedMarker,
  shapeEntities,
} from "#agent/core/sql/table-shape.ts";
import { ConnectorError } from "#common/runtime/errors.ts";
import { browse } from "./browse.ts";
import { grantsForMissing, readCatalogue } from "./catalogue.ts";
import {
  SQL_SERVER_DIALECT,
  SqlServerConnection,
  type SqlServerSession,
  type TransactionPlan,
} from "./connection.ts";
import { readDatabaseFacts } from "./database-facts.ts";
import type { SqlServerSettings } from "./definition.ts";
import { userOf } from "./grants.ts";
import { type Procedures, readProcedures } from "./procedures.ts";
import { SchemaWatch } from "./schema-watch.ts";
import { type ChoiceDeps, feedOf, reportOf, withRowversions } from "./strategy-choice.ts";
import { planOfTable, SqlServerWriteSource } from "./write-source.ts";

interface Opened {
  readonly source: SqlServerSource;
  readonly shapes: readonly EntityShape[];
  readonly reader: TableReader;
  readonly choice: ChoiceDeps;
  readonly writing: { readonly source: SqlServerWriteSource; readonly writer: TableWriter } | undefined;
  /** Opened by the first named query: polls and passes do not wait for these. */
  queries?: SqlServerConnection;
}

export class SqlServerConnector implements Connector {
  readonly #settings: SqlServerSettings;
  readonly #context: ConnectorContext;
  #opened: Opened | undefined;

  constructor(settings: SqlServerSettings, context: ConnectorContext) {
    this.#settings = settings;
    this.#context = context;
  }

  async open(signal: AbortSignal): Promise<void> {
    await this[Symbol.asyncDispose]();
    const { plans, clock, timeZone } = this.#context;
    const settings = this.#settings;
    const live = new SqlServerConnection(settings, clock);
    const { isAllowed, commandLog } = settings.write;
    const further = isAllowed ? writeTables(plans, commandLog).map(planOfTable) : [];
    try {
      const facts = async (session: SqlSession): Promise<ChoiceDeps> => ({
        database: await readDatabaseFacts(session, settings),
        catalogue: await readCatalogue(session, [...plans, ...further], userOf(settings)),
        settings,
        clock,
      });
      const choice = await live.run(signal, facts);
      const shapes = this.#shapes(choice);
      const watch = new SchemaWatch(
        { ...choice.catalogue, fingerprint: fingerprintOf(choice) },
        async (session) => {
          const now = await facts(session);
          this.#shapes(now);
          return fingerprintOf(now);
        },
      );
      const source = new SqlServerSource(live, new SqlServerConnection(settings, clock), choice, watch);
      const reader = new TableReader({ source, shapes, clock, timeZone });
      const writing = isAllowed
        ? this.#writing(
            shapeWrites(shapes, choice.catalogue, commandLog, { hasProcedures: true, hasSequences: true }),
            await live.run(signal, (session) => readProcedures(session, plans, userOf(settings))),
          )
        : undefined;
      this.#opened = { source, shapes, reader, choice, writing };
    } catch (error) {
      await live[Symbol.asyncDispose]();
      if (!signal.aborted) throw error;
      throw new ConnectorError("unavailable", "Opening the SQL Server connection was called off.", {
        cause: error,
      });
    }
  }

  strategies(): readonly StrategyReport[] {
    const { shapes, choice } = this.#open();
    return shapes.map((shape) => reportOf(shape, choice));
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
    const opened = this.#open();
    const isolation = opened.choice.database.allowsSnapshots ? "SNAPSHOT" : "READ COMMITTED";
    return await answerQuery(SQL_SERVER_DIALECT, request, (statement, answer) => {
      opened.queries ??= new SqlServerConnection(this.#settings, this.#context.clock);
      return opened.queries.answer(request.signal, isolation, statement, answer);
    });
  }

  browse(path: readonly string[], signal: AbortSignal): Promise<readonly BrowseEntry[]> {
    return this.#open().source.run(signal, (session) => browse(session, path));
  }

  identity(): string {
    return this.#open().choice.database.identity;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const opened = this.#opened;
    this.#opened = undefined;
    await opened?.writing?.source[Symbol.asyncDispose]();
    await opened?.queries?.[Symbol.asyncDispose]();
    await opened?.source[Symbol.asyncDispose]();
  }

  #writing(shapes: WriteShapes, procedures: Procedures): Opened["writing"] {
    const { clock } = this.#context;
    const source = new SqlServerWriteSource(this.#settings, clock, procedures);
    return { source, writer: new TableWriter({ source, shapes, clock }) };
  }

  /** @throws ConnectorError misconfigured naming everything that is missing, with the GRANTs that might show it */
  #shapes(choice: ChoiceDeps): readonly EntityShape[] {
    const { plans } = this.#context;
    const { catalogue } = choice;
    try {
      return shapeEntities(
        plans.map((plan) => withRowversions(plan, choice)),
        catalogue,
      );
    } catch (error) {
      const grants = grantsForMissing(plans, catalogue, userOf(this.#settings));
      if (!(error instanceof ConnectorError) || grants.length === 0) throw error;
      // SQL Server does not show a table to a login that has no right on it.
      const text = `${error.message}\nIf these tables exist, this login may not see them. Have an administrator run:`;
      throw new ConnectorError(
        "misconfigured",
        `${text}\n${grants.map((grant) => `  ${grant}`).join("\n")}`,
        {
          cause: error,
        },
      );
    }
  }

  #open(): Opened {
    if (this.#opened !== undefined) return this.#opened;
    throw new ConnectorError("unavailable", `The connection to ${this.#settings.server} is not open.`);
  }
}

/** What statements and choices rest on, without what changes all the time. */
function fingerprintOf({ catalogue, database }: ChoiceDeps): string {
  const { allowsSnapshots, isReadOnlyCopy, tracked, captures } = database;
  const own = catalogue.objectIds.map((id) => [id, tracked.get(id), captures.get(id)]);
  return JSON.stringify([catalogue.fingerprint, allowsSnapshots, isReadOnlyCopy, own]);
}

class SqlServerSource implements SqlSource, AsyncDisposable {
  readonly dialect = SQL_SERVER_DIALECT;
  readonly #lanes: Readonly<Record<Lane, SqlServerConnection>>;
  readonly #choice: ChoiceDeps;
  readonly #plan: TransactionPlan;
  readonly #feeds = new Map<EntityShape | ChildShape, ChangeFeed | undefined>();

  constructor(live: SqlServerConnection, bulk: SqlServerConnection, choice: ChoiceDeps, watch: SchemaWatch) {
    this.#lanes = { live, bulk };
    this.#choice = choice;
    this.#plan = { isolation: choice.database.allowsSnapshots ? "SNAPSHOT" : "READ COMMITTED", watch };
  }

  transaction<T>(
    lane: Lane,
    signal: AbortSignal,
    work: (session: SqlServerSession) => Promise<T>,
  ): Promise<T> {
    return this.#lanes[lane].transaction(signal, this.#plan, work);
  }

  run<T>(signal: AbortSignal, work: (session: SqlSession) => Promise<T>): Promise<T> {
    return this.#lanes.live.run(signal, work);
  }

  clockMs(session: SqlSession): Promise<number> {
    return Promise.resolve((session as SqlServerSession).startedMs);
  }

  /** Only rowversions: a plant's own counter has no such bound. A readable copy's bound says nothing of the original. */
  counterCeiling(session: SqlSession, { column }: ShapedMarker): Promise<SqlParameter | undefined> {
    const isKnown = column.type === "timestamp" && !this.#choice.database.isReadOnlyCopy;
    return Promise.resolve(isKnown ? (session as SqlServerSession).minActiveRowversion : undefined);
  }

  feed(shape: EntityShape, child: ChildShape | undefined): ChangeFeed | undefined {
    const table = child ?? shape;
    if (!this.#feeds.has(table)) this.#feeds.set(table, feedOf(shape, child, this.#choice));
    return this.#feeds.get(table);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#lanes.live[Symbol.asyncDispose](), this.#lanes.bulk[Symbol.asyncDispose]()]);
  }
}
