// What the relay may do with a connection, as an operator at the plant can: less where somebody there has spoken.
import type { OperateBody } from "#common/contract/commands.ts";
import { didYouMean } from "#common/runtime/nearest-match.ts";
import type { RoomRunner } from "./room-runner.ts";

export interface WishRefusal {
  readonly code: "NOT_ALLOWED" | "NOTHING_UNDER_WAY";
  readonly detail: string;
}

/** Undefined when it is done or will be; otherwise why not. `traceparent`: of who asks. @throws StorageFullError when it could not be written down */
export function outsideWish(
  runner: Pick<RoomRunner, "pausedBy" | "operate" | "cancelPasses">,
  { action, entity }: OperateBody,
  entities: readonly string[],
  traceparent?: string,
): WishRefusal | undefined {
  if (entity !== undefined && !entities.includes(entity)) {
    const hint = didYouMean(entity, entities) || `; there: ${entities.join(", ")}`;
    return { code: "NOT_ALLOWED", detail: `this connection has no ${entity}${hint}` };
  }
  switch (action) {
    case "pause":
      // A pause of the plant's stays the plant's.
      if (runner.pausedBy === undefined) runner.operate("pause", undefined, "relay");
      return undefined;
    case "resume":
      if (runner.pausedBy === "plant")
        return { code: "NOT_ALLOWED", detail: "somebody at the plant has paused it: it is resumed there" };
      if (runner.pausedBy === "relay") runner.operate("resume", undefined, "relay");
      return undefined;
    case "cancel":
      if (runner.cancelPasses(entity) > 0) return undefined;
      return {
        code: "NOTHING_UNDER_WAY",
        detail: "nothing is under way that could be called off; a first reading cannot be, but paused",
      };
    default:
      runner.operate(action, entity, "relay", traceparent);
      return undefined;
  }
}
