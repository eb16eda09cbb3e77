// The contract between the runner and every connector.
import type { Clock } from "#common/runtime/clock.ts";
import type { ParseResult } from "#common/runtime/errors.ts";
import type { Logger } from "#common/runtime/logger.ts";
import type { KeyRule } from "./key-rules.ts";
import type { EntityPlan, SourceValue } from "./plan.ts";
import type { QueryRequest, QueryResult } from "./query.ts";
import type { WriteOutcome, WriteRequest } from "./write.ts";

/** Column → value, in the source's own names. Children carry their rows under their plan's name. */
export type Columns = Readonly<Record<string, SourceValue>>;

/** The key columns' values in the plan's order, as exact text. What counts as equal is said by `Connector.keyRules`. */
export type SourceKey = readonly (string | null)[];

/** Opaque to all but the connector that made it; JSON, under 64 KiB. Stored in the same transaction as its batch. */
export type Cursor = {
  readonly [name: string]: string | number | boolean | null | Cursor | readonly (string | number | null)[];
};

/** One row. Deletes need no columns. */
export interface SourceRow {
  readonly op: "upsert" | "delete";
  readonly key: SourceKey;
  /** The source's own version of the row, where it has one. Sortable as the source sorts it; compared for equality only. */
  readonly version?: string;
  readonly columns: Columns;
  readonly children?: Readonly<Record<string, readonly Columns[]>>;
  /** The source has the row and cannot give it out, for this reason: `columns` are empty, the row is dead-lettered. */
  readonly unreadable?: string;
  /** Why a delete is known: `tombstone` from the source's change feed, `flag` from a column. */
  readonly reason?: "tombstone" | "flag";
}

/** One telemetry value; see common/contract/samples.ts for units. */
export interface SourceSample {
  readonly point: string;
  readonly value: unknown;
  readonly status: number;
  readonly sourceMs: number | null;
  readonly serverMs: number | null;
}

/** What the connector knows to be lost, or cannot rule out. */
export interface SourceGap {
  readonly reason: string;
  readonly point?: string;
  readonly fromMs?: number;
  readonly toMs: number;
  readonly detail: string;
}

export interface SourceBatch {
  readonly rows: readonly SourceRow[];
  readonly samples?: readonly SourceSample[];
  readonly gaps?: readonly SourceGap[];
  /** Samples come from the source's history, not from the live subscription. */
  readonly backfilled?: boolean;
  /** Where to go on after this batch is durable. */
  readonly cursor: Cursor;
}

/**
 * snapshot    every row, in chunks that can be resumed from any cursor
 * incremental what changed since the cursor; with no cursor: establish "now" and return its cursor without rows
 * keys        every key and nothing else (`columns` empty), for the mark-and-sweep of deletes
 * point       the rows with the given keys, absent ones left out
 * subscribe   live telemetry, until abort or loss
 */
export type Pass = "snapshot" | "incremental" | "keys" | "point" | "subscribe";

export interface ReadRequest {
  readonly entity: string;
  readonly pass: Pass;
  readonly after: Cursor | undefined;
  /**
   * For passes over everything of plans with a document date: only rows dated from this day on (ms since the epoch, midnight
   * UTC), without a date, or still open. Changes and point reads are never narrowed.
   */
  readonly documentsFromMs?: number | undefined;
  /** For pass `point` only; at most `maxRows` of them. */
  readonly keys?: readonly SourceKey[];
  /** Rows in one batch, at most. */
  readonly maxRows: number;
  /** Called for every statement sent to the source, by connectors that can tell. */
  readonly asked?: () => void;
  /** Bounds this call. On abort the iteration ends within a second; a driver that does not answer is cut off. */
  readonly signal: AbortSignal;
}

/** How one entity is read, and why so; shown in preview, status and log. */
export interface StrategyReport {
  readonly entity: string;
  readonly strategy: string;
  readonly reason: string;
  /** How deletes are noticed. */
  readonly deletes: "feed" | "keys" | "none";
  /** What the database administrator could allow to make it better. */
  readonly advice?: string;
  /** What is less safe than it should be, by a setting of the plant's own; stays in the connection's status. */
  readonly warning?: string;
}

export interface BrowseEntry {
  readonly path: readonly string[];
  readonly name: string;
  readonly kind: "schema" | "table" | "column" | "object" | "variable" | "method";
  readonly detail: Readonly<Record<string, string | number | boolean | null>>;
}

/**
 * One source. Never retries, never logs and carries on, never sees the uplink: every failure is a thrown
 * ConnectorError whose kind the runner acts on; anything else thrown is a bug and restarts the room.
 */
export interface Connector extends AsyncDisposable {
  /** One attempt; the runner owns backoff. Checks the catalogue against the plans (`misconfigured` names every missing column). */
  open(signal: AbortSignal): Promise<void>;
  /** After `open`: one report for each entity plan, in the plans' order. */
  strategies(): readonly StrategyReport[];
  /** After `open`: how the source itself compares each key column of the plan (collation, padding, null), in key order. */
  keyRules(entity: string): readonly KeyRule[];
  /** Polled sources return when caught up; subscribed ones only on abort or loss. */
  read(request: ReadRequest): AsyncIterable<SourceBatch>;
  /** Called after the batch is durable; only for sources that hold data until told. */
  release?(cursor: Cursor, signal: AbortSignal): Promise<void>;
  /** One level below `path`, from the top at `[]`: schemas (where there are any), tables, columns; of OPC UA, nodes by id. */
  browse?(path: readonly string[], signal: AbortSignal): Promise<readonly BrowseEntry[]>;
  /**
   * One attempt at one write, in one transaction; see docs/decisions/writes-at-the-source.md. Absent: this kind of source is never
   * written to. Where the connection's settings allow no writes the outcome is `rejected`.
   * @throws ConnectorError; then the source was not touched
   */
  write?(request: WriteRequest): Promise<WriteOutcome>;
  /**
   * One query of the plant's own, in a transaction that cannot write. Absent: this kind of source takes none.
   * @throws ConnectorError; `misconfigured` for a statement that the source does not accept or that would write
   */
  query?(request: QueryRequest): Promise<QueryResult>;
  /**
   * What makes this source this one (server name, database id, creation time): a change of it, or a cursor ahead of the
   * source, means that another or an older source stands there. Read right after `open`.
   */
  identity(): string;
}

export interface ConnectorContext {
  readonly connection: string;
  readonly plans: readonly EntityPlan[];
  /** IANA zone of local wall-clock columns. */
  readonly timeZone: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** A folder of this connection's own, for certificates and the like. */
  readonly dataDir: string;
}

/** The static half of a connector: known without any I/O. */
export interface ConnectorDefinition<Config> {
  readonly type: string;
  readonly title: string;
  /** Whether entities come from a pack's tables or from the connector itself (OPC UA's points). */
  readonly shape: "tabular" | "telemetry";
  /** Pure; reports every issue, with the nearest match for unknown keys. Secrets are already resolved. */
  parseConfig(input: unknown): ParseResult<Config>;
  /** What an administrator runs so that exactly these plans can be read, and no more; for sources that have rights. */
  grantScript?(config: Config, plans: readonly EntityPlan[]): string;
  /** No I/O, never throws. */
  create(config: Config, context: ConnectorContext): Connector;
}
