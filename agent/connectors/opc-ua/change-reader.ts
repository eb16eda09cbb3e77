// What the runner reads: points as rows, and live telemetry as batches of samples.
import type {
  BrowseEntry,
  Columns,
  ConnectorContext,
  ReadRequest,
  SourceBatch,
  SourceRow,
} from "#agent/core/source/connector.ts";
import type { WriteOutcome, WriteRequest } from "#agent/core/source/write.ts";
import { ConnectorError, messageOf } from "#common/runtime/errors.ts";
import { orAborted } from "./abort.ts";
import { browseLevel } from "./browse.ts";
import { Connection } from "./connection.ts";
import { asConnectorError, isSessionLost } from "./failures.ts";
import { createGroups, type ItemGroup } from "./item-group.ts";
import { LiveSession } from "./live-session.ts";
import { PointState } from "./point-state.ts";
import { findPoints, rowOf, type Point } from "./points.ts";
import { SampleQueue, type QueuedSample } from "./sample-queue.ts";
import type { OpcUaSettings } from "./settings.ts";
import { TelemetryCursor } from "./telemetry-cursor.ts";
import { Writer, type WriteReport } from "./writer.ts";

/** A batch goes out this long after its first sample, ms. */
const MAX_BATCH_AGE_MS = 50;
/** The watchdog looks at least this often, ms. */
const MAX_WAIT_MS = 1_000;

interface Items {
  readonly states: readonly PointState[];
  readonly groups: readonly ItemGroup[];
}

export class OpcUaSource {
  readonly #settings: OpcUaSettings;
  readonly #context: ConnectorContext;
  readonly #points: readonly Point[];
  readonly #identity: string;
  #connection: Connection;
  /** Items made for the first reader that needs them, not sampling yet. */
  #items: Promise<Items> | undefined;
  #isSubscribed = false;
  readonly #writer: Writer;

