// Who the agent is, as enrolment made it: its key, the relay it trusts, the connections bound to it.
import { MillraceError } from "#common/runtime/errors.ts";

/** Nothing can run before somebody enrols the agent; trying again does not help. */
export class NotEnrolledError extends MillraceError {
  override name = "NotEnrolledError";
}

export interface AgentIdentity {
  readonly agentId: string;
  /** As given at enrolment; shown to people. */
  readonly name: string;
  readonly workspaceId: string;
  readonly workspaceName: string;
  /** Endpoint, path included. */
  readonly relayUrl: string;
  /** The relay's Ed25519 public key, raw, base64url: pinned at enrolment. */
  readonly relayKey: string;
  /** The agent's own Ed25519 seed, base64url (common/contract/identity-key.ts). Never logged, never sent. */
  readonly secretKey: string;
  readonly enrolledAtMs: number;
}

/** One line of the agent's own short history, shown by `status`. */
export interface AgentEvent {
  readonly atMs: number;
  readonly level: "info" | "warn" | "error";
  /** Connection's name, or empty for the agent itself. */
  readonly connection: string;
  readonly message: string;
}
