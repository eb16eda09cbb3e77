// The postgres connector: two lanes of short read-only transactions; changes by marker and row version.
import type {
  BrowseEntry,
  Connector,
  ConnectorContext,
  ReadRequest,
  SourceBatch,
  StrategyReport,
} from "#agent/core/source/connector.ts";
import { EXACT_KEY, type KeyRule } from "#agent/core/source/key-rules.ts";
import type { ChangeStrategy, EntityPlan } from "#agent/core/source/plan.ts";
import type { QueryRequest, QueryResult } from "#agent/core/source/query.ts";
import type { WriteOutcome, WriteRequest } from "#agent/core/source/write.ts";
import type { SqlRow } from "#agent/core/sql/dialect.ts";
import { answerQuery } from "#agent/core/sql/named-query.ts";
import type { Lane, SqlSession, SqlSource } from "#agent/core/sql/sql-source.ts";
import { describeStrategy } from "#agent/core/sql/strategy-report.ts";
import { TableReader } from "#agent/core/sql/table-reader.ts";
import { TableWriter } from "#agent/core/sql/table-writer.ts";
import { WRITES_ARE_OFF } from "#agent/core/sql/write-settings.ts";
import { shapeWrites, type WriteShapes, writeTables } from "#agent/core/sql/write-shape.ts";
import { type Catalogue, type EntityShape, shapeEntities } from "#agent/core/sql/table-shape.ts";
import { ConnectorError } from "#common/runtime/errors.ts";
import { browse } from "./browse.ts";
import { readCatalogue } from "./catalogue.ts";
import { POSTGRES_DIALECT, PostgresConnection } from "./connection.ts";
import type { PostgresSettings } from "./definition.ts";
import { readHorizon, writtenSince } from "./row-versions.ts";
import { PostgresWriteSource, type ProcedureKinds, readProcedures } from "./write-source.ts";

interface Opened {
  readonly source: PostgresSource;
  readonly shapes: readonly EntityShape[];
  readonly reader: TableReader;
  readonly identity: string;
  readonly writing: { readonly lane: PostgresConnection; readonly writer: TableWriter } | undefined;
  /** Opened by the first named query: polls and passes do not wait for these. */
  queries?: PostgresConnection;
}

export class PostgresConnector implements Connector {
  readonly #settings: PostgresSettings;
  readonly #context: ConnectorContext;
  #opened: Opened | undefined;

  constructor(settings: PostgresSettings, context: ConnectorContext) {
    this.#settings = settings;
    this.#context = context;
  }

