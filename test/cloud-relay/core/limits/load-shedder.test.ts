// Shedding: bulk goes first, writes last, health never; what was refused comes back with a distance.
import { expect, test } from "vitest";
import { LOAD_CLASSES, LoadShedder, SHED_AT_MS } from "#relay/core/limits/load-shedder.ts";

const refused = (shedder: LoadShedder) => LOAD_CLASSES.filter((name) => shedder.refuses(name));

test("the later the loop, the fewer classes; health is always served", () => {
  const shedder = new LoadShedder();
  expect(refused(shedder)).toEqual([]);
  shedder.look(SHED_AT_MS.bulk);
  expect(refused(shedder)).toEqual(["bulk"]);
  shedder.look(SHED_AT_MS.read);
  expect(refused(shedder)).toEqual(["bulk", "read"]);
  shedder.look(60_000);
  expect(refused(shedder)).toEqual(["bulk", "read", "write"]);
});

test("a class comes back only at half of its threshold", () => {
  const shedder = new LoadShedder();
  shedder.look(SHED_AT_MS.read);
  shedder.look(SHED_AT_MS.read * 0.6);
  expect(refused(shedder)).toEqual(["bulk", "read"]);
  shedder.look(SHED_AT_MS.read * 0.49);
  expect(refused(shedder)).toEqual(["bulk"]);
  shedder.look(0);
  expect(refused(shedder)).toEqual([]);
});
