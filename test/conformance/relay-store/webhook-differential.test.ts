// Whatever is done to them, both stores say the same of webhooks: random calls, and after each all that can be read.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as fc from "fast-check";
import { afterEach, expect, test } from "vitest";
import { HEALTHY } from "#relay/core/webhooks/endpoint.ts";
import type { DeliveryQuery } from "#relay/core/webhooks/webhook-store.ts";
import type { DeliveryState } from "#relay/core/webhooks/delivery.ts";
import type { Scope, Store } from "#relay/core/store.ts";
import { MemoryStore } from "#relay/store/memory/memory-store.ts";
import { openSqliteStore } from "#relay/store/sqlite/open-store.ts";
import { ALL, CONNECTION, NOW_MS, SECOND_CONNECTION, seed, WORKSPACE } from "./harness.ts";
import { delivery, endpoint, message, settlement } from "./webhook-rows.ts";

const ENDPOINTS = ["a", "b", "c"];
const RECORDS = ["r1", "r2"];
const EVENTS = 8;
const STATES: readonly DeliveryState[] = ["pending", "delivered", "exhausted", "discarded"];

/** One call, on one store; what it answers is compared. */
type Step = (store: Store) => Promise<unknown>;

/** With what it was made of, for messages. */
function named<Of>(what: string, make: (of: Of) => Step): (of: Of) => Step {
  return (of) => Object.assign(make(of), { [fc.toStringMethod]: () => `${what} ${fc.stringify(of)}` });
}

const small = (max: number): fc.Arbitrary<number> => fc.integer({ min: 0, max });
const endpointId = fc.constantFrom(...ENDPOINTS);
const atMs = small(30).map((n) => NOW_MS + n * 10);
const query: fc.Arbitrary<DeliveryQuery> = fc.record(
  {
    endpointId,
    connectionId: fc.constantFrom(CONNECTION, SECOND_CONNECTION),
    states: fc.subarray([...STATES], { minLength: 1 }),
    types: fc.subarray(["work_order.updated", "vendor.created", "nothing.such"], { minLength: 1 }),
    eventId: small(EVENTS).map(eventOf),
    recordId: fc.constantFrom(...RECORDS),
    status: fc.constantFrom(0, 200, 500),
    afterMs: atMs,
    beforeMs: atMs,
    afterId: fc.tuple(small(EVENTS), endpointId).map(([n, id]) => `${eventOf(n)}@${id}`),
    limit: fc.integer({ min: 1, max: 6 }),
  },
  { requiredKeys: ["limit"] },
);
const scope: fc.Arbitrary<Scope> = fc.constantFrom(ALL, { ...ALL, connectionIds: [CONNECTION] });

const publish: fc.Arbitrary<Step> = fc
  .record({ events: fc.uniqueArray(small(EVENTS), { maxLength: 4 }), to: fc.subarray(ENDPOINTS), at: atMs })
  .map(
    named(
      "publish",
      ({ events, to, at }) =>
        (store) =>
          store.webhooks.publish({
            workspaceId: WORKSPACE,
            messages: events.map((n) =>
              message(eventOf(n), {
                position: n + 1,
                recordId: n % 3 === 0 ? undefined : RECORDS[n % 2],
                type: n % 2 === 0 ? "work_order.updated" : "vendor.created",
                connectionId: n % 4 === 3 ? SECOND_CONNECTION : CONNECTION,
              }),
            ),
            deliveries: events.flatMap((n) =>
              to.map((id) => delivery(`${eventOf(n)}@${id}`, id, eventOf(n), { dueAtMs: at })),
            ),
            atMs: at,
          }),
    ),
  );

const settle: fc.Arbitrary<Step> = fc
  .record({
    n: small(EVENTS),
    id: endpointId,
    state: fc.constantFrom(...STATES),
    number: fc.integer({ min: 1, max: 3 }),
    at: atMs,
    parked: fc.option(atMs, { nil: undefined }),
    disables: fc.boolean(),
  })
  .map(
    named("settle", ({ n, id, state, number, at, parked, disables }) => (store) => {
      const isOk = state === "delivered";
      const next = {
        state,
        nextAttemptAtMs: state === "pending" ? at + 50 : undefined,
        firstAttemptAtMs: at,
      };
      const of = { number, atMs: at, status: isOk ? 200 : 500, error: isOk ? undefined : ("reset" as const) };
      const health = { ...HEALTHY, parkedUntilMs: parked };
      const disabled = { reason: "gone", detail: "410", atMs: at } as const;
      return store.webhooks.settle({
        settlements: [settlement(`${eventOf(n)}@${id}`, next, of)],
        endpoints: [disables && isOk ? { endpointId: id, health, disabled } : { endpointId: id, health }],
        events: [],
      });
    }),
  );

