// The demo's pack against its plant: golden records, so that a changed mapping shows as a diff, and the whole plant as a whole.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { Compile } from "typebox/compile";
import { Type } from "typebox";
import { beforeAll, describe, expect, test } from "vitest";
import type { MapperContext } from "#agent/core/mapping/mapping.ts";
import { EXACT_KEY } from "#agent/core/source/key-rules.ts";
import { loadPack } from "#agent/packs/load-pack.ts";
import { ENTITIES, ENTITY_NAMES, RecordEnvelope, isEntity } from "#common/contract/model/entities.ts";
import { ConfigError } from "#common/runtime/errors.ts";
import { fillPlant } from "#test/demo/plant/database.ts";
import { createMutator } from "#test/demo/plant/mutate.ts";
import { entityOf, plantRecords } from "#test/demo/plant/plant-records.ts";
import { Random } from "#test/demo/plant/random.ts";
import { SEED_NOW_MS } from "#test/demo/plant/seed.ts";
import { referencesIn } from "#test/support/record-references.ts";

const loaded = loadPack("demo-cmms");
if (!loaded.ok) throw new ConfigError("demo-cmms", loaded.issues);
const { pack } = loaded;

const context: MapperContext = {
  connectionId: "6f1c1c1e-0b0a-4f6e-9d63-0d1c4a5b6c7d",
  timeZone: "Europe/Berlin",
  raw: false,
  hidden: [],
  keyRules: (entity) => entityOf(pack, entity).plan.key.map(() => EXACT_KEY),
};
const names = pack.entities.map(({ plan }) => plan.entity);

let db: Database.Database;
beforeAll(() => {
  db = new Database(":memory:");
  fillPlant(db, { seed: 1, scale: 0.1 });
  const mutator = createMutator(db, new Random(1), () => SEED_NOW_MS);
  for (let at = 0; at < 500; at += 1) mutator.mutate();
});

function records(entity: string): readonly Record<string, unknown>[] {
  const texts = plantRecords(db, entityOf(pack, entity), context);
  return [...texts.values()].map((text) => JSON.parse(text) as Record<string, unknown>);
}

test("maps every entity but telemetry, with all three change strategies", () => {
  expect(names.toSorted()).toEqual(ENTITY_NAMES.filter((name) => name !== "telemetry_point").toSorted());
  expect(new Set(pack.entities.map(({ plan }) => plan.change.kind))).toEqual(
    new Set(["counter", "full_scan", "timestamp"]),
  );
});

describe.each(names)("%s", (entity) => {
  test("golden records (UPDATE_GOLDEN=1 writes them anew)", () => {
    // The fullest few of the first hundred: most fields, most children.
    const fullest = records(entity)
      .slice(0, 100)
      .toSorted((one, other) => JSON.stringify(other).length - JSON.stringify(one).length)
      .slice(0, 3);
    const file = join(import.meta.dirname, "golden", `demo-cmms.${entity}.json`);
    if (process.env["UPDATE_GOLDEN"] === "1")
      writeFileSync(
        file,
        `${JSON.stringify(fullest, null, 2)}
`,
      );
    const golden: unknown = JSON.parse(readFileSync(file, "utf8"));
    expect(fullest).toEqual(golden);
    // The order of members is part of the promise too.
    expect(JSON.stringify(fullest)).toBe(JSON.stringify(golden));
  });

  test("every record satisfies the model", () => {
    if (!isEntity(entity)) throw new Error(entity);
    const validator = Compile(Type.Intersect([RecordEnvelope, ENTITIES[entity].schema]));
    const all = records(entity);
    expect(all.length).toBeGreaterThan(entity === "user" ? 9 : entity === "location" ? 15 : 20);
    expect(all.filter((record) => !validator.Check(record))).toEqual([]);
  });

  test("every mapped field has a value somewhere", () => {
    const all = records(entity);
    const mapped = new Set(all.flatMap((record) => Object.keys(record)));
    const never = [...mapped].filter((name) =>
      all.every((record) => record[name] === null || JSON.stringify(record[name]) === "[]"),
    );
    // Work orders have no parents here, and machines are no stock items: the columns are mapped all the same.
    expect(never).toEqual({ work_order: ["parent"], asset: ["item"] }[entity] ?? []);
  });
});

test("references meet records", () => {
  const known = new Map(names.map((entity) => [entity, new Set(records(entity).map((r) => r["remote_id"]))]));
  const found = names.flatMap((entity) => records(entity).flatMap((record) => referencesIn(entity, record)));
  const dangling = found.filter(({ target, remoteId }) => known.get(target)?.has(remoteId) !== true);
  expect([...new Set(dangling.map(({ place }) => place))].toSorted()).toEqual([]);
  expect(new Set(found.map(({ target }) => target)).size).toBeGreaterThan(10);
});

test("the plant's own status words are read from its tables; what they do not say is counted", () => {
  const orders = records("work_order");
  const status = (native: string): unknown =>
    orders.find((order) => order["native_status"] === native)?.["status"];
  expect(status("FIELDWORK")).toBe("in_progress");
  expect(status("DEFERRED")).toBe("unknown");
  expect(pack.unmappedCodes()).toContainEqual(
    expect.objectContaining({ entity: "work_order", field: "status", code: "DEFERRED" }),
  );
});

test("superseded revisions are no records of their own", () => {
  const orders = records("purchase_order");
  expect(orders.some((order) => order["revision_number"] === "1")).toBe(true);
  expect(new Set(orders.map((order) => order["remote_id"])).size).toBe(orders.length);
});
