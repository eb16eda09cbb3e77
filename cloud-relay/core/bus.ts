// How relay nodes tell each other things; in-process here, a broker where there are several nodes.

/** Messages are hints, never truth: whoever subscribes also looks at the store. */
export interface Bus extends AsyncDisposable {
  /** Delivers to every subscriber of the subject, at most once, in order per publisher. */
  publish(subject: string, message: unknown): void;
  /** Returns the function that ends the subscription. */
  subscribe(subject: string, handler: (message: unknown) => void): () => void;
  /** Asks the one responder of the subject. @throws NoResponderError at once when there is none; rejects on time-out. */
  request(subject: string, message: unknown, timeoutMs: number): Promise<unknown>;
  /** Becomes the responder of the subject; a later one takes over. */
  respond(subject: string, handler: (message: unknown) => Promise<unknown>): () => void;
}

export class NoResponderError extends Error {
  override name = "NoResponderError";
}

export const subjects = {
  /** Whoever answers holds the agent's session (commands/agent-commands.ts). */
  agent: (agentId: string): string => `agent.${agentId}`,
  /** A command's id: its caller has gone. */
  cancelCommand: (agentId: string): string => `agent.${agentId}.cancel`,
  /** A connection's id: operations wait for it. */
  queued: (agentId: string): string => `agent.${agentId}.queued`,
  /** The operation has changed. */
  operation: (id: string): string => `operation.${id}`,
  /** A connection's id: its desired settings have changed. */
  settings: (agentId: string): string => `agent.${agentId}.settings`,
  evict: (agentId: string): string => `agent.${agentId}.evict`,
  /** Published after each commit that appended events to the workspace's feed. */
  feed: (workspaceId: string): string => `feed.${workspaceId}`,
  /** Deliveries were made that are due: a deliverer may look at once. */
  webhooksDue: "webhooks.due",
  /** An endpoint's id: it was made, changed or deleted. */
  webhookEndpoints: "webhooks.endpoints",
  /** Bindings, tokens or agents of the workspace changed. */
  directory: (workspaceId: string): string => `directory.${workspaceId}`,
};
