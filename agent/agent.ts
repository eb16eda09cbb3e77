// One run of the agent's main process: rooms, uplink, commands and settings, and what the command line asks of them.
import { join } from "node:path";
import { AgentHistory } from "#agent/agent-history.ts";
import { AgentRooms } from "#agent/agent-rooms.ts";
import { agentStatus } from "#agent/agent-status-view.ts";
import type { AgentConfig } from "#agent/core/agent-config.ts";
import type { AgentIdentity } from "#agent/core/agent-identity.ts";
import { SETTINGS_FACT } from "#agent/core/settings/kept-settings.ts";
import type { AgentStatus } from "#agent/core/agent-status.ts";
import { RelayHeads } from "#agent/core/commands/relay-heads.ts";
import { PlantCommands, type PlantConnection } from "#agent/core/commands/plant-commands.ts";
import { NOTHING_ALLOWED } from "#agent/core/commands/plant-policy.ts";
import type { AuditEntry } from "#agent/core/commands/audit-chain.ts";
import type { HaltedPart, JournalEntry } from "#agent/core/commands/journal.ts";
import { WatchedJournal } from "#agent/core/commands/watched-journal.ts";
import type { ControlHandlers, OperateAction } from "#agent/core/control.ts";
import type { FromRoom } from "#agent/core/room/messages.ts";
import type { RoomExit } from "#agent/core/room/supervision.ts";
import { NO_SECURITY_EVENTS, type SecurityEvents } from "#agent/core/security-events.ts";
import { PlantSettings } from "#agent/core/settings/plant-settings.ts";
import { Uplink } from "#agent/core/uplink/uplink.ts";
import type { Directive } from "#agent/core/uplink/uplink-session.ts";
import { checkIntegrity } from "#agent/outbox/integrity-check.ts";
import type { AgentDatabase } from "#agent/platform/agent-database.ts";
import { sha256 } from "#agent/platform/command-journal.ts";
import { DatabaseCheck } from "#agent/platform/database-check.ts";
import { installation } from "#agent/platform/installation.ts";
import { VERSION } from "#agent/platform/version.ts";
import { watchedLine } from "#agent/line-watch.ts";
import { relayLine } from "#agent/relay-line.ts";
import { RoomNews } from "#agent/room-news.ts";
import { checkAuditTrail, checkInstalledFiles } from "#agent/start-checks.ts";
import type { ConnectionReport } from "#common/contract/messages.ts";
import { systemClock, type Clock } from "#common/runtime/clock.ts";
import { MillraceError } from "#common/runtime/errors.ts";
import type { Logger } from "#common/runtime/logger.ts";
import { didYouMean } from "#common/runtime/nearest-match.ts";

/** A file that was opened as it was left, and a room's very first one, are no news. */
const QUIET_REASONS: ReadonlySet<string> = new Set(["resumed", "created"]);
/** Holds identity and bindings. */
export const AGENT_DATABASE = "agent.db";
/** Of the history, shown by `status`. */
const SHOWN_EVENTS = 20;
/** Of the audit trail, shown by the status page. */
const SHOWN_TRAIL = 50;
/** Settled commands that `commands` shows beside the open ones. */
const SHOWN_COMMANDS = 50;

export interface AgentOptions {
  readonly config: AgentConfig;
  readonly logger: Logger;
  /** By which settings from the relay are on trial; absent: the system's. */
  readonly settingsClock?: Clock;
  /** What concerns security is told here too. */
  readonly security?: SecurityEvents;
}

/** One run of the agent; the caller holds the data folder's lock. */
export class Agent implements ControlHandlers, AsyncDisposable {
  readonly stopRequested: Promise<void>;
  readonly #config: AgentConfig;
  readonly #database: AgentDatabase;
  readonly #identity: AgentIdentity;
  readonly #history: AgentHistory;
  readonly #rooms: AgentRooms;
  readonly #news: RoomNews;
  readonly #requestStop: () => void;
  readonly #startedAtMs = systemClock.nowMs();
  readonly #uplink: Uplink;
  readonly #commands: PlantCommands;
  readonly #settings: PlantSettings;
  readonly #security: SecurityEvents;
  readonly #logger: Logger;
  readonly #relayHeads: RelayHeads;
  /** Ends the uplink: with the agent, or while egress is halted. */
  #uplinkEnd = new AbortController();
  #uplinkRun: Promise<void> = Promise.resolve();
  readonly #stopping = new AbortController();
  #startChecks: Promise<unknown> = Promise.resolve();
  readonly #databaseCheck: DatabaseCheck;

