// Cursors, and instants as revisions.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { cursorRevision, decodeCursor, encodeCursor, fingerprint } from "#relay/core/cursors.ts";
import { instantOf, instantOfMs, revisionAt, revisionInstant } from "#relay/core/revisions.ts";

const CONTEXT = { kind: "records", generation: "9f3c", fingerprint: "00aa11bb" } as const;

describe("cursors", () => {
  test("any position comes back as it was, in characters that need no escaping", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", maxLength: 50 }), (position) => {
        const text = encodeCursor({ ...CONTEXT, position });
        expect(text).toMatch(/^[A-Za-z0-9_-]+$/);
        expect(decodeCursor(text, CONTEXT)).toBe(position);
      }),
    );
  });

  test("another kind, query or generation is refused, each in its own way", () => {
    const text = encodeCursor({ ...CONTEXT, position: "1" });
    const code = (over: object): string => {
      try {
        return decodeCursor(text, { ...CONTEXT, ...over });
      } catch (error) {
        return `${(error as { code: string }).code} ${(error as Error).message}`;
      }
    };
    expect(code({ kind: "feed" })).toMatch(/^INVALID_CURSOR .*another kind of list/);
    expect(code({ fingerprint: "ffffffff" })).toMatch(/^INVALID_CURSOR .*other filters/);
    expect(code({ generation: "0000" })).toMatch(/^CURSOR_EXPIRED .*restored or replaced/);
  });

  test("garbage is refused and never throws anything else", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ maxLength: 80 }), fc.base64String({ maxLength: 80 })), (text) => {
        expect(() => decodeCursor(text, CONTEXT)).toThrow(
          expect.objectContaining({ code: "INVALID_CURSOR" }),
        );
      }),
    );
  });

  test.each(["", "-1", "1.5", "1e3", "99999999999999999", "x"])("%j is no revision", (position) => {
    expect(() => cursorRevision(position)).toThrow(expect.objectContaining({ code: "INVALID_CURSOR" }));
  });

  test("fingerprints tell absent, empty and shifted parts apart", () => {
    const all = [
      fingerprint([]),
      fingerprint([undefined]),
      fingerprint([""]),
      fingerprint(["a", "b"]),
      fingerprint(["ab"]),
    ];
    expect(new Set(all).size).toBe(all.length);
  });
});

describe("revisions and instants", () => {
  test.each([
    ["2026-03-02", Date.UTC(2026, 2, 2) * 1000],
    ["2026-03-02T08:15:00Z", Date.UTC(2026, 2, 2, 8, 15) * 1000],
    ["2026-03-02T08:15Z", Date.UTC(2026, 2, 2, 8, 15) * 1000],
    ["2026-03-02T08:15:00.123456Z", Date.UTC(2026, 2, 2, 8, 15) * 1000 + 123_456],
    ["2026-03-02T08:15:00.1234567Z", Date.UTC(2026, 2, 2, 8, 15) * 1000 + 123_456],
    ["2026-03-02T08:15:00+02:00", Date.UTC(2026, 2, 2, 6, 15) * 1000],
    ["2026-03-02 08:15:00,5z", Date.UTC(2026, 2, 2, 8, 15) * 1000 + 500_000],
    ["1950-01-01", 0],
    ["9999-12-31", Number.MAX_SAFE_INTEGER],
  ])("%s", (text, revision) => {
    expect(revisionAt(text)).toBe(revision);
  });

  test.each([
    "",
    "now",
    "2026",
    "2026-3-2",
    "2026-02-31",
    "2026-13-01",
    "2026-03-02T08:15:00",
    "2026-03-02T25:00:00Z",
    "1772439300",
  ])("%j is neither date nor timestamp", (text) => {
    expect(revisionAt(text)).toBeUndefined();
  });

  test("a revision's instant, asked for as modified_after, leaves nothing out that is later", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 4e15 }), (revision) => {
        expect(revisionAt(revisionInstant(revision)) ?? Number.NaN).toBeLessThanOrEqual(revision);
      }),
    );
  });

  test("instants are those of Date, day after day", () => {
    fc.assert(
      fc.property(fc.integer({ min: -62_000_000_000_000, max: 253_402_300_799_999 }), (ms) => {
        expect(instantOfMs(ms)).toBe(new Date(ms).toISOString());
      }),
    );
  });

  test("instants keep microseconds where there are any", () => {
    expect(instantOf(0)).toBe("1970-01-01T00:00:00.000Z");
    expect(instantOf(1.25)).toBe("1970-01-01T00:00:00.001250Z");
    expect(instantOf(1_772_439_300_123)).toBe("2026-03-02T08:15:00.123Z");
  });
});
