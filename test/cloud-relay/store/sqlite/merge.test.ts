// Several ordered sources read as one.
import fc from "fast-check";
import { expect, it } from "vitest";
import { mergeOrdered, type OrderedSources } from "#relay/store/sqlite/merge.ts";

/** Each source holds the positions that were dealt to it. */
function sourcesOf(owners: readonly number[]): OrderedSources<number> & { reads: number } {
  const rows = (source: number, after: number, before: number): number[] =>
    owners.flatMap((owner, at) => (owner === source && at > after && at < before ? [at] : []));
  return {
    reads: 0,
    heads: (sources, after, before) =>
      sources.flatMap((source) =>
        rows(source, after, before)
          .slice(0, 1)
          .map((at) => ({ source, at })),
      ),
    page(source, after, before, limit) {
      const page = rows(source, after, before).slice(0, limit);
      this.reads += page.length;
      return page;
    },
  };
}

it("reads any sources as one, in order, and no row more than the page has", () => {
  const bounds = { after: fc.integer({ min: -1, max: 60 }), before: fc.integer({ min: 0, max: 60 }) };
  const check = fc.property(
    fc.record({
      owners: fc.array(fc.nat(6), { maxLength: 60 }),
      limit: fc.integer({ min: 0, max: 20 }),
      ...bounds,
    }),
    ({ owners, after, before, limit }) => {
      const chosen = [0, 1, 2, 3, 4];
      const from = sourcesOf(owners);
      const expected = owners
        .map((owner, at) => ({ owner, at }))
        .filter(({ owner, at }) => chosen.includes(owner) && at > after && at < before)
        .map(({ at }) => at)
        .slice(0, limit);
      expect(mergeOrdered(chosen, from, after, before, limit)).toEqual(expected);
      expect(from.reads).toBe(expected.length);
      const alone = owners.flatMap((owner, at) => (owner === 1 && at > after && at < before ? [at] : []));
      expect(mergeOrdered([1], from, after, before, limit)).toEqual(alone.slice(0, limit));
      expect(mergeOrdered([], from, after, before, limit)).toEqual([]);
    },
  );
  expect(() => fc.assert(check, { numRuns: 500 })).not.toThrow();
});