  constructor(
    { config, logger, settingsClock, security = NO_SECURITY_EVENTS }: AgentOptions,
    database: AgentDatabase,
    identity: AgentIdentity,
  ) {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.stopRequested = promise;
    this.#requestStop = resolve;
    this.#config = config;
    this.#security = security;
    this.#logger = logger;
    this.#database = database;
    this.#identity = identity;
    this.#history = new AgentHistory(logger, database);
    this.#news = new RoomNews({ config, database, history: this.#history, clock: systemClock });
    const file = join(config.dataDir, AGENT_DATABASE);
    const damaged = (message: string): void => {
      this.#history.remember("error", "", message);
      security.note("data_damaged", { problem: message });
    };
    this.#databaseCheck = new DatabaseCheck({ check: checkIntegrity, database, file, logger, damaged });
    this.#rooms = new AgentRooms({
      config,
      logger,
      database,
      history: this.#history,
      said: (connectionId, name, message) => this.#fromRoom(connectionId, name, message),
      ended: (connectionId, name, exit) => this.#roomEnded(connectionId, name, exit),
      inEffect: (connectionId) => this.#settings.inEffect(connectionId),
      looked: () => this.#databaseCheck.look(),
    });
    this.#uplink = new Uplink({
      clock: systemClock,
      logger,
      random: Math.random,
      sources: [...this.#rooms.outboxes.values()],
      connect: watchedLine(relayLine(config, identity), config.relay.url ?? identity.relayUrl, security),
      bound: (connections) => this.#rooms.rebind(connections),
      directive: (directive) => this.#directive(directive),
      welcomed: () => {
        this.#commands.welcomed();
        this.#settings.welcomed();
      },
    });
    this.#settings = this.#plantSettings(settingsClock ?? systemClock);
    const journal = new WatchedJournal(database.journal, security);
    this.#commands = new PlantCommands({
      connection: (id) => this.#connection(id),
      toRoom: (connectionId, message) => this.#rooms.send(connectionId, message),
      answer: (answer) => this.#uplink.answer(answer),
      clock: systemClock,
      logger,
      journal,
      sha256,
      isDiskFull: () => this.#rooms.space.volumeFull,
    });
    this.#relayHeads = new RelayHeads({
      clock: systemClock,
      logger,
      journal: database.journal,
      workspaceId: () => identity.workspaceId,
      answer: (answer) => this.#uplink.answer(answer),
    });
  }

  start(): void {
    for (const { id } of this.#database.connections()) this.#settings.resume(id);
    this.#rooms.start();
    this.#commands.start();
    this.#history.record("info", "", `agent ${VERSION} started`);
    this.#runUplink();
    const installed = installation();
    this.#startChecks = Promise.all([
      checkAuditTrail(this.#database.journal, this.#security, this.#stopping.signal),
      installed && checkInstalledFiles(installed.manifestFile, this.#security, this.#logger),
    ]);
  }

  status(): AgentStatus {
    const { last } = this.#databaseCheck;
    return agentStatus({
      config: this.#config,
      identity: this.#identity,
      startedAtMs: this.#startedAtMs,
      uplink: this.#uplink.state,
      desk: this.#commands.desk,
      rooms: this.#rooms,
      news: this.#news,
      events: this.#database.recentEvents(SHOWN_EVENTS),
      checks: {
        ...(last === undefined ? {} : { [AGENT_DATABASE]: last }),
        ...this.#news.checks,
      },
    });
  }

  operate(action: OperateAction, connection: string, entity: string | undefined): void {
    const id = this.#boundId(connection);
    const message = entity === undefined ? { action } : { action, entity };
    if (!this.#rooms.send(id, { type: "operate", ...message }))
      throw new MillraceError(`the room of ${connection} is down; see millrace-agent status`);
    this.#history.record(
      "info",
      connection,
      `operator: ${action}${entity === undefined ? "" : ` ${entity}`}`,
    );
  }

  commands(): readonly JournalEntry[] {
    const { open } = this.#commands.desk;
    const settled = this.#database.journal.recent(SHOWN_COMMANDS).filter(({ state }) => state === "settled");
    return [...open, ...settled];
  }

  /** Of the audit trail, the newest entries, oldest first. */
  trail(): readonly AuditEntry[] {
    const { journal } = this.#database;
    return journal.audit(Math.max(0, journal.auditBounds().head.seq - SHOWN_TRAIL), SHOWN_TRAIL);
  }

  approve(id: string, by: string): void {
    this.#commands.desk.approve(id, by);
    this.#history.record("info", "", `${by} approved ${id}`);
  }

  reject(id: string, by: string, reason: string | undefined): void {
    this.#commands.desk.reject(id, by, reason);
    this.#history.record("info", "", `${by} rejected ${id}`);
  }

  halt(part: HaltedPart, isHalted: boolean, by: string): void {
    try {
      this.#commands.desk.halt(part, isHalted, by);
    } finally {
      if (part === "egress" && isHalted) this.#uplinkEnd.abort();
      else if (part === "egress") this.#runUplink();
      for (const report of this.#news.reports.values()) this.#report(report);
      this.#history.record("warn", "", `${by} ${isHalted ? "halted" : "unhalted"} ${part}`);
    }
  }

  stop(): void {
    this.#requestStop();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    this.#uplinkEnd.abort();
    await Promise.all([this.#uplinkRun, this.#startChecks]);
    this.#commands.stop();
    this.#settings.stop();
    await this.#rooms[Symbol.asyncDispose]();
    this.#history.record("info", "", "agent stopped");
  }

  /** While egress is halted the uplink stays closed, and the outboxes keep everything. */
  #runUplink(): void {
    this.#uplinkRun = this.#uplinkAfter(this.#uplinkRun);
  }

  async #uplinkAfter(earlier: Promise<void>): Promise<void> {
    await earlier;
    if (this.#stopping.signal.aborted || this.#commands.desk.halted.has("egress")) return;
    this.#uplinkEnd = new AbortController();
    await this.#uplink.run(this.#uplinkEnd.signal);
  }

  #report(report: ConnectionReport): void {
    const { halted } = this.#commands.desk;
    this.#uplink.report(halted.has("writes") ? { ...report, halted: ["writes"] } : report);
  }

  /** @throws MillraceError */
  #boundId(connection: string): string {
    const names = this.#config.connections.map(({ name }) => name);
    if (!names.includes(connection))
      throw new MillraceError(
        `no connection "${connection}"${didYouMean(connection, names)}; there: ${names.join(", ") || "none"}`,
      );
    const id = this.#rooms.idOf(connection);
    if (id === undefined)
      throw new MillraceError(`${connection} is not bound to this agent at the relay; bind it there first`);
    return id;
  }

  /** The file that a command is held against is this process's own. */
  #connection(id: string): PlantConnection | undefined {
    const settings = this.#config.connections.find(({ name }) => this.#rooms.idOf(name) === id);
    return (
      settings && {
        name: settings.name,
        timeZone: settings.timeZone,
        policy: settings.allow ?? NOTHING_ALLOWED,
      }
    );
  }

  #directive(directive: Directive): void {
    if (directive.type === "desired_settings") this.#settings.desired(directive);
    else if (directive.type === "relay_audit") this.#relayHeads.take(directive);
    else this.#commands.take(directive);
  }

  #plantSettings(clock: Clock): PlantSettings {
    return new PlantSettings({
      clock,
      facts: {
        read: (connectionId) => this.#database.fact(connectionId, SETTINGS_FACT),
        keep: (connectionId, text) => this.#keepSettings(connectionId, text),
      },
      judge: (connectionId, revision, document) =>
        this.#rooms.send(connectionId, { type: "judge", revision, document }),
      restart: (connectionId) => this.#rooms.refresh(connectionId),
      report: (reported) => void this.#uplink.answer(reported),
      isOnline: () => this.#uplink.state.state === "online",
      note: (connectionId, level, message) =>
        this.#history.record(level, this.#rooms.nameOf(connectionId), message),
    });
  }

  #keepSettings(connectionId: string, text: string): boolean {
    let isKept = false;
    this.#history.unlessFull(() => {
      this.#database.setFact(connectionId, SETTINGS_FACT, text);
      isKept = true;
    });
    return isKept;
  }

  #fromRoom(connectionId: string, name: string, message: FromRoom): void {
    this.#news.take(connectionId, name, message);
    switch (message.type) {
      case "report":
        this.#report(message.report);
        break;
      case "opened":
        if (!QUIET_REASONS.has(message.reason))
          this.#history.remember("warn", name, `a new epoch began: ${message.reason}`);
        this.#uplink.opened(name);
        break;
      case "committed":
        this.#uplink.wake(name);
        break;
      case "description":
        this.#uplink.report(message.description);
        this.#settings.sourceOpened(connectionId);
        break;
      case "command_result":
        this.#commands.answered(message.result);
        break;
      case "judged":
        this.#settings.judged(connectionId, message.revision, message.problems);
        break;
      case "settings_outdated":
        this.#settings.outdated(connectionId, message.problems);
        break;
      case "mapped":
        this.#settings.mapped(connectionId, message.accepted, message.rejected);
        break;
      default:
        break;
    }
  }

  #roomEnded(connectionId: string, name: string, exit: RoomExit): void {
    this.#news.roomEnded(connectionId);
    this.#commands.roomEnded(connectionId);
    this.#settings.roomEnded(connectionId, exit.detail, exit.reason === "misconfigured");
    // The supervisor has logged it.
    if (exit.reason === "stopped") return;
    this.#report({
      type: "connection_report",
      connection_id: connectionId,
      status: "degraded",
      reason: (exit.detail === "" ? `the room ended (${exit.reason})` : exit.detail).slice(0, 2_000),
    });
    this.#history.remember("warn", name, `room ended (${exit.reason}): ${exit.detail}`);
  }
}
