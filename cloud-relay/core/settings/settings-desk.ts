// Brings desired settings to agents and keeps what they say of themselves: reported settings and descriptions.
import type { ConnectionDescription } from "#common/contract/description.ts";
import type { ReportedSettings } from "#common/contract/settings.ts";
import type { Clock } from "#common/runtime/clock.ts";
import type { Logger } from "#common/runtime/logger.ts";
import type { AgentPeer, AgentWatcher, SideMessage } from "../agents/agent-watcher.ts";
import { subjects, type Bus } from "../bus.ts";
import type { ConnectionRow, Store } from "../store.ts";

export interface SettingsDeskDeps {
  readonly store: Store;
  readonly bus: Bus;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** A change of one of these is a change of what records look like. */
const MAPPING_MEMBERS = ["remap", "custom_fields", "custom_entities"] as const;

export class SettingsDesk implements AgentWatcher {
  readonly #deps: SettingsDeskDeps;
  /** By session: ends listening for changes. */
  readonly #listening = new Map<AgentPeer, () => void>();

  constructor(deps: SettingsDeskDeps) {
    this.#deps = deps;
  }

  async opened(peer: AgentPeer): Promise<void> {
    const { store, bus, logger } = this.#deps;
    // Before looking: a change that comes meanwhile is sent twice at worst, and never missed.
    const stop = bus.subscribe(subjects.settings(peer.agentId), (connectionId) => {
      this.#send(peer, String(connectionId)).catch((error: unknown) => {
        logger.error(
          { connection: connectionId, err: error },
          "settings: could not be sent; the next session gets them",
        );
      });
    });
    this.#listening.set(peer, stop);
    for (const { id } of await store.directory.connectionsOfAgent(peer.agentId)) await this.#send(peer, id);
  }

  async received(peer: AgentPeer, message: SideMessage): Promise<void> {
    if (message.type !== "reported_settings" && message.type !== "connection_description") return;
    const connection = await this.#served(peer, message.connection_id);
    if (connection === undefined) return;
    if (message.type === "reported_settings") await this.#reported(connection, message);
    else await this.#described(connection, message);
  }

  closed(peer: AgentPeer): void {
    this.#listening.get(peer)?.();
    this.#listening.delete(peer);
  }

  /** If the agent has not judged them yet. */
  async #send(peer: AgentPeer, connectionId: string): Promise<void> {
    const connection = await this.#served(peer, connectionId);
    if (connection === undefined) return;
    const scope = { workspaceId: peer.workspaceId };
    const { desired, reported } = await this.#deps.store.settings.get(scope, connectionId);
    if (desired === undefined || desired.revision <= (reported?.revision ?? 0)) return;
    const { revision, document } = desired;
    peer.send({ type: "desired_settings", connection_id: connectionId, revision, document });
  }

  async #reported(connection: ConnectionRow, reported: ReportedSettings): Promise<void> {
    const { store, clock } = this.#deps;
    const scope = { workspaceId: connection.workspaceId };
    const { reported: before } = await store.settings.get(scope, connection.id);
    await store.settings.putReported(reported, clock.nowMs());
    const [was, is] = [before?.in_effect ?? 0, reported.in_effect];
    if (was === is) return;
    const documents = [was, is].map((revision) => store.settings.document(scope, connection.id, revision));
    const [old, now] = await Promise.all(documents);
    const changed = MAPPING_MEMBERS.filter(
      (member) => JSON.stringify(old?.document[member]) !== JSON.stringify(now?.document[member]),
    );
    if (changed.length > 0) {
      await this.#mappingChanged(connection, { settings_revision: is, previous_revision: was, changed });
    }
  }

  async #described(connection: ConnectionRow, description: ConnectionDescription): Promise<void> {
    const before = connection.description?.mapping_version;
    await this.#deps.store.directory.putDescription(description);
    const { mapping_version } = description;
    if (before === undefined || before === mapping_version) return;
    await this.#mappingChanged(connection, { mapping_version, previous_mapping_version: before });
  }

  async #mappingChanged(connection: ConnectionRow, data: object): Promise<void> {
    const { store, bus, clock } = this.#deps;
    const { id: connectionId, workspaceId } = connection;
    const atMs = clock.nowMs();
    await store.ingest(async (tx) => {
      const position = await tx.revisions(1, atMs);
      await tx.appendEvents([
        {
          id: `evt_r_${position}`,
          position,
          type: "mapping.changed",
          workspaceId,
          connectionId,
          entity: undefined,
          recordId: undefined,
          origin: undefined,
          atMs,
          data: JSON.stringify(data),
        },
      ]);
    });
    bus.publish(subjects.feed(workspaceId), 1);
  }

  /** Agents speak of their own connections only. */
  async #served(
    { agentId, workspaceId }: AgentPeer,
    connectionId: string,
  ): Promise<ConnectionRow | undefined> {
    const connection = await this.#deps.store.directory.connection({ workspaceId }, connectionId);
    if (connection?.agentId !== agentId || connection.disconnectedAtMs !== undefined) return undefined;
    return connection;
  }
}
