// Runs one process for each connection and keeps the others out of its trouble. Decisions: agent/core/room/supervision.ts.
import { isDeepStrictEqual } from "node:util";
import type { FromRoom, RoomBudget, RoomConfig, ToRoom } from "#agent/core/room/messages.ts";
import {
  RoomSupervision,
  type RoomExit,
  type RoomPhase,
  type SupervisionSettings,
} from "#agent/core/room/supervision.ts";
import type { Clock } from "#common/runtime/clock.ts";
import { messageOf } from "#common/runtime/errors.ts";
import type { Logger } from "#common/runtime/logger.ts";
import { RoomChild } from "./room-child.ts";

/** A loop that allocates buffers fills gigabytes in seconds, so we look often; one look costs some 20 µs a room. */
const MEMORY_LOOK_EVERY_MS = 250;
/** Messages that a room may leave unread before it is ended. */
const MAX_PENDING_MESSAGES = 10_000;

export type Heartbeat = Extract<FromRoom, { type: "heartbeat" }>;

export interface RoomSupervisorDeps {
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
  /** Absolute path of the room's script (agent/room.ts). */
  readonly script: string;
  /** Rooms' working folder: that of the configuration, so that relative paths in connectors' settings start there. */
  readonly cwd?: string;
  readonly settings: SupervisionSettings;
  /** Everything that rooms say but their log lines, which are logged here. Must not throw. */
  readonly onMessage: (connectionId: string, message: FromRoom) => void;
  /** A room's process has ended, for whatever reason; logged here already. Must not throw. */
  readonly onExit: (connectionId: string, exit: RoomExit) => void;
}

/** A room as `status` shows it. */
export interface RoomView {
  readonly connectionId: string;
  readonly connection: string;
  readonly phase: RoomPhase;
  readonly pid: number | undefined;
  readonly restarts: number;
  readonly retryInMs: number | undefined;
  readonly misconfigured: string | undefined;
  readonly lastExit: RoomExit | undefined;
  /** The last of the process that runs now. */
  readonly heartbeat: Heartbeat | undefined;
}

export class RoomSupervisor implements AsyncDisposable {
  readonly #deps: RoomSupervisorDeps;
  readonly #rooms = new Map<string, SupervisedRoom>();
  #cancelLook: () => void = () => {};

  constructor(deps: RoomSupervisorDeps) {
    this.#deps = deps;
  }

