// The demo's pack writes to the demo plant through the real sqlite connector, and reads back what it wrote.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Database } from "better-sqlite3";
import { afterAll, beforeAll, expect, test } from "vitest";
import { sqliteDefinition } from "#agent/connectors/sqlite/definition.ts";
import type { Connector } from "#agent/core/source/connector.ts";
import type { WriteOutcome } from "#agent/core/source/write.ts";
import { loadPack } from "#agent/packs/load-pack.ts";
import { systemClock } from "#common/runtime/clock.ts";
import { ConfigError } from "#common/runtime/errors.ts";
import { silentLogger } from "#common/runtime/logger.ts";
import { openOrSeedPlant } from "#test/demo/plant/database.ts";

const ZONE = "Europe/Berlin";
const NOW_MS = Date.parse("2026-05-04T08:00:00Z");
const directory = mkdtempSync(join(tmpdir(), "millrace-pack-writes-"));
const loaded = loadPack("demo-cmms");
if (!loaded.ok) throw new ConfigError("demo-cmms", loaded.issues);
const entity = loaded.pack.entities.find(({ plan }) => plan.entity === "work_order")!;
let db: Database;
let connector: Connector;
let key: readonly [string, string];

beforeAll(async () => {
  const file = join(directory, "plant.db");
  db = openOrSeedPlant(file, { seed: 3, scale: 0.1, nowMs: NOW_MS - 60_000 });
  const settings = sqliteDefinition.parseConfig({ file, write: { allow: true } });
  if (!settings.ok) throw new ConfigError("sqlite", settings.issues);
  const parts = { connection: "plant", clock: systemClock, logger: silentLogger, dataDir: directory };
  connector = sqliteDefinition.create(settings.value, { ...parts, plans: [entity.plan], timeZone: ZONE });
  await connector.open(new AbortController().signal);
  const open = "SELECT SITEID, WONUM FROM WORKORDER WHERE ISTASK = 0 AND STATUS = 'WAPPR' LIMIT 1";
  key = db.prepare(open).raw().get() as [string, string];
});
afterAll(async () => {
  await connector[Symbol.asyncDispose]();
  db.close();
  rmSync(directory, { recursive: true });
});

async function write(
  operation: string,
  values: Record<string, unknown>,
  ifVersion?: string,
): Promise<WriteOutcome> {
  const commandId = `${operation}-1`;
  const description = entity.writes!.find((one) => one.operation === operation)!;
  const encoded = description.encode({ key, values, commandId }, { timeZone: ZONE, nowMs: NOW_MS });
  if (!encoded.ok) throw new Error(JSON.stringify(encoded.problems));
  return await connector.write!({
    commandId,
    entity: "work_order",
    operation,
    key,
    values: encoded.values,
    ...(ifVersion === undefined ? {} : { ifVersion }),
    dryRun: false,
    signal: new AbortController().signal,
  });
}

/** The record as the relay would get it. */
function recordOf(outcome: WriteOutcome): Record<string, unknown> {
  if (outcome.status !== "applied" || outcome.row === undefined) throw new Error(JSON.stringify(outcome));
  const map = entity.mapper({
    connectionId: "6f1c1c1e-0b0a-4f6e-9d63-0d1c4a5b6c7d",
    timeZone: ZONE,
    raw: false,
    hidden: [],
    keyRules: (name) => connector.keyRules(name),
  });
  const mapped = map(outcome.row);
  if (!mapped.ok) throw new Error(mapped.detail);
  return JSON.parse(mapped.record) as Record<string, unknown>;
}

test("an update reads back as the unified values that were written, under a new version", async () => {
  const values = {
    title: "Pumpe P-101 prüfen",
    priority: "critical",
    target_start: "2026-05-05T06:30:00Z",
    target_finish: null,
  };
  const before = db.prepare("SELECT ROWSTAMP FROM WORKORDER WHERE SITEID = ? AND WONUM = ?").pluck();
  const version = String(before.get(...key));
  const outcome = await write("update", values, version);
  expect(recordOf(outcome)).toMatchObject({ ...values, remote_updated_at: "2026-05-04T08:00:00Z" });
  const row = db.prepare(
    "SELECT DESCRIPTION, TARGSTARTDATE, CHANGEBY FROM WORKORDER WHERE SITEID = ? AND WONUM = ?",
  );
  expect(row.raw().get(...key)).toEqual(["Pumpe P-101 prüfen", "2026-05-05 08:30:00", "MILLRACE"]);
  expect(await write("update", { title: "late" }, version)).toMatchObject({ status: "conflict" });
});

test("a change of status", async () => {
  const outcome = await write("change_status", { status: "approved" });
  expect(recordOf(outcome)).toMatchObject({ status: "approved", status_changed_at: "2026-05-04T08:00:00Z" });
});
