// From what an agent says of a command that failed to the problem that the API answers with.
import type { CommandFailure } from "#common/contract/commands.ts";
import type { CommandResult } from "#common/contract/messages.ts";
import { howToReconnect } from "../connections/reachability.ts";
import { Problem, type ProblemCode, type ProblemConnectionStatus, type ProblemExtras } from "../problem.ts";
import type { ConnectionRow, ConnectionStatus } from "../store.ts";

const CODES: Readonly<Record<CommandFailure, ProblemCode>> = {
  NOT_ALLOWED: "NOT_ALLOWED_BY_PLANT",
  HALTED: "WRITES_HALTED",
  RATE_LIMITED: "RATE_LIMIT_EXCEEDED",
  EXPIRED: "EXPIRED",
  REJECTED_AT_PLANT: "REJECTED_AT_PLANT",
  CANCELLED: "CANCELLED",
  INVALID_VALUES: "VALIDATION_FAILED",
  NOT_WRITABLE: "UNSUPPORTED_OPERATION",
  NOTHING_UNDER_WAY: "CONFLICT",
  NOT_FOUND: "NOT_FOUND",
  VERSION_CONFLICT: "VERSION_CONFLICT",
  REFUSED_BY_SOURCE: "REFUSED_BY_SOURCE",
  SYSTEM_UNREACHABLE: "SYSTEM_UNREACHABLE",
  REAUTHORIZATION_REQUIRED: "CONNECTION_REAUTH_REQUIRED",
  TIMEOUT: "SOURCE_TIMEOUT",
  RESULT_TOO_LARGE: "RESULT_TOO_LARGE",
  UNKNOWN_COMMAND: "UNSUPPORTED_OPERATION",
  BUSY: "OVERLOADED",
  INTERNAL: "SOURCE_ERROR",
};

/** Said where the agent says nothing. */
const DETAILS: Partial<Readonly<Record<ProblemCode, string>>> = {
  NOT_ALLOWED_BY_PLANT: "The plant's own settings do not allow this.",
  WRITES_HALTED: "Writes are stopped at the plant until somebody there lets them go on.",
  RATE_LIMIT_EXCEEDED: "The plant takes no more commands for the moment.",
  EXPIRED: "The command's time ended before it began; nothing was written.",
  REJECTED_AT_PLANT: "Somebody at the plant rejected it; nothing was written.",
  CANCELLED: "It was cancelled before it began; nothing was written.",
  VALIDATION_FAILED: "The plant does not take these values; `errors` names each.",
  UNSUPPORTED_OPERATION: "The agent does not know this operation.",
  CONFLICT: "Nothing is under way that could be called off.",
  NOT_FOUND: "The source has no such record.",
  VERSION_CONFLICT: "The record has changed at its source since it was read. Read it again and decide anew.",
  REFUSED_BY_SOURCE: "The source refused it by its own rules; nothing was written.",
  SYSTEM_UNREACHABLE: "The agent is there, but its source does not answer. Try again later.",
  CONNECTION_REAUTH_REQUIRED: "The source refuses the agent's login. It must be renewed at the plant.",
  SOURCE_TIMEOUT: "The source did not answer in time; nothing was written.",
  RESULT_TOO_LARGE: "The answer is too large to be carried. Ask for less.",
  OVERLOADED: "The agent has as many commands as it can take. Try again.",
  SOURCE_ERROR: "The agent failed to carry the command out; nothing was written. Its log says why.",
};

/** Seconds after which to try again, where the agent does not say. */
const RETRY_AFTER_S = 5;

/** The problem that a result of `failed` or `unknown_outcome` is. `connection` tells how the plant stands. */
export function problemOf(
  result: CommandResult,
  connection?: ConnectionStatus & Partial<Pick<ConnectionRow, "description">>,
): Problem {
  const code = codeOf(result);
  const said = result.detail ?? DETAILS[code] ?? "The plant did not carry it out.";
  const isLogin = code === "CONNECTION_REAUTH_REQUIRED" && connection !== undefined;
  const detail = isLogin ? `${said} ${howToReconnect(connection.description?.connector)}` : said;
  const { errors, source_code: sourceCode, retry_after_ms: retryAfterMs } = result;
  const isAboutPlant = code === "SYSTEM_UNREACHABLE" || code === "CONNECTION_REAUTH_REQUIRED";
  const retryAfterSeconds =
    retryAfterMs === undefined ? retryOf(code) : Math.max(1, Math.ceil(retryAfterMs / 1000));
  const extras: ProblemExtras = {
    ...(errors === undefined
      ? {}
      : { errors: errors.map(({ field, detail: what }) => ({ pointer: pointerOf(field), detail: what })) }),
    ...(sourceCode === undefined ? {} : { sourceCode }),
    ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
    ...(isAboutPlant && connection !== undefined ? { connectionStatus: plantStatus(connection) } : {}),
  };
  return new Problem(code, detail, extras);
}

export function plantStatus({ state, reason, advice }: ConnectionStatus): ProblemConnectionStatus {
  return { state, ...(reason === undefined ? {} : { reason }), ...(advice === undefined ? {} : { advice }) };
}

function codeOf({ outcome, code }: CommandResult): ProblemCode {
  if (outcome === "unknown_outcome") return "UNKNOWN_OUTCOME";
  return code !== undefined && isFailure(code) ? CODES[code] : "SOURCE_ERROR";
}

function isFailure(code: string): code is CommandFailure {
  return Object.hasOwn(CODES, code);
}

function retryOf(code: ProblemCode): number | undefined {
  return code === "OVERLOADED" || code === "RATE_LIMIT_EXCEEDED" ? RETRY_AFTER_S : undefined;
}

/** `lines[0].quantity`, `lines.0.quantity` → `#/lines/0/quantity` (RFC 6901). */
function pointerOf(field: string): string {
  if (field === "") return "#";
  const parts = field.replaceAll(/\[(\d+)\]/g, ".$1").split(".");
  return `#/${parts.map((part) => part.replaceAll("~", "~0").replaceAll("/", "~1")).join("/")}`;
}
