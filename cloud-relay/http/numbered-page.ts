// Lists by page number: `{data, meta}`, for tables on screens and for who expects it. A cursor does the same without counting.
import { invalidRequest } from "#relay/core/administration.ts";
import type { RecordFilter } from "#relay/core/records/record-filter.ts";
import type { Reader, RecordQuery, Revision, Scope } from "#relay/core/store.ts";
import type { PageMarks } from "./page-marks.ts";
import { countRecords, type CountedPage } from "./record-search.ts";

/** Pages reach no further than this record of a list. */
const MAX_PAGED_RECORDS = 10_000;

export interface NumberedRequest {
  readonly scope: Scope;
  /** `limit` is the size of a page. */
  readonly query: RecordQuery;
  readonly filter: RecordFilter | undefined;
  readonly page: number;
  /** Who asks for what: names the walk whose pages follow each other. */
  readonly walk: string;
}

export interface NumberedPage extends CountedPage {
  /** JSON text of `meta`. */
  readonly meta: string;
}

/** @throws Problem INVALID_REQUEST for a page too deep, or a list too long to be counted */
export async function numberedPage(
  reader: Reader,
  marks: PageMarks,
  request: NumberedRequest,
): Promise<NumberedPage> {
  const { query, page, walk } = request;
  if (page * query.limit > MAX_PAGED_RECORDS) {
    const detail = `goes too far: pages reach to record ${MAX_PAGED_RECORDS} of a list (page × per_page). Go further by cursor: limit and next_cursor have no such end`;
    throw invalidRequest("The request is not valid", [{ pointer: "#/query/page", detail }]);
  }
  const before = page === 1 ? undefined : marks.endOf(walk, page - 1);
  const found = await (request.filter === undefined
    ? plainPage(reader, request, before)
    : countRecords(reader, request.scope, query, request.filter, fromOf(request, before)));
  const last = found.records.at(-1);
  if (last !== undefined) marks.put(walk, page, last.revision);
  return { ...found, meta: metaOf(found, page, query.limit) };
}

function fromOf(
  { page, query }: NumberedRequest,
  before: Revision | undefined,
): { readonly revision: Revision } | { readonly skip: number } {
  return before === undefined ? { skip: (page - 1) * query.limit } : { revision: before };
}

async function plainPage(
  reader: Reader,
  { scope, query, page }: NumberedRequest,
  before: Revision | undefined,
): Promise<CountedPage> {
  const total = await reader.countListed(scope, query);
  const skip = (page - 1) * query.limit;
  const counted =
    before === undefined && skip > 0 ? await reader.revisionAtPlace(scope, query, skip) : before;
  if (counted === undefined && skip > 0) return { records: [], total, remaining: 0 };
  const after = counted ?? query.afterRevision;
  const records = await reader.listRecords(scope, { ...query, afterRevision: after });
  const end = records.at(-1)?.revision;
  const remaining = end === undefined ? 0 : await reader.countListed(scope, { ...query, afterRevision: end });
  return { records, total, remaining };
}

function metaOf({ records, total, remaining }: CountedPage, page: number, perPage: number): string {
  const lastPage =
    records.length === 0 ? Math.max(1, Math.ceil(total / perPage)) : page + Math.ceil(remaining / perPage);
  return JSON.stringify({ current_page: page, last_page: lastPage, per_page: perPage, total });
}
