// Runs one connection: opens its source, schedules its entities, owns backoff and says how things stand.
import type { ConnectionReport } from "#common/contract/messages.ts";
import { sleep, type Clock } from "#common/runtime/clock.ts";
import { ConnectorError } from "#common/runtime/errors.ts";
import type { Logger } from "#common/runtime/logger.ts";
import { SourceLoad, type LoadLimits } from "../load/source-load.ts";
import type { CompiledPack, MapperContext } from "../mapping/mapping.ts";
import type { Connector } from "../source/connector.ts";
import type { BatchDeps } from "./batch-assembler.ts";
import { ChangePipeline } from "./change-pipeline.ts";
import { isCursorLost, type EntityRunner } from "./entity-runner.ts";
import { entityRunners } from "./entity-runners.ts";
import { EntitySlots, type EntityWish } from "./entity-state.ts";
import type { EntityDeps } from "./entity-work.ts";
import { FailureBackoffs } from "./failure-backoffs.ts";
import { OpenSource } from "./open-source.ts";
import { connectionReport, troubleOf, type Trouble } from "./room-report.ts";
import type { RoomStore } from "./room-store.ts";
import { StorageFullError } from "./storage-errors.ts";
import { TelemetryRunner } from "./telemetry-runner.ts";
import type { WriteMarks } from "./write-marks.ts";

/** What the space budget allows right now (budget.ts). */
export interface Allowance {
  readonly poll: "normal" | "slow";
  readonly snapshots: "allowed" | "stopped";
  readonly database: "running" | "paused";
  readonly telemetry: "normal" | "policy";
  /** Refused: there is no space for anything but control. */
  readonly writes: "allowed" | "refused";
}

export interface RoomRunnerSettings extends Omit<MapperContext, "keyRules"> {
  readonly shape: "tabular" | "telemetry";
  /** By entity, `*` for all; the pack's own schedule otherwise. */
  readonly pollMs: Readonly<Record<string, number>>;
  readonly reconcileMs: Readonly<Record<string, number>>;
  /** How far back the first reading of documents goes; absent: all. */
  readonly initialWindowDays?: number | undefined;
  readonly load?: LoadLimits;
  readonly massDeleteFraction: number;
  readonly fullReconcileRows: number;
}

export interface RoomRunnerDeps {
  readonly settings: RoomRunnerSettings;
  readonly pack: CompiledPack;
  readonly connect: () => Connector;
  readonly store: RoomStore;
  readonly clock: Clock;
  readonly random: () => number;
  readonly randomId: () => string;
  readonly hash: (text: string) => string;
  readonly batch: BatchDeps;
  readonly allowance: () => Allowance;
  /** After each commit: wake the uplink, keep within the budget. */
  readonly committed: () => void;
  readonly reported: (report: ConnectionReport) => void;
  /** The source is open; whoever uses it does so by `OpenSource.use`. */
  readonly sourceOpened?: (source: OpenSource) => void;
  /** Of each chunk: rows that became records, and rows that could not. */
  readonly mapped?: (accepted: number, rejected: number) => void;
  readonly sent?: (entity: string, bytes: number, rawBytes: number) => void;
  readonly marks?: WriteMarks;
  readonly logger: Logger;
}

/** Cursor slot of an operator's pause; it goes on in a new epoch. */
export const PAUSED_SLOT = "connection/paused";

export type OperatorAction = EntityWish | "pause" | "resume";

/** Who paused it: what somebody at the plant has paused is not resumed from outside. */
export type PausedBy = "plant" | "relay";

/** Before an entity with more to do gives way to others that are due. */
const SLICE_MS = 250;
/** How much rarer polls are while the outbox is above its first threshold. */
const SLOW_POLL_FACTOR = 10;
const PROGRESS_EVERY_MS = 1_000;
const IDLE_CHECK_MS = 1_000;
const MAX_SLEEP_MS = 60_000;
/** How long a failed entity, or one whose disk is full, waits. */
const RETRY_MS = 10_000;

