// What the command line may ask of a running agent.
import type { AgentStatus } from "./agent-status.ts";

/** What an operator may do with a connection, or with one entity of it. */
export type OperateAction = "confirm_deletes" | "sync" | "resync" | "pause" | "resume";

export type ControlRequest =
  | { readonly command: "status" }
  | {
      readonly command: OperateAction;
      readonly connection: string;
      readonly entity?: string;
    }
  | { readonly command: "stop" };

/** Implemented by the running agent. A rejection's message is shown to the operator. */
export interface ControlHandlers {
  status(): AgentStatus;
  /** @throws MillraceError naming the unknown connection, or why its room cannot be told now */
  operate(action: OperateAction, connection: string, entity: string | undefined): void;
  stop(): void;
}
