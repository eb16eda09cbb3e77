// Reads entities from any SQL source: every pass of the connector contract, in bounded pages that can be resumed.
import { ConnectorError } from "#common/runtime/errors.ts";
import type { Clock } from "#common/runtime/clock.ts";
import type { Cursor, ReadRequest, SourceBatch, SourceRow } from "../source/connector.ts";
import { type CursorValue, cursorValue, keyOf, parameterOf } from "./cursor-values.ts";
import type { SqlRow } from "./dialect.ts";
import { type PollSource, pollSources, readPollPage, establish } from "./poll-source.ts";
import { buildRows, readPoints } from "./row-builder.ts";
import { MAX_PAGE_ROWS, type SqlSource } from "./sql-source.ts";
import { keyColumns, keysPage, snapshotPage } from "./statements.ts";
import type { EntityShape } from "./table-shape.ts";
import { type MarkerState, stateFromCursor, stateToCursor } from "./marker-state.ts";

export interface TableReaderDeps {
  readonly source: SqlSource;
  readonly shapes: readonly EntityShape[];
  readonly clock: Clock;
  /** IANA zone of local wall-clock columns. */
  readonly timeZone: string;
}

/** Made once per opened connection: it remembers what this opening has already verified. */
export class TableReader {
  readonly #deps: TableReaderDeps;
  readonly #verified = new Set<string>();
  readonly #quiet = new Map<string, { readonly token: string; readonly cursor: string }>();

  constructor(deps: TableReaderDeps) {
    this.#deps = deps;
  }

  /** Ends quietly on abort: whoever aborted knows that the pass is not complete. @throws ConnectorError */
  async *read(request: ReadRequest): AsyncGenerator<SourceBatch> {
    const shape = this.#deps.shapes.find((candidate) => candidate.plan.entity === request.entity);
    if (shape === undefined) {
      throw new ConnectorError(
        "misconfigured",
        `Nothing is planned for entity "${request.entity}". Add it to the pack.`,
      );
    }
    try {
      yield* this.#pass(shape, request);
    } catch (error) {
      if (request.signal.aborted) return;
      throw error;
    }
  }

