// How ids and values are packed into columns, and come out the same.
import Database from "better-sqlite3";
import fc from "fast-check";
import { expect, it, onTestFinished } from "vitest";
import {
  EventIds,
  eventId,
  idAsHex,
  idColumn,
  idOfHex,
  idText,
  sampleValue,
  valueColumn,
  type IdColumn,
} from "#relay/store/sqlite/columns.ts";

const DIGITS = "0123456789abcdef".split("");
const hex = (length: number): fc.Arbitrary<string> =>
  fc.array(fc.constantFrom(...DIGITS), { minLength: length, maxLength: length }).map((all) => all.join(""));

it("keeps UUIDs in 16 bytes and every other id as it is", () => {
  const check = fc.property(
    fc.oneof(fc.uuid(), fc.string(), hex(36), fc.string({ minLength: 36, maxLength: 36 })),
    (id) => idText(idColumn(id)) === id,
  );
  expect(() => fc.assert(check)).not.toThrow();
  expect(idColumn("0190a0f1-2345-7000-8000-0123456789ab")).toEqual(
    Buffer.from("0190a0f12345700080000123456789ab", "hex"),
  );
  const unusual = [
    "0190A0F1-2345-7000-8000-0123456789AB",
    "0190a0f1-2345-7000-8000-0123456789aé",
    "0190a0f1x2345-7000-8000-0123456789ab",
  ];
  for (const id of unusual) expect(idColumn(id)).toBe(id);
});

it("reads ids as text what they are: UUIDs, and whatever looks like one or is marked like one", () => {
  const db = new Database(":memory:");
  onTestFinished(() => void db.close());
  const read = db.prepare<[IdColumn], string>(`SELECT ${idAsHex("id")} FROM (SELECT ? AS id)`).pluck();
  const check = fc.property(
    fc.oneof(fc.uuid(), fc.constantFrom("", "=", "=a", "0190a0f12345700080000123456789ab"), hex(32), hex(36)),
    (id) => idOfHex(read.get(idColumn(id)) ?? "none") === id,
  );
  expect(() => fc.assert(check)).not.toThrow();
});

it("takes event ids apart and puts them together again, whatever came before", () => {
  const id = fc.oneof(
    fc.tuple(hex(16), fc.maxSafeNat(), fc.nat()).map(([epoch, seq, entry]) => `evt_${epoch}_${seq}_${entry}`),
    fc.constantFrom(
      "evt_r_5",
      "evt_r_6",
      "evt_r_05",
      "evt_",
      "_",
      "",
      "evt_0123456789abcdef_1_",
      "evt_0123456789abcdef_1_-1",
    ),
    fc.string(),
  );
  const check = fc.property(fc.array(id), (ids) => {
    const taker = new EventIds();
    return ids.every((text) => eventId(taker.columns(text, 5), 5) === text);
  });
  expect(() => fc.assert(check)).not.toThrow();
  const { text } = new EventIds().columns("evt_0123456789abcdef_12_499", 5);
  expect(text).toBeNull();
});

it("gives every JSON value back", () => {
  const check = fc.property(fc.jsonValue(), (value) => {
    // JSON text has no negative zero; a number of its own does.
    const expected: unknown = typeof value === "number" ? value : JSON.parse(JSON.stringify(value));
    expect(sampleValue(valueColumn(value))).toEqual(expected);
  });
  expect(() => fc.assert(check)).not.toThrow();
});
