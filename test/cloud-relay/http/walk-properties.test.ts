// However records are written, changed and deleted meanwhile, and however the clock jumps: no walk skips a record, and none
// repeats one that did not change. And the same check finds the mistake of a list that goes by the wall clock.
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { recordId } from "#common/contract/record-id.ts";
import { createConnection, createToken } from "#relay/core/administration.ts";
import type { Reader } from "#relay/core/store.ts";
import type { HttpServer } from "#relay/http/http-types.ts";
import { HttpMetrics } from "#relay/http/metrics.ts";
import { buildHttpServer } from "#relay/http/server.ts";
import { FakeClock } from "#test/support/fake-clock.ts";
import { commitRecords, relayFixture, type RelayFixture } from "./relay-fixture.ts";

const RUNS = 40;
const clock = new FakeClock(Date.parse("2026-03-02T08:00:00Z"));
let relay: RelayFixture;
let byWallClock: HttpServer;
let connections = 0;

beforeAll(async () => {
  relay = await relayFixture({ clock });
  const { store } = relay;
  const reader: Reader = Object.assign({}, store.reader, wallClockLists(store.reader));
  byWallClock = await buildHttpServer({
    ...relay.deps,
    metrics: new HttpMetrics(),
    store: Object.assign(Object.create(store) as typeof store, { reader }),
  });
});
afterAll(async () => {
  await byWallClock.close();
  await relay[Symbol.asyncDispose]();
});

/** The usual mistake: `ORDER BY updated_at`, and go on after the last one. */
function wallClockLists(reader: Reader): Partial<Reader> {
  return {
    listRecords: async (scope, query) => {
      const all = await reader.listRecords(scope, { ...query, afterRevision: 0, limit: 10_000 });
      return all
        .map((record) => Object.assign({}, record, { revision: record.updatedAtMs * 1_000 }))
        .filter(({ revision }) => revision > query.afterRevision)
        .sort((a, b) => a.revision - b.revision)
        .slice(0, query.limit);
    },
    listRevisions: async () => [Math.random()],
  };
}

type Step =
  | { readonly do: "write"; readonly keys: readonly number[]; readonly isOpen: boolean }
  | { readonly do: "delete"; readonly key: number }
  | { readonly do: "clock"; readonly stepMs: number }
  | { readonly do: "read" };

const KEYS = 14;
const key = fc.integer({ min: 0, max: KEYS - 1 });
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    do: fc.constant("write" as const),
    keys: fc.uniqueArray(key, { minLength: 1, maxLength: 4 }),
    isOpen: fc.boolean(),
  }),
  fc.record({ do: fc.constant("delete" as const), key }),
  fc.record({ do: fc.constant("clock" as const), stepMs: fc.integer({ min: -5_000, max: 5_000 }) }),
  fc.record({ do: fc.constant("read" as const) }),
  fc.record({ do: fc.constant("read" as const) }),
);
const story = fc.record({
  first: fc.uniqueArray(key, { maxLength: KEYS }),
  size: fc.integer({ min: 1, max: 5 }),
  steps: fc.array(step, { minLength: 5, maxLength: 40 }),
});
type Story = (typeof story extends fc.Arbitrary<infer Value> ? Value : never) & object;

interface Row {
  readonly id: string;
  readonly revision: number;
  readonly updated_at: string;
  readonly status: string;
}

interface Answer {
  readonly data: readonly Row[];
  readonly next_cursor?: string | null;
  readonly meta?: { readonly last_page: number };
}

type Get = (query: string) => Promise<Answer>;

interface Walk {
  /** One request; false when the walk is at its end. Asked again after its end, it looks for more. */
  step(): Promise<boolean>;
  readonly seen: Row[];
  /** Whether an answer may have a version that was seen already. */
  readonly mayRepeat: boolean;
  /** Whether asking again after the end goes on where it stopped. */
  readonly goesOn: boolean;
}

function cursorWalk(get: Get, filter: string, size: number): Walk {
  const seen: Row[] = [];
  let cursor: string | null = "";
  return {
    seen,
    mayRepeat: false,
    goesOn: false,
    async step() {
      if (cursor === null) return false;
      const answer = await get(`limit=${size}${filter}${cursor === "" ? "" : `&cursor=${cursor}`}`);
      seen.push(...answer.data);
      cursor = answer.next_cursor ?? null;
      return cursor !== null;
    },
  };
}

function pageWalk(get: Get, filter: string, size: number): Walk {
  const seen: Row[] = [];
  let page = 1;
  let lastPage = 1;
  return {
    seen,
    mayRepeat: false,
    goesOn: false,
    async step() {
      if (page > lastPage) return false;
      const answer = await get(`page=${page}&per_page=${size}${filter}`);
      seen.push(...answer.data);
      lastPage = answer.meta?.last_page ?? 0;
      page += 1;
      return page <= lastPage;
    },
  };
}

/** As docs/api.md says to keep up: from the `updated_at` of the last record seen, each time along the cursor. */
function pollWalk(get: Get, filter: string, size: number): Walk {
  const seen: Row[] = [];
  let after = "2000-01-01";
  let cursor = "";
  return {
    seen,
    mayRepeat: true,
    goesOn: true,
    async step() {
      const from = `modified_after=${after}&limit=${size}${filter}`;
      const answer = await get(`${from}${cursor === "" ? "" : `&cursor=${cursor}`}`);
      seen.push(...answer.data);
      cursor = answer.next_cursor ?? "";
      if (cursor === "") after = seen.at(-1)?.updated_at ?? after;
      return cursor !== "";
    },
  };
}

