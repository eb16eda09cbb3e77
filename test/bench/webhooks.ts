// Webhooks: deliveries a second beside a bare loop that only signs and posts, how soon they go out, what a crowd of bad receivers
// does to the others, and how fast the log is searched.
import { until } from "#test/support/until.ts";
import type { DeliveryQuery } from "#relay/core/webhooks/webhook-store.ts";
import type { BenchOptions, BenchRow } from "./bench-row.ts";
import { quantile } from "./public-api-client.ts";
import { Receivers, SCOPE, WebhookRig, WORKSPACE } from "./webhook-rig.ts";

/** With four places each: 128 posts under way at once. */
const ENDPOINTS = 32;
const AT_ONCE = 4;
const EVENTS = 900;
const QUICK_SHARE = 5;
const ROUNDS = 3;
const BODY = JSON.stringify({ id: "evt_r_1", type: "work_order.updated", padding: "x".repeat(900) });
const MIN_RATIO = 0.6;

const ALONE = 200;
const ALONE_EVERY_MS = 40;

const CROWD = 1_000;
const QUICK_CROWD = 200;
const CROWD_EVENTS = 12;
const CROWD_EVERY_MS = 1_500;
const MAX_SLOWDOWN = 2;

const LOGGED = 100_000;
const LOOKS = 15;
const LOG_PAGE = 50;

const READY_MS = 120_000;

/** About a minute and a half. */
export async function benchWebhooks({ isQuick, say }: BenchOptions): Promise<readonly BenchRow[]> {
  const rows: BenchRow[] = [];
  say("deliveries beside the bare loop");
  rows.push(...(await rates(isQuick ? EVENTS / QUICK_SHARE : EVENTS)));
  say("one event at a time");
  rows.push(...(await alone(isQuick ? ALONE / QUICK_SHARE : ALONE)));
  say("the crowd");
  rows.push(...(await crowded(isQuick ? QUICK_CROWD : CROWD)));
  say("the log");
  rows.push(...(await searched(isQuick ? LOGGED / QUICK_SHARE : LOGGED)));
  return rows;
}

/** The two take turns, so that a busy machine is equally busy for both. */
async function rates(events: number): Promise<readonly BenchRow[]> {
  await using receivers = await Receivers.start(0);
  const work = events * ENDPOINTS;
  const bare: number[] = [];
  const full: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    await using rig = await WebhookRig.create();
    const url = receivers.url("/count");
    const endpoints: string[] = [];
    for (let n = 0; n < ENDPOINTS; n += 1) endpoints.push(await rig.endpoint(url, { atOnce: AT_ONCE }));
    bare.push(await bareRate(rig, url, work));
    full.push(await deliveryRate(rig, endpoints, events));
  }
  const [ours, theirs] = [quantile(full, 0.5), quantile(bare, 0.5)];
  const note = `${work} posts to ${ENDPOINTS} endpoints, ${ENDPOINTS * AT_ONCE} at once, median of ${ROUNDS} rounds`;
  return [
    {
      name: "webhooks: deliveries",
      value: ours,
      unit: "deliveries/s",
      ratio: ours / theirs,
      floor: MIN_RATIO,
      note: `claimed, signed, posted, logged, synchronous=FULL; ${note}`,
    },
    { name: "bare loop: sign and post", value: theirs, unit: "posts/s", note: "the same client and signer" },
  ];
}

async function bareRate({ sender, signer }: WebhookRig, url: string, work: number): Promise<number> {
  const { secret } = signer.newSecret("v1");
  const { signal } = new AbortController();
  let left = work;
  const startMs = performance.now();
  const one = async (place: number): Promise<void> => {
    while (left > 0) {
      left -= 1;
      const id = `evt_r_${left}`;
      const atS = Math.floor(Date.now() / 1_000);
      const headers = {
        "content-type": "application/json",
        "user-agent": "Millrace-Webhooks/bench",
        "webhook-id": id,
        "webhook-timestamp": String(atS),
        "webhook-signature": signer.sign([secret], id, atS, BODY),
      };
      const { status } = await sender.send(
        { endpointId: `bare ${place % ENDPOINTS}`, url, headers, body: BODY },
        signal,
      );
      if (status !== 200) throw new TypeError(`the bare loop was answered ${status}`);
    }
  };
  await Promise.all(Array.from({ length: ENDPOINTS * AT_ONCE }, (_, place) => one(place)));
  return (work * 1_000) / (performance.now() - startMs);
}

