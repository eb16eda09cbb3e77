// Reads entities from any SQL source: every pass of the connector contract, in bounded pages that can be resumed.
import { ConnectorError } from "#common/runtime/errors.ts";
import type { Clock } from "#common/runtime/clock.ts";
import type { Cursor, ReadRequest, SourceBatch, SourceRow } from "../source/connector.ts";
import { countingSource } from "./counting-source.ts";
import { type CursorValue, cursorValue, keyOf, parameterOf } from "./cursor-values.ts";
import type { SqlRow, SqlStatement } from "./dialect.ts";
import { type PollTrack, tracksOf } from "./poll-track.ts";
import { buildRows } from "./row-builder.ts";
import { MAX_PAGE_ROWS, type SqlSource } from "./sql-source.ts";
import { keyColumns, keysPage, snapshotPage } from "./statements.ts";
import type { EntityShape } from "./table-shape.ts";
import { readAround, selectPoints, selectRows } from "./unreadable-rows.ts";

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
    const { asked } = request;
    const source = asked === undefined ? this.#deps.source : countingSource(this.#deps.source, asked);
    switch (request.pass) {
      case "snapshot":
      case "keys":
        return this.#walk(source, shape, request, positionIn(request.after, "key"), "key");
      case "point":
        return this.#points(source, shape, request);
      case "incremental": {
        const tracks = tracksOf(shape, { ...this.#deps, source });
        return tracks.length === 0
          ? this.#scan(source, shape, request)
          : this.#poll(source, shape, tracks, request);
      }
      default:
        throw new ConnectorError(
          "misconfigured",
          "A table cannot be subscribed to. Use a telemetry connector.",
        );
    }
  }

  /** Every row (or key) in key order from a position on. */
  async *#walk(
    source: SqlSource,
    shape: EntityShape,
    request: ReadRequest,
    from: readonly CursorValue[] | undefined,
    slot: "key" | "scan",
  ): AsyncGenerator<SourceBatch> {
    const { dialect } = source;
    const limit = Math.min(request.maxRows, MAX_PAGE_ROWS);
    const isKeys = request.pass === "keys";
    let after = from;
    while (!request.signal.aborted) {
      const page = {
        after: after?.map(parameterOf),
        maxRows: limit,
        documentsFromMs: request.documentsFromMs,
      };
      const { rows, built } = await readAround(
        source,
        "bulk",
        request.signal,
        shape,
        async (session, around) => {
          if (isKeys) {
            const rows = await session.query(keysPage(dialect, shape, page));
            return { rows, built: keyRows(rows) };
          }
          const statement = (select: EntityShape["select"]): SqlStatement =>
            snapshotPage(dialect, shape, page, select);
          const rows = await selectRows(session, source, shape, statement, around);
          return { rows, built: await buildRows(session, dialect, shape, rows, around) };
        },
      );
      if (rows.length === 0) return;
      const end = rows.at(-1)!;
      after = isKeys ? end.map(cursorValue) : shape.keyAt.map((at) => cursorValue(end[at]!));
      const isLast = rows.length < limit;
      yield { rows: built, cursor: { v: 1, [slot]: isLast && slot === "scan" ? null : after } };
      if (isLast) return;
    }
  }

  async *#points(source: SqlSource, shape: EntityShape, request: ReadRequest): AsyncGenerator<SourceBatch> {
    const keys = (request.keys ?? []).slice(0, request.maxRows);
    if (keys.length === 0) return;
    const rows = await readAround(source, "live", request.signal, shape, async (session, around) => {
      const found = await selectPoints(session, source, shape, keyColumns(shape), keys, around);
      return await buildRows(session, source.dialect, shape, found, around);
    });
    yield { rows, cursor: request.after ?? { v: 1 } };
  }

  /** Full scan as an incremental pass: all rows each time; the pipeline tells what changed. */
  async *#scan(source: SqlSource, shape: EntityShape, request: ReadRequest): AsyncGenerator<SourceBatch> {
    if (request.after === undefined) {
      yield { rows: [], cursor: { v: 1, scan: null } };
      return;
    }
    const token = source.changeToken?.(shape);
    if (this.#isQuiet(shape, token, request.after)) return;
    const from = positionIn(request.after, "scan");
    let cursor = request.after;
    for await (const batch of this.#walk(source, shape, request, from, "scan")) {
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

  /** What changed by marker or feed: the entity's own rows, then the parents of changed children. */
  async *#poll(
    source: SqlSource,
    shape: EntityShape,
    tracks: readonly PollTrack[],
    request: ReadRequest,
  ): AsyncGenerator<SourceBatch> {
    const states = statesIn(request.after, tracks);
    if (states.size < tracks.length) {
      await this.#establish(source, shape, request, tracks, states);
      yield { rows: [], cursor: pollCursor(tracks, states) };
      if (request.after === undefined) return;
    }
    const token = source.changeToken?.(shape);
    let cursor = pollCursor(tracks, states);
    if (this.#isQuiet(shape, token, cursor)) return;
    for (const track of tracks) {
      for (let isDone = false; !isDone && !request.signal.aborted;) {
        const page = await track.readPage(states.get(track.slot)!, request, this.#verified);
        states.set(track.slot, page.state);
        const next = pollCursor(tracks, states);
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
    source: SqlSource,
    shape: EntityShape,
    request: ReadRequest,
    tracks: readonly PollTrack[],
    states: Map<string, Cursor>,
  ): Promise<void> {
    await source.transaction("live", request.signal, async (session) => {
      for (const track of tracks) {
        if (!states.has(track.slot)) states.set(track.slot, await track.establish(session));
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

function pollCursor(tracks: readonly PollTrack[], states: ReadonlyMap<string, Cursor>): Cursor {
  const parts: Record<string, Cursor> = {};
  for (const { slot } of tracks) parts[slot] = states.get(slot)!;
  return { v: 1, ...parts };
}

/** Each track's state by slot. A slot's name holds strategy and column: followed in another way it is another one. */
function statesIn(cursor: Cursor | undefined, tracks: readonly PollTrack[]): Map<string, Cursor> {
  const states = new Map<string, Cursor>();
  if (cursor === undefined) return states;
  const slots = tracks.map((track) => track.slot);
  const missing = slots.find((slot) => cursor[slot] === undefined);
  const isForsaken = Object.keys(cursor).some((name) => name !== "v" && !slots.includes(name));
  if (missing !== undefined && (missing === slots[0] || isForsaken)) {
    throw new ConnectorError(
      "cursor_lost",
      `Changes were followed by another marker until now; from now on it is ${missing}. The entity is read anew.`,
    );
  }
  for (const slot of slots) if (cursor[slot] !== undefined) states.set(slot, cursor[slot] as Cursor);
  return states;
}
