// A relay that dies before or after any call at its ports, again and again: published = delivered at least once.
import fc from "fast-check";
import { expect, it } from "vitest";
import { MemoryStore } from "#relay/store/memory/memory-store.ts";
import type { Sender } from "#relay/core/webhooks/sender.ts";
import type { WebhookStore } from "#relay/core/webhooks/webhook-store.ts";
import { SCOPE, turn, WebhookRig } from "./webhook-rig.ts";

type Instant = "before" | "after";
type Step =
  | { readonly do: "change"; readonly key: number }
  | { readonly do: "pass"; readonly ms: number }
  /** The process dies at its n-th call of a port from here on. */
  | { readonly do: "kill"; readonly calls: number; readonly at: Instant };

const KEYS = ["a", "b", "c"];
const RUNS = 40;
const NEVER = new Promise<never>(() => {});

/** One life of the process: from its death on, none of its calls comes back. */
class Life {
  isOver = false;
  calls = 0;
  #death: { readonly atCall: number; readonly at: Instant } | undefined;
  readonly #onDeath: () => void;

  constructor(onDeath: () => void) {
    this.#onDeath = onDeath;
  }

  endsAfter(calls: number, at: Instant): void {
    this.#death = { atCall: this.calls + calls, at };
  }

  async call<T>(work: () => Promise<T>): Promise<T> {
    this.calls += 1;
    const isLast = this.#death?.atCall === this.calls;
    if (isLast && this.#death?.at === "before") this.#end();
    if (this.isOver) return NEVER;
    const value = await work();
    if (isLast) this.#end();
    return this.isOver ? NEVER : value;
  }

  #end(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.#onDeath();
  }
}

function mortal(webhooks: WebhookStore, life: Life): WebhookStore {
  const calls = Object.entries(webhooks) as [string, (...args: unknown[]) => Promise<unknown>][];
  return Object.fromEntries(
    calls.map(([name, call]) => [name, (...args: unknown[]) => life.call(() => call(...args))]),
  ) as unknown as WebhookStore;
}

class World {
  readonly rig: WebhookRig;
  deaths = 0;
  #life = new Life(() => {});

  constructor(rig: WebhookRig) {
    this.rig = rig;
  }

  get life(): Life {
    return this.#life;
  }

  begin(): void {
    const life = new Life(() => this.#die());
    this.#life = life;
    const { receiver } = this.rig;
    this.rig.wrap = (webhooks) => mortal(webhooks, life);
    const sender: Sender = {
      send: (request) => life.call(() => receiver.send(request)),
      refusal: () => undefined,
      [Symbol.asyncDispose]: async () => {},
    };
    this.rig.sender = sender;
    this.rig.start();
  }

  /** What was committed is all that is left. */
  #die(): void {
    this.deaths += 1;
    const snapshot = this.rig.store.crash();
    this.rig.store = new MemoryStore({ newGeneration: () => "again", snapshot });
  }

  /** The machine starts it again. */
  revive(): void {
    if (this.#life.isOver) this.begin();
  }
}

const anyStep: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant("change" as const), key: fc.nat(KEYS.length - 1) }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant("pass" as const), ms: fc.integer({ min: 0, max: 40_000 }) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant("kill" as const),
      calls: fc.integer({ min: 1, max: 25 }),
      at: fc.constantFrom("before" as const, "after" as const),
    }),
  },
);

/** How the receiver answers, one after the other, round and round. */
const anyAnswers = fc.array(fc.constantFrom(200, 200, 200, 500, 429, 0), { minLength: 1, maxLength: 7 });