  async open(signal: AbortSignal): Promise<void> {
    await this[Symbol.asyncDispose]();
    const { plans, clock, timeZone } = this.#context;
    const live = new PostgresConnection(this.#settings, clock);
    try {
      const identity = await readIdentity(live, this.#settings, signal);
      const { isAllowed, commandLog } = this.#settings.write;
      const further = isAllowed ? writeTables(plans, commandLog) : [];
      const { catalogue, version, kinds } = await live.transaction(signal, async (session) => ({
        version: await readVersion(session),
        catalogue: await readCatalogue(session, plans, this.#settings, further),
        kinds: isAllowed ? await readProcedures(session, plans) : new Map(),
      }));
      const fitting = plans.map((plan) => withOverlap(plan, catalogue, this.#settings.maxTransactionMs));
      const shapes = shapeEntities(fitting, catalogue);
      const bulk = new PostgresConnection(this.#settings, clock);
      const source = new PostgresSource(live, bulk, version);
      const reader = new TableReader({ source, shapes, clock, timeZone });
      const writing = isAllowed
        ? this.#writing(
            shapeWrites(shapes, catalogue, commandLog, { hasProcedures: true, hasSequences: true }),
            kinds,
          )
        : undefined;
      this.#opened = { source, shapes, reader, identity, writing };
    } catch (error) {
      await live[Symbol.asyncDispose]();
      if (!signal.aborted) throw error;
      throw new ConnectorError("unavailable", "Opening the PostgreSQL connection was called off.", {
        cause: error,
      });
    }
  }

  strategies(): readonly StrategyReport[] {
    return this.#open().shapes.map((shape) => {
      const isSafe = shape.facts.hasHorizon;
      return describeStrategy(shape, {
        timestamp: (overlapMs) =>
          isSafe
            ? `the server's row versions (xmin) tell which are new, so commits up to ${overlapMs / 60_000} min late are found.`
            : `rows within ${overlapMs / 1000} s of the newest are read again (a view has no row versions).`,
        counter: isSafe
          ? "the server's row versions (xmin) tell which are new; commits out of order are found, at the price of a scan."
          : "a view has no row versions: a counter that commits out of order is seen by the next full pass only.",
      });
    });
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
    return await answerQuery(POSTGRES_DIALECT, request, (statement, answer) => {
      opened.queries ??= new PostgresConnection(this.#settings, this.#context.clock);
      return opened.queries.answer(request.signal, statement, answer);
    });
  }

  browse(path: readonly string[], signal: AbortSignal): Promise<readonly BrowseEntry[]> {
    return this.#open().source.transaction("live", signal, (session) => browse(session, path));
  }

  identity(): string {
    return this.#open().identity;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const opened = this.#opened;
    this.#opened = undefined;
    await opened?.writing?.lane[Symbol.asyncDispose]();
    await opened?.queries?.[Symbol.asyncDispose]();
    await opened?.source[Symbol.asyncDispose]();
  }

  #writing(shapes: WriteShapes, kinds: ProcedureKinds): Opened["writing"] {
    const { clock } = this.#context;
    const lane = new PostgresConnection(this.#settings, clock);
    return { lane, writer: new TableWriter({ source: new PostgresWriteSource(lane, kinds), shapes, clock }) };
  }

  #open(): Opened {
    if (this.#opened !== undefined) return this.#opened;
    throw new ConnectorError("unavailable", `The connection to ${this.#settings.host} is not open.`);
  }
}

class PostgresSource implements SqlSource, AsyncDisposable {
  readonly dialect = POSTGRES_DIALECT;
  readonly horizon: NonNullable<SqlSource["horizon"]>;
  readonly #lanes: Readonly<Record<Lane, PostgresConnection>>;

  constructor(live: PostgresConnection, bulk: PostgresConnection, version: number) {
    this.#lanes = { live, bulk };
    this.horizon = {
      read: (session, since) => readHorizon(session, since, version),
      condition: (since) => writtenSince(since),
    };
  }

  transaction<T>(lane: Lane, signal: AbortSignal, work: (session: SqlSession) => Promise<T>): Promise<T> {
    return this.#lanes[lane].transaction(signal, work);
  }

  async clockMs(session: SqlSession): Promise<number> {
    const text = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint";
    const [row] = await session.query({ text, parameters: [] });
    return Number(row?.[0]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#lanes.live[Symbol.asyncDispose](), this.#lanes.bulk[Symbol.asyncDispose]()]);
  }
}

/** With row versions the overlap costs a little of an index and nothing else: it can be as long as transactions may last. */
function withOverlap(plan: EntityPlan, catalogue: Catalogue, leastMs: number): EntityPlan {
  const widen = (change: ChangeStrategy, hasHorizon: boolean): ChangeStrategy =>
    change.kind === "timestamp" && hasHorizon
      ? { ...change, overlapMs: Math.max(change.overlapMs, leastMs) }
      : change;
  return {
    ...plan,
    change: widen(plan.change, catalogue.table(plan.table)?.hasHorizon ?? false),
    children: plan.children.map((child) => {
      if (child.change === undefined) return child;
      return Object.assign({}, child, {
        change: widen(child.change, catalogue.table(child.table)?.hasHorizon ?? false),
      });
    }),
  };
}

async function readVersion(session: SqlSession): Promise<number> {
  const text = "SELECT current_setting('server_version_num')";
  const [row] = await session.query({ text, parameters: [] });
  return Number(row?.[0]);
}

/** The cluster, its history (a restore to a point in time starts a new timeline) and the database in it. */
async function readIdentity(
  connection: PostgresConnection,
  settings: PostgresSettings,
  signal: AbortSignal,
): Promise<string> {
  return await connection.transaction(signal, async (session) => {
    const one = async (text: string): Promise<SqlRow> =>
      (await session.query({ text, parameters: [] }))[0] ?? [];
    const [database, mayAskSystem, mayAskCheckpoint] = await one(`
      SELECT (SELECT oid FROM pg_database WHERE datname = current_database())::text,
        has_function_privilege('pg_control_system()', 'EXECUTE'),
        has_function_privilege('pg_control_checkpoint()', 'EXECUTE')`);
    const [cluster] =
      mayAskSystem === true
        ? await one("SELECT system_identifier::text FROM pg_control_system()")
        : [`${settings.host}:${settings.port}`];
    const [timeline] =
      mayAskCheckpoint === true ? await one("SELECT timeline_id::text FROM pg_control_checkpoint()") : [""];
    return `postgres:${String(cluster)}:${String(timeline)}:${String(database)}`;
  });
}
