// The demo's pack through the real sqlite connector: what it reads and what the mapper makes of it equals the plant.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Database } from "better-sqlite3";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { sqliteDefinition } from "#agent/connectors/sqlite/definition.ts";
import type { MapperContext } from "#agent/core/mapping/mapping.ts";
import type { Connector, Cursor, Pass, SourceRow } from "#agent/core/source/connector.ts";
import { canonicalKey } from "#agent/core/source/key-rules.ts";
import { loadPack } from "#agent/packs/load-pack.ts";
import { systemClock } from "#common/runtime/clock.ts";
import { ConfigError } from "#common/runtime/errors.ts";
import { silentLogger } from "#common/runtime/logger.ts";
import { openOrSeedPlant } from "#test/demo/plant/database.ts";
import { createMutator } from "#test/demo/plant/mutate.ts";
import { entityOf, plantRecords } from "#test/demo/plant/plant-records.ts";
import { Random } from "#test/demo/plant/random.ts";

const ZONE = "Europe/Berlin";
const loaded = loadPack("demo-cmms");
if (!loaded.ok) throw new ConfigError("demo-cmms", loaded.issues);
const { pack } = loaded;
const directory = mkdtempSync(join(tmpdir(), "millrace-pack-source-"));
let db: Database;
let connector: Connector;
let context: MapperContext;

beforeAll(async () => {
  const file = join(directory, "plant.db");
  db = openOrSeedPlant(file, { seed: 3, scale: 0.1, nowMs: Date.now() - 60_000 });
  const settings = sqliteDefinition.parseConfig({ file });
  if (!settings.ok) throw new ConfigError("sqlite", settings.issues);
  connector = sqliteDefinition.create(settings.value, {
    connection: "plant",
    plans: pack.entities.map(({ plan }) => plan),
    timeZone: ZONE,
    clock: systemClock,
    logger: silentLogger,
    dataDir: directory,
  });
  await connector.open(new AbortController().signal);
  context = {
    connectionId: "6f1c1c1e-0b0a-4f6e-9d63-0d1c4a5b6c7d",
    timeZone: ZONE,
    raw: false,
    hidden: [],
    keyRules: (entity) => connector.keyRules(entity),
  };
});
afterAll(async () => {
  await connector[Symbol.asyncDispose]();
  db.close();
  rmSync(directory, { recursive: true });
});

async function read(
  entity: string,
  pass: Pass,
  after?: Cursor,
): Promise<{ rows: SourceRow[]; cursor: Cursor | undefined }> {
  const rows: SourceRow[] = [];
  let cursor = after;
  const signal = new AbortController().signal;
  for await (const batch of connector.read({ entity, pass, after, maxRows: 100, signal })) {
    rows.push(...batch.rows);
    cursor = batch.cursor;
  }
  return { rows, cursor };
}

/** Keys whose records differ, with both texts; short, so that a failure can be read. */
function differences(
  held: ReadonlyMap<string, string>,
  truth: ReadonlyMap<string, string>,
): readonly unknown[] {
  const keys = new Set([...held.keys(), ...truth.keys()]);
  const differing = [...keys].filter((key) => held.get(key) !== truth.get(key));
  return differing.slice(0, 3).map((key) => ({ key, held: held.get(key), truth: truth.get(key) }));
}

describe.each(pack.entities.map(({ plan }) => plan.entity))("%s", (entity) => {
  test("a snapshot and then only what changed is the plant", async () => {
    const { cursor } = await read(entity, "incremental");
    const map = entityOf(pack, entity).mapper(context);
    const held = new Map<string, string>();
    const keyOf = (row: SourceRow): string => canonicalKey(row.key, connector.keyRules(entity));
    const take = (rows: readonly SourceRow[]): void => {
      for (const row of rows) {
        const mapped = map(row);
        if (!mapped.ok) throw new Error(`${mapped.code} ${mapped.detail}`);
        held.set(keyOf(row), mapped.record);
      }
    };
    take((await read(entity, "snapshot")).rows);
    expect(differences(held, plantRecords(db, entityOf(pack, entity), context))).toEqual([]);

    const mutator = createMutator(db, new Random(9), () => Date.now());
    for (let at = 0; at < 300; at += 1) mutator.mutate();
    const changed = await read(entity, "incremental", cursor);
    expect(changed.rows.length).toBeGreaterThan(0);
    take(changed.rows);
    const keys = new Set((await read(entity, "keys")).rows.map(keyOf));
    for (const key of held.keys()) if (!keys.has(key)) held.delete(key);
    expect(differences(held, plantRecords(db, entityOf(pack, entity), context))).toEqual([]);
  });
});
