// Webhooks on the screen: how endpoints and deliveries stand, what the form asks for, and the bars of an attempt.
import { describe, expect, test } from "vitest";
import { phaseBars, scaleOf } from "#relay/dashboard/screens/waterfall.ts";
import {
  bodyOf,
  draftOf,
  groupTypes,
  isReady,
  isToldOf,
  NEW_DRAFT,
  toggled,
  wrongHeader,
  wrongNumber,
} from "#relay/dashboard/screens/webhook-draft.ts";
import { deliveryLook, endpointLook, nextTryAt, outcomeText } from "#relay/dashboard/screens/webhook-look.ts";

const OPENED = { dns_ms: 10, connect_ms: 20, tls_ms: 30, first_byte_ms: 100, total_ms: 200 };

describe("an attempt's phases", () => {
  test("follow one another, fill the total, and are shares of the longest attempt", () => {
    const bars = phaseBars(OPENED, 400);
    expect(bars.map(({ phase, ms, left, width }) => [phase, ms, left, width])).toEqual([
      ["dns", 10, 0, 2.5],
      ["connect", 20, 2.5, 5],
      ["tls", 30, 7.5, 7.5],
      ["wait", 100, 15, 25],
      ["answer", 40, 40, 10],
    ]);
    expect(bars.reduce((sum, { ms }) => sum + ms, 0)).toBe(OPENED.total_ms);
  });

  test("that were not reached are not drawn; what was waited for in vain is", () => {
    const refused = { dns_ms: 4, connect_ms: null, tls_ms: null, first_byte_ms: null, total_ms: 14 };
    expect(phaseBars(refused, 14).map(({ title, ms }) => [title, ms])).toEqual([
      ["DNS", 4],
      ["No answer", 10],
    ]);
  });

  test("never reach beyond the track", () => {
    const odd = { ...OPENED, first_byte_ms: 900, total_ms: 100 };
    for (const { left, width } of phaseBars(odd, scaleOf([odd])))
      expect(left + width).toBeLessThanOrEqual(100);
    expect(scaleOf([])).toBe(1);
    expect(scaleOf([OPENED, { ...OPENED, total_ms: 900 }])).toBe(900);
  });
});

describe("an endpoint", () => {
  const well = { disabled: null, health: { breaker: "closed", consecutive_failures: 0 } };

  test("is shown by what matters most: disabled, then its breaker, then its failures", () => {
    const failing = { breaker: "open", consecutive_failures: 12 };
    const looks = [
      well,
      { ...well, health: { breaker: "closed", consecutive_failures: 3 } },
      { ...well, health: { ...failing, breaker: "half_open" } },
      { ...well, health: failing },
      { disabled: { reason: "gone", detail: "410" }, health: failing },
      { disabled: { reason: "by_user", detail: "" }, health: failing },
      { ...well, stats: { attempts: 4, failed_attempts: 4 } },
      { ...well, stats: { attempts: 4, failed_attempts: 3 } },
    ].map((endpoint) => endpointLook(endpoint));
    expect(looks.map(({ label, tone }) => `${label} ${tone}`)).toEqual([
      "Working good",
      "3 failed in a row warn",
      "Trying again warn",
      "Paused: it fails bad",
      "Disabled bad",
      "Disabled idle",
      "Nothing got through warn",
      "Working good",
    ]);
  });

  test("is changed without touching its headers unless new ones are given", () => {
    const draft = draftOf({
      name: "shop",
      url: "https://example.com/h",
      connection_id: null,
      types: ["sync.*"],
      condition: null,
      payload: "thin",
      ordering: "record",
      origins: ["remap", "change"],
      echoes: false,
      at_once: 8,
      per_second: null,
    });
    expect(bodyOf(draft)).toEqual({
      name: "shop",
      url: "https://example.com/h",
      types: ["sync.*"],
      condition: null,
      payload: "thin",
      ordering: "record",
      origins: ["change", "remap"],
      echoes: false,
      at_once: 8,
      per_second: null,
    });
    expect(bodyOf({ ...draft, headers: "X-Key: a:b \n\n X-Other:c" })).toMatchObject({
      headers: { "X-Key": "a:b", "X-Other": "c" },
    });
    expect(bodyOf(NEW_DRAFT)).not.toHaveProperty("name");
  });

  test("is asked for when what is written can be taken", () => {
    const draft = { ...NEW_DRAFT, url: "https://example.com/h" };
    expect(isReady(draft)).toBe(true);
    expect(bodyOf({ ...draft, atOnce: "", perSecond: " 20 " })).toMatchObject({ per_second: 20 });
    expect(bodyOf({ ...draft, atOnce: "" })).not.toHaveProperty("at_once");
    for (const wrong of [
      { url: " " },
      { origins: new Set<string>() },
      { headers: "nonsense" },
      { atOnce: "65" },
      { perSecond: "0" },
      { perSecond: "1.5" },
    ])
      expect({ wrong, isReady: isReady({ ...draft, ...wrong }) }).toEqual({ wrong, isReady: false });
    expect(wrongNumber("1001", 1_000)).toBe("A whole number from 1 to 1,000");
  });

  test("is told of a type by its name, its group, or all", () => {
    expect(
      [["*"], ["vendor.*"], ["vendor.created"], ["vendor.deleted", "vendors.*"]].map((types) =>
        isToldOf(types, "vendor.created"),
      ),
    ).toEqual([true, true, true, false]);
  });

  test("says which line is no header", () => {
    expect(wrongHeader("X-Key: a\nX-Other: b")).toBeUndefined();
    expect(wrongHeader("X-Key: a\nnonsense")).toBe("nonsense");
    expect(wrongHeader("X Key: a")).toBe("X Key: a");
    expect(wrongHeader("X-Key:")).toBe("X-Key:");
  });
});

