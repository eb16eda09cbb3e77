// Reads several ordered sources as one, by seeking: no source is read further than the page needs.

export interface Head {
  readonly source: number;
  /** Order of the source's first row. */
  readonly at: number;
}

/** Sources of rows in one order; bounds are exclusive on both sides. */
export interface OrderedSources<Row> {
  /** Of each source that has a row between the bounds, the first. */
  heads(sources: readonly number[], after: number, before: number): readonly Head[];
  /** At most `limit` rows, in order. */
  page(source: number, after: number, before: number, limit: number): readonly Row[];
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
  // Farthest first, so that the nearest is taken from the end. What lies behind `limit` others cannot be on the page.
  const heads = [...from.heads(sources, after, before)].sort((a, b) => b.at - a.at).slice(-limit);
  const rows: Row[] = [];
  for (let head = heads.pop(); head !== undefined; head = heads.pop()) {
    const until = heads.at(-1)?.at ?? before;
    rows.push(...from.page(head.source, head.at - 1, until, limit - rows.length));
    if (rows.length >= limit) break;
    const [next] = from.heads([head.source], until, before);
    if (next !== undefined) putBack(heads, next);
  }
  return rows;
}

function putBack(heads: Head[], head: Head): void {
  let low = 0;
  let high = heads.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((heads[middle]?.at ?? 0) > head.at) low = middle + 1;
    else high = middle;
  }
  heads.splice(low, 0, head);
}
