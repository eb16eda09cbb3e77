// Amounts, times, JSON and addresses as the dashboard writes them.
import { describe, expect, test } from "vitest";
import { jsonPieces, jsonText, MAX_SHOWN_CHARACTERS } from "#relay/dashboard/parts/json-text.ts";
import { changedQuery, matchesSearch } from "#relay/dashboard/parts/query-text.ts";
import { sparklinePath } from "#relay/dashboard/parts/sparkline-path.ts";
import { phraseOf, wordsOf } from "#relay/dashboard/parts/status.ts";
import { amount, bytes, counted, duration, percent, relativeTime } from "#relay/dashboard/parts/text.ts";

test.each([
  [0, "just now"],
  [4_999, "just now"],
  [42_000, "42 s ago"],
  [5 * 60_000 + 59_000, "5 min ago"],
  [47 * 3_600_000, "47 h ago"],
  [48 * 3_600_000, "2 d ago"],
  [-5 * 60_000, "in 5 min"],
])("a time %d ms back reads %s", (distanceMs, text) => {
  expect(relativeTime(1_000_000_000 - distanceMs, 1_000_000_000)).toBe(text);
});

test("durations have one unit", () => {
  expect([12.4, 999, 1_000, 59_999, 60_000].map(duration)).toEqual([
    "12 ms",
    "999 ms",
    "1 s",
    "59 s",
    "1 min",
  ]);
});

test("amounts, bytes and shares", () => {
  expect([amount(1_234_567), amount(0.126), counted(1, "agent"), counted(2, "agent")]).toEqual([
    "1,234,567",
    "0.13",
    "1 agent",
    "2 agents",
  ]);
  expect([0, 914, 1_946, 20 * 1_024, 3 * 1_024 ** 3].map(bytes)).toEqual([
    "0 B",
    "914 B",
    "1.9 KiB",
    "20 KiB",
    "3.0 GiB",
  ]);
  expect([1, 0.99999, 0.5, 0.1234, 0].map(percent)).toEqual(["100 %", "99.99 %", "50 %", "12.3 %", "0 %"]);
});

test("the API's names read as people write them, alone and in a sentence", () => {
  expect(["pm_schedule", "purchase_order", "remote_id", "full-scan", ""].map(wordsOf)).toEqual([
    "PM schedule",
    "Purchase order",
    "Remote ID",
    "Full scan",
    "",
  ]);
  expect(["pm_schedule", "purchase_order"].map(phraseOf)).toEqual(["PM schedule", "purchase order"]);
});

describe("an address's query", () => {
  test("takes changes, keeps the rest in its order, and drops what is empty", () => {
    expect(changedQuery("?q=a&status=online", { q: "b", cursor: undefined })).toBe("?q=b&status=online");
    expect(changedQuery("?q=a", { q: "" })).toBe("");
    expect(changedQuery("", { customer: "Müller & Co" })).toBe("?customer=M%C3%BCller+%26+Co");
  });

  test("a search finds every word in any of the texts, whatever the case", () => {
    const texts = ["Maximo Berlin", null, undefined, "region:north"];
    expect(["", "berlin", "NORTH max", "max  berlin"].map((search) => matchesSearch(search, texts))).toEqual(
      Array(4).fill(true),
    );
    expect(matchesSearch("berlin south", texts)).toBe(false);
    // One text ends where the next one begins.
    expect(matchesSearch("berlinregion", texts)).toBe(false);
  });
});

describe("JSON", () => {
  test("is cut into keys, texts and the rest, and nothing is lost", () => {
    const text = jsonText({ "a:b": 'say "hi": 1', list: [1, -2.5, true, null, "x"], empty: {} });
    const pieces = jsonPieces(text);
    expect(pieces.map((piece) => piece.text).join("")).toBe(text);
    const of = (kind: string) => pieces.filter((piece) => piece.kind === kind).map((piece) => piece.text);
    expect(of("key")).toEqual(['"a:b"', '"list"', '"empty"']);
    expect(of("text")).toEqual([String.raw`"say \"hi\": 1"`, '"x"']);
    expect(of("other")).toEqual(["1", "-2.5", "true", "null"]);
  });

  test("is shown up to a limit", () => {
    const pieces = jsonPieces(jsonText("x".repeat(2 * MAX_SHOWN_CHARACTERS)));
    expect(pieces.reduce((sum, { text }) => sum + text.length, 0)).toBe(MAX_SHOWN_CHARACTERS);
  });
});

test("a sparkline breaks where nothing is known and stays inside its box", () => {
  expect(sparklinePath([0, null, 10, 5], 90, 32)).toBe("M0 30M60 2L90 16");
  expect(sparklinePath([], 90, 32)).toBe("");
  expect(sparklinePath([7], 90, 32)).toBe("M0 2");
  expect(sparklinePath([0, 0], 90, 32)).toBe("M0 30L90 30");
});
