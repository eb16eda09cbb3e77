// All agents of this node: one session each, the newest fences the others; notices clones; tells who is offline.
import type { Channel } from "#common/contract/channel.ts";
import { CLOSE, type BoundConnection } from "#common/contract/messages.ts";
import { subjects } from "../bus.ts";
import type { AgentRow } from "../directory.ts";
import { AgentSession, type AgentSessionDeps } from "./agent-session.ts";
import { CloneWatch } from "./clone-watch.ts";
import { setStatus } from "./connection-status.ts";

/** What the handshake has proved. */
export interface ProvenAgent {
  readonly agentId: string;
  readonly instanceId: string;
  readonly agentVersion: string;
  readonly platform: string;
}

/** How long an agent whose line broke may be away before its connections are called offline; one that says goodbye has no such time. */
export const OFFLINE_AFTER_MS = 15_000;

/** Frames that wait while a session is claimed; a well-behaved agent sends none before the welcome. */
const MAX_EARLY_FRAMES = 16;
/** Agents looked at in one round of `refreshSome`. */
const REFRESH_AGENTS = 200;

/** Takes the frames of one agent's channel from the moment it is there; `onFrame` may be called before the session is claimed. */
export interface HubSession {
  onFrame(bytes: Uint8Array): void;
  /** With the line's close code, if it had one. */
  onClose(code?: number): void;
}

interface Live {
  readonly agent: AgentRow;
  readonly instanceId: string;
  readonly session: AgentSession;
}

export class AgentHub {
  readonly #deps: AgentSessionDeps;
  readonly #live = new Map<string, Live>();
  readonly #clones: CloneWatch;
  readonly #offlineTimers = new Map<string, () => void>();
  #toRefresh: string[] = [];
  #isDraining = false;

  constructor(deps: AgentSessionDeps) {
    this.#deps = deps;
    this.#clones = new CloneWatch(deps.clock);
  }

  /** Sessions on this node. */
  get size(): number {
    return this.#live.size;
  }

  /** Agents that the last run of this node left behind as online have the usual time to come back. */
  async start(): Promise<void> {
    const { directory } = this.#deps.ingest.store;
    for (const { id } of await directory.workspaces()) {
      for (const agent of await directory.agents({ workspaceId: id })) {
        if (agent.isOnline) this.#goOfflineLater(agent, agent.session);
      }
    }
  }

