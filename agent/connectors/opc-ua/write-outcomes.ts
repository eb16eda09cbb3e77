// The answers that writes and method calls have in common.
import type { StatusCode } from "node-opcua";
import type { RefusalCode, WriteOutcome } from "#agent/core/source/write.ts";
import { messageOf } from "#common/runtime/errors.ts";
import type { JsonValue } from "./type-map.ts";
import { isPerhapsDone, wordsOf } from "./status-words.ts";
import { shown } from "./value-types.ts";

export function rejected(code: RefusalCode, message: string): WriteOutcome {
  return { status: "rejected", code, message };
}

export function unknownOutcome(message: string): WriteOutcome {
  return { status: "unknown_outcome", message };
}

/** A status that is no success: refused, or perhaps done all the same. */
export function badOutcome(status: StatusCode, what: string): WriteOutcome {
  return isPerhapsDone(status)
    ? unknownOutcome(`${what}: the server answers ${wordsOf(status)}; it may have been done, or not`)
    : rejected("REFUSED", `${what}: ${wordsOf(status)}`);
}

export function applied(outputs: Readonly<Record<string, string | null>>, isDry: boolean): WriteOutcome {
  return { status: "applied", row: undefined, outputs, isRepeat: false, isPending: false, isDry };
}

/** After the request has gone out nothing may say that nothing was written, not even a mistake of our own. */
export async function onceSent(
  what: string,
  judge: () => Promise<WriteOutcome> | WriteOutcome,
): Promise<WriteOutcome> {
  try {
    return await judge();
  } catch (error) {
    return unknownOutcome(
      `${what}: it was sent, and what came of it could not be seen (${messageOf(error)})`,
    );
  }
}

/** Texts as they are, everything else as JSON. */
export function outputText(value: JsonValue): string | null {
  return value === null || typeof value === "string" ? value : JSON.stringify(value);
}

/**
 * What the encoder made of a caller's value: its JSON text, because a request carries only texts and numbers, and `true` is
 * not `"true"` to a machine. Undefined when it is none.
 */
export function givenValue(
  value: string | number | null | undefined,
): { readonly given: unknown } | undefined {
  if (typeof value !== "string") return value === undefined ? undefined : { given: value };
  try {
    return { given: JSON.parse(value) as unknown };
  } catch {
    return undefined;
  }
}

export function notJson(value: string | number | null | undefined): string {
  return `${shown(value)} is no JSON; values are given as the encoder makes them`;
}