  /**
   * Starts a connection's room. For one that runs: new settings end it and start it anew with them, equal ones change
   * nothing; one that waits for its next start is started at once.
   */
  start(config: RoomConfig, budget: RoomBudget): void {
    const known = this.#rooms.get(config.connectionId);
    if (known !== undefined) return known.reconfigure(config, budget);
    const room = new SupervisedRoom(this.#deps, config, budget);
    this.#rooms.set(config.connectionId, room);
    if (this.#rooms.size === 1) this.#lookAtMemory();
    room.start();
  }

  /** Kept for the room's next start too. */
  setBudget(connectionId: string, budget: RoomBudget): void {
    this.#rooms.get(connectionId)?.setBudget(budget);
  }

  /** False if the room is not there to hear it: nothing is kept for later. */
  send(connectionId: string, message: ToRoom): boolean {
    return this.#rooms.get(connectionId)?.send(message) ?? false;
  }

  /** Resolves once the process is gone; the room is forgotten. */
  async stop(connectionId: string): Promise<void> {
    const room = this.#rooms.get(connectionId);
    await room?.stop();
    if (this.#rooms.get(connectionId) === room) this.#rooms.delete(connectionId);
    if (this.#rooms.size === 0) this.#cancelLook();
  }

  rooms(): readonly RoomView[] {
    return [...this.#rooms.values()].map((room) => room.view());
  }

  room(connectionId: string): RoomView | undefined {
    return this.#rooms.get(connectionId)?.view();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#rooms.keys()].map((connectionId) => this.stop(connectionId)));
  }

  #lookAtMemory(): void {
    this.#cancelLook = this.#deps.clock.setTimer(MEMORY_LOOK_EVERY_MS, () => {
      for (const room of this.#rooms.values()) room.lookAtMemory();
      this.#lookAtMemory();
    });
  }
}

class SupervisedRoom {
  readonly #deps: RoomSupervisorDeps;
  readonly #logger: Logger;
  readonly #supervision: RoomSupervision;
  #config: RoomConfig;
  #budget: RoomBudget;
  #child: RoomChild | undefined;
  #heartbeat: Heartbeat | undefined;
  #lastExit: RoomExit | undefined;
  #whenStopped: (() => void)[] = [];

  constructor(deps: RoomSupervisorDeps, config: RoomConfig, budget: RoomBudget) {
    this.#deps = deps;
    this.#config = config;
    this.#budget = budget;
    this.#logger = deps.logger.child({ connection: config.connection });
    this.#supervision = new RoomSupervision({
      clock: deps.clock,
      random: deps.random,
      settings: deps.settings,
      process: {
        start: () => this.#startProcess(),
        stop: () => void this.#child?.send({ type: "stop" }),
        kill: () => this.#child?.kill(),
      },
      onExit: (exit) => this.#exited(exit),
    });
  }

  start(): void {
    this.#supervision.start();
  }

  reconfigure(config: RoomConfig, budget: RoomBudget): void {
    const isChanged = !isDeepStrictEqual(config, this.#config);
    this.#config = config;
    this.setBudget(budget);
    if (isChanged) this.#supervision.stop();
    this.#supervision.start();
  }

  setBudget(budget: RoomBudget): void {
    if (isDeepStrictEqual(budget, this.#budget)) return;
    this.#budget = budget;
    this.send({ type: "budget", budget });
  }

  send(message: ToRoom): boolean {
    if (this.#child === undefined) return false;
    if (this.#child.pendingMessages >= MAX_PENDING_MESSAGES) {
      this.#supervision.overrun(this.#child.pendingMessages);
      return false;
    }
    return this.#child.send(message);
  }

  stop(): Promise<void> {
    this.#supervision.stop();
    if (this.#supervision.phase === "stopped") return Promise.resolve();
    return new Promise((resolve) => void this.#whenStopped.push(resolve));
  }

  lookAtMemory(): void {
    const bytes = this.#child?.residentBytes();
    if (bytes !== undefined) this.#supervision.memory(bytes);
  }

  view(): RoomView {
    return {
      connectionId: this.#config.connectionId,
      connection: this.#config.connection,
      phase: this.#supervision.phase,
      pid: this.#child?.pid,
      restarts: this.#supervision.restarts,
      retryInMs: this.#supervision.retryInMs,
      misconfigured: this.#supervision.misconfigured,
      lastExit: this.#lastExit,
      heartbeat: this.#heartbeat,
    };
  }

  #startProcess(): void {
    try {
      this.#fork();
    } catch (error) {
      // The system refused a process; that may pass like any other failure of a room.
      this.#supervision.exited({ code: null, signal: null, lastLine: messageOf(error) });
    }
  }

  #fork(): void {
    const child = new RoomChild({
      clock: this.#deps.clock,
      script: this.#deps.script,
      cwd: this.#deps.cwd,
      memoryBytes: this.#deps.settings.memoryBytes,
      onMessage: (message) => this.#received(message),
      onLine: (line) => this.#logger.info({ output: line }, "the room wrote"),
      onEnd: (end) => {
        this.#child = undefined;
        this.#heartbeat = undefined;
        this.#supervision.exited(end);
      },
    });
    this.#child = child;
    this.#logger.debug({ pid: child.pid }, "room started");
    child.send({ type: "start", config: this.#config, budget: this.#budget });
  }

  #received(message: FromRoom): void {
    if (message.type === "log") {
      this.#logger[message.level](message.fields, message.message);
      return;
    }
    if (message.type === "heartbeat") {
      this.#heartbeat = message;
      this.#supervision.heartbeat(message.rssBytes);
    } else if (message.type === "misconfigured") this.#supervision.reportMisconfigured(message.message);
    this.#deps.onMessage(this.#config.connectionId, message);
  }

  #exited(exit: RoomExit): void {
    this.#lastExit = exit;
    const { reason, detail, uptimeMs, restarts, retryInMs } = exit;
    const level = reason === "stopped" ? "info" : reason === "misconfigured" ? "error" : "warn";
    const next = retryInMs === undefined ? "" : `; next start in ${retryInMs} ms`;
    this.#logger[level](
      { reason, uptime_ms: uptimeMs, restarts, retry_in_ms: retryInMs },
      `room ended: ${detail}${next}`,
    );
    this.#deps.onExit(this.#config.connectionId, exit);
    if (this.#supervision.phase !== "stopped") return;
    for (const resolve of this.#whenStopped.splice(0)) resolve();
  }
}