  private constructor(
    settings: OpcUaSettings,
    context: ConnectorContext,
    connection: Connection,
    points: readonly Point[],
  ) {
    this.#settings = settings;
    this.#context = context;
    this.#connection = connection;
    this.#identity = connection.identity;
    this.#points = points;
    this.#writer = new Writer({
      settings,
      points,
      clock: context.clock,
      connection: () => this.#connection,
      rowOf: (point) => this.#row(point),
    });
  }

  /** @throws ConnectorError */
  static async open(
    settings: OpcUaSettings,
    context: ConnectorContext,
    signal: AbortSignal,
  ): Promise<OpcUaSource> {
    const { connection: name, dataDir, clock } = context;
    const deps = { settings, connection: name, dataDir, nowMs: () => clock.nowMs() };
    const connection = await Connection.open(deps, signal);
    try {
      const { points, isCut } = await findPoints(connection, settings, signal);
      if (isCut) {
        context.logger.warn(
          { connection: name, points: points.length },
          "discovery stopped at `discover.max` points and there are more; raise it or narrow `include`",
        );
      }
      const source = new OpcUaSource(settings, context, connection, points);
      await source.#writer.inspect(signal);
      return source;
    } catch (error) {
      await connection.close();
      throw asConnectorError(error, "reading the points", connection.failureContext);
    }
  }

  get identity(): string {
    return this.#identity;
  }

  get writes(): WriteReport {
    return this.#writer.report;
  }

  async *read(request: ReadRequest): AsyncGenerator<SourceBatch> {
    if (request.signal.aborted) return;
    try {
      if (request.entity === "telemetry_sample" && request.pass === "subscribe")
        yield* this.#subscribe(request);
      else if (request.entity === "telemetry_point") yield* this.#rows(request);
      else {
        throw new ConnectorError(
          "misconfigured",
          `reading ${request.entity} (${request.pass}): an OPC UA server has only telemetry_point and telemetry_sample`,
        );
      }
    } catch (error) {
      if (request.signal.aborted) return;
      throw asConnectorError(error, `reading ${request.entity}`, this.#connection.failureContext);
    }
  }

  async browse(path: readonly string[], signal: AbortSignal): Promise<readonly BrowseEntry[]> {
    try {
      return await browseLevel(this.#connection, path, signal);
    } catch (error) {
      throw asConnectorError(error, "browsing", this.#connection.failureContext);
    }
  }

  write(request: WriteRequest): Promise<WriteOutcome> {
    return this.#writer.write(request);
  }

  async close(): Promise<void> {
    await this.#connection.close();
  }

  /** The cursor is the place in the list; the list stands while the connection does. */
  async *#rows(request: ReadRequest): AsyncGenerator<SourceBatch> {
    if (request.pass === "incremental" && request.after === undefined) {
      yield { rows: [], cursor: { at: 0 } };
      return;
    }
    await orAborted(this.#monitored(), request.signal);
    if (request.pass === "point") {
      const wanted = new Set(request.keys?.map(([key]) => key));
      yield {
        rows: this.#points.filter(({ key }) => wanted.has(key)).map((point) => this.#row(point)),
        cursor: {},
      };
      return;
    }
    const isFresh = request.pass === "incremental";
    const start = isFresh ? 0 : Number(request.after?.["at"] ?? 0);
    for (let at = start; at < this.#points.length && !request.signal.aborted; at += request.maxRows) {
      const points = this.#points.slice(at, at + request.maxRows);
      const rows = points.map((point) => (request.pass === "keys" ? keyOf(point) : this.#row(point)));
      yield { rows, cursor: { at: at + points.length } };
    }
  }

  #row(point: Point): SourceRow {
    return rowOf(point, this.#settings.assetConnection);
  }

  /** Revised intervals and queues are known once the items exist. */
  #monitored(): Promise<Items> {
    this.#items ??= this.#monitor();
    return this.#items;
  }

  async #monitor(): Promise<Items> {
    const states = this.#points.map((point, index) => new PointState(point, index + 1));
    const groups = await createGroups(this.#connection, states, {
      isDisabled: true,
      monotonicMs: this.#context.clock.monotonicMs(),
      signal: AbortSignal.timeout(this.#settings.timeoutMs * 4),
    });
    return { states, groups };
  }

  async *#subscribe(request: ReadRequest): AsyncGenerator<SourceBatch> {
    if (this.#isSubscribed) throw new Error("invariant: live telemetry is read twice at once");
    this.#isSubscribed = true;
    const { clock } = this.#context;
    const queue = new SampleQueue(clock);
    const { states, groups } = await orAborted(this.#monitored(), request.signal);
    const cursor = new TelemetryCursor(states);
    const live = new LiveSession(this.#connection, groups, {
      states,
      clock,
      queue,
      historyMaxMs: this.#settings.historyMaxMs,
      onConnection: (connection) => {
        this.#connection = connection;
      },
    });
    try {
      await live.begin(cursor.restore(request.after), request.signal);
      while (!request.signal.aborted) {
        const isUrgent = (): boolean =>
          live.hasTrouble || !live.gaps.isEmpty || !live.backfill.isIdle || queue.hasDropped;
        const waitMs = live.nextCheckMs(MAX_WAIT_MS);
        await queue.wait(request.maxRows, MAX_BATCH_AGE_MS, waitMs, isUrgent, request.signal);
        yield* this.#round(live, queue, cursor, request);
      }
    } finally {
      live.end();
      this.#items = undefined;
      this.#isSubscribed = false;
    }
  }

  /** Repairs, live samples, one page of history: in this order, so that none starves the others. */
  async *#round(
    live: LiveSession,
    queue: SampleQueue,
    cursor: TelemetryCursor,
    request: ReadRequest,
  ): AsyncGenerator<SourceBatch> {
    live.check();
    if (live.hasTrouble) await live.recover(request.signal);
    live.tellDropped(queue.takeDropped());
    const taken = queue.take(request.maxRows);
    const gaps = live.gaps.take();
    if (taken.length > 0 || gaps.length > 0) {
      for (const { state, atMs } of taken) state.delivered(atMs);
      yield { rows: [], samples: samplesOf(taken), gaps, cursor: this.#cursor(cursor, live, taken) };
    }
    if (live.backfill.isIdle || request.signal.aborted) return;
    const filled = await this.#page(live, request);
    const left = live.gaps.take();
    if (filled.length > 0 || left.length > 0) {
      yield {
        rows: [],
        samples: samplesOf(filled),
        gaps: left,
        backfilled: true,
        cursor: this.#cursor(cursor, live, []),
      };
    }
  }

  /** A history call that fails with its connection is repeated after the repair. */
  async #page(live: LiveSession, request: ReadRequest): Promise<readonly QueuedSample[]> {
    try {
      return await live.backfill.next(live.connection, request.maxRows, request.signal);
    } catch (error) {
      if (request.signal.aborted) return [];
      if (!live.connection.isLost && !isSessionLost(error)) throw error;
      live.sessionLost(messageOf(error));
      live.backfill.restart();
      return [];
    }
  }

  #cursor(cursor: TelemetryCursor, live: LiveSession, taken: readonly QueuedSample[]): SourceBatch["cursor"] {
    cursor.took(taken, this.#context.clock.nowMs());
    return cursor.toCursor(live.isComplete);
  }
}

function samplesOf(items: readonly QueuedSample[]): NonNullable<SourceBatch["samples"]> {
  return items.map(({ sample }) => sample);
}

function keyOf({ key }: Point): SourceRow {
  const columns: Columns = {};
  return { op: "upsert", key: [key], columns };
}
