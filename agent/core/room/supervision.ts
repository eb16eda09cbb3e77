// Decides when a room's process is started, ended and started again. Pure: the process itself is a port.
import { Backoff, type BackoffSettings } from "#common/runtime/backoff.ts";
import type { Clock } from "#common/runtime/clock.ts";

export interface SupervisionSettings {
  /** No heartbeat for this long: the room hangs. */
  readonly heartbeatTimeoutMs: number;
  /** The first heartbeat may take this long: the process starts, opens its files, checks them. */
  readonly startTimeoutMs: number;
  /** Resident memory, bytes. */
  readonly memoryBytes: number;
  /** Between asking a room to stop and ending it. */
  readonly stopGraceMs: number;
  readonly backoff: BackoffSettings;
  /** A misconfigured room is tried again this slowly: what is wrong may be outside the agent's file. */
  readonly misconfiguredRetryMs: number;
}

export const DEFAULT_SUPERVISION: SupervisionSettings = {
  heartbeatTimeoutMs: 30_000,
  startTimeoutMs: 60_000,
  memoryBytes: 512 * 1024 * 1024,
  stopGraceMs: 10_000,
  backoff: { firstMs: 1_000, capMs: 60_000, healthyAfterMs: 60_000 },
  misconfiguredRetryMs: 5 * 60_000,
};

/** What supervision asks of the edge. Each must return at once and answer by events; none may throw. */
export interface RoomProcess {
  /** Starts a process and gives it its configuration; `exited` follows, sooner or later, even if it never started. */
  start(): void;
  /** Asks it to finish. */
  stop(): void;
  /** Ends it at once. */
  kill(): void;
}

/**
 * stopped       not running and not to be
 * starting      process runs, no heartbeat yet
 * running       heartbeats arrive
 * stopping      asked to finish, ended by us or about to end by itself, and not yet gone
 * waiting       to be started again at `nextStartAtMs`
 */
export type RoomPhase = "stopped" | "starting" | "running" | "stopping" | "waiting";

/** hung: no heartbeats · memory: over the limit · overrun: does not read its messages · misconfigured: said so itself · crashed: ended by itself · stopped: as asked */
export type ExitReason = "hung" | "memory" | "overrun" | "misconfigured" | "crashed" | "stopped";

export interface RoomExit {
  readonly reason: ExitReason;
  /** One sentence for people. */
  readonly detail: string;
  /** How long the process lived. */
  readonly uptimeMs: number;
  /** Exits that were not asked for since supervision began. */
  readonly restarts: number;
  /** Until the next start; undefined: it stays down. */
  readonly retryInMs: number | undefined;
}

export interface ProcessEnd {
  readonly code: number | null;
  readonly signal: string | null;
  /** The most telling line that the process wrote, if any. */
  readonly lastLine: string | undefined;
}

export interface SupervisionDeps {
  readonly clock: Clock;
  readonly random: () => number;
  readonly settings: SupervisionSettings;
  readonly process: RoomProcess;
  /** Called once for each end of a process, after the next start is settled. */
  readonly onExit: (exit: RoomExit) => void;
}

export class RoomSupervision {
  readonly #deps: SupervisionDeps;
  readonly #backoff: Backoff;
  #phase: RoomPhase = "stopped";
  #shouldRun = false;
  #startedAtMs = 0;
  #nextStartAtMs: number | undefined;
  #restarts = 0;
  #cause: { reason: ExitReason; detail: string } | undefined;
  #misconfigured: string | undefined;
  #cancelTimer: () => void = () => {};

  constructor(deps: SupervisionDeps) {
    this.#deps = deps;
    this.#backoff = new Backoff(deps.settings.backoff, deps.clock, deps.random);
  }

  get phase(): RoomPhase {
    return this.#phase;
  }

  get restarts(): number {
    return this.#restarts;
  }

  /** What the room said is wrong with its settings, until it runs again. */
  get misconfigured(): string | undefined {
    return this.#misconfigured;
  }