  /** An agent has proved who it is. Frames that come while the session is being claimed wait. */
  accept(proven: ProvenAgent, channel: Channel): HubSession {
    const early: Uint8Array[] = [];
    let session: AgentSession | undefined;
    let isGone = false;
    const claimed = this.#claim(proven, channel).then(
      (claimedSession) => {
        session = claimedSession;
        if (isGone) session?.closed();
        for (const frame of early.splice(0)) session?.onFrame(frame);
        return session;
      },
      (error: unknown) => {
        this.#deps.logger.error(
          { agent: proven.agentId, error: String(error) },
          "session: could not be claimed",
        );
        channel.close(CLOSE.INTERNAL, "the relay could not claim the session");
        return undefined;
      },
    );
    return {
      onFrame: (bytes) => {
        if (session !== undefined) session.onFrame(bytes);
        else if (early.push(bytes) > MAX_EARLY_FRAMES) {
          early.length = 0;
          channel.close(CLOSE.PROTOCOL_ERROR, "frames came before the relay said welcome");
        }
      },
      onClose: (code) => {
        isGone = true;
        void claimed.then((own) => this.#closed(proven.agentId, own, code));
      },
    };
  }

  /**
   * Looks at some of the connected agents, in turn: one that was revoked meanwhile ends, one whose connections were
   * changed is told. (A revoked agent commits nothing in any case: ingest asks.)
   */
  async refreshSome(): Promise<void> {
    if (this.#toRefresh.length === 0) this.#toRefresh = [...this.#live.keys()];
    for (const agentId of this.#toRefresh.splice(0, REFRESH_AGENTS)) await this.#refresh(agentId);
  }

  async #refresh(agentId: string): Promise<void> {
    const live = this.#live.get(agentId);
    if (live === undefined) return;
    const agent = await this.#deps.ingest.store.directory.agentById(agentId);
    if (agent === undefined || agent.revokedAtMs !== undefined) {
      live.session.close(CLOSE.UNAUTHENTICATED, "this agent was revoked");
      return;
    }
    live.session.bind(await this.#bindings(agentId));
  }

  /** Asks all agents to reconnect within the time, finishes what is being committed, and closes. */
  async drain(reconnectInMs: number): Promise<void> {
    this.#isDraining = true;
    const sessions = [...this.#live.values()].map((live) => live.session);
    for (const session of sessions) session.send({ type: "drain", reconnect_in_ms: reconnectInMs });
    for (const session of sessions) session.close(CLOSE.RESTARTING, "the relay is restarting");
    await Promise.all(sessions.map((session) => session.whenIdle()));
    for (const cancel of this.#offlineTimers.values()) cancel();
    this.#offlineTimers.clear();
  }

  async #claim(proven: ProvenAgent, channel: Channel): Promise<AgentSession | undefined> {
    const { ingest, clock, bus, logger } = this.#deps;
    const { directory } = ingest.store;
    const { agentId, instanceId, agentVersion, platform } = proven;
    if (this.#isDraining) {
      channel.close(CLOSE.RESTARTING, "the relay is restarting");
      return undefined;
    }
    const previous = this.#live.get(agentId);
    if (previous !== undefined && this.#clones.evicted(agentId, previous.instanceId, instanceId)) {
      await directory.setAgentQuarantined(agentId, clock.nowMs());
      const reason =
        "two installations share this agent's key and take turns; release it with: millrace-relay agent release";
      logger.error({ agent: agentId }, reason);
      previous.session.close(CLOSE.QUARANTINED, reason);
      channel.close(CLOSE.QUARANTINED, reason);
      return undefined;
    }
    const number = await directory.claimSession(agentId, instanceId, agentVersion, platform, clock.nowMs());
    const agent = await directory.agentById(agentId);
    if (agent === undefined || agent.session !== number) {
      channel.close(CLOSE.FENCED, "a newer session of this agent has taken over");
      return undefined;
    }
    // Another claim may have come in between; the higher number stays.
    const now = this.#live.get(agentId);
    if (now !== undefined) now.session.close(CLOSE.FENCED, "a newer session of this agent has taken over");
    bus.publish(subjects.evict(agentId), number);
    const session = new AgentSession(
      this.#deps,
      { agentId, session: number, workspaceId: agent.workspaceId },
      channel,
    );
    this.#live.set(agentId, { agent, instanceId, session });
    this.#offlineTimers.get(agentId)?.();
    this.#offlineTimers.delete(agentId);
    session.welcome(await this.#bindings(agentId));
    logger.info({ agent: agentId, session: number, version: agentVersion }, "agent connected");
    return session;
  }

  #closed(agentId: string, session: AgentSession | undefined, code: number | undefined): void {
    if (session === undefined) return;
    session.closed();
    const live = this.#live.get(agentId);
    if (live?.session !== session) return;
    this.#live.delete(agentId);
    if (this.#isDraining) return;
    this.#deps.logger.info({ agent: agentId, session: session.session }, "agent disconnected");
    if (code === CLOSE.STOPPING)
      this.#goOfflineNow(live.agent, session, "the agent was stopped, or its egress halted, at the plant");
    else this.#goOfflineLater(live.agent, session.session);
  }

  /** After what the session has begun: a report that is being written comes before the goodbye. */
  #goOfflineNow(agent: AgentRow, session: AgentSession, reason: string): void {
    session
      .whenIdle()
      .then(() => this.#goOffline(agent, session.session, reason))
      .catch(this.#couldNotMark(agent));
  }

  #goOfflineLater(agent: AgentRow, session: number): void {
    this.#offlineTimers.get(agent.id)?.();
    const cancel = this.#deps.clock.setTimer(OFFLINE_AFTER_MS, () => {
      this.#offlineTimers.delete(agent.id);
      const reason = "the agent is not connected to the relay";
      this.#goOffline(agent, session, reason).catch(this.#couldNotMark(agent));
    });
    this.#offlineTimers.set(agent.id, cancel);
  }

  #couldNotMark(agent: AgentRow): (error: unknown) => void {
    return (error) =>
      this.#deps.logger.error(
        { agent: agent.id, error: String(error) },
        "could not mark the agent as offline",
      );
  }

  async #goOffline(agent: AgentRow, session: number, reason: string): Promise<void> {
    const { ingest, clock, bus } = this.#deps;
    const { store } = ingest;
    const nowMs = clock.nowMs();
    await store.directory.endSession(agent.id, session, nowMs);
    const current = await store.directory.agentById(agent.id);
    if (current === undefined || current.session !== session) return;
    let events = 0;
    for (const connection of await store.directory.connectionsOfAgent(agent.id)) {
      if (connection.disconnectedAtMs !== undefined) continue;
      // Back already: what its new session reports is true.
      if (this.#live.has(agent.id)) break;
      const advice = "Check that the agent runs and that it reaches the relay: millrace-agent status";
      events += await setStatus(store, connection.id, { state: "offline", reason, advice }, nowMs);
    }
    if (events > 0) bus.publish(subjects.feed(agent.workspaceId), events);
  }

  async #bindings(agentId: string): Promise<BoundConnection[]> {
    const connections = await this.#deps.ingest.store.directory.connectionsOfAgent(agentId);
    return connections
      .filter(({ disconnectedAtMs }) => disconnectedAtMs === undefined)
      .map(({ id, name }) => ({ id, name }));
  }
}