  #pass(shape: EntityShape, request: ReadRequest): AsyncGenerator<SourceBatch> {
    switch (request.pass) {
      case "snapshot":
      case "keys":
        return this.#walk(shape, request, positionIn(request.after, "key"), "key");
      case "point":
        return this.#points(shape, request);
      case "incremental":
        return shape.plan.change.kind === "full_scan"
          ? this.#scan(shape, request)
          : this.#poll(shape, request);
      default:
        throw new ConnectorError(
          "misconfigured",
          "A table cannot be subscribed to. Use a telemetry connector.",
        );
    }
  }

  /** Every row (or key) in key order from a position on. */
  async *#walk(
    shape: EntityShape,
    request: ReadRequest,
    from: readonly CursorValue[] | undefined,
    slot: "key" | "scan",
  ): AsyncGenerator<SourceBatch> {
    const { dialect } = this.#deps.source;
    const limit = Math.min(request.maxRows, MAX_PAGE_ROWS);
    const isKeys = request.pass === "keys";
    let after = from;
    while (!request.signal.aborted) {
      const last = after?.map(parameterOf);
      const { rows, built } = await this.#deps.source.transaction("bulk", request.signal, async (session) => {
        const statement = isKeys
          ? keysPage(dialect, shape, last, limit)
          : snapshotPage(dialect, shape, last, limit);
        const rows = await session.query(statement);
        return { rows, built: isKeys ? keyRows(rows) : await buildRows(session, dialect, shape, rows) };
      });
      if (rows.length === 0) return;
      const end = rows.at(-1)!;
      after = isKeys ? end.map(cursorValue) : shape.keyAt.map((at) => cursorValue(end[at]!));
      const isLast = rows.length < limit;
      yield { rows: built, cursor: { v: 1, [slot]: isLast && slot === "scan" ? null : after } };
      if (isLast) return;
    }
  }

  async *#points(shape: EntityShape, request: ReadRequest): AsyncGenerator<SourceBatch> {
    const keys = (request.keys ?? []).slice(0, request.maxRows);
    if (keys.length === 0) return;
    const { dialect } = this.#deps.source;
    const rows = await this.#deps.source.transaction("live", request.signal, async (session) => {
      const found = await readPoints(session, dialect, shape, keyColumns(shape), keys);
      return await buildRows(session, dialect, shape, found);
    });
    yield { rows, cursor: request.after ?? { v: 1 } };
  }

  /** Full scan as an incremental pass: all rows each time; the pipeline tells what changed. */
  async *#scan(shape: EntityShape, request: ReadRequest): AsyncGenerator<SourceBatch> {
    if (request.after === undefined) {
      yield { rows: [], cursor: { v: 1, scan: null } };
      return;
    }
    const token = this.#deps.source.changeToken?.(shape);
    if (this.#isQuiet(shape, token, request.after)) return;
    const from = positionIn(request.after, "scan");
    let cursor = request.after;
    for await (const batch of this.#walk(shape, request, from, "scan")) {
      cursor = batch.cursor;
      yield batch;
    }
    if (request.signal.aborted) return;
    if (cursor["scan"] !== null) {
      cursor = { v: 1, scan: null };
      yield { rows: [], cursor };
    }
    // A scan resumed in the middle has not seen its beginning under this token.
    if (from === undefined) this.#remember(shape, token, cursor);
  }

  /** What changed by marker: the entity's own rows, then the parents of changed children. */
  async *#poll(shape: EntityShape, request: ReadRequest): AsyncGenerator<SourceBatch> {
    const sources = pollSources(shape, this.#deps);
    const states = statesIn(request.after, sources);
    if (states.size < sources.length) {
      await this.#establish(shape, request, sources, states);
      yield { rows: [], cursor: pollCursor(sources, states) };
      if (request.after === undefined) return;
    }
    const token = this.#deps.source.changeToken?.(shape);
    let cursor = pollCursor(sources, states);
    if (this.#isQuiet(shape, token, cursor)) return;
    for (const source of sources) {
      for (let isDone = false; !isDone && !request.signal.aborted;) {
        const page = await readPollPage(source, states.get(source.slot)!, request, this.#verified);
        states.set(source.slot, page.state);
        const next = pollCursor(sources, states);
        const rows = page.rows;
        for (let from = request.maxRows; from < rows.length; from += request.maxRows) {
          yield { rows: rows.slice(from - request.maxRows, from), cursor };
        }
        const rest = rows.slice(Math.floor(Math.max(0, rows.length - 1) / request.maxRows) * request.maxRows);
        if (rest.length > 0 || JSON.stringify(next) !== JSON.stringify(cursor)) {
          yield { rows: rest, cursor: next };
        }
        cursor = next;
        isDone = page.isLast;
      }
    }
    if (!request.signal.aborted) this.#remember(shape, token, cursor);
  }

  async #establish(
    shape: EntityShape,
    request: ReadRequest,
    sources: readonly PollSource[],
    states: Map<string, MarkerState>,
  ): Promise<void> {
    await this.#deps.source.transaction("live", request.signal, async (session) => {
      for (const source of sources) {
        if (!states.has(source.slot)) states.set(source.slot, await establish(session, source));
      }
    });
    if (request.after === undefined) this.#verified.add(shape.plan.entity);
  }

  #isQuiet(shape: EntityShape, token: string | undefined, cursor: Cursor): boolean {
    const quiet = this.#quiet.get(shape.plan.entity);
    return quiet !== undefined && quiet.token === token && quiet.cursor === JSON.stringify(cursor);
  }

  #remember(shape: EntityShape, token: string | undefined, cursor: Cursor): void {
    if (token === undefined) this.#quiet.delete(shape.plan.entity);
    else this.#quiet.set(shape.plan.entity, { token, cursor: JSON.stringify(cursor) });
  }
}

function keyRows(rows: readonly SqlRow[]): readonly SourceRow[] {
  const places = rows[0]?.map((_, at) => at) ?? [];
  return rows.map((row) => ({ op: "upsert", key: keyOf(row, places), columns: {} }));
}

function positionIn(cursor: Cursor | undefined, slot: "key" | "scan"): readonly CursorValue[] | undefined {
  const position = cursor?.[slot];
  return Array.isArray(position) ? (position as readonly CursorValue[]) : undefined;
}

function pollCursor(sources: readonly PollSource[], states: ReadonlyMap<string, MarkerState>): Cursor {
  const parts: Record<string, Cursor> = {};
  for (const { slot } of sources) parts[slot] = stateToCursor(states.get(slot)!);
  return { v: 1, ...parts };
}

/** Each marker's state by slot. A slot's name holds strategy and column: after a change of the pack it is another one. */
function statesIn(cursor: Cursor | undefined, sources: readonly PollSource[]): Map<string, MarkerState> {
  const states = new Map<string, MarkerState>();
  if (cursor === undefined) return states;
  const [own] = sources;
  if (own !== undefined && cursor[own.slot] === undefined) {
    throw new ConnectorError(
      "cursor_lost",
      `Changes were followed by another marker until now; the pack now names ${own.slot}. The entity is read anew.`,
    );
  }
  for (const { slot } of sources) {
    const state = stateFromCursor(cursor[slot] as Cursor | undefined);
    if (state !== undefined) states.set(slot, state);
  }
  return states;
}