type MakeWalk = (get: Get, filter: string, size: number) => Walk;

/** Plays the story and says what was wrong with the walk. */
async function mistakes(app: HttpServer, makeWalk: MakeWalk, filter: string, told: Story): Promise<string[]> {
  const { get, write, remove } = await connectionOf(app);
  if (told.first.length > 0) await write(told.first, true);
  const before = await all(get, filter);
  const walk = makeWalk(get, filter, told.size);
  const touched = new Set<string>();
  let isOver = false;
  for (const next of told.steps) {
    if (next.do === "clock") clock.stepWallClock(next.stepMs);
    else if (next.do === "write") for (const id of await write(next.keys, next.isOpen)) touched.add(id);
    else if (next.do === "delete") touched.add(await remove(next.key));
    else if (!isOver || walk.goesOn) isOver = !(await walk.step());
    // What is written behind a finished walk is none of its business.
    if (isOver && !walk.goesOn) break;
  }
  for (let more = 0; more < 200 && (await walk.step()); more += 1);
  const found: string[] = [];
  const revisions = new Map<string, number>();
  for (const row of walk.seen) {
    const last = revisions.get(row.id) ?? 0;
    const isRepeat = walk.mayRepeat ? row.revision < last : row.revision <= last;
    if (isRepeat) found.push(`${row.id} came with revision ${row.revision} after ${last}`);
    revisions.set(row.id, Math.max(last, row.revision));
  }
  // Whatever matched all the time must have come; unless the walk ended before, so must all newest states.
  for (const row of before) {
    if (!touched.has(row.id) && !revisions.has(row.id)) found.push(`${row.id} was skipped`);
  }
  for (const row of isOver && !walk.goesOn ? [] : await all(get, filter)) {
    if (revisions.get(row.id) !== row.revision) found.push(`${row.id} was not seen as it is now`);
  }
  return found;
}

const all = async (get: Get, filter: string): Promise<readonly Row[]> =>
  (await get(`limit=200${filter}`)).data;

/** A connection of its own for each story: lists begin empty. */
async function connectionOf(app: HttpServer) {
  const { store, deps, acme } = relay;
  const { workspaceId } = acme;
  const administration = { directory: store.directory, entropy: deps.entropy, nowMs: () => clock.nowMs() };
  connections += 1;
  // The token's requests of a minute are not used up.
  clock.advance(60_000);
  const { id: connectionId } = await createConnection(administration, {
    workspaceId,
    name: `c${connections}`,
  });
  const { token } = await createToken(administration, { kind: "connection", workspaceId, connectionId });
  const idOf = (n: number): string => recordId(connectionId, "purchase_order", JSON.stringify([`k${n}`]));
  const get: Get = async (query) => {
    const url = `/v1/purchase-orders?${query}`;
    const answer = await app.inject({ url, headers: { authorization: `Bearer ${token}` } });
    if (answer.statusCode !== 200) throw new TypeError(`${url} answered ${answer.body}`);
    return answer.json<Answer>();
  };
  let version = 0;
  const write = async (keys: readonly number[], isOpen: boolean): Promise<readonly string[]> => {
    version += 1;
    const fields = { status: isOpen ? "approved" : "closed", memo: String(version) };
    await commitRecords(
      relay,
      { workspaceId, connectionId },
      keys.map((n) => ({ entity: "purchase_order", key: `k${n}`, fields })),
    );
    return keys.map(idOf);
  };
  const remove = async (n: number): Promise<string> => {
    const id = idOf(n);
    await store.ingest(async (tx) => {
      const revision = await tx.revisions(1, clock.nowMs());
      const gone = { presence: "deleted", reason: "tombstone", origin: "change" } as const;
      await tx.deleteRecords([{ id, revision, ...gone, atMs: clock.nowMs(), epochNo: 1 }]);
    });
    return id;
  };
  return { get, write, remove };
}

const WALKS: readonly (readonly [name: string, walk: MakeWalk])[] = [
  ["by cursor", cursorWalk],
  ["by page number", pageWalk],
  ["by modified_after", pollWalk],
];

describe.each(WALKS)("a walk %s", (_name, makeWalk) => {
  test.each([
    ["without a filter", ""],
    ["with a filter that records enter and leave", "&status=approved"],
    ["with fields", "&fields=status,updated_at"],
  ])("%s skips nothing and repeats nothing that did not change", async (_what, filter) => {
    await fc.assert(
      fc.asyncProperty(story, async (told) => {
        expect(await mistakes(relay.app, makeWalk, filter, told)).toEqual([]);
      }),
      { numRuns: RUNS },
    );
  });
});

test("a list by the wall clock does not pass", async () => {
  const checked = await fc.check(
    fc.asyncProperty(story, async (told) => {
      expect(await mistakes(byWallClock, cursorWalk, "", told)).toEqual([]);
    }),
    { numRuns: 200, endOnFailure: true },
  );
  expect(checked.failed).toBe(true);
});
