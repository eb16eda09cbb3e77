// Filtered lists: looks through a list in short steps, so that other requests get their turn, and no further than a request may.
import { setImmediate } from "node:timers/promises";
import { invalidRequest } from "#relay/core/administration.ts";
import type { RecordFilter } from "#relay/core/records/record-filter.ts";
import type { FoundRecords } from "#relay/core/records/record-reads.ts";
import type { Reader, RecordQuery, Revision, Scope, StoredRecord } from "#relay/core/store.ts";

/** Records that one step looks at: about 2 ms. */
const STEP_ROWS = 1_000;
/** Records that one request by cursor looks at; then its page ends, however short, and the cursor goes on. */
const MAX_ROWS = 50_000;
/** Records that a request by page number looks at to count. */
const MAX_COUNTED_ROWS = 200_000;

/** Up to `limit` records, and where to go on; undefined at the end. */
export async function searchRecords(
  reader: Reader,
  scope: Scope,
  query: RecordQuery,
  filter: RecordFilter,
): Promise<FoundRecords> {
  const found: StoredRecord[] = [];
  const further = { ...query, limit: query.limit + 1 };
  let after: Revision = query.afterRevision;
  for (let looked = 0; looked < MAX_ROWS; looked += STEP_ROWS) {
    const left = { ...further, afterRevision: after, limit: further.limit - found.length };
    const step = await reader.findRecords(scope, left, filter, STEP_ROWS);
    found.push(...step.records);
    if (found.length > query.limit) {
      const records = found.slice(0, query.limit);
      return { records, reached: records.at(-1)?.revision };
    }
    if (step.reached === undefined) return { records: found, reached: undefined };
    after = step.reached;
    await setImmediate();
  }
  return { records: found, reached: after };
}

export interface CountedPage {
  readonly records: readonly StoredRecord[];
  readonly total: number;
  /** How many come after the page. */
  readonly remaining: number;
}

/**
 * A page of all that meet the filter, with their number: those after a revision, or after so many others.
 * @throws Problem INVALID_REQUEST when the list is too long to be counted
 */
export async function countRecords(
  reader: Reader,
  scope: Scope,
  query: RecordQuery,
  filter: RecordFilter,
  from: { readonly revision: Revision } | { readonly skip: number },
): Promise<CountedPage> {
  const records: StoredRecord[] = [];
  let total = 0;
  let remaining = 0;
  let after: Revision = query.afterRevision;
  for (let looked = 0; looked < MAX_COUNTED_ROWS; looked += STEP_ROWS) {
    const step = await reader.findRecords(
      scope,
      { ...query, afterRevision: after, limit: STEP_ROWS },
      filter,
      STEP_ROWS,
    );
    for (const record of step.records) {
      total += 1;
      const isBefore = "skip" in from ? total <= from.skip : record.revision <= from.revision;
      if (isBefore) continue;
      if (records.length < query.limit) records.push(record);
      else remaining += 1;
    }
    if (step.reached === undefined) return { records, total, remaining };
    after = step.reached;
    await setImmediate();
  }
  const detail = `more than ${MAX_COUNTED_ROWS} records would have to be looked through to number the pages. Narrow the list (modified_after, connection_id), or go through it by cursor`;
  throw invalidRequest("The request is not valid", [{ pointer: "#/query/page", detail }]);
}
