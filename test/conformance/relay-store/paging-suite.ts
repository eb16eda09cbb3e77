// Model-based conformance: random histories of writers and readers against a plain map.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { StoredRecord, Store } from "#relay/core/store.ts";
import * as h from "./harness.ts";

type Step =
  | {
      readonly kind: "put";
      readonly connection: 0 | 1 | 2;
      readonly keys: readonly number[];
      readonly fails: boolean;
    }
  | { readonly kind: "delete"; readonly connection: 0 | 1 | 2; readonly keys: readonly number[] }
  | { readonly kind: "page"; readonly walk: 0 | 1; readonly limit: number };

const CONNECTIONS = [h.CONNECTION, h.SECOND_CONNECTION, h.FOREIGN_CONNECTION] as const;
const connection = fc.constantFrom(0 as const, 1 as const, 2 as const);
const keys = fc.array(fc.nat(12), { minLength: 1, maxLength: 6 });
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant("put" as const), connection, keys, fails: fc.boolean() }),
  fc.record({ kind: fc.constant("delete" as const), connection, keys }),
  fc.record({
    kind: fc.constant("page" as const),
    walk: fc.constantFrom(0 as const, 1 as const),
    limit: fc.integer({ min: 1, max: 5 }),
  }),
);

export function pagingSuite(open: () => Promise<Store>): void {
  describe("walks under writers", () => {
    it("end with the state that the writers left, skipping nothing", async () => {
      const walking = fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
          await walkAndWrite(await open(), steps);
        }),
        { numRuns: 60 },
      );
      await expect(walking).resolves.toBeUndefined();
    });
  });
}

async function walkAndWrite(store: Store, steps: readonly Step[]): Promise<void> {
  const model = new Map<string, "present" | "deleted">();
  /** One walk sees tombstones, the other does not. */
  const walks = [true, false].map((includeDeleted) => ({
    includeDeleted,
    after: 0,
    seen: new Map<string, StoredRecord>(),
  }));
  let clock = h.NOW_MS;
  for (const step of steps) {
    clock += step.kind === "page" ? 0 : (steps.length % 3) - 1;
    if (step.kind === "put") await put(store, model, step, clock);
    else if (step.kind === "delete") await remove(store, model, step, clock);
    else await page(store, walks[step.walk], step.limit);
  }
  for (const walk of walks) {
    while ((await page(store, walk, 3)) > 0);
    const mine = [...model].filter(([name]) => !name.startsWith("2/"));
    const expected = mine.filter(([, presence]) => walk.includeDeleted || presence === "present");
    const names = [...walk.seen].filter(([name, row]) => {
      return walk.includeDeleted || (row.presence === "present" && model.get(name) === "present");
    });
    expect(new Map(names.map(([name, row]) => [name, row.presence]))).toEqual(new Map(expected));
  }
  const total = [...model].filter(
    ([name, presence]) => presence === "present" && !name.startsWith("2/"),
  ).length;
  expect(await store.reader.countRecords(h.ALL, "work_order")).toBe(total);
}

interface Walk {
  readonly includeDeleted: boolean;
  after: number;
  readonly seen: Map<string, StoredRecord>;
}

async function page(store: Store, walk: Walk | undefined, limit: number): Promise<number> {
  if (walk === undefined) return 0;
  const { includeDeleted, after } = walk;
  const query = { ...h.EVERY_RECORD, includeDeleted, afterRevision: after, limit };
  const rows = await store.reader.listRecords(h.ALL, query);
  expect(rows.length).toBeLessThanOrEqual(limit);
  for (const row of rows) {
    expect(row.revision).toBeGreaterThan(walk.after);
    walk.after = row.revision;
    walk.seen.set(`${CONNECTIONS.indexOf(row.connectionId as never)}/${row.key}`, row);
  }
  return rows.length;
}

async function put(
  store: Store,
  model: Map<string, "present" | "deleted">,
  step: Step & { kind: "put" },
  nowMs: number,
): Promise<void> {
  const connectionId = CONNECTIONS[step.connection];
  const writing = store.ingest(async (tx) => {
    const first = await tx.revisions(step.keys.length, nowMs);
    await tx.putRecords(
      step.keys.map((key, index) => h.record(String(key), first + index, { connectionId })),
    );
    if (step.fails) throw new Error("planned");
  });
  if (step.fails) await expect(writing).rejects.toThrow("planned");
  else {
    await writing;
    for (const key of step.keys) model.set(`${step.connection}/${key}`, "present");
  }
}

async function remove(
  store: Store,
  model: Map<string, "present" | "deleted">,
  step: Step & { kind: "delete" },
  nowMs: number,
): Promise<void> {
  const connectionId = CONNECTIONS[step.connection];
  const gone = {
    presence: "deleted",
    reason: "tombstone",
    origin: "change",
    atMs: nowMs,
    epochNo: 1,
  } as const;
  await store.ingest(async (tx) => {
    const first = await tx.revisions(step.keys.length, nowMs);
    await tx.deleteRecords(
      step.keys.map((key, index) => ({
        ...gone,
        id: h.record(String(key), 0, { connectionId }).id,
        revision: first + index,
      })),
    );
  });
  for (const key of step.keys) {
    const name = `${step.connection}/${key}`;
    if (model.has(name)) model.set(name, "deleted");
  }
}
