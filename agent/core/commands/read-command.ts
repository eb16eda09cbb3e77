// Live reads: records as the source has them now, through the stream's own mapper, so that nothing leaves that it would not send.
import type { ReadAnswer, ReadBody } from "#common/contract/commands.ts";
import { MAX_RECORD_BYTES } from "#common/contract/limits.ts";
import { ConnectorError } from "#common/runtime/errors.ts";
import { didYouMean } from "#common/runtime/nearest-match.ts";
import { mappedRow } from "../mapping/mapping.ts";
import type { OpenEntity, OpenSource } from "../room/open-source.ts";
import type { SourceKey, SourceRow } from "../source/connector.ts";
import { canonicalKey } from "../source/key-rules.ts";
import { CommandFailed } from "./command-failure.ts";

export type ReadRecord = ReadAnswer["records"][number];

/** In the order of the keys; what the source does not have is left out. @throws CommandFailed, ConnectorError */
export async function readRecords(
  source: OpenSource,
  { entity: name, keys, raw = false }: ReadBody,
  signal: AbortSignal,
): Promise<ReadAnswer> {
  const entity = entityNamed(source, name);
  const wanted = keys.map((key) => parsedKey(entity, key));
  const found = new Map<string, ReadRecord>();
  for (const row of await pointRows(source, name, wanted, signal)) {
    const record = recordOf(entity, row, raw);
    if (record !== undefined) found.set(record.key, record);
  }
  const canonical = wanted.map((key) => canonicalKey(key, entity.target.keyRules));
  return { records: [...new Set(canonical)].flatMap((key) => found.get(key) ?? []) };
}

/** @throws CommandFailed when the pack does not map it */
export function entityNamed(source: OpenSource, name: string): OpenEntity {
  const entity = source.entities.get(name);
  if (entity !== undefined) return entity;
  const names = [...source.entities.keys()];
  const hint = didYouMean(name, names) || `; there: ${names.join(", ")}`;
  throw new CommandFailed("UNKNOWN_COMMAND", `this connection has no ${name}${hint}`);
}

/** The source's own key from the canonical text. @throws CommandFailed */
export function parsedKey({ compiled }: OpenEntity, text: string): SourceKey {
  const { entity, key: columns } = compiled.plan;
  let key: unknown;
  try {
    key = JSON.parse(text);
  } catch {
    key = undefined;
  }
  const isKey =
    Array.isArray(key) &&
    key.length === columns.length &&
    key.every((part: unknown) => part === null || typeof part === "string");
  if (isKey) return key as SourceKey;
  throw new CommandFailed(
    "INVALID_VALUES",
    `a key of ${entity} is a JSON array of ${columns.length} texts (${columns.join(", ")})`,
    { errors: [{ field: "key", detail: `expected an array of ${columns.length} texts` }] },
  );
}

/** The rows of these keys that exist now. @throws ConnectorError */
export async function pointRows(
  source: OpenSource,
  entity: string,
  keys: readonly SourceKey[],
  signal: AbortSignal,
): Promise<readonly SourceRow[]> {
  const rows: SourceRow[] = [];
  const request = { entity, pass: "point", after: undefined, keys, maxRows: keys.length, signal } as const;
  for await (const batch of source.load.read(source.connector, request)) rows.push(...batch.rows);
  // A reading that is cut off ends quietly.
  if (signal.aborted)
    throw new ConnectorError("unavailable", "the connection to the source was lost meanwhile");
  return rows;
}

/** Undefined for rows that the stream would call deleted. @throws CommandFailed for rows that are no records */
export function recordOf({ target }: OpenEntity, row: SourceRow, raw: boolean): ReadRecord | undefined {
  if (row.op === "delete") return undefined;
  const mapped = mappedRow(row, target.map);
  const refuse = (code: string, detail: string): never => {
    const what = `${target.entity} ${row.key.join("/")} cannot be given as a record: ${detail}`;
    throw new CommandFailed("REFUSED_BY_SOURCE", what, { source_code: code.slice(0, 200) });
  };
  if (!mapped.ok) return refuse(mapped.code, mapped.detail);
  if (mapped.isDeleted) return undefined;
  const size = mapped.record.length + (mapped.raw?.length ?? 0);
  if (size > MAX_RECORD_BYTES)
    return refuse("RECORD_TOO_LARGE", `it is over the limit of ${MAX_RECORD_BYTES} bytes`);
  return {
    key: canonicalKey(row.key, target.keyRules),
    record: JSON.parse(mapped.record) as unknown,
    ...(raw && mapped.raw !== undefined ? { raw: JSON.parse(mapped.raw) as unknown } : {}),
    ...(row.version === undefined ? {} : { version: row.version.slice(0, 200) }),
  };
}
