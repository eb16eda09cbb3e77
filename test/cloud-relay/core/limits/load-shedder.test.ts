// Shedding: bulk goes first, writes last, health never; a blip is no overload; what was refused comes back with a distance.
import { expect, test } from "vitest";
import { LOAD_CLASSES, LoadShedder, LOOKS_IN_A_ROW, SHED_AT_MS } from "#relay/core/limits/load-shedder.ts";

const refused = (shedder: LoadShedder) => LOAD_CLASSES.filter((name) => shedder.refuses(name));

function late(shedder: LoadShedder, delayMs: number, looks = LOOKS_IN_A_ROW): void {
  for (let look = 0; look < looks; look += 1) shedder.look(delayMs);
}

test("the later the loop, the fewer classes; health is always served", () => {
  const shedder = new LoadShedder();
  expect(refused(shedder)).toEqual([]);
  late(shedder, SHED_AT_MS.bulk);
  expect(refused(shedder)).toEqual(["bulk"]);
  late(shedder, SHED_AT_MS.read);
  expect(refused(shedder)).toEqual(["bulk", "read"]);
  late(shedder, 60_000);
  expect(refused(shedder)).toEqual(["bulk", "read", "write"]);
});

test("a loop that is late for a moment refuses nobody", () => {
  const shedder = new LoadShedder();
  for (let round = 0; round < 5; round += 1) {
    late(shedder, 60_000, LOOKS_IN_A_ROW - 1);
    expect(refused(shedder)).toEqual([]);
    shedder.look(SHED_AT_MS.bulk - 1);
  }
  expect(refused(shedder)).toEqual([]);
});

test("a class comes back only at half of its threshold", () => {
  const shedder = new LoadShedder();
  late(shedder, SHED_AT_MS.read);
  shedder.look(SHED_AT_MS.read * 0.6);
  expect(refused(shedder)).toEqual(["bulk", "read"]);
  shedder.look(SHED_AT_MS.read * 0.49);
  expect(refused(shedder)).toEqual(["bulk"]);
  shedder.look(0);
  expect(refused(shedder)).toEqual([]);
});