  /** Until the next start, ms; only while waiting. */
  get retryInMs(): number | undefined {
    if (this.#nextStartAtMs === undefined) return undefined;
    return Math.max(0, Math.round(this.#nextStartAtMs - this.#deps.clock.monotonicMs()));
  }

  /** Begins supervision, or, while waiting, starts at once (settings changed, an operator asks). */
  start(): void {
    this.#shouldRun = true;
    if (this.#phase === "stopped" || this.#phase === "waiting") this.#startProcess();
  }

  /** Ends the process, politely first, and leaves it down until `start`. */
  stop(): void {
    this.#shouldRun = false;
    if (this.#phase === "waiting") this.#settle("stopped");
    if (this.#phase !== "starting" && this.#phase !== "running") return;
    this.#cause = { reason: "stopped", detail: "stopped as asked" };
    this.#phase = "stopping";
    this.#deps.process.stop();
    const { stopGraceMs } = this.#deps.settings;
    this.#setTimer(stopGraceMs, () => {
      this.#cause = {
        reason: "stopped",
        detail: `ended: it had not stopped ${stopGraceMs} ms after being asked`,
      };
      this.#deps.process.kill();
    });
  }

  /** The room says that it lives. */
  heartbeat(rssBytes: number): void {
    if (this.#phase !== "starting" && this.#phase !== "running") return;
    if (this.#phase === "starting") {
      this.#phase = "running";
      this.#backoff.succeeded();
    }
    this.#watchHeartbeat(this.#deps.settings.heartbeatTimeoutMs);
    this.memory(rssBytes);
  }

  /** Resident memory, as the room says or as the operating system does. */
  memory(rssBytes: number): void {
    const { memoryBytes } = this.#deps.settings;
    if (rssBytes > memoryBytes)
      this.#end(
        "memory",
        `held ${mib(rssBytes)} of memory, more than the ${mib(memoryBytes)} of room.memory`,
      );
  }

  /** The room does not read what it is told. */
  overrun(pendingMessages: number): void {
    this.#end("overrun", `left ${pendingMessages} messages unread`);
  }

  /** The room says that its settings are wrong; it is expected to end by itself. */
  reportMisconfigured(message: string): void {
    if (this.#phase !== "starting" && this.#phase !== "running") return;
    this.#misconfigured = message;
    this.#cause = { reason: "misconfigured", detail: message };
    this.#phase = "stopping";
    this.#setTimer(this.#deps.settings.stopGraceMs, () => this.#deps.process.kill());
  }

  /** The process is gone (or could not be started). */
  exited(end: ProcessEnd): void {
    if (this.#phase === "stopped" || this.#phase === "waiting") return;
    const { clock, settings } = this.#deps;
    const cause = this.#cause ?? { reason: "crashed" as const, detail: describeEnd(end) };
    const uptimeMs = Math.round(clock.monotonicMs() - this.#startedAtMs);
    const wasAsked = cause.reason === "stopped";
    if (!wasAsked) this.#restarts += 1;
    let retryInMs: number | undefined;
    if (this.#shouldRun) {
      if (wasAsked) retryInMs = 0;
      else
        retryInMs = cause.reason === "misconfigured" ? settings.misconfiguredRetryMs : this.#backoff.failed();
    }
    this.#settle(retryInMs === undefined ? "stopped" : "waiting");
    if (retryInMs !== undefined) {
      this.#nextStartAtMs = clock.monotonicMs() + retryInMs;
      this.#setTimer(retryInMs, () => this.#startProcess());
    }
    this.#deps.onExit({ ...cause, uptimeMs, restarts: this.#restarts, retryInMs });
  }

  #startProcess(): void {
    this.#settle("starting");
    this.#cause = undefined;
    this.#misconfigured = undefined;
    this.#startedAtMs = this.#deps.clock.monotonicMs();
    const { startTimeoutMs, heartbeatTimeoutMs } = this.#deps.settings;
    this.#watchHeartbeat(Math.max(startTimeoutMs, heartbeatTimeoutMs));
    this.#deps.process.start();
  }

  #watchHeartbeat(timeoutMs: number): void {
    const dueAtMs = this.#deps.clock.monotonicMs() + timeoutMs;
    this.#setTimer(timeoutMs, () => {
      // If this process was itself held up (suspended machine, long collection), heartbeats may be waiting unread.
      const lateByMs = this.#deps.clock.monotonicMs() - dueAtMs;
      if (lateByMs > timeoutMs / 2) this.#watchHeartbeat(timeoutMs);
      else this.#end("hung", `gave no sign of life for ${timeoutMs} ms`);
    });
  }

  #end(reason: ExitReason, detail: string): void {
    if (this.#phase !== "starting" && this.#phase !== "running") return;
    this.#cause = { reason, detail };
    this.#phase = "stopping";
    this.#cancelTimer();
    this.#deps.process.kill();
  }

  #settle(phase: RoomPhase): void {
    this.#phase = phase;
    this.#nextStartAtMs = undefined;
    this.#cancelTimer();
  }

  #setTimer(delayMs: number, callback: () => void): void {
    this.#cancelTimer();
    this.#cancelTimer = this.#deps.clock.setTimer(delayMs, callback);
  }
}

function describeEnd({ code, signal, lastLine }: ProcessEnd): string {
  const how =
    signal === null ? `ended by itself with exit code ${code ?? "unknown"}` : `was ended by signal ${signal}`;
  return lastLine === undefined ? how : `${how}; last words: ${lastLine}`;
}

function mib(bytes: number): string {
  return `${Math.round(bytes / 1024 / 1024)} MiB`;
}