export class RoomRunner {
  readonly #deps: RoomRunnerDeps;
  readonly #pipeline: ChangePipeline;
  readonly #load: SourceLoad;
  readonly #telemetry: TelemetryRunner;
  readonly #backoffs: FailureBackoffs;
  #entities: readonly EntityRunner[] = [];
  #turn = 0;
  #pausedBy: PausedBy | undefined;
  #trouble: Trouble | undefined;
  #source: OpenSource | undefined;
  #sliceEndsMs = 0;
  #wake: AbortController = new AbortController();
  #retry: AbortController = new AbortController();
  #isReportWithheld = false;
  #lastReport = "";
  #lastReportMs = Number.NEGATIVE_INFINITY;

  constructor(deps: RoomRunnerDeps) {
    this.#deps = deps;
    this.#backoffs = new FailureBackoffs(deps.clock, deps.random);
    const nowMs = (): number => deps.clock.nowMs();
    const { store, hash, mapped, sent, marks } = deps;
    this.#pipeline = new ChangePipeline({ store, hash, nowMs, mapped, sent, marks });
    this.#telemetry = new TelemetryRunner({
      store: deps.store,
      batch: deps.batch,
      nowMs,
      allowance: deps.allowance,
      committed: () => deps.committed(),
    });
    const { shape, load = {}, timeZone } = deps.settings;
    this.#load = new SourceLoad(shape === "tabular" ? load : {}, timeZone, deps.clock);
    const paused = deps.store.cursor(PAUSED_SLOT);
    this.#pausedBy = paused && (paused["by"] === "relay" ? "relay" : "plant");
  }

  get pausedBy(): PausedBy | undefined {
    return this.#pausedBy;
  }

  /** Undefined while it is not open. */
  get source(): OpenSource | undefined {
    return this.#source;
  }

  /** What keeps the source from being open. */
  get trouble(): Trouble | undefined {
    return this.#trouble;
  }

  /** The entity has just been written: its change is looked for at once. */
  nudge(entity: string): void {
    const runner = this.#entities.find((candidate) => candidate.entity === entity);
    if (runner?.nudge() === true) this.wake();
  }

  /** Resolves when the signal aborts. Rejects on a bug or a damaged store: the room then starts anew. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const failure = await this.#session(signal);
      if (failure === undefined || signal.aborted) continue;
      const isFull = failure instanceof StorageFullError;
      const delayMs = isFull ? RETRY_MS : this.#backoffs.failed(failure.kind);
      this.#trouble = troubleOf(failure);
      this.#deps.logger.warn({ kind: isFull ? "full" : failure.kind, retry_ms: delayMs }, failure.message);
      this.#report(true);
      await sleep(this.#deps.clock, delayMs, AbortSignal.any([signal, this.#retry.signal]));
    }
  }

  /** Takes effect when the source is there for it, however long that may take. @throws StorageFullError */
  operate(
    action: OperatorAction,
    entity: string | undefined,
    by: PausedBy = "plant",
    traceparent?: string,
  ): void {
    if (action === "pause" || action === "resume") this.#setPaused(action === "pause" ? by : undefined);
    else this.#wish(action, entity, traceparent);
    // Who asks for something does not want to wait for the next attempt.
    this.#retry.abort();
    this.#retry = new AbortController();
    this.wake();
  }

  /** Ends passes over everything that are under way or asked for, but for first readings; how many. @throws StorageFullError */
  cancelPasses(entity: string | undefined): number {
    const wanted = this.#entities.filter((runner) => entity === undefined || runner.entity === entity);
    const count = wanted.filter((runner) => runner.cancelPass()).length;
    if (count > 0) this.wake();
    return count;
  }

  #wish(wish: EntityWish, entity: string | undefined, traceparent: string | undefined): void {
    const { pack, store, logger } = this.#deps;
    const names = pack.entities.map(({ plan }) => plan.entity);
    const wanted = names.filter((name) => entity === undefined || name === entity);
    if (wanted.length === 0)
      logger.warn({ entity }, `${wish}: there is no such entity; there: ${names.join(", ")}`);
    for (const name of wanted) {
      const runner = this.#entities.find((candidate) => candidate.entity === name);
      if (runner !== undefined) runner.operate(wish, traceparent);
      else {
        // The source was never open in this run: the runner that will be made finds it written.
        const slots = new EntitySlots(store, name);
        store.commit({ cursors: slots.writeWish(slots.meta(), wish, traceparent).writes });
      }
    }
  }

  /** Looks again at what is due: budget or wishes have changed. A source that failed is left in peace all the same. */
  wake(): void {
    this.#wake.abort();
    this.#wake = new AbortController();
  }

  report(): ConnectionReport {
    const { store, settings, pack, allowance } = this.#deps;
    return connectionReport({
      connectionId: settings.connectionId,
      system: pack.system,
      position: store.position(),
      entities: this.#entities,
      rates: settings.shape === "tabular" ? this.#load.rates() : undefined,
      standing: {
        trouble: this.#trouble,
        isOpen: this.#source !== undefined,
        pausedBy: this.#pausedBy,
        allowance: allowance(),
      },
      nowMs: this.#deps.clock.nowMs(),
    });
  }

  /** One connection to the source, from open to failure or stop. Any other failure is thrown. */
  async #session(signal: AbortSignal): Promise<ConnectorError | StorageFullError | undefined> {
    const connector = this.#deps.connect();
    const session = new AbortController();
    const both = AbortSignal.any([signal, session.signal]);
    try {
      await connector.open(both);
      if (signal.aborted) return undefined;
      this.#begin(connector, both);
      const tasks = [this.#serve(connector, both)];
      if (this.#deps.settings.shape === "telemetry") tasks.push(this.#subscribe(connector, both));
      // The first to fail ends the others; all have ended before the connector is closed.
      const guarded = tasks.map((task) => task.finally(() => session.abort()));
      const outcomes = await Promise.allSettled(guarded);
      const failed = outcomes.find((outcome) => outcome.status === "rejected");
      if (failed !== undefined) throw failed.reason;
      return undefined;
    } catch (error) {
      if (error instanceof ConnectorError || error instanceof StorageFullError) return error;
      if (signal.aborted) return undefined;
      throw error;
    } finally {
      session.abort();
      const source = this.#source;
      this.#source = undefined;
      await source?.idle();
      await connector[Symbol.asyncDispose]();
    }
  }

  #begin(connector: Connector, signal: AbortSignal): void {
    const { settings, pack, store } = this.#deps;
    const source = new OpenSource({ connector, load: this.#load, pack, context: settings, signal });
    this.#entities = entityRunners({ source, settings, pack, deps: this.#entityDeps() });
    for (const { strategy } of this.#entities) this.#deps.logger.info({ ...strategy }, "reading");
    const identity = connector.identity();
    const known = store.cursor("connection/identity")?.["identity"];
    if (known !== undefined && known !== identity) {
      const detail = `the source was ${JSON.stringify(known)} and is now ${JSON.stringify(identity)}: everything is compared again`;
      this.#deps.logger.warn({}, detail);
      for (const runner of this.#entities) runner.cursorLost("source_restored", detail);
    }
    if (known !== identity)
      store.commit({ cursors: [{ slot: "connection/identity", cursor: { identity } }] });
    this.#source = source;
    this.#deps.sourceOpened?.(source);
    this.#trouble = undefined;
    this.#backoffs.succeeded();
    this.#report(true);
  }

  #entityDeps(): EntityDeps {
    const { store, clock, batch, randomId, marks } = this.#deps;
    return {
      store,
      marks,
      pipeline: this.#pipeline,
      batch,
      nowMs: () => clock.nowMs(),
      monotonicMs: () => clock.monotonicMs(),
      runId: randomId,
      committed: () => {
        this.#deps.committed();
        this.#report(false);
      },
      shouldYield: () =>
        clock.monotonicMs() >= this.#sliceEndsMs || this.#deps.allowance().database === "paused",
      load: this.#load,
    };
  }

  async #serve(connector: Connector, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const task = this.#due();
      if (task === undefined) {
        this.#report(false);
        await this.#sleep(this.#untilDueMs(), signal);
        continue;
      }
      this.#sliceEndsMs = this.#deps.clock.monotonicMs() + SLICE_MS;
      await this.#attempt(task.runner, () =>
        task.kind === "poll"
          ? task.runner.poll(connector, signal)
          : task.runner.advancePass(connector, signal),
      );
      this.#deps.committed();
      this.#report(false);
    }
  }

  /** One step of one entity; what concerns only this entity ends here. */
  async #attempt(runner: EntityRunner, step: () => Promise<void>): Promise<void> {
    try {
      await step();
      if (this.#trouble !== undefined) this.#trouble = undefined;
    } catch (error) {
      if (isCursorLost(error)) {
        this.#deps.logger.warn({ entity: runner.entity }, error.message);
        runner.cursorLost("cursor_lost", error.message);
      } else if (error instanceof ConnectorError && error.kind === "bad_data") {
        this.#deps.logger.warn({ entity: runner.entity }, error.message);
        runner.failed(error, RETRY_MS);
      } else throw error;
    }
  }

  async #subscribe(connector: Connector, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      if (this.#pausedBy !== undefined) await this.#sleep(IDLE_CHECK_MS, signal);
      else await this.#telemetry.run(connector, signal);
    }
  }

  /** Polls first, by time; then passes, in turn. */
  #due(): { readonly runner: EntityRunner; readonly kind: "poll" | "pass" } | undefined {
    const allowed = this.#deps.allowance();
    if (this.#pausedBy !== undefined || allowed.database === "paused") return undefined;
    let first: { readonly runner: EntityRunner; readonly inMs: number } | undefined;
    for (const runner of this.#entities) {
      const inMs = this.#pollInMs(runner, allowed);
      if (inMs <= 0 && (first === undefined || inMs < first.inMs)) first = { runner, inMs };
    }
    if (first !== undefined) return { runner: first.runner, kind: "poll" };
    if (allowed.snapshots === "stopped") return undefined;
    for (let offset = 0; offset < this.#entities.length; offset += 1) {
      const index = (this.#turn + offset) % this.#entities.length;
      const runner = this.#entities[index];
      if (runner === undefined || runner.passInMs() > 0) continue;
      this.#turn = index + 1;
      return { runner, kind: "pass" };
    }
    return undefined;
  }

  /** `allowed` is asked for once for all of them: it looks into the room's file. */
  #pollInMs(runner: EntityRunner, { poll }: Allowance): number {
    return runner.pollInMs() + (poll === "slow" ? runner.pollMs * (SLOW_POLL_FACTOR - 1) : 0);
  }

  #untilDueMs(): number {
    const allowed = this.#deps.allowance();
    const waits = this.#entities.flatMap((runner) => [this.#pollInMs(runner, allowed), runner.passInMs()]);
    // What is due and not allowed waits for space, which nobody announces.
    const isHeldBack = waits.some((inMs) => inMs <= 0);
    const sinceReportMs = this.#deps.clock.monotonicMs() - this.#lastReportMs;
    if (this.#isReportWithheld) waits.push(Math.max(1, PROGRESS_EVERY_MS - sinceReportMs));
    return Math.min(isHeldBack ? IDLE_CHECK_MS : MAX_SLEEP_MS, ...waits.filter((inMs) => inMs > 0));
  }

  /** Tells main how things stand: at once when that is urgent, otherwise now and then; the last word is never left unsaid. */
  #report(isUrgent: boolean): void {
    const nowMs = this.#deps.clock.monotonicMs();
    this.#isReportWithheld = !isUrgent && nowMs - this.#lastReportMs < PROGRESS_EVERY_MS;
    if (this.#isReportWithheld) return;
    const report = this.report();
    const text = JSON.stringify(report);
    this.#lastReportMs = nowMs;
    if (text === this.#lastReport) return;
    this.#lastReport = text;
    this.#deps.reported(report);
  }

  #setPaused(by: PausedBy | undefined): void {
    this.#pausedBy = by;
    const cursor = by && { paused: true, ...(by === "plant" ? {} : { by }) };
    this.#deps.store.commit({ cursors: [{ slot: PAUSED_SLOT, cursor }] });
    this.#report(true);
  }

  #sleep(delayMs: number, signal: AbortSignal): Promise<void> {
    return sleep(this.#deps.clock, delayMs, AbortSignal.any([signal, this.#wake.signal]));
  }
}
