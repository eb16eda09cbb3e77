// The oracle connector: two lanes of short read-only transactions; changes by log, versions, change numbers or marker.
import type {
  BrowseEntry,
  Connector,
  ConnectorContext,
  ReadRequest,
  SourceBatch,
  StrategyReport,
} from "#agent/core/source/connector.ts";
import { EXACT_KEY, type KeyRule } from "#agent/core/source/key-rules.ts";
import { TableReader } from "#agent/core/sql/table-reader.ts";
import { TableWriter } from "#agent/core/sql/table-writer.ts";
import { WRITES_ARE_OFF } from "#agent/core/sql/write-settings.ts";
import type { QueryRequest, QueryResult } from "#agent/core/source/query.ts";
import { answerQuery } from "#agent/core/sql/named-query.ts";
import type { WriteOutcome, WriteRequest } from "#agent/core/source/write.ts";
import type { EntityShape } from "#agent/core/sql/table-shape.ts";
import { ConnectorError } from "#common/runtime/errors.ts";
import { browseOracle } from "./browse.ts";
import { describeChoice } from "./change-choice.ts";
import { OracleConnection, type OracleSession } from "./connection.ts";
import type { OracleSettings } from "./definition.ts";
import { ORACLE_DIALECT } from "./dialect.ts";
import { targetLabel } from "./driver.ts";
import { type OpenedSource, openSource } from "./open-source.ts";
import { OracleSource } from "./oracle-source.ts";
import { OracleWriteSource } from "./write-source.ts";
import { isOfOneInstant, readOneInstant } from "./snapshot-reader.ts";

interface Opened {
  readonly source: OracleSource;
  readonly facts: OpenedSource;
  readonly reader: TableReader;
  readonly writing: { readonly source: OracleWriteSource; readonly writer: TableWriter } | undefined;
  /** Opened by the first named query: polls and passes do not wait for these. */
  queries?: OracleConnection;
}

export class OracleConnector implements Connector {
  readonly #settings: OracleSettings;
  readonly #context: ConnectorContext;
  #opened: Opened | undefined;
  /** Entities whose changes are followed from "now" on and of which nothing was read yet: a first snapshot comes next. */
  readonly #established = new Set<string>();

  constructor(settings: OracleSettings, context: ConnectorContext) {
    this.#settings = settings;
    this.#context = context;
  }

  async open(signal: AbortSignal): Promise<void> {
    await this[Symbol.asyncDispose]();
    const { plans, clock, timeZone } = this.#context;
    const live = new OracleConnection(this.#settings, clock);
    try {
      const facts = await live.transaction(signal, (session) => this.#look(session, plans));
      const bulk = new OracleConnection(this.#settings, clock);
      const source = new OracleSource({ live, bulk }, facts);
      const reader = new TableReader({ source, shapes: facts.shapes, clock, timeZone });
      this.#opened = { source, facts, reader, writing: this.#writing(facts) };
    } catch (error) {
      await live[Symbol.asyncDispose]();
      if (!signal.aborted) throw error;
      throw new ConnectorError("unavailable", "Opening the Oracle connection was called off.", {
        cause: error,
      });
    }
  }

  strategies(): readonly StrategyReport[] {
    const { facts } = this.#open();
    return facts.shapes.map((shape) => describeChoice(shape, facts.choice));
  }

  keyRules(entity: string): readonly KeyRule[] {
    const shape = this.#shapeOf(entity);
    return shape?.keyAt.map((at) => shape.select[at]?.rule ?? EXACT_KEY) ?? [];
  }

  read(request: ReadRequest): AsyncIterable<SourceBatch> {
    const { source, reader } = this.#open();
    const { entity, pass, after } = request;
    const shape = this.#shapeOf(entity);
    if (pass === "incremental") {
      if (after === undefined) this.#established.add(entity);
      else this.#established.delete(entity);
    }
    if (pass !== "snapshot" || shape === undefined) return reader.read(request);
    const isFirst = after === undefined && this.#established.delete(entity);
    const isWanted = isFirst || (after === undefined && source.isOnlyScanned(shape)) || isOfOneInstant(after);
    return isWanted && source.canReadPast(shape)
      ? readOneInstant(shape, request, source.lanes.bulk, this.#context.logger)
      : reader.read(request);
  }

  async write(request: WriteRequest): Promise<WriteOutcome> {
    const { writing } = this.#open();
    return writing === undefined ? WRITES_ARE_OFF : await writing.writer.write(request);
  }

  async query(request: QueryRequest): Promise<QueryResult> {
    const opened = this.#open();
    return await answerQuery(ORACLE_DIALECT, request, (statement, answer) => {
      opened.queries ??= new OracleConnection(this.#settings, this.#context.clock);
      return opened.queries.answer(request.signal, statement, answer);
    });
  }

  async browse(path: readonly string[], signal: AbortSignal): Promise<readonly BrowseEntry[]> {
    const { source } = this.#open();
    return await source.lanes.live.transaction(signal, (session) => browseOracle(session, path), false);
  }

  identity(): string {
    return this.#open().facts.identity;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const opened = this.#opened;
    this.#opened = undefined;
    this.#established.clear();
    await opened?.writing?.source[Symbol.asyncDispose]();
    await opened?.queries?.[Symbol.asyncDispose]();
    await opened?.source[Symbol.asyncDispose]();
  }

  #writing({ writes }: OpenedSource): Opened["writing"] {
    if (writes === undefined) return undefined;
    const { shapes, procedures } = writes;
    const { clock } = this.#context;
    const connection = new OracleConnection(this.#settings, clock, "Writing");
    const source = new OracleWriteSource(connection, this.#settings, procedures);
    return { source, writer: new TableWriter({ source, shapes, clock }) };
  }

  async #look(session: OracleSession, plans: ConnectorContext["plans"]): Promise<OpenedSource> {
    if (session.warning !== undefined) {
      const said = `Oracle (${targetLabel(this.#settings)}) let us in and warns: ${session.warning}`;
      this.#context.logger.warn({}, `${said}. Have the password set anew before it expires.`);
    }
    const { timeZone, clock } = this.#context;
    return await openSource(session, plans, this.#settings, { timeZone, nowMs: clock.nowMs() });
  }

  #shapeOf(entity: string): EntityShape | undefined {
    return this.#open().facts.shapes.find((shape) => shape.plan.entity === entity);
  }

  #open(): Opened {
    if (this.#opened !== undefined) return this.#opened;
    throw new ConnectorError(
      "unavailable",
      `The connection to Oracle (${targetLabel(this.#settings)}) is not open.`,
    );
  }
}
