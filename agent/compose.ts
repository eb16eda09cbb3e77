// Puts the agent's main process together: lock, agent.db, rooms, control socket. Rooms are composed in room.ts.
import { mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { AgentConfig, ConnectionSettings } from "#agent/core/agent-config.ts";
import type { AgentIdentity } from "#agent/core/agent-identity.ts";
import type { AgentStatus, ConnectionStatus } from "#agent/core/agent-status.ts";
import type { ControlHandlers, OperateAction } from "#agent/core/control.ts";
import type { FileCheck } from "#agent/core/integrity-rounds.ts";
import type { FromRoom, RoomBudget, RoomConfig, ToRoom } from "#agent/core/room/messages.ts";
import { DEFAULT_SUPERVISION, type RoomExit } from "#agent/core/room/supervision.ts";
import { Uplink } from "#agent/core/uplink/uplink.ts";
import type { Directive } from "#agent/core/uplink/uplink-session.ts";
import { checkIntegrity } from "#agent/outbox/integrity-check.ts";
import { RoomOutbox } from "#agent/outbox/room-outbox.ts";
import { AgentDatabase, AgentDatabaseError } from "#agent/platform/agent-database.ts";
import { DatabaseCheck } from "#agent/platform/database-check.ts";
import { listenForControl } from "#agent/platform/control-socket.ts";
import {
  dropBallast,
  layBallast,
  measureSpace,
  roomBudget,
  type SpaceMeasure,
} from "#agent/platform/disk-space.ts";
import { lockDataDir } from "#agent/platform/instance-lock.ts";
import { RoomSupervisor } from "#agent/platform/room-supervisor.ts";
import { VERSION } from "#agent/platform/version.ts";
import { relayLine } from "#agent/relay-line.ts";
import type { BoundConnection, ConnectionReport } from "#common/contract/messages.ts";
import { systemClock } from "#common/runtime/clock.ts";
import { MillraceError } from "#common/runtime/errors.ts";
import type { Logger } from "#common/runtime/logger.ts";
import { didYouMean } from "#common/runtime/nearest-match.ts";

/** Rooms say that they live this often; room.heartbeat_timeout is at least several of these. */
const MAX_HEARTBEAT_MS = 2_000;
/** A file that was opened as it was left, and a room's very first one, are no news. */
const QUIET_REASONS: ReadonlySet<string> = new Set(["resumed", "created"]);
/** Holds identity and bindings. */
const AGENT_DATABASE = "agent.db";
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
  const database = stack.use(AgentDatabase.open(join(dataDir, AGENT_DATABASE)));
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
  readonly #outboxes: ReadonlyMap<string, RoomOutbox>;
  readonly #uplink: Uplink;
  readonly #stopping = new AbortController();
  #uplinkRun: Promise<void> = Promise.resolve();
  #ids = new Map<string, string>();
  #space: SpaceMeasure;
  #cancelMeasure: () => void = () => {};
  readonly #databaseCheck: DatabaseCheck;
  /** Of rooms' files, by the connection's name. */
  readonly #checks = new Map<string, FileCheck>();

  constructor({ config, logger }: StartAgentOptions, database: AgentDatabase, identity: AgentIdentity) {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.stopRequested = promise;
    this.#requestStop = resolve;
    this.#config = config;
    this.#logger = logger;
    this.#database = database;
    this.#identity = identity;
    this.#space = measureSpace(config.dataDir, config.space.totalBytes);
    const file = join(config.dataDir, AGENT_DATABASE);
    const damaged = (message: string): void => this.#remember("error", "", message);
    this.#databaseCheck = new DatabaseCheck({ check: checkIntegrity, database, file, logger, damaged });
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
    this.#outboxes = new Map(config.connections.map(({ name }) => [name, this.#outbox(name)]));
    this.#uplink = new Uplink({
      clock: systemClock,
      logger,
      random: Math.random,
      sources: [...this.#outboxes.values()],
      connect: relayLine(config, identity),
      bound: (connections) => this.#rebind(connections),
      directive: (directive) => this.#refuse(directive),
      welcomed: () => {},
    });
  }

  start(): void {
    this.#bind(this.#database.connections());
    this.#measureAgain();
    this.#record("info", "", `agent ${VERSION} started`);
    this.#uplinkRun = this.#uplink.run(this.#stopping.signal);
  }

  status(): AgentStatus {
    const { agentId, name, workspaceName, relayUrl } = this.#identity;
    const { last } = this.#databaseCheck;
    return {
      version: VERSION,
      pid: process.pid,
      startedAtMs: this.#startedAtMs,
      agentId,
      name,
      workspace: workspaceName,
      relay: {
        url: this.#config.relay.url ?? relayUrl,
        state: this.#uplink.state.state,
        detail: this.#uplink.state.lastError ?? "",
      },
      space: this.#space,
      connections: this.#config.connections.map((connection) => this.#connectionStatus(connection)),
      events: this.#database.recentEvents(20),
      checks: {
        ...(last === undefined ? {} : { [AGENT_DATABASE]: last }),
        ...Object.fromEntries(this.#checks),
      },
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
    this.#stopping.abort();
    await this.#uplinkRun;
    await this.#supervisor[Symbol.asyncDispose]();
    for (const outbox of this.#outboxes.values()) outbox.close();
    this.#record("info", "", "agent stopped");
  }

  #outbox(name: string): RoomOutbox {
    const toRoom = (message: ToRoom): void => {
      const id = this.#ids.get(name);
      if (id !== undefined) this.#supervisor.send(id, message);
    };
    return new RoomOutbox(name, this.#logger, toRoom);
  }

  /** The relay says which connections are this agent's; kept, so that rooms also start while the relay is away. */
  #rebind(connections: readonly BoundConnection[]): void {
    const known = JSON.stringify(this.#database.connections());
    if (JSON.stringify(connections) === known) return;
    // Not kept for want of space, they hold until the agent restarts; the relay says them again at every session.
    this.#unlessFull(() => this.#database.bindConnections(connections));
    this.#bind(connections);
  }

  /** This version has no commands: the plant allows nothing. */
  #refuse(directive: Directive): void {
    if (directive.type !== "command") return;
    const { command_id } = directive;
    const detail = "this agent takes no commands";
    this.#uplink.answer({
      type: "command_result",
      command_id,
      outcome: "failed",
      code: "NOT_ALLOWED",
      detail,
    });
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
    if (this.#space.volumeFull && !wasFull) {
      // What agent.db must still write down gets the ballast's space.
      dropBallast(this.#config.dataDir);
      this.#record("error", "", "the disk is full: nothing new is read until there is space again");
    }
    if (!this.#space.volumeFull) layBallast(this.#config.dataDir);
    this.#databaseCheck.look();
    for (const id of this.#ids.values()) this.#supervisor.setBudget(id, this.#budget());
    this.#cancelMeasure = systemClock.setTimer(MEASURE_SPACE_EVERY_MS, () => this.#measureAgain());
  }

  #fromRoom(connectionId: string, message: FromRoom): void {
    const name = this.#nameOf(connectionId);
    const outbox = this.#outboxes.get(name);
    switch (message.type) {
      case "report":
        this.#reports.set(connectionId, message.report);
        this.#uplink.report(message.report);
        break;
      case "opened":
        outbox?.open(message.file);
        if (!QUIET_REASONS.has(message.reason)) {
          this.#remember("warn", name, `a new epoch began: ${message.reason}`);
        }
        this.#uplink.opened(name);
        break;
      case "committed":
        this.#uplink.wake(name);
        break;
      case "file_checked":
        this.#checks.set(name, message.check);
        break;
      case "release_file":
        outbox?.release(message.file);
        this.#supervisor.send(connectionId, { type: "file_released", file: message.file });
        break;
      default:
        break;
    }
  }

  #roomEnded(connectionId: string, exit: RoomExit): void {
    this.#reports.delete(connectionId);
    // The supervisor has logged it.
    if (exit.reason === "stopped") return;
    this.#uplink.report({
      type: "connection_report",
      connection_id: connectionId,
      status: "degraded",
      reason: (exit.detail === "" ? `the room ended (${exit.reason})` : exit.detail).slice(0, 2_000),
    });
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
    this.#unlessFull(() =>
      this.#database.recordEvent({ atMs: systemClock.nowMs(), level, connection, message }),
    );
  }

  /** A full disk must not end the agent: what it could not write down is said in its log. */
  #unlessFull(write: () => void): void {
    try {
      write();
    } catch (error) {
      if (!(error instanceof AgentDatabaseError)) throw error;
      this.#logger.error({}, error.message);
    }
  }
}