const change: fc.Arbitrary<Step> = fc
  .record({
    id: endpointId,
    ordering: fc.constantFrom("none" as const, "record" as const),
    thin: fc.boolean(),
  })
  .map(
    named(
      "change",
      ({ id, ordering, thin }) =>
        (store) =>
          store.webhooks.changeEndpoint(
            WORKSPACE,
            id,
            (row) => ({ ...row, ordering, payload: thin ? "thin" : "full", disabled: undefined }),
            true,
          ),
    ),
  );

const others: fc.Arbitrary<Step> = fc.oneof(
  fc.tuple(scope, query, atMs).map(
    named(
      "retry",
      ([of, asked, at]) =>
        (store) =>
          store.webhooks.retry(of, asked, "manual", at),
    ),
  ),
  fc.tuple(scope, query, atMs).map(
    named(
      "discard",
      ([of, asked, at]) =>
        (store) =>
          store.webhooks.discard(of, asked, at),
    ),
  ),
  small(EVENTS).map(named("erase", (n) => (store) => store.webhooks.erase(ALL, { eventId: eventOf(n) }))),
  fc.tuple(atMs, atMs).map(
    named(
      "prune",
      ([payloadsMs, deliveriesMs]) =>
        (store) =>
          store.webhooks.prune({ payloadsMs, deliveriesMs }),
    ),
  ),
  fc.tuple(endpointId, atMs).map(
    named(
      "delete",
      ([id, at]) =>
        (store) =>
          store.webhooks.deleteEndpoint(WORKSPACE, id, at),
    ),
  ),
);

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: publish },
  { weight: 5, arbitrary: settle },
  { weight: 2, arbitrary: change },
  { weight: 3, arbitrary: others },
);

const ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

test("both stores of webhooks agree on everything, whatever is asked of them", async () => {
  const directory = await mkdtemp(join(tmpdir(), "millrace-webhooks-"));
  ends.push(() => rm(directory, { recursive: true }));
  let runs = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(step, scope, query, atMs), { minLength: 5, maxLength: 25 }),
      async (steps) => {
        await using memory = new MemoryStore({ newGeneration: () => "g" });
        await using sqlite = await openSqliteStore({ path: join(directory, `${(runs += 1)}.db`) });
        for (const store of [memory, sqlite]) {
          await seed(store);
          await store.webhooks.createEndpoint(endpoint("a", { ordering: "record" }));
          await store.webhooks.createEndpoint(endpoint("b", { connectionId: CONNECTION }));
          await store.webhooks.createEndpoint(endpoint("c", { payload: "thin" }));
        }
        for (const [act, of, asked, at] of steps) {
          expect(await act(sqlite)).toEqual(await act(memory));
          expect(await everything(sqlite, of, asked, at)).toEqual(await everything(memory, of, asked, at));
        }
      },
    ),
    { numRuns: 40 },
  );
});

async function everything(
  { webhooks }: Store,
  scope: Scope,
  asked: DeliveryQuery,
  nowMs: number,
): Promise<unknown> {
  const all = await webhooks.deliveries(ALL, { limit: 1_000 });
  const leased = await webhooks.lease(nowMs, 1_000, 10);
  await webhooks.release(leased.map(({ row }) => row.id));
  return {
    all,
    leased,
    found: await webhooks.deliveries(scope, asked),
    count: await webhooks.countDeliveries(scope, asked),
    second: await webhooks.deliveries(scope, { ...asked, skip: asked.limit }),
    endpoints: await webhooks.endpoints(scope),
    due: await webhooks.due(
      ENDPOINTS.map((endpointId) => ({ endpointId, limit: 3, except: new Set(["e1@a"]) })),
      nowMs,
    ),
    attempts: await Promise.all(all.map(({ id }) => webhooks.attempts(scope, id))),
    messages: await webhooks.messages(
      scope,
      Array.from({ length: EVENTS + 1 }, (_, n) => eventOf(n)),
    ),
    stats: await webhooks.stats(scope, nowMs),
  };
}

function eventOf(n: number): string {
  return `e${n}`;
}
