// Who gets a place, who has to wait, and how an endpoint loses and regains trust.
import { describe, expect, it } from "vitest";
import { HEALTHY, type EndpointHealth } from "#relay/core/webhooks/endpoint.ts";
import { learn, paceWaitMs, Places, type Standing } from "#relay/core/webhooks/places.ts";
import { TurnQueue } from "#relay/core/webhooks/turn-queue.ts";

const FAILING = { ...HEALTHY, consecutiveFailures: 3 };
const PROVEN = { ...HEALTHY, lastSuccessAtMs: 1 };
const GOOD = { isFailure: false, isThrottled: false, tookMs: 10 };

/** Takes places for new standings of this health until there is no room. */
function fill(places: Places, health: EndpointHealth): number {
  let taken = 0;
  for (;;) {
    const standing = places.standing(
      `${health.consecutiveFailures}-${String(health.lastSuccessAtMs)}-${taken}`,
      health,
      4,
    );
    if (!places.hasRoom(standing.trust)) return taken;
    places.take(standing);
    taken += 1;
  }
}

function standing(health: EndpointHealth = PROVEN, atOnce = 4): Standing {
  return new Places().standing("whe_1", health, atOnce);
}

describe("places", () => {
  it("suspects get half of them, new ones a quarter, and a quarter is left to the proven", () => {
    expect(fill(new Places(), FAILING)).toBe(256);
    expect(fill(new Places(), HEALTHY)).toBe(128);
    const places = new Places();
    expect([fill(places, FAILING), fill(places, HEALTHY), fill(places, PROVEN)]).toEqual([256, 128, 128]);
    expect(places.taken).toBe(512);
    expect(fill(new Places(), PROVEN)).toBe(512);
  });

  it("an attempt that lasts is counted among the suspects, and given back as one", () => {
    const places = new Places();
    const known = places.standing("whe_1", PROVEN, 4);
    const place = places.take(known);
    expect(places.takenBySuspects).toBe(0);
    places.lasts(place);
    expect(places.takenBySuspects).toBe(1);
    expect(known).toMatchObject({ trust: "suspect", width: 1, taken: 1 });
    places.free(place);
    expect([places.taken, places.takenBySuspects, known.taken]).toEqual([0, 0, 0]);
  });

  it("new ones that hang make room for further new ones once they are known to hang", () => {
    const places = new Places();
    const held = Array.from({ length: 128 }, (_, index) =>
      places.take(places.standing(`hangs-${index}`, HEALTHY, 4)),
    );
    expect(places.hasRoom("new")).toBe(false);
    for (const place of held) places.lasts(place);
    expect(places.hasRoom("new")).toBe(true);
  });

  it("remembers a standing, and forgets those that were not seen for longest", () => {
    const places = new Places();
    const first = places.standing("whe_first", FAILING, 4);
    places.take(first);
    const second = places.standing("whe_second", FAILING, 4);
    for (let index = 0; index < 20_000; index += 1) places.standing(`whe_${index}`, PROVEN, 4);
    // One that holds a place stays.
    expect(places.standing("whe_first", PROVEN, 4)).toBe(first);
    expect(places.standing("whe_second", PROVEN, 4)).not.toBe(second);
  });
});

describe("trust", () => {
  it("is lost by a failure or a slow answer, and places grow back one by one", () => {
    const fast = standing();
    expect(fast.width).toBe(4);
    learn(fast, { ...GOOD, isFailure: true }, 4);
    expect(fast).toMatchObject({ trust: "suspect", width: 1 });
    const widths = Array.from({ length: 4 }, () => {
      learn(fast, GOOD, 4);
      return fast.width;
    });
    expect(widths).toEqual([2, 3, 4, 4]);
    learn(fast, { ...GOOD, tookMs: 2_000 }, 4);
    expect(fast).toMatchObject({ trust: "suspect", width: 1 });
  });

  it("begins by what is stored of it", () => {
    expect(standing(HEALTHY)).toMatchObject({ trust: "new", width: 1 });
    expect(standing(FAILING)).toMatchObject({ trust: "suspect", width: 1 });
    expect(standing(PROVEN)).toMatchObject({ trust: "proven", width: 4 });
  });
});

describe("pace", () => {
  it("is halved by every throttling answer down to one in two seconds, and grows until it is free", () => {
    const told = standing();
    expect(paceWaitMs(told, undefined, 0)).toBe(0);
    for (let index = 0; index < 20; index += 1)
      learn(told, { ...GOOD, isFailure: true, isThrottled: true }, 4);
    expect(told.pace).toBe(0.5);
    expect(paceWaitMs(told, undefined, 1_000)).toBe(0);
    expect(paceWaitMs(told, undefined, 1_500)).toBe(1_500);
    for (let index = 0; index < 60; index += 1) learn(told, GOOD, 4);
    expect(told.pace).toBeUndefined();
  });

  it("of its own is kept where throttling has left more", () => {
    const limited = standing();
    learn(limited, { ...GOOD, isFailure: true, isThrottled: true }, 4);
    expect(limited.pace).toBe(10);
    expect(paceWaitMs(limited, 5, 0)).toBe(0);
    expect(paceWaitMs(limited, 5, 0)).toBe(200);
  });
});

describe("turns", () => {
  it("go round the kinds that have room, first come first served, by what an item is now", () => {
    const kinds = new Map([
      ["p1", "proven"],
      ["p2", "proven"],
      ["s1", "suspect"],
      ["s2", "suspect"],
    ]);
    const queue = new TurnQueue<string, string>(["proven", "suspect"], (item) => kinds.get(item) ?? "");
    for (const item of kinds.keys()) queue.push(item);
    kinds.set("s1", "proven");
    const all = () => true;
    const found = Array.from({ length: 5 }, () => queue.next(all));
    expect(new Set(found)).toEqual(new Set(["p1", "p2", "s1", "s2", undefined]));
    expect(found.indexOf("p1")).toBeLessThan(found.indexOf("p2"));
    expect(found.indexOf("s2")).toBeLessThan(2);
    queue.push("s2");
    expect(queue.next((kind) => kind === "proven")).toBeUndefined();
    expect(queue.next(all)).toBe("s2");
  });

  it("keep their order over thousands", () => {
    const queue = new TurnQueue<number, "one">(["one"], () => "one");
    const out: (number | undefined)[] = [];
    for (let index = 0; index < 10_000; index += 1) {
      queue.push(index);
      if (index % 3 > 0) out.push(queue.next(() => true));
    }
    for (let next = queue.next(() => true); next !== undefined; next = queue.next(() => true)) out.push(next);
    expect(out).toEqual(Array.from({ length: 10_000 }, (_, index) => index));
  });
});
