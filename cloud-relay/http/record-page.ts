// One page of a list of records as bytes: from the cache if it is the same as before, else from the store.
import type { Entity } from "#common/contract/model/entities.ts";
import { encodeCursor } from "#relay/core/cursors.ts";
import type { Reader, RecordQuery, Revision, Scope, StoredRecord } from "#relay/core/store.ts";
import type { PageCache } from "./page-cache.ts";
import type { CursorContext } from "./paging.ts";
import { lastValueMember, listText, recordText } from "./record-text.ts";

export interface PageRequest {
  readonly entity: Entity;
  readonly scope: Scope;
  /** `limit` is what is shown; one more is looked for. */
  readonly query: RecordQuery;
  readonly context: CursorContext;
  /** The address with its query, as it was asked for. */
  readonly url: string;
}

export async function recordPage(
  reader: Reader,
  cache: PageCache,
  request: PageRequest,
): Promise<Buffer | string> {
  const { entity, scope, context, url } = request;
  // A telemetry point's answer changes with every sample.
  if (entity === "telemetry_point") return (await readPage(reader, request)).text;
  const name = `${context.generation} ${scope.workspaceId} ${scope.connectionIds?.join(" ") ?? "*"} ${url}`;
  if (cache.has(name)) {
    const revisions = await reader.listRevisions?.(scope, lookingFurther(request.query));
    const kept = revisions === undefined ? undefined : cache.get(name, revisions);
    if (kept !== undefined) return kept;
  }
  const page = await readPage(reader, request);
  if (!cache.wants(name)) return page.text;
  const bytes = Buffer.from(page.text);
  cache.put(name, page.revisions, bytes);
  return bytes;
}

interface ReadPage {
  readonly text: string;
  /** Of all that were found, also of the one that is not shown. */
  readonly revisions: readonly Revision[];
}

async function readPage(reader: Reader, request: PageRequest): Promise<ReadPage> {
  const { entity, scope, query, context } = request;
  const found = await reader.listRecords(scope, lookingFurther(query));
  const records = found.slice(0, query.limit);
  const extras = entity === "telemetry_point" ? await lastValues(reader, records) : undefined;
  const texts = records.map((record) => recordText(record, extras?.get(record)));
  const last = records.at(-1);
  const hasMore = last !== undefined && found.length > query.limit;
  const position = String(last?.revision);
  const next = hasMore ? encodeCursor({ kind: "records", position, ...context }) : null;
  return { text: listText(texts, next), revisions: found.map(({ revision }) => revision) };
}

function lookingFurther(query: RecordQuery): RecordQuery {
  return { ...query, limit: query.limit + 1 };
}

async function lastValues(
  reader: Reader,
  records: readonly StoredRecord[],
): Promise<ReadonlyMap<StoredRecord, string>> {
  const last = new Map<StoredRecord, string>();
  for (const [connectionId, own] of Map.groupBy(records, (record) => record.connectionId)) {
    const keys = own.map((record) => record.key);
    const samples = await reader.lastSamples(connectionId, keys);
    for (const record of own) last.set(record, lastValueMember(samples.get(record.key)));
  }
  return last;
}