describe("event types", () => {
  test("are grouped by what they are about", () => {
    expect(groupTypes(["vendor.created", "sync.failed", "vendor.deleted"])).toEqual([
      { pattern: "vendor.*", types: ["vendor.created", "vendor.deleted"] },
      { pattern: "sync.*", types: ["sync.failed"] },
    ]);
  });

  test("are chosen one by one, by group, or all; nothing is everything", () => {
    const one = toggled(new Set(["*"]), "vendor.created");
    expect([...one]).toEqual(["vendor.created"]);
    const group = toggled(toggled(one, "sync.failed"), "vendor.*");
    expect([...group]).toEqual(["sync.failed", "vendor.*"]);
    expect([...toggled(group, "*")]).toEqual(["*"]);
    expect([...toggled(one, "vendor.created")]).toEqual(["*"]);
  });
});

describe("a delivery", () => {
  test("that failed and waits is another thing than one that was not tried", () => {
    expect(deliveryLook("pending", 0).label).toBe("Waiting");
    expect(deliveryLook("pending", 2)).toMatchObject({ label: "Waiting to retry", tone: "warn" });
    expect(deliveryLook("exhausted", 14).tone).toBe("bad");
    expect(deliveryLook("of_tomorrow", 0).label).toBe("Of tomorrow");
  });

  test("tells its last answer, or why there was none", () => {
    expect(outcomeText(null, null)).toBeUndefined();
    expect(outcomeText(503, null)).toBe("HTTP 503");
    expect(outcomeText(null, "dns_failed")).toBe("DNS failed");
    expect(outcomeText(null, "timed_out")).toBe("Timed out");
    expect(outcomeText(302, "redirected")).toBe("Redirected (HTTP 302)");
  });

  test("is tried when its retry is due, but not before its endpoint is", () => {
    const waiting = { state: "pending", next_attempt_at: "2026-03-02T08:00:00.000Z" };
    const parkedUntil = (at: string | null) => ({ health: { parked_until: at } });
    expect(nextTryAt(waiting, undefined)).toBe("2026-03-02T08:00:00.000Z");
    expect(nextTryAt(waiting, parkedUntil("2026-03-02T07:00:00.000Z"))).toBe("2026-03-02T08:00:00.000Z");
    expect(nextTryAt(waiting, parkedUntil("2026-03-02T08:05:00.000Z"))).toBe("2026-03-02T08:05:00.000Z");
    expect(nextTryAt({ ...waiting, state: "delivered" }, parkedUntil(null))).toBeUndefined();
  });
});
