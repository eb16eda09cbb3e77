// What the command line may ask of a running agent.
import type { AgentStatus } from "./agent-status.ts";
import type { HaltedPart, JournalEntry } from "./commands/journal.ts";

/** What an operator may do with a connection, or with one entity of it. */
export type OperateAction = "confirm_deletes" | "sync" | "resync" | "pause" | "resume";

export type ControlRequest =
  | { readonly command: "status" }
  | {
      readonly command: OperateAction;
      readonly connection: string;
      readonly entity?: string;
    }
  | { readonly command: "commands" }
  | { readonly command: "approve"; readonly id: string; readonly by: string }
  | { readonly command: "reject"; readonly id: string; readonly by: string; readonly reason?: string }
  | { readonly command: "halt" | "unhalt"; readonly part: HaltedPart; readonly by: string }
  | { readonly command: "stop" };

/** Implemented by the running agent. A rejection's message is shown to the operator. */
export interface ControlHandlers {
  status(): AgentStatus;
  /** @throws MillraceError naming the unknown connection, or why its room cannot be told now */
  operate(action: OperateAction, connection: string, entity: string | undefined): void;
  /** Open ones first, oldest first; then the last that are settled. */
  commands(): readonly JournalEntry[];
  /** @throws MillraceError naming what waits for approval, when this does not */
  approve(id: string, by: string): void;
  reject(id: string, by: string, reason: string | undefined): void;
  /** In effect when it returns, also where it throws. @throws MillraceError when it could not be written down */
  halt(part: HaltedPart, isHalted: boolean, by: string): void;
  stop(): void;
}
