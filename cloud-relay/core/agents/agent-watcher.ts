// What an agent says beside its streams, and who listens: commands, settings, descriptions.
import type { CommandResult, CommandState, DownMessage, PlantAudit } from "#common/contract/messages.ts";
import type { ConnectionDescription } from "#common/contract/description.ts";
import type { ReportedSettings } from "#common/contract/settings.ts";

export type SideMessage =
  | CommandResult
  | CommandState
  | ConnectionDescription
  | PlantAudit
  | ReportedSettings;

/** One session of one agent. */
export interface AgentPeer {
  readonly agentId: string;
  readonly workspaceId: string;
  readonly session: number;
  /** Does nothing once the session is over. */
  send(message: DownMessage): void;
}

/** Called in the order of the session's events; a rejection closes the session, and the agent comes back. */
export interface AgentWatcher {
  /** After the welcome. */
  opened(peer: AgentPeer): Promise<void>;
  received(peer: AgentPeer, message: SideMessage): Promise<void>;
  closed(peer: AgentPeer): void;
}
