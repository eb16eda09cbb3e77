// The way of a delivery to whoever listens: handed over, answered, taken over by another, and what is said when nobody is there.
import { expect, test } from "vitest";
import { ListenerHub, type ListenerAnswer } from "#relay/http/listener-hub.ts";
import { FakeClock } from "#test/support/fake-clock.ts";

const MINUTE_MS = 60_000;
const REQUEST = { endpointId: "whe_1", url: "listener:ws_1", headers: { "webhook-id": "evt_1" }, body: "{}" };
const OK: ListenerAnswer = { status: 200, detail: undefined, headers: {}, body: "ok", tookMs: 3 };

function setUp() {
  const clock = new FakeClock();
  let tickets = 0;
  const hub = new ListenerHub({ clock, newTicket: () => `ticket ${(tickets += 1)}` });
  const lost: string[] = [];
  hub.onLost((workspaceId, endpointId) => lost.push(`${workspaceId} ${endpointId}`));
  const send = () => hub.send(REQUEST, new AbortController().signal);
  return { clock, hub, lost, send };
}

test("a delivery is the listener's, its answer the outcome; one that comes too late is told so", async () => {
  const { hub, clock, send } = setUp();
  const given: string[] = [];
  const handOver = (ticket: string): Promise<boolean> => {
    given.push(ticket);
    return Promise.resolve(true);
  };
  hub.open("whe_1", handOver, () => {});
  const first = send();
  expect(hub.answer("whe_1", "ticket 1", OK)).toBe(true);
  expect(await first).toMatchObject({ status: 200, body: "ok", error: undefined });
  const second = send();
  clock.advance(10_000);
  expect(await second).toMatchObject({ status: undefined, error: "timed_out" });
  expect(hub.answer("whe_1", "ticket 2", OK)).toBe(false);
  expect(given).toEqual(["ticket 1", "ticket 2"]);
});

test("while nobody listens nothing is held against the endpoint; after five minutes its end is told, once", async () => {
  const { hub, clock, lost, send } = setUp();
  const gone = { status: undefined, error: "local_fault", detail: "nobody listens at the moment" };
  expect(await send()).toMatchObject(gone);
  clock.advance(5 * MINUTE_MS - 1);
  expect(await send()).toMatchObject(gone);
  expect(lost).toEqual([]);
  clock.advance(1);
  await send();
  expect(lost).toEqual(["ws_1 whe_1"]);
  // It comes back: the time begins anew.
  hub.open(
    "whe_1",
    () => Promise.resolve(true),
    () => {},
  )();
  await send();
  clock.advance(5 * MINUTE_MS - 1);
  await send();
  expect(lost).toHaveLength(1);
});

test("who listens later takes the place: the one before is told, and what it had in hand is sent again", async () => {
  const { hub, send } = setUp();
  let replaced = 0;
  const ends = hub.open(
    "whe_1",
    () => Promise.resolve(true),
    () => (replaced += 1),
  );
  const waiting = send();
  hub.open(
    "whe_1",
    () => Promise.resolve(true),
    () => {},
  );
  expect(await waiting).toMatchObject({ error: "local_fault" });
  expect(replaced).toBe(1);
  // The first one's end takes nothing away from the second.
  ends();
  const again = send();
  expect(hub.answer("whe_1", "ticket 2", OK)).toBe(true);
  expect(await again).toMatchObject({ status: 200 });
});