/** From published to the last outcome durable. */
async function deliveryRate(rig: WebhookRig, endpoints: readonly string[], events: number): Promise<number> {
  const work = events * endpoints.length;
  for (let n = 0; n < events; n += 1) await publishOne(rig, endpoints, n);
  const startMs = performance.now();
  rig.run();
  const isOver = async (): Promise<boolean> => {
    const query = { states: ["pending"], limit: 1 } as const;
    return (await rig.store.webhooks.deliveries(SCOPE, query)).length === 0;
  };
  await until("everything to be delivered", isOver, READY_MS);
  const elapsedMs = performance.now() - startMs;
  if ((await deliveredCount(rig)) !== work) throw new TypeError("not every delivery was delivered");
  return (work * 1_000) / elapsedMs;
}

async function publishOne({ store }: WebhookRig, endpoints: readonly string[], n: number): Promise<void> {
  const eventId = `evt_bench_${n}`;
  const atMs = Date.now();
  await store.webhooks.publish({
    workspaceId: WORKSPACE,
    messages: [
      {
        eventId,
        workspaceId: WORKSPACE,
        connectionId: undefined,
        position: n,
        type: "work_order.updated",
        recordId: undefined,
        atMs,
        full: BODY,
        thin: undefined,
      },
    ],
    deliveries: endpoints.map((endpointId, at) => {
      const id = `whd_${String(n * endpoints.length + at).padStart(32, "0")}`;
      return { id, endpointId, eventId, trigger: "automatic", dueAtMs: atMs };
    }),
    atMs,
  });
}

async function deliveredCount({ store }: WebhookRig): Promise<number> {
  const stats = await store.webhooks.stats(SCOPE, 0);
  return stats.reduce((sum, { delivered }) => sum + delivered, 0);
}

async function alone(count: number): Promise<readonly BenchRow[]> {
  await using receivers = await Receivers.start(0);
  await using rig = await WebhookRig.create();
  await rig.endpoint(receivers.url("/alone"));
  rig.run();
  // The first ones open connections and compile what runs.
  const warm = await paced(rig, Math.ceil(count / 4), ALONE_EVERY_MS);
  await until("warm", async () => (await deliveredCount(rig)) >= warm.size, READY_MS);
  await receivers.arrivals();
  const committed = await paced(rig, count, ALONE_EVERY_MS);
  const all = warm.size + committed.size;
  await until("each to arrive", async () => (await deliveredCount(rig)) >= all, READY_MS);
  const waits: number[] = [];
  for (const { eventId, atMs } of await receivers.arrivals()) {
    const atCommit = committed.get(eventId);
    if (atCommit !== undefined) waits.push(atMs - atCommit);
  }
  const note = `${waits.length} events, one every ${ALONE_EVERY_MS} ms`;
  return [
    { name: "webhooks: event committed → first byte, median", value: quantile(waits, 0.5), unit: "ms", note },
    { name: "webhooks: event committed → first byte, p99", value: quantile(waits, 0.99), unit: "ms", note },
  ];
}

/** Events one by one; when each was durable, wall clock. */
async function paced(rig: WebhookRig, count: number, everyMs: number): Promise<ReadonlyMap<string, number>> {
  const committed = new Map<string, number>();
  for (let n = 0; n < count; n += 1) {
    const [id = ""] = await rig.emit(1);
    committed.set(id, performance.timeOrigin + performance.now());
    await new Promise((resolve) => {
      setTimeout(resolve, everyMs);
    });
  }
  return committed;
}

async function crowded(size: number): Promise<readonly BenchRow[]> {
  const quiet = await healthyWaits(size, (kind) => kind === "healthy");
  const crowd = await healthyWaits(size, () => true);
  const [before, after] = [quantile(quiet, 0.99), quantile(crowd, 0.99)];
  const note = `${CROWD_EVENTS} events to ${size} endpoints, one every ${CROWD_EVERY_MS} ms; 10 % dead, 10 % slow, 5 % hostile`;
  return [
    {
      name: "webhooks: healthy endpoints, quiet, p99",
      value: before,
      unit: "ms",
      note: "committed → first byte",
    },
    { name: "webhooks: healthy endpoints in the crowd, p99", value: after, unit: "ms", note },
    { name: "webhooks: the crowd's slowdown", value: after / before, unit: "×", ceiling: MAX_SLOWDOWN },
  ];
}

