// Reads several ordered sources as one, by seeking: no source is read further than the page needs.

export interface OrderedSources<Row> {
  /** Order of the source's first row strictly after and strictly before; undefined when there is none. */
  head(source: number, after: number, before: number): number | undefined;
  /** At most `limit` rows strictly between, in order. */
  page(source: number, after: number, before: number, limit: number): readonly Row[];
}

interface Cursor {
  readonly source: number;
  at: number;
}

/** The first `limit` rows of all sources strictly between `after` and `before`, in order. No two rows share an order. */
export function mergeOrdered<Row>(
  sources: readonly number[],
  from: OrderedSources<Row>,
  after: number,
  before: number,
  limit: number,
): readonly Row[] {
  const [only] = sources;
  if (only === undefined || limit <= 0) return [];
  if (sources.length === 1) return from.page(only, after, before, limit);
  const heads: Cursor[] = [];
  for (const source of sources) {
    const at = from.head(source, after, before);
    if (at !== undefined) heads.push({ source, at });
  }
  // Farthest first, so that the nearest is taken from and put back at the end.
  heads.sort((a, b) => b.at - a.at);
  const rows: Row[] = [];
  for (let head = heads.pop(); head !== undefined; head = heads.pop()) {
    const until = heads.at(-1)?.at ?? before;
    rows.push(...from.page(head.source, head.at - 1, until, limit - rows.length));
    if (rows.length >= limit) break;
    const next = heads.length === 0 ? undefined : from.head(head.source, until, before);
    if (next !== undefined) putBack(heads, { source: head.source, at: next });
  }
  return rows;
}

function putBack(heads: Cursor[], cursor: Cursor): void {
  let low = 0;
  let high = heads.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((heads[middle]?.at ?? 0) > cursor.at) low = middle + 1;
    else high = middle;
  }
  heads.splice(low, 0, cursor);
}
