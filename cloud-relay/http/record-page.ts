// One page of a list of records as bytes: from the cache if it is the same as before, else from the store.
import { encodeCursor } from "#relay/core/cursors.ts";
import type { RecordFilter } from "#relay/core/records/record-filter.ts";
import type { Reader, RecordQuery, Revision, Scope, Store, StoredRecord } from "#relay/core/store.ts";
import type { PageCache } from "./page-cache.ts";
import type { CursorContext } from "./paging.ts";
import { searchRecords } from "./record-search.ts";
import { shapedRecords, type RecordShape } from "./record-shape.ts";
import { lastValueMember, listText, recordText } from "#relay/core/records/record-text.ts";

export interface PageRequest {
  readonly entity: string;
  readonly scope: Scope;
  /** `limit` is what is shown; one more is looked for. */
  readonly query: RecordQuery;
  readonly context: CursorContext;
  /** The address with its query, as it was asked for. */
  readonly url: string;
  readonly filter: RecordFilter | undefined;
  /** Undefined: as they are stored. */
  readonly shape: RecordShape | undefined;
  /** Of the caller's token; undefined: all. */
  readonly entities: readonly string[] | undefined;
  /** JSON text of further members of the answer, each behind a comma. */
  readonly members: string;
}

export async function recordPage(
  store: Store,
  cache: PageCache,
  request: PageRequest,
): Promise<Buffer | string> {
  const { reader } = store;
  if (!isKeepable(request)) return (await readPage(store, request)).text;
  const { scope, context, url } = request;
  const name = `${context.generation} ${scope.workspaceId} ${scope.connectionIds?.join(" ") ?? "*"} ${url}`;
  if (cache.has(name)) {
    const revisions = await reader.listRevisions?.(scope, lookingFurther(request.query));
    const kept = revisions === undefined ? undefined : cache.get(name, revisions);
    if (kept !== undefined) return kept;
  }
  const page = await readPage(store, request);
  if (!cache.wants(name)) return page.text;
  const bytes = Buffer.from(page.text);
  cache.put(name, page.revisions, bytes);
  return bytes;
}

/** Whether the revisions alone say what the page looks like: a telemetry point's answer changes with every sample. */
function isKeepable({ entity, filter, shape, members }: PageRequest): boolean {
  return filter === undefined && shape === undefined && members === "" && entity !== "telemetry_point";
}

interface ReadPage {
  readonly text: string;
  /** Of all that were found, also of the one that is not shown. */
  readonly revisions: readonly Revision[];
}

async function readPage(store: Store, request: PageRequest): Promise<ReadPage> {
  const { scope, query, context, filter, members } = request;
  const { reader } = store;
  if (filter !== undefined) {
    const { records, reached } = await searchRecords(reader, scope, query, filter);
    const texts = await recordTexts(store, request, records);
    return { text: listText(texts, nextCursor(reached, context), members), revisions: [] };
  }
  const found = await reader.listRecords(scope, lookingFurther(query));
  const records = found.slice(0, query.limit);
  const texts = await recordTexts(store, request, records);
  const reached = found.length > query.limit ? records.at(-1)?.revision : undefined;
  return {
    text: listText(texts, nextCursor(reached, context), members),
    revisions: found.map(({ revision }) => revision),
  };
}

/** Null at the end. */
export function nextCursor(reached: Revision | undefined, context: CursorContext): string | null {
  return reached === undefined
    ? null
    : encodeCursor({ kind: "records", position: String(reached), ...context });
}

/** As the caller wants to see them. */
export async function recordTexts(
  store: Store,
  { entity, scope, shape, entities }: Pick<PageRequest, "entity" | "scope" | "shape" | "entities">,
  records: readonly StoredRecord[],
): Promise<readonly string[]> {
  const extras = entity === "telemetry_point" ? await lastValues(store.reader, records) : undefined;
  if (shape === undefined) return records.map((record) => recordText(record, extras?.get(record)));
  return shapedRecords(store, { scope, entities }, records, shape, (record) => extras?.get(record) ?? "");
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
