// Exact values: numbers as plain text, types as expressions that no session setting can bend.
import { expect, test } from "vitest";
import { columnFacts, plainNumber, plainValue } from "#agent/connectors/oracle/type-map.ts";
import { bindsOf, forOldServer } from "#agent/connectors/oracle/dialect.ts";

test.each([
  ["0", "0"],
  ["-0", "0"],
  [".5", "0.5"],
  ["-.05", "-0.05"],
  ["12.50", "12.5"],
  ["12345678901234567890123456789012345678", "12345678901234567890123456789012345678"],
  ["1E-130", `0.${"0".repeat(129)}1`],
  ["-1e126", `-1${"0".repeat(126)}`],
  ["1.5E+3", "1500"],
  ["1.234E2", "123.4"],
  ["007", "7"],
  ["~", "~"],
])("%s is %s", (given, expected) => {
  expect(plainNumber(given)).toBe(expected);
});

test("what JSON has no number for is text; bytes are no Buffer", () => {
  expect(plainValue(Number.NaN)).toBe("NaN");
  expect(plainValue(Number.NEGATIVE_INFINITY)).toBe("-Infinity");
  expect(plainValue(0.1)).toBe(0.1);
  expect(Object.getPrototypeOf(plainValue(Buffer.from([1])))).toBe(Uint8Array.prototype);
});

const plain = { isMarker: false, isCompared: false, isOrdered: false };

function facts(dataType: string, use = plain, collation?: string): ReturnType<typeof columnFacts> {
  const column = { name: "C", dataType, precision: undefined, scale: undefined, nullable: true, collation };
  return columnFacts(column, use);
}

test("a marker date at midnight is its day; a zoned one that is compared is UTC", () => {
  expect(facts("DATE")?.select).not.toContain("REPLACE");
  expect(facts("DATE", { ...plain, isMarker: true })?.select).toContain("REPLACE");
  expect(facts("TIMESTAMP(3) WITH TIME ZONE")?.select).toContain("FF3TZH:TZM");
  expect(facts("TIMESTAMP(3) WITH TIME ZONE", { ...plain, isCompared: true })?.select).toContain(
    "SYS_EXTRACT_UTC",
  );
  expect(facts("TIMESTAMP(0)")?.select).not.toContain("FF");
});

test("collations, padding and the empty text", () => {
  expect(facts("VARCHAR2", plain, "BINARY_CI")?.rule).toMatchObject({
    ignoreCase: true,
    ignoreAccents: false,
  });
  expect(facts("VARCHAR2", plain, "BINARY_AI")?.rule).toMatchObject({
    ignoreCase: true,
    ignoreAccents: true,
  });
  expect(facts("VARCHAR2", plain, "USING_NLS_COMP")?.rule).toMatchObject({
    ignoreCase: false,
    emptyIsNull: true,
  });
  expect(facts("CHAR")?.rule.ignoreTrailingBlanks).toBe(true);
  expect(facts("NUMBER")?.rule.emptyIsNull).toBe(false);
});

test.each(["BFILE", "SDO_GEOMETRY", "VECTOR"])("%s is not read", (type) => {
  expect(facts(type)).toBeUndefined();
});

test("national text is bound as such, and nothing else is", () => {
  const binds = bindsOf({ text: 'WHERE "A" = :1 AND "B" = :n2 AND "C" = :3', parameters: ["ä", "漢", ""] });
  expect(binds.map(({ val }) => val)).toEqual(["ä", "漢", null]);
  expect(binds[1]?.type).not.toBe(binds[0]?.type);
  expect(binds[2]?.type).toBe(binds[0]?.type);
});

test("a server without FETCH FIRST gets the same by ROWNUM", () => {
  expect(forOldServer('SELECT "A" FROM "T" ORDER BY "A" FETCH FIRST 5 ROWS ONLY')).toBe(
    'SELECT * FROM (SELECT "A" FROM "T" ORDER BY "A") WHERE ROWNUM <= 5',
  );
  expect(forOldServer("SELECT 1 FROM DUAL")).toBe("SELECT 1 FROM DUAL");
});
