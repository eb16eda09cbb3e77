// A write of the relay in words, for a terminal.
import type { JournalEntry } from "#agent/core/commands/journal.ts";

const MAX_VALUE_CHARS = 200;

/** A few lines; ends with a newline. */
export function entryText(entry: JournalEntry): string {
  const { id, connection, body, result } = entry;
  const what = [body.entity, body.operation, keyText(body.key)].filter((part) => part !== "").join(" ");
  const lines = [
    `${id}  ${stateText(entry)}  ${connection}: ${what}${body.dry_run === true ? " (dry run)" : ""}`,
    `    asked ${timeText(entry.receivedAtMs)}${body.actor === undefined ? "" : ` by ${plain(body.actor)}`}${untilText(entry)}`,
    ...Object.entries(body.values).map(([field, value]) => `    ${plain(field)} = ${valueText(value)}`),
  ];
  if (entry.traceparent !== undefined) lines.push(`    trace ${plain(entry.traceparent)}`);
  if (entry.approvedBy !== undefined) lines.push(`    approved by ${plain(entry.approvedBy)}`);
  if (result?.detail !== undefined) lines.push(`    ${plain(result.detail)}`);
  return `${lines.join("\n")}\n`;
}

function stateText({ state, result }: JournalEntry): string {
  if (result === undefined) return state === "held" ? "WAITS FOR APPROVAL" : state;
  const code = result.code === undefined ? "" : ` ${result.code}`;
  return `${result.outcome}${code}${state === "finished" ? " (not yet told)" : ""}`;
}

function untilText({ state, expiresAtMs }: JournalEntry): string {
  return state === "held" || state === "waiting" ? `, until ${timeText(expiresAtMs)}` : "";
}

function timeText(atMs: number): string {
  return new Date(atMs).toISOString().slice(0, 19).replace("T", " ");
}

function keyText(key: string | undefined): string {
  if (key === undefined) return "";
  try {
    const parts = JSON.parse(key) as unknown;
    return plain(Array.isArray(parts) ? parts.map(String).join("/") : key);
  } catch {
    return plain(key);
  }
}

function valueText(value: unknown): string {
  const text = plain(JSON.stringify(value) ?? "");
  return text.length > MAX_VALUE_CHARS ? `${text.slice(0, MAX_VALUE_CHARS)}…` : text;
}

/** What comes from outside must not move the terminal's cursor. */
function plain(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, "�");
}
