// Puts the agent's main process together: lock, agent.db, rooms, control socket. Rooms are composed in room.ts.
import { mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { AgentConfig, ConnectionSettings } from "#agent/core/agent-config.ts";
import type { AgentIdentity } from "#agent/core/agent-identity.ts";
import type { AgentStatus, ConnectionStatus } from "#agent/core/agent-status.ts";
import type { ControlHandlers, OperateAction } from "#agent/core/control.ts";
import type { FromRoom, RoomBudget, RoomConfig } from "#agent/core/room/messages.ts";
import { DEFAULT_SUPERVISION, type RoomExit } from "#agent/core/room/supervision.ts";
import { AgentDatabase } from "#agent/platform/agent-database.ts";
import { listenForControl } from "#agent/platform/control-socket.ts";
import { measureSpace, roomBudget, type SpaceMeasure } from "#agent/platform/disk-space.ts";
import { lockDataDir } from "#agent/platform/instance-lock.ts";
import { RoomSupervisor } from "#agent/platform/room-supervisor.ts";
import { VERSION } from "#agent/platform/version.ts";
import type { BoundConnection, ConnectionReport } from "#common/contract/messages.ts";
import { systemClock } from "#common/runtime/clock.ts";
import { MillraceError } from "#common/runtime/errors.ts";
import type { Logger } from "#common/runtime/logger.ts";
import { didYouMean } from "#common/runtime/nearest-match.ts";

/** Rooms say that they live this often; room.heartbeat_timeout is at least several of these. */
const MAX_HEARTBEAT_MS = 2_000;
/** The volume is measured this often. */
const MEASURE_SPACE_EVERY_MS = 10_000;
/** Connection ids come from the relay and become folder names: nothing else may pass. */
const SAFE_ID = /^[A-Za-z0-9_-]{1,100}$/;

export interface StartAgentOptions {
  readonly config: AgentConfig;
  readonly logger: Logger;
}

export interface RunningAgent extends AsyncDisposable {
  /** Resolves when the agent was asked to stop over its control socket. */
  readonly stopRequested: Promise<void>;
}

/** @throws FolderInUseError, AgentDatabaseError, ControlError, or MillraceError if the agent is not enrolled */
export async function startAgent(options: StartAgentOptions): Promise<RunningAgent> {
  await using stack = new AsyncDisposableStack();
  const { dataDir } = options.config;
  stack.use(lockDataDir(dataDir));
  const database = stack.use(AgentDatabase.open(join(dataDir, "agent.db")));
  const identity = database.identity();
  if (identity === undefined)
    throw new MillraceError(
      `this agent is not enrolled: ${dataDir} holds no identity; run: millrace-agent enroll --relay <url> --code <code>`,
    );
  const agent = new Agent(options, database, identity);
  stack.use(agent);
  stack.use(await listenForControl(dataDir, agent));
  agent.start();
  const owned = stack.move();
  return {
    stopRequested: agent.stopRequested,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

class Agent implements ControlHandlers, AsyncDisposable {
  readonly stopRequested: Promise<void>;
  readonly #config: AgentConfig;
  readonly #logger: Logger;
  readonly #database: AgentDatabase;
  readonly #identity: AgentIdentity;
  readonly #supervisor: RoomSupervisor;
  readonly #reports = new Map<string, ConnectionReport>();
  readonly #requestStop: () => void;
  readonly #startedAtMs = systemClock.nowMs();
  #ids = new Map<string, string>();
  #space: SpaceMeasure;
  #cancelMeasure: () => void = () => {};

  constructor({ config, logger }: StartAgentOptions, database: AgentDatabase, identity: AgentIdentity) {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.stopRequested = promise;
    this.#requestStop = resolve;
    this.#config = config;
    this.#logger = logger;
    this.#database = database;
    this.#identity = identity;
    this.#space = measureSpace(config.dataDir, config.space.totalBytes);
    this.#supervisor = new RoomSupervisor({
      clock: systemClock,
      random: Math.random,
      logger,
      script: fileURLToPath(new URL("./room.ts", import.meta.url)),
      cwd: dirname(config.file),
      settings: {
        ...DEFAULT_SUPERVISION,
        heartbeatTimeoutMs: config.room.heartbeatTimeoutMs,
        memoryBytes: config.room.memoryBytes,
      },
      onMessage: (connectionId, message) => this.#fromRoom(connectionId, message),
      onExit: (connectionId, exit) => this.#roomEnded(connectionId, exit),
    });
  }

  start(): void {
    this.#bind(this.#database.connections());
    this.#measureAgain();
    this.#record("info", "", `agent ${VERSION} started`);
  }

  status(): AgentStatus {
    const { agentId, name, workspaceName, relayUrl } = this.#identity;
    return {
      version: VERSION,
      pid: process.pid,
      startedAtMs: this.#startedAtMs,
      agentId,
      name,
      workspace: workspaceName,
      relay: { url: this.#config.relay.url ?? relayUrl, state: "not_started", detail: "" },
      space: this.#space,
      connections: this.#config.connections.map((connection) => this.#connectionStatus(connection)),
      events: this.#database.recentEvents(20),
    };
  }

  operate(action: OperateAction, connection: string, entity: string | undefined): void {
    const names = this.#config.connections.map(({ name }) => name);
    if (!names.includes(connection))
      throw new MillraceError(
        `no connection "${connection}"${didYouMean(connection, names)}; there: ${names.join(", ") || "none"}`,
      );
    const id = this.#ids.get(connection);
    if (id === undefined)
      throw new MillraceError(`${connection} is not bound to this agent at the relay; bind it there first`);
    const message = entity === undefined ? { action } : { action, entity };
    if (!this.#supervisor.send(id, { type: "operate", ...message }))
      throw new MillraceError(`the room of ${connection} is down; see millrace-agent status`);
    this.#record("info", connection, `operator: ${action}${entity === undefined ? "" : ` ${entity}`}`);
  }

  stop(): void {
    this.#requestStop();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#cancelMeasure();
    await this.#supervisor[Symbol.asyncDispose]();
    this.#record("info", "", "agent stopped");
  }

  /** Which configured connections have an id; rooms of those that lost theirs are stopped, their files stay. */
  #bind(bound: readonly BoundConnection[]): void {
    const before = this.#ids;
    this.#ids = new Map();
    for (const { id, name } of bound) {
      if (SAFE_ID.test(id)) this.#ids.set(name, id);
      else
        this.#logger.error(
          { connection: name },
          "the relay gave this connection an id that is no plain name",
        );
    }
    const used = new Set(this.#ids.values());
    for (const id of before.values()) if (!used.has(id)) void this.#supervisor.stop(id);
    for (const connection of this.#config.connections) {
      const id = this.#ids.get(connection.name);
      if (id !== undefined) this.#supervisor.start(this.#roomConfig(connection, id), this.#budget());
      else
        this.#logger.warn({ connection: connection.name }, "not bound to this agent at the relay: not read");
    }
  }

  #roomConfig(connection: ConnectionSettings, connectionId: string): RoomConfig {
    const roomDir = join(this.#config.dataDir, "rooms", connectionId);
    mkdirSync(roomDir, { recursive: true, mode: 0o700 });
    const { name, massDeleteFraction, ...settings } = connection;
    return {
      ...settings,
      massDeleteFraction,
      connectionId,
      connection: name,
      roomDir,
      heartbeatMs: Math.min(MAX_HEARTBEAT_MS, Math.floor(this.#config.room.heartbeatTimeoutMs / 5)),
      logLevel: this.#config.logLevel,
    };
  }

  #budget(): RoomBudget {
    return roomBudget(this.#space, this.#ids.size);
  }

  #measureAgain(): void {
    const wasFull = this.#space.volumeFull;
    this.#space = measureSpace(this.#config.dataDir, this.#config.space.totalBytes);
    if (this.#space.volumeFull && !wasFull)
      this.#record("error", "", "the disk is full: nothing new is read until there is space again");
    for (const id of this.#ids.values()) this.#supervisor.setBudget(id, this.#budget());
    this.#cancelMeasure = systemClock.setTimer(MEASURE_SPACE_EVERY_MS, () => this.#measureAgain());
  }

  #fromRoom(connectionId: string, message: FromRoom): void {
    if (message.type === "report") this.#reports.set(connectionId, message.report);
  }

  #roomEnded(connectionId: string, exit: RoomExit): void {
    this.#reports.delete(connectionId);
    // The supervisor has logged it.
    if (exit.reason === "stopped") return;
    this.#remember("warn", this.#nameOf(connectionId), `room ended (${exit.reason}): ${exit.detail}`);
  }

  #nameOf(connectionId: string): string {
    return this.#supervisor.room(connectionId)?.connection ?? connectionId;
  }

  #connectionStatus({ name, connector }: ConnectionSettings): ConnectionStatus {
    const id = this.#ids.get(name);
    const room = id === undefined ? undefined : this.#supervisor.room(id);
    return {
      name,
      id,
      connector,
      room: {
        phase: room?.phase ?? "stopped",
        pid: room?.pid,
        restarts: room?.restarts ?? 0,
        retryInMs: room?.retryInMs,
        lastExit: room?.lastExit?.detail,
        misconfigured: room?.misconfigured,
        rssBytes: room?.heartbeat?.rssBytes,
        outboxBytes: room?.heartbeat?.outboxBytes,
        knownBytes: room?.heartbeat?.knownBytes,
        changes: room?.heartbeat?.changes,
      },
      report: id === undefined ? undefined : this.#reports.get(id),
    };
  }

  #record(level: "info" | "warn" | "error", connection: string, message: string): void {
    this.#logger[level](connection === "" ? {} : { connection }, message);
    this.#remember(level, connection, message);
  }

  #remember(level: "info" | "warn" | "error", connection: string, message: string): void {
    this.#database.recordEvent({ atMs: systemClock.nowMs(), level, connection, message });
  }
}
