// What becomes of a write to one of the known work orders (known-keys.ts).
import type { CommandResult } from "#common/contract/messages.ts";
import { SandboxFailure, refused } from "./command-failure.ts";
import { TRAPS } from "./known-keys.ts";
import { keyOf } from "./plant-book.ts";
import type { SourceRow } from "./sandbox-source.ts";
import { versionConflict } from "./sandbox-write.ts";

/** The source takes so long, and then gives up. */
export const SLOW_MS = 2_000;
const RETRY_AFTER_MS = 30_000;

/** @throws SandboxFailure as the key says; gives a result for what is no failure; undefined where the key is a usual one */
export async function sprung(
  key: string | undefined,
  row: SourceRow | undefined,
  pause: (ms: number) => Promise<void>,
): Promise<Pick<CommandResult, "outcome" | "detail"> | undefined> {
  const effect = TRAPS.find(({ number }) => keyOf(number) === key)?.effect;
  switch (effect) {
    case "refused_by_source":
      throw refused("SB-9001", "trigger SB_WORKORDER_GUARD refuses every change of this row");
    case "slow":
      await pause(SLOW_MS);
      throw new SandboxFailure(
        "TIMEOUT",
        "The source did not answer in time; nothing was written. Try again.",
      );
    case "unknown_outcome":
      return {
        outcome: "unknown_outcome",
        detail: "the connection to the source broke while it was being written.",
      };
    case "version_conflict":
      throw row === undefined
        ? new SandboxFailure("NOT_FOUND", "the source has no such record")
        : versionConflict(row);
    case "rate_limited":
      throw new SandboxFailure(
        "RATE_LIMITED",
        "The plant takes 30 writes a minute, and there were as many. Try again later; Retry-After says when.",
        {
          retry_after_ms: RETRY_AFTER_MS,
        },
      );
    case "halted":
      throw new SandboxFailure(
        "HALTED",
        "Somebody at the plant stopped all writes; nothing was written. Try again when they are let go on, or ask there.",
      );
    case "not_found":
      throw new SandboxFailure(
        "NOT_FOUND",
        "The source has no such record (any more); nothing was written. The next sync will tell the relay.",
      );
    case "unreachable":
      throw new SandboxFailure(
        "SYSTEM_UNREACHABLE",
        "The agent is there, but its source does not answer; nothing was written. Try again later.",
      );
    case "login_refused":
      throw new SandboxFailure(
        "REAUTHORIZATION_REQUIRED",
        "The source refuses the agent's login: the password has expired.",
      );
    case "failure":
      throw new SandboxFailure(
        "INTERNAL",
        "The agent failed to carry it out; nothing was written. Try again; if it stays, its log says why.",
      );
    case "too_large":
      throw new SandboxFailure(
        "RESULT_TOO_LARGE",
        "The answer is too large to be carried. Ask for less: fewer records, or fewer fields.",
      );
    case "rejected_at_plant":
      throw new SandboxFailure(
        "REJECTED_AT_PLANT",
        "Somebody at the plant said no: not before the shift ends. Nothing was written; ask there.",
      );
    case "expired":
      throw new SandboxFailure(
        "EXPIRED",
        "Its time ended while it waited; nothing was written. Send it again, with a longer `ttl`.",
      );
    case undefined:
  }
  return undefined;
}