async function healthyWaits(size: number, isMember: (kind: string) => boolean): Promise<number[]> {
  await using receivers = await Receivers.start(size);
  await using rig = await WebhookRig.create();
  const members = receivers.ready.members.filter(({ kind }) => isMember(kind));
  await Promise.all(members.map(({ url }) => rig.endpoint(url)));
  const healthy = members.filter(({ kind }) => kind === "healthy").length;
  rig.run();
  // Each has shown what it is before anything is measured.
  const arrived = async (count: number): Promise<readonly { eventId: string; atMs: number }[]> => {
    const found: { eventId: string; atMs: number }[] = [];
    await until(
      "the healthy ones",
      async () => found.push(...(await receivers.arrivals())) >= count,
      READY_MS,
    );
    return found;
  };
  for (let warm = 0; warm < 2; warm += 1) {
    await rig.emit(1);
    await arrived(healthy);
  }
  const committed = await paced(rig, CROWD_EVENTS, CROWD_EVERY_MS);
  const found = await arrived(healthy * CROWD_EVENTS);
  return found.map(({ eventId, atMs }) => atMs - (committed.get(eventId) ?? atMs));
}

async function searched(count: number): Promise<readonly BenchRow[]> {
  await using rig = await WebhookRig.create();
  const { webhooks } = rig.store;
  const endpoints: string[] = [];
  for (let n = 0; n < 20; n += 1) endpoints.push(await rig.endpoint(`http://127.0.0.1:9/${n}`));
  await fillLog(rig, endpoints, count);
  const [endpointId = ""] = endpoints;
  const queries: Readonly<Record<string, DeliveryQuery>> = {
    newest: { limit: LOG_PAGE },
    "by state": { states: ["exhausted"], limit: LOG_PAGE },
    "by endpoint and state": { endpointId, states: ["exhausted"], limit: LOG_PAGE },
    "by a rare type": { types: ["vendor.updated"], limit: LOG_PAGE },
    "by time": { afterMs: 1_000, beforeMs: 1_000 + count / 100, limit: LOG_PAGE },
    "by all of these": {
      endpointId,
      states: ["delivered"],
      types: ["work_order.updated"],
      afterMs: 1,
      limit: LOG_PAGE,
    },
    "by status, unindexed": { status: 418, limit: LOG_PAGE },
  };
  const rows: BenchRow[] = [];
  for (const [name, query] of Object.entries(queries)) {
    const times: number[] = [];
    for (let look = 0; look < LOOKS; look += 1) {
      const startMs = performance.now();
      await webhooks.deliveries(SCOPE, query);
      times.push(performance.now() - startMs);
    }
    rows.push({
      name: `webhooks: log ${name}`,
      value: quantile(times, 0.5),
      unit: "ms",
      note: `page of ${LOG_PAGE} from ${count}`,
    });
  }
  return rows;
}

async function fillLog({ store }: WebhookRig, endpoints: readonly string[], count: number): Promise<void> {
  const perEvent = endpoints.length;
  const timings = { dnsMs: undefined, connectMs: 1, tlsMs: 2, firstByteMs: 3, totalMs: 4 };
  for (let n = 0; n < count / perEvent; n += 1) {
    const eventId = `evt_log_${n}`;
    const type = n % 500 === 0 ? "vendor.updated" : "work_order.updated";
    const of = {
      workspaceId: WORKSPACE,
      connectionId: undefined,
      recordId: undefined,
      atMs: n,
      thin: undefined,
    };
    await store.webhooks.publish({
      workspaceId: WORKSPACE,
      messages: [{ eventId, position: n, type, full: JSON.stringify({ id: eventId, type }), ...of }],
      deliveries: endpoints.map((endpointId, at) => {
        const id = `whd_${String(n * perEvent + at).padStart(32, "0")}`;
        return { id, endpointId, eventId, trigger: "automatic", dueAtMs: n };
      }),
      atMs: n,
    });
    await store.webhooks.settle({
      settlements: endpoints.map((endpointId, at) => ({
        endpointId,
        state: (n + at) % 400 === 0 ? "exhausted" : "delivered",
        nextAttemptAtMs: undefined,
        firstAttemptAtMs: n,
        attempt: {
          deliveryId: `whd_${String(n * perEvent + at).padStart(32, "0")}`,
          number: 1,
          trigger: "automatic",
          atMs: n,
          url: "http://127.0.0.1:9/",
          requestHeaders: { "webhook-id": eventId },
          status: (n + at) % 400 === 0 ? 500 : 200,
          error: undefined,
          detail: undefined,
          responseHeaders: {},
          responseBody: undefined,
          remoteAddress: undefined,
          timings,
        },
      })),
      endpoints: [],
      events: [],
    });
  }
}
