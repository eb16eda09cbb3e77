// The relay is killed between every two steps of a delivery: what was published arrives, under one id, and nothing after its end.
import { expect, test } from "vitest";
import { verifyDelivery } from "#relay/webhooks/verify.ts";
import { until } from "#test/support/until.ts";
import { WebhookReceiver, type Answering } from "#test/support/webhook-receiver.ts";
import { WebhookRelay } from "#test/support/webhook-relay.ts";

const PATIENCE_MS = 120_000;
const ROUNDS = 2;
const EVENTS_A_ROUND = 6;

/** Each delivery on a connection of its own. */
const thanks: Answering = (_, response) => response.writeHead(200, { connection: "close" }).end("thanks");

/** When the relay dies. `wait` resolves at that moment; it is armed before anything is published. */
interface Moment {
  readonly name: string;
  readonly wait: (receiver: WebhookReceiver, relay: WebhookRelay) => Promise<unknown>;
}

const MOMENTS: readonly Moment[] = [
  {
    name: "claimed, nothing sent",
    wait: (receiver) => new Promise<void>((resolve) => (receiver.connected = resolve)),
  },
  {
    name: "sent, no answer yet",
    wait: (receiver) => new Promise<void>((resolve) => (receiver.answer = () => resolve())),
  },
  {
    name: "answered, hardly recorded",
    wait: (receiver) =>
      new Promise<void>((resolve) => {
        receiver.answer = (_, response) => response.end("thanks", resolve);
      }),
  },
  {
    name: "recorded, others not",
    wait: (_, { store, scope }) => {
      const query = { states: ["delivered"], limit: 1_000 } as const;
      let before: number | undefined;
      return until("a delivery to be recorded", async () => {
        const { length } = await store.webhooks.deliveries(scope, query);
        before ??= length;
        return length > before;
      });
    },
  },
];

test("kill -9 at each step: every event arrives, duplicates share their id and body, ended ones come no more", async () => {
  await using receiver = await WebhookReceiver.listen();
  await using relay = await WebhookRelay.create();
  const open = await relay.endpoint(receiver.url("/open"));
  const emitted: string[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const { name, wait } of MOMENTS) {
      receiver.connected = () => {};
      receiver.answer = thanks;
      await relay.start();
      let isThere = false;
      const moment = wait(receiver, relay).then(() => (isThere = true));
      emitted.push(...(await relay.emit(EVENTS_A_ROUND)));
      await until(`the moment "${name}"`, () => isThere, PATIENCE_MS);
      await relay.relay?.kill();
      await moment;
    }
  }
  receiver.connected = () => {};
  receiver.answer = thanks;
  await relay.start();
  const delivered = await until(
    "everything to be delivered",
    async () => {
      const query = { endpointId: open.id, states: ["delivered"], limit: 1_000 } as const;
      const found = await relay.store.webhooks.deliveries(relay.scope, query);
      return found.length === emitted.length && found;
    },
    PATIENCE_MS,
  );
  expect(delivered.map(({ eventId }) => eventId).sort()).toEqual([...emitted].sort());
  const counts = receiver.counts("/open");
  expect([...counts.keys()].sort()).toEqual([...emitted].sort());
  // Some came twice, or no kill was between sending and recording.
  expect(receiver.received.length).toBeGreaterThan(emitted.length);
  for (const one of receiver.received) {
    expect(verifyDelivery(one, [open.secret], Number(one.timestamp) * 1_000)).toEqual({ ok: true });
    expect(JSON.parse(one.body)).toMatchObject({ id: one.id, type: "work_order.created" });
    const twins = receiver.received.filter(({ id }) => id === one.id);
    expect(new Set(twins.map(({ body }) => body)).size).toBe(1);
  }
});

test("what was given up or switched off by its receiver is not sent again, however often the relay is killed", async () => {
  await using receiver = await WebhookReceiver.listen();
  await using relay = await WebhookRelay.create();
  const open = await relay.endpoint(receiver.url("/open"));
  const aborts = await relay.endpoint(receiver.url("/aborts"), { atOnce: 1 });
  const gone = await relay.endpoint(receiver.url("/gone"), { atOnce: 1 });
  receiver.answer = ({ path }, response) => {
    if (path === "/aborts") response.writeHead(400, { "webhook-delivery": "abort-message" });
    if (path === "/gone") response.writeHead(410);
    response.end();
  };
  const { webhooks } = relay.store;
  await relay.start();
  const first = await relay.emit(4);
  await until(
    "the receiver's word to be recorded",
    async () => {
      const query = { endpointId: aborts.id, states: ["exhausted"], limit: 10 } as const;
      const given = await webhooks.deliveries(relay.scope, query);
      const off = await webhooks.endpoint(relay.scope, gone.id);
      return given.length === first.length && off?.row.disabled?.reason === "gone";
    },
    PATIENCE_MS,
  );
  const before = { aborts: receiver.counts("/aborts"), gone: receiver.counts("/gone") };
  const later: string[] = [];
  for (let kill = 0; kill < 3; kill += 1) {
    await relay.relay?.kill();
    await relay.start();
    later.push(...(await relay.emit(2)));
    await until(
      "the open endpoint to have everything",
      () => receiver.counts("/open").size === first.length + later.length,
      PATIENCE_MS,
    );
  }
  for (const id of first) expect(receiver.counts("/aborts").get(id)).toBe(before.aborts.get(id));
  // What was under way when the answer came may have come as well; nothing that was published later.
  expect(receiver.counts("/gone")).toEqual(before.gone);
  expect([...before.gone.keys()].filter((id) => later.includes(id))).toEqual([]);
  const open200 = await webhooks.deliveries(relay.scope, { endpointId: open.id, limit: 100 });
  expect(open200).toHaveLength(first.length + later.length);
});
