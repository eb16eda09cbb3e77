// What the agent says about itself: over the control socket, to `millrace-agent status`.
import type { ConnectionReport } from "#common/contract/messages.ts";
import type { HaltedPart } from "./commands/journal.ts";
import type { AgentEvent } from "./agent-identity.ts";
import type { FileCheck } from "./integrity-rounds.ts";

export interface AgentStatus {
  readonly version: string;
  readonly pid: number;
  readonly startedAtMs: number;
  readonly agentId: string;
  readonly name: string;
  readonly workspace: string;
  readonly relay: {
    readonly url: string;
    readonly state: "online" | "connecting" | "waiting" | "not_started" | "halted";
    /** Why it is not online; may be empty. */
    readonly detail: string;
    /** Since when it is in this state. */
    readonly sinceMs: number;
  };
  /** What an operator has stopped, until it is allowed again. */
  readonly halted: readonly HaltedPart[];
  /** Writes of the relay that wait for somebody's approval. */
  readonly held: number;
  readonly space: {
    readonly totalBytes: number;
    readonly usedBytes: number;
    readonly freeDiskBytes: number;
    readonly volumeFull: boolean;
  };
  readonly connections: readonly ConnectionStatus[];
  /** Weekly checks of the agent's database files, by `agent.db` or the connection's name; none before the first. */
  readonly checks: Readonly<Record<string, FileCheck>>;
  /** Newest first. */
  readonly events: readonly AgentEvent[];
}

export interface ConnectionStatus {
  readonly name: string;
  /** Undefined while the relay has not bound the name. */
  readonly id: string | undefined;
  readonly connector: string;
  readonly room: {
    readonly phase: string;
    readonly pid: number | undefined;
    readonly restarts: number;
    readonly retryInMs: number | undefined;
    readonly lastExit: string | undefined;
    readonly misconfigured: string | undefined;
    readonly rssBytes: number | undefined;
    readonly outboxBytes: number | undefined;
    readonly knownBytes: number | undefined;
    /** Changes that this run of the room has written. */
    readonly changes: number | undefined;
  };
  /** When the oldest batch that the relay does not hold yet was closed; undefined: it holds all, or nobody can tell. */
  readonly oldestUnsentAtMs: number | undefined;
  /** When the room last stored something in this run of the agent. */
  readonly storedAtMs: number | undefined;
  /** The room's own last report. */
  readonly report: ConnectionReport | undefined;
}
