// Records as their source has them now, straight through the agent; nothing of it is stored.
import { readAnswer } from "#common/contract/command-answers.ts";
import { checkRecord } from "../ingest/record-check.ts";
import { Problem } from "../problem.ts";
import type { ConnectionRow } from "../store.ts";
import { problemOf } from "./command-problem.ts";
import type { CommandTarget } from "./command-target.ts";

export interface LiveRecord {
  /** The canonical key, as in StoredRecord. */
  readonly key: string;
  /** JSON text of the record, as in StoredRecord. */
  readonly text: string;
  readonly raw: string | undefined;
  readonly version: string | undefined;
}

export interface LiveReadOptions {
  readonly raw?: boolean;
  /** From now until the answer. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
  readonly traceparent?: string | undefined;
}

/** Keys in one command. */
const MAX_KEYS = 100;

/**
 * In the order of `keys`; those that the source does not have (any more) are left out.
 * @throws Problem AGENT_OFFLINE, OVERLOADED, SOURCE_TIMEOUT, and whatever the plant says against it
 */
export async function liveRecords(
  deps: { readonly commands: CommandTarget },
  connection: ConnectionRow,
  entity: string,
  keys: readonly string[],
  options: LiveReadOptions,
): Promise<readonly LiveRecord[]> {
  const records: LiveRecord[] = [];
  for (let at = 0; at < keys.length; at += MAX_KEYS) {
    records.push(...(await readSome(deps, connection, entity, keys.slice(at, at + MAX_KEYS), options)));
  }
  return records;
}

async function readSome(
  { commands }: { readonly commands: CommandTarget },
  connection: ConnectionRow,
  entity: string,
  keys: readonly string[],
  { raw = false, timeoutMs, signal, traceparent }: LiveReadOptions,
): Promise<readonly LiveRecord[]> {
  const body = { entity, keys, ...(raw ? { raw } : {}) };
  const result = await commands.ask({
    connection,
    kind: "read",
    body,
    timeoutMs,
    traceparent,
    ...(signal === undefined ? {} : { signal }),
  });
  if (result.outcome !== "succeeded") throw problemOf(result, connection);
  const answer = readAnswer(result.result);
  if (answer === undefined) throw unfit("does not have the form of an answer");
  const wanted = new Set(keys);
  return answer.records.flatMap(({ key, record, raw: row, version }) => {
    if (!wanted.has(key)) return [];
    const text = JSON.stringify(record);
    const rawText = row === undefined || !raw ? undefined : JSON.stringify(row);
    const verdict = checkRecord(entity, text, rawText);
    if (!verdict.ok) throw unfit(verdict.detail);
    return [{ key, text, raw: rawText, version }];
  });
}

function unfit(why: string): Problem {
  return new Problem("SOURCE_ERROR", `The agent answered with what is not a record: ${why}.`);
}