it("loses nothing, repeats with the same id only, and keeps a record's order where that is asked for", async () => {
  let deaths = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(anyStep, { minLength: 5, maxLength: 40 }),
      anyAnswers,
      async (steps, answers) => {
        const world = new World(await WebhookRig.open());
        const { rig } = world;
        // Alerts about an endpoint that fails are events as well, and not what is counted here.
        const types = ["work_order.*"];
        const ordered = await rig.endpoint({ types, ordering: "record", atOnce: 4 });
        const loose = await rig.endpoint({ types, atOnce: 4 });
        world.begin();
        let asked = 0;
        rig.receiver.answer = () => {
          const status = answers[(asked += 1) % answers.length] ?? 200;
          return status === 0 ? { error: "timed_out", takesMs: 10_000 } : { status, takesMs: asked % 3 };
        };
        const published = await act(world, steps);
        // From here on nothing fails, and everything must come to an end.
        rig.receiver.answer = () => ({ status: 200 });
        world.revive();
        await rig.pass(10 * 60_000, 10_000);
        world.revive();
        await rig.pass(6 * 3_600_000, 300_000);
        for (const endpoint of [ordered, loose]) {
          const deliveries = await rig.deliveries(endpoint.id);
          expect(deliveries.map(({ eventId }) => eventId)).toEqual(published);
          expect(new Set(deliveries.map(({ state }) => state))).toEqual(
            new Set(published.length > 0 ? ["delivered"] : []),
          );
          const sent = rig.receiver.requests.filter(({ endpointId }) => endpointId === endpoint.id);
          const ids = sent.map(({ headers }) => headers["webhook-id"] ?? "");
          expect(new Set(ids)).toEqual(new Set(published));
        }
        expectOrder(rig, ordered.id);
        deaths += world.deaths;
        await rig.stop();
      },
    ),
    { numRuns: RUNS },
  );
  // It was not a quiet life.
  expect(deaths).toBeGreaterThan(RUNS / 2);
});

/** An agent sends until it is told that it is stored: the process may die in the middle of that as well. */
async function commit({ rig }: World, key: string, id: string): Promise<void> {
  const isThere = async (): Promise<boolean> =>
    (await rig.store.reader.listEvents(SCOPE, 0, 10_000)).some((event) => event.id === id);
  while (!(await isThere())) {
    await rig.change(key, { id }).catch((error: unknown) => {
      if (!/closed/.test(String(error))) throw error;
    });
  }
}

/** Resolves with the ids of the events, in order. */
async function act(world: World, steps: readonly Step[]): Promise<readonly string[]> {
  const { rig } = world;
  const published: string[] = [];
  for (const step of steps) {
    if (step.do === "change") {
      const id = `evt_${KEYS[step.key]}_${published.length}`;
      published.push(id);
      await commit(world, KEYS[step.key] ?? "", id);
      await turn();
    } else if (step.do === "pass") await rig.pass(step.ms, 2_000);
    else {
      world.revive();
      world.life.endsAfter(step.calls, step.at);
    }
  }
  return published;
}

/** Once a record's later event was sent, none before it comes again. */
function expectOrder(rig: WebhookRig, endpointId: string): void {
  const last = new Map<string, number>();
  for (const { endpointId: to, headers } of rig.receiver.requests) {
    if (to !== endpointId) continue;
    const [, key = "", number = "0"] = (headers["webhook-id"] ?? "").split("_");
    expect(Number(number)).toBeGreaterThanOrEqual(last.get(key) ?? -1);
    last.set(key, Number(number));
  }
}

it("without any deaths sends each event once", async () => {
  const world = new World(await WebhookRig.open());
  const { rig } = world;
  await rig.endpoint({ atOnce: 4 });
  world.begin();
  const steps: Step[] = Array.from({ length: 50 }, (_, index) => ({ do: "change", key: index % 3 }));
  const published = await act(world, steps);
  await rig.pass(5_000);
  expect(rig.receiver.requests.map(({ headers }) => headers["webhook-id"]).toSorted(byNumber)).toEqual(
    published,
  );
  expect(await rig.store.webhooks.stats(SCOPE, 0)).toMatchObject([{ delivered: 50, attempts: 50 }]);
  await rig.stop();
});

function byNumber(one: string | undefined, other: string | undefined): number {
  return Number(one?.split("_")[2]) - Number(other?.split("_")[2]);
}
