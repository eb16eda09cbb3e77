// Judges what an agent sent: is this a record that the relay may store and serve as it came?
import { recordProblem } from "#common/contract/checks.ts";
import { ENVELOPE_MEMBERS } from "../records/model-field.ts";

/** Members that the relay itself writes in front of a record's text; an agent must not speak for it. */
export const RELAY_MEMBERS: ReadonlySet<string> = new Set([
  ...ENVELOPE_MEMBERS,
  "entity",
  "raw",
  "last_value",
  "provenance",
  "freshness",
]);

export type RecordVerdict =
  | { readonly ok: true; readonly remoteId: string }
  | { readonly ok: false; readonly code: "RECORD_INVALID"; readonly detail: string };

/** `raw`, where there is one, is kept as text; only its being a JSON object is checked. */
export function checkRecord(entity: string, text: string, raw: string | undefined): RecordVerdict {
  const record = parseObject(text);
  if (record === undefined) return invalid("the record is not a JSON object");
  for (const name in record) {
    if (RELAY_MEMBERS.has(name)) return invalid(`member ${JSON.stringify(name)} is the relay's own`);
  }
  const problem = recordProblem(entity, record);
  if (problem !== undefined) return invalid(problem);
  if (raw !== undefined && parseObject(raw) === undefined) return invalid("the raw row is not a JSON object");
  return { ok: true, remoteId: String(record["remote_id"]) };
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
    return isObject ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

function invalid(detail: string): RecordVerdict {
  return { ok: false, code: "RECORD_INVALID", detail: detail.slice(0, 2_000) };
}
