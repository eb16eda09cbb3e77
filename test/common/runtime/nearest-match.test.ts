// The nearest known word for a mistyped one.
import { describe, expect, it } from "vitest";
import { didYouMean, editDistance, nearestMatch } from "#common/runtime/nearest-match.ts";

describe("nearestMatch", () => {
  const known = ["heartbeat_timeout", "memory", "poll", "reconcile"];

  it("finds a slip of the finger", () => {
    expect(nearestMatch("memroy", known)).toBe("memory");
    expect(nearestMatch("heartbeat_timout", known)).toBe("heartbeat_timeout");
    expect(nearestMatch("POLL", known)).toBe("poll");
  });

  it("keeps quiet when nothing is near", () => {
    expect(nearestMatch("telemetry", known)).toBeUndefined();
    expect(nearestMatch("xy", known)).toBeUndefined();
    expect(nearestMatch("p".repeat(1000), known)).toBeUndefined();
  });

  it("finds the only one that begins so", () => {
    expect(nearestMatch("heart", known)).toBe("heartbeat_timeout");
    expect(nearestMatch("--data", ["--rate", "--data-dir"].values())).toBe("--data-dir");
    expect(nearestMatch("--data", ["--data-dir", "--data-rate"])).toBeUndefined();
    expect(nearestMatch("hea", known)).toBeUndefined();
  });

  it("words the question", () => {
    expect(didYouMean("recncile", known)).toBe(' (did you mean "reconcile"?)');
    expect(didYouMean("zzzz", known)).toBe("");
  });
});

describe("editDistance", () => {
  it("counts inserts, deletes, replacements and swaps of neighbours", () => {
    expect(editDistance("", "abc")).toBe(3);
    expect(editDistance("kitten", "sitting")).toBe(3);
    expect(editDistance("ab", "ba")).toBe(1);
    expect(editDistance("same", "same")).toBe(0);
  });
});
