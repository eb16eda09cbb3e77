// Fills an outage from the server's own history: HistoryRead in pages, oldest first, one call at a time.
import type { HistoryReadResult } from "node-opcua";
import { orAborted } from "./abort.ts";
import type { Connection } from "./connection.ts";
import { opcua } from "./driver.ts";
import type { GapList } from "./gap-list.ts";
import type { PointState } from "./point-state.ts";
import type { QueuedSample } from "./sample-queue.ts";
import { sampleOf } from "./type-map.ts";

/** Values of one node in one answer. */
const VALUES_PER_NODE = 500;
/** Points are read together only if their intervals begin this close to each other, ms. */
const SAME_START_MS = 60_000;

export interface BackfillTask {
  readonly state: PointState;
  /** Both ends exclusive: the last value that was handed on, and the first live one after the outage. */
  readonly fromMs: number;
  readonly toMs: number;
}

interface Chunk {
  readonly fromMs: number;
  readonly toMs: number;
  /** Still open, each with where to continue. */
  open: { readonly task: BackfillTask; readonly continuation: Buffer | null }[];
}

export interface BackfillDeps {
  readonly gaps: GapList;
  readonly nowMs: () => number;
  /** The point's interval is filled, or the rest of it is a gap. */
  readonly onDone: (state: PointState) => void;
}

export class Backfill {
  readonly #deps: BackfillDeps;
  #tasks: BackfillTask[] = [];
  #chunk: Chunk | undefined;
  /** Read and not yet handed on; a task alone marks its end. */
  #ready: (QueuedSample | BackfillTask)[] = [];

  constructor(deps: BackfillDeps) {
    this.#deps = deps;
  }

  get isIdle(): boolean {
    return this.#tasks.length === 0 && this.#chunk === undefined && this.#ready.length === 0;
  }

  add(task: BackfillTask, historyMaxMs: number): void {
    const oldestMs = this.#deps.nowMs() - historyMaxMs;
    if (task.fromMs < oldestMs) {
      const toMs = Math.min(oldestMs, task.toMs);
      this.#deps.gaps.add(
        task.state,
        "no_history",
        task.fromMs,
        toMs,
        "older than `history_hours` allows to fill",
      );
    }
    task.state.backfills += 1;
    this.#tasks.push({ ...task, fromMs: Math.max(task.fromMs, oldestMs) });
  }

  /** A new connection: continuation points of the old one mean nothing any more. */
  restart(): void {
    const open = this.#chunk?.open ?? [];
    const unfinished = new Set(open.map(({ task }) => task.state));
    this.#ready = this.#ready.filter((item) => !("sample" in item) || !unfinished.has(item.state));
    for (const { task } of open) {
      this.#tasks.push({ ...task, fromMs: Math.max(task.fromMs, task.state.deliveredMs ?? 0) });
    }
    this.#chunk = undefined;
  }

  /** The next samples, at most `most`; asks the server once if none are at hand. @throws what the driver throws */
  async next(connection: Connection, most: number, signal: AbortSignal): Promise<readonly QueuedSample[]> {
    if (this.#ready.length === 0) await this.#read(connection, signal);
    const samples: QueuedSample[] = [];
    let used = 0;
    for (const item of this.#ready) {
      if (samples.length === most) break;
      used += 1;
      if ("sample" in item) samples.push(item);
      else this.#finish(item.state);
    }
    this.#ready = this.#ready.slice(used);
    for (const { state, atMs } of samples) state.deliveredHistory(atMs);
    return samples;
  }

  async #read(connection: Connection, signal: AbortSignal): Promise<void> {
    const chunk = (this.#chunk ??= this.#nextChunk(connection.limits.historyRead));
    if (chunk === undefined) return;
    const request = new opcua.HistoryReadRequest({
      historyReadDetails: new opcua.ReadRawModifiedDetails({
        isReadModified: false,
        startTime: new Date(Math.floor(chunk.fromMs)),
        endTime: new Date(Math.ceil(chunk.toMs)),
        numValuesPerNode: VALUES_PER_NODE,
        returnBounds: false,
      }),
      timestampsToReturn: opcua.TimestampsToReturn.Both,
      releaseContinuationPoints: false,
      nodesToRead: chunk.open.map(({ task, continuation }) => ({
        nodeId: task.state.point.nodeId ?? opcua.NodeId.nullNodeId,
        ...(continuation === null ? {} : { continuationPoint: continuation }),
      })),
    });
    const response = await orAborted(connection.session.historyRead(request), signal);
    const { open } = chunk;
    chunk.open = [];
    for (const [index, { task }] of open.entries()) {
      const continuation = this.#take(task, response.results?.[index]);
      if (continuation === undefined) this.#ready.push(task);
      else chunk.open.push({ task, continuation });
    }
    if (chunk.open.length === 0) this.#chunk = undefined;
  }

  #nextChunk(most: number): Chunk | undefined {
    this.#tasks.sort((left, right) => left.fromMs - right.fromMs);
    const first = this.#tasks[0];
    if (first === undefined) return undefined;
    const chosen = new Map<PointState, BackfillTask>();
    // One interval of a point at a time: the cursor moves along with it.
    for (const task of this.#tasks) {
      if (chosen.size === most || task.fromMs > first.fromMs + SAME_START_MS) break;
      if (!chosen.has(task.state)) chosen.set(task.state, task);
    }
    const tasks = [...chosen.values()];
    this.#tasks = this.#tasks.filter((task) => chosen.get(task.state) !== task);
    return {
      fromMs: first.fromMs,
      toMs: tasks.reduce((latest, task) => Math.max(latest, task.toMs), 0),
      open: tasks.map((task) => ({ task, continuation: null })),
    };
  }

  /** Keeps one node's values; returns where to continue, if there are more. */
  #take(task: BackfillTask, result: HistoryReadResult | undefined): Buffer | undefined {
    const { state } = task;
    const status = result?.statusCode;
    if (result === undefined || status === undefined || status.isBad()) {
      const fromMs = Math.max(task.fromMs, state.deliveredMs ?? 0);
      const detail = `the server's history answered ${status?.name ?? "nothing"}`;
      this.#deps.gaps.add(state, "no_history", fromMs, task.toMs, detail);
      return undefined;
    }
    const data = result.historyData;
    const values = data instanceof opcua.HistoryData ? (data.dataValues ?? []) : [];
    for (const value of values) {
      const sample = sampleOf(state.point.key, value);
      const atMs = sample.sourceMs ?? sample.serverMs ?? 0;
      if (atMs > task.fromMs && atMs < task.toMs) this.#ready.push({ state, sample, atMs });
    }
    const { continuationPoint } = result;
    return continuationPoint?.length > 0 ? continuationPoint : undefined;
  }

  #finish(state: PointState): void {
    state.backfills -= 1;
    const filledMs = state.deliveredMs;
    // No live value came meanwhile: one that is not newer than the history repeats it.
    if (filledMs !== undefined && (state.liveMs === undefined || state.liveMs < filledMs))
      state.floorMs = filledMs;
    state.promise();
    this.#deps.onDone(state);
  }
}
