// The rooms of one agent: which connection has which, what space they get, and main's own look into their outboxes.
import { mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import type { AgentHistory } from "#agent/agent-history.ts";
import type { AgentConfig, ConnectionSettings } from "#agent/core/agent-config.ts";
import type { FromRoom, RoomBudget, RoomConfig, ToRoom } from "#agent/core/room/messages.ts";
import { withSettings } from "#agent/core/settings/room-settings.ts";
import { DEFAULT_SUPERVISION, type RoomExit } from "#agent/core/room/supervision.ts";
import { RoomOutbox } from "#agent/outbox/room-outbox.ts";
import type { AgentDatabase } from "#agent/platform/agent-database.ts";
import {
  dropBallast,
  layBallast,
  measureSpace,
  roomBudget,
  type SpaceMeasure,
} from "#agent/platform/disk-space.ts";
import { installation } from "#agent/platform/installation.ts";
import { pseudonymKey } from "#agent/platform/pseudonyms.ts";
import { RoomSupervisor, type RoomView } from "#agent/platform/room-supervisor.ts";
import type { BoundConnection } from "#common/contract/messages.ts";
import type { ConnectionSettingsDocument } from "#common/contract/settings.ts";
import { systemClock } from "#common/runtime/clock.ts";
import type { Logger } from "#common/runtime/logger.ts";

/** Rooms say that they live this often; room.heartbeat_timeout is at least several of these. */
const MAX_HEARTBEAT_MS = 2_000;
/** The volume is measured this often. */
const MEASURE_SPACE_EVERY_MS = 10_000;
/** Connection ids come from the relay and become folder names: nothing else may pass. */
const SAFE_ID = /^[A-Za-z0-9_-]{1,100}$/;

export interface AgentRoomsDeps {
  readonly config: AgentConfig;
  readonly logger: Logger;
  readonly database: AgentDatabase;
  readonly history: AgentHistory;
  /** What a room says, but for its log, its outbox's file and its heartbeats. */
  readonly said: (connectionId: string, name: string, message: FromRoom) => void;
  readonly ended: (connectionId: string, name: string, exit: RoomExit) => void;
  /** What the relay has set of a connection, if anything. */
  readonly inEffect: (connectionId: string) => ConnectionSettingsDocument | undefined;
  /** Now and then, with the volume. */
  readonly looked: () => void;
}

export class AgentRooms implements AsyncDisposable {
  readonly outboxes: ReadonlyMap<string, RoomOutbox>;
  readonly #deps: AgentRoomsDeps;
  readonly #supervisor: RoomSupervisor;
  #ids = new Map<string, string>();
  #space: SpaceMeasure;
  #pseudonymKey: string | undefined;
  #cancelMeasure: () => void = () => {};

  constructor(deps: AgentRoomsDeps) {
    this.#deps = deps;
    const { config, logger } = deps;
    this.#space = measureSpace(config.dataDir, config.space.totalBytes);
    this.#supervisor = new RoomSupervisor({
      clock: systemClock,
      random: Math.random,
      logger,
      script: roomScript(),
      cwd: dirname(config.file),
      settings: {
        ...DEFAULT_SUPERVISION,
        heartbeatTimeoutMs: config.room.heartbeatTimeoutMs,
        memoryBytes: config.room.memoryBytes,
      },
      onMessage: (connectionId, message) => this.#fromRoom(connectionId, message),
      onExit: (connectionId, exit) => deps.ended(connectionId, this.nameOf(connectionId), exit),
    });
    this.outboxes = new Map(config.connections.map(({ name }) => [name, this.#outbox(name)]));
  }

  get space(): SpaceMeasure {
    return this.#space;
  }

  start(): void {
    this.#bind(this.#deps.database.connections());
    this.#measureAgain();
  }

  /** Undefined while the relay has not bound the name. */
  idOf(name: string): string | undefined {
    return this.#ids.get(name);
  }

  nameOf(connectionId: string): string {
    return this.#supervisor.room(connectionId)?.connection ?? connectionId;
  }

  view(connectionId: string): RoomView | undefined {
    return this.#supervisor.room(connectionId);
  }

  /** False if the room is not there to hear it. */
  send(connectionId: string, message: ToRoom): boolean {
    return this.#supervisor.send(connectionId, message);
  }

  /** Starts the room anew if what it is to run with has changed. */
  refresh(connectionId: string): void {
    const connection = this.#deps.config.connections.find(({ name }) => this.#ids.get(name) === connectionId);
    if (connection !== undefined)
      this.#supervisor.start(this.#roomConfig(connection, connectionId), this.#budget());
  }

  /** The relay says which connections are this agent's; kept, so that rooms also start while the relay is away. */
  rebind(connections: readonly BoundConnection[]): void {
    const { database, history } = this.#deps;
    const known = JSON.stringify(database.connections());
    if (JSON.stringify(connections) === known) return;
    // Not kept for want of space, they hold until the agent restarts; the relay says them again at every session.
    history.unlessFull(() => database.bindConnections(connections));
    this.#bind(connections);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#cancelMeasure();
    await this.#supervisor[Symbol.asyncDispose]();
    for (const outbox of this.outboxes.values()) outbox.close();
  }

  #outbox(name: string): RoomOutbox {
    const toRoom = (message: ToRoom): void => {
      const id = this.#ids.get(name);
      if (id !== undefined) this.#supervisor.send(id, message);
    };
    return new RoomOutbox(name, this.#deps.logger, toRoom);
  }

  /** Which configured connections have an id; rooms of those that lost theirs are stopped, their files stay. */
  #bind(bound: readonly BoundConnection[]): void {
    const { config, logger } = this.#deps;
    const before = this.#ids;
    this.#ids = new Map();
    for (const { id, name } of bound) {
      if (SAFE_ID.test(id)) this.#ids.set(name, id);
      else logger.error({ connection: name }, "the relay gave this connection an id that is no plain name");
    }
    const used = new Set(this.#ids.values());
    for (const id of before.values()) if (!used.has(id)) void this.#supervisor.stop(id);
    for (const connection of config.connections) {
      const id = this.#ids.get(connection.name);
      if (id !== undefined) this.#supervisor.start(this.#roomConfig(connection, id), this.#budget());
      else logger.warn({ connection: connection.name }, "not bound to this agent at the relay: not read");
    }
  }

  #roomConfig(connection: ConnectionSettings, connectionId: string): RoomConfig {
    const { dataDir, room, logLevel } = this.#deps.config;
    const roomDir = join(dataDir, "rooms", connectionId);
    mkdirSync(roomDir, { recursive: true, mode: 0o700 });
    const { name, massDeleteFraction, ...settings } = connection;
    const { protection } = connection;
    const config: RoomConfig = {
      ...settings,
      massDeleteFraction,
      connectionId,
      connection: name,
      roomDir,
      heartbeatMs: Math.min(MAX_HEARTBEAT_MS, Math.floor(room.heartbeatTimeoutMs / 5)),
      logLevel,
      ...(protection === undefined ? {} : { pseudonymKey: this.#key() }),
    };
    return withSettings(config, this.#deps.inEffect(connectionId));
  }

  #key(): string {
    this.#pseudonymKey ??= pseudonymKey(this.#deps.database);
    return this.#pseudonymKey;
  }

  #budget(): RoomBudget {
    return roomBudget(this.#space, this.#ids.size);
  }

  #measureAgain(): void {
    const { config, history, looked } = this.#deps;
    const wasFull = this.#space.volumeFull;
    this.#space = measureSpace(config.dataDir, config.space.totalBytes);
    if (this.#space.volumeFull && !wasFull) {
      // What agent.db must still write down gets the ballast's space.
      dropBallast(config.dataDir);
      history.record("error", "", "the disk is full: nothing new is read until there is space again");
    }
    if (!this.#space.volumeFull) layBallast(config.dataDir);
    looked();
    for (const id of this.#ids.values()) this.#supervisor.setBudget(id, this.#budget());
    this.#cancelMeasure = systemClock.setTimer(MEASURE_SPACE_EVERY_MS, () => this.#measureAgain());
  }

  #fromRoom(connectionId: string, message: FromRoom): void {
    const name = this.nameOf(connectionId);
    const outbox = this.outboxes.get(name);
    if (message.type === "opened") outbox?.open(message.file);
    if (message.type === "release_file") {
      outbox?.release(message.file);
      this.#supervisor.send(connectionId, { type: "file_released", file: message.file });
      return;
    }
    this.#deps.said(connectionId, name, message);
  }
}

function roomScript(): string {
  const installed = installation();
  return installed === undefined ? join(import.meta.dirname, "room.ts") : join(installed.folder, "room.mjs");
}
