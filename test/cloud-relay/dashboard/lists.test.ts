// Lists: filters, orders, and which events the dashboard's stream is asked for.
import { describe, expect, test } from "vitest";
import { MAX_TYPES, nextDelayMs, STATUS_EVENTS, wantedTypes } from "#relay/dashboard/api/live-types.ts";
import { nextOrder, ordered, orderOf } from "#relay/dashboard/parts/table-order.ts";
import { statusLook } from "#relay/dashboard/parts/status.ts";
import { passes, shownStatus, valuesOf } from "#relay/dashboard/screens/connection-filter.ts";

const CONNECTION = {
  name: "maximo",
  customer: "Nordwerk",
  environment: "production",
  system: "maximo on oracle",
  status: "online",
  disconnected_at: null,
  labels: { region: "north" },
  agent_id: "agt_1",
};
const ALL = { search: "", status: "", customer: "", environment: "" };

describe("connections", () => {
  test("pass filters that are empty or fit, all of them together", () => {
    expect(passes(CONNECTION, ALL)).toBe(true);
    expect(passes(CONNECTION, { ...ALL, search: "region:north oracle", status: "online" })).toBe(true);
    expect(passes(CONNECTION, { ...ALL, search: "agt_1" })).toBe(true);
    for (const wrong of [
      { search: "sap" },
      { status: "offline" },
      { customer: "Nord" },
      { environment: "test" },
    ])
      expect({ wrong, passes: passes(CONNECTION, { ...ALL, ...wrong }) }).toEqual({ wrong, passes: false });
  });

  test("that were taken away are shown and filtered as that", () => {
    const gone = { ...CONNECTION, disconnected_at: "2026-03-01T00:00:00Z" };
    expect(shownStatus(gone)).toBe("disconnected");
    expect(passes(gone, { ...ALL, status: "online" })).toBe(false);
    expect(passes(gone, { ...ALL, status: "disconnected" })).toBe(true);
  });

  test("offer each value once, in order, without what is not there", () => {
    expect(valuesOf([{ v: "b" }, { v: null }, { v: "a" }, { v: "b" }], ({ v }) => v)).toEqual(["a", "b"]);
  });

  test("of a state that is not known show its own words", () => {
    expect(statusLook("half_open")).toEqual({ label: "Half open", tone: "idle", icon: "circle" });
  });
});

describe("a table's order", () => {
  test("goes up, down, and back to the list's own", () => {
    expect(orderOf("")).toBeUndefined();
    expect(nextOrder(orderOf(""), "name")).toBe("name");
    expect(nextOrder(orderOf("name"), "name")).toBe("-name");
    expect(nextOrder(orderOf("-name"), "name")).toBeUndefined();
    expect(nextOrder(orderOf("-name"), "status")).toBe("status");
  });

  test("puts what is not known last, both ways, and reads numbers in names", () => {
    const rows = [
      { n: null, t: "line 10" },
      { n: 3, t: "line 9" },
      { n: 20, t: "Line 1" },
    ];
    const numbers = (isDown: boolean) => ordered(rows, ({ n }) => n, isDown).map(({ n }) => n);
    expect(numbers(false)).toEqual([3, 20, null]);
    expect(numbers(true)).toEqual([20, 3, null]);
    expect(ordered(rows, ({ t }) => t, false).map(({ t }) => t)).toEqual(["Line 1", "line 9", "line 10"]);
  });
});

describe("the stream of events", () => {
  test("is asked for each type once, in one order, and never for more than the relay takes", () => {
    expect(wantedTypes([{ types: ["b.x", "a.x"] }, { types: ["a.x"] }])).toEqual(["a.x", "b.x"]);
    const many = Array.from({ length: 80 }, (_, index) => `t.n${index}`);
    expect(wantedTypes([{ types: many }])).toHaveLength(MAX_TYPES);
    expect(STATUS_EVENTS.length).toBeLessThan(MAX_TYPES);
  });

  test("is tried again later and later, up to a minute, never at once", () => {
    expect([1, 2, 3, 20].map((failures) => nextDelayMs(failures, 0))).toEqual([500, 1_000, 2_000, 30_000]);
    expect([1, 2, 3, 20].map((failures) => nextDelayMs(failures, 1))).toEqual([1_000, 2_000, 4_000, 60_000]);
  });
});
