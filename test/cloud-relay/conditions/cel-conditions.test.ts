// Conditions over events: what they see, what is refused when they are saved, and that none can hold up the relay.
import { describe, expect, test } from "vitest";
import { CelConditions } from "#relay/conditions/cel-conditions.ts";

const EVENT = {
  id: "evt_1",
  type: "purchase_order.updated",
  timestamp: "2026-05-05T08:00:00Z",
  workspace_id: "ws_1",
  connection_id: "con_1",
  entity: "purchase_order",
  record_id: "rec_1",
  revision: "42",
  origin: "change",
  cause: null,
  changed_fields: ["status", "lines"],
  data: {
    record: {
      status: "approved",
      total: "12500.00",
      priority: 2,
      weight: 2.5,
      due_at: "2026-06-01T00:00:00Z",
      vendor: null,
      lines: [
        { number: 1, quantity: "3", parts: [{ sku: "A" }] },
        { number: 2, quantity: "40", parts: [{ sku: "B" }, { sku: "C" }] },
      ],
    },
  },
};

function evaluate(source: string, event: Readonly<Record<string, unknown>> = EVENT): boolean {
  return new CelConditions().compile(source)(event);
}

describe("a condition", () => {
  test.each([
    'event.type == "purchase_order.updated"',
    'event.type.startsWith("purchase_order.") && event.origin == "change"',
    "event.cause == null",
    '"status" in event.changed_fields',
    'event.changed_fields.exists(f, f == "status")',
    "double(event.data.record.total) >= 10000.0",
    "event.data.record.priority == 2",
    "event.data.record.priority > 1.5",
    "event.data.record.weight > 2",
    "event.data.record.vendor == null",
    "!has(event.data.record.nothing)",
    'has(event.data.record.status) && event.data.record.status in ["approved", "closed"]',
    "event.data.record.lines.exists(l, double(l.quantity) > 10.0)",
    'event.data.record.lines.exists(l, l.parts.exists(p, p.sku == "C"))',
    "event.data.record.lines.filter(l, l.number > 1).size() == 1",
    'event.data.record.lines.filter(l, l.number > 1).all(l, l.parts.all(p, p.sku != "A"))',
    'timestamp(event.data.record.due_at) - timestamp(event.timestamp) > duration("24h")',
    'event.data.record.status.upperAscii() == "APPROVED"',
    'event["type"] == "purchase_order.updated"',
  ])("%s matches", (source) => {
    expect(evaluate(source)).toBe(true);
  });

  test.each([
    'event.type == "asset.updated"',
    "double(event.data.record.total) < 10000.0",
    'event.data.record.lines.all(l, l.quantity == "3")',
  ])("%s does not match", (source) => {
    expect(evaluate(source)).toBe(false);
  });

  test.each([
    ["a member that is not there", "event.data.record.nothing == 1"],
    ["a text compared as a number", "event.data.record.total > 5"],
    ["a text that is no number", "double(event.data.record.status) > 5.0"],
    ["something that is not true or false", "event.data.record.status"],
  ])("that meets %s does not match", (_name, source) => {
    expect(evaluate(source)).toBe(false);
  });

  test("that could not be evaluated is counted, one that does not match is not", () => {
    let failures = 0;
    const conditions = new CelConditions(() => (failures += 1));
    conditions.compile('event.type == "other"')(EVENT);
    expect(failures).toBe(0);
    conditions.compile("event.data.nothing == 1")(EVENT);
    expect(failures).toBe(1);
  });

  test("leaves the event as it is", () => {
    const before = structuredClone(EVENT);
    evaluate("event.data.record.priority == 2");
    expect(EVENT).toEqual(before);
  });
});

describe("saving", () => {
  test.each([
    ["", /empty/],
    ["   ", /empty/],
    [`event.type == "${"x".repeat(2_000)}"`, /2000 are allowed/],
    ["event.type ==", /line 1, character 14: .*; an operand, a bracket or a quote/],
    ["(event.type", /line 1, character 12/],
    ['event.typ == "a"', /line 1, character 7: No such key: typ; an event has id, type, timestamp/],
    ['evnt.type == "a"', /line 1, character 1: Unknown variable: evnt; everything is found under event/],
    ["event.type == 1", /no such overload: string == int; compare like with like/],
    ['true &&\n  event.typo == "a"', /line 2, character 9: No such key/],
    ["event.type", /it comes to a string; it must come to true or false/],
    ["1 + 1", /it comes to a int/],
    ['event.type.matches("(a+)+$")', /matches is not a function of conditions; use startsWith/],
    ["event.nothing()", /nothing is not a function/],
    ["event.data.list.map(x, x).size() > 1", /map is not a function/],
    ['["a"].join() == "a"', /join is not a function/],
    ["cel.bind(a, event.data, a == a)", /bind is not a function/],
    [
      "event.data.a.exists(x, event.data.a.exists(y, x == y))",
      /character 24: a loop within a loop goes over another list/,
    ],
    ["event.data.a.exists(x, x.b.exists(y, x.c.exists(z, z == y)))", /goes over another list/],
    [Array.from({ length: 7 }, () => "event.data.a.all(x, x)").join("&&"), /more than 6 loops/],
    ["!".repeat(500) + "true", /condition cannot be used/],
    ["(".repeat(500) + "true" + ")".repeat(500), /condition cannot be used/],
    [Array.from({ length: 401 }, () => "1").join("+"), /condition cannot be used/],
  ])("%s is refused with its place and advice", (source, message) => {
    expect(() => new CelConditions().compile(source)).toThrow(message);
  });
});

describe("a large event", () => {
  test("is looked at in what a condition can afford", () => {
    const text = `${"a".repeat(100_000)}end`;
    const event = { ...EVENT, data: { text, list: Array.from({ length: 1_000 }, (_, index) => index) } };
    expect(evaluate('event.data.text.startsWith("aaa")', event)).toBe(true);
    expect(evaluate('event.data.text.endsWith("end")', event)).toBe(false);
    expect(evaluate("event.data.list.exists(x, x == 999)", event)).toBe(true);
  });

  test("with a list beyond measure does not match", () => {
    const event = { ...EVENT, data: { list: Array.from({ length: 1_001 }, () => 1) } };
    expect(evaluate("event.data.list.exists(x, x == 1)", event)).toBe(false);
  });
});
