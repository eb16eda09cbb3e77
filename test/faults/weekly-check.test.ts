// The weekly check of database files in a running agent: said in `status`; damage that nothing else reads is found and repaired.
import { closeSync, openSync, readdirSync, writeSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { expect, test } from "vitest";
import type { AgentStatus } from "#agent/core/agent-status.ts";
import { textCrc } from "#agent/outbox/room-rows.ts";
import { PAGE_BYTES } from "#agent/outbox/room-schema.ts";
import { AgentDatabase } from "#agent/platform/agent-database.ts";
import { feedOf, Plant, plantStack, untilEqual } from "#test/support/plant-stack.ts";
import { until } from "#test/support/until.ts";
import type { ProcessStack } from "#test/support/process-stack.ts";

const LONG_AGO = JSON.stringify({ atMs: 1, detail: "ok" });

async function checksOf(stack: ProcessStack): Promise<AgentStatus["checks"]> {
  return (JSON.parse(await stack.command("agent", ["status", "--json"])) as AgentStatus).checks;
}

/** While a new epoch takes the place of another, there are two. */
function roomFiles(stack: ProcessStack): readonly string[] {
  const rooms = join(stack.agentDir, "rooms");
  const found = readdirSync(rooms, { recursive: true }).map((name) => join(rooms, String(name)));
  return found.filter((name) => /[0-9a-f]{16}\.db$/.test(name) && !name.includes("quarantine"));
}

/** Beside the running room, as only SQLite may. */
function makeDue(file: string): void {
  const slot = "maintenance/integrity";
  const db = new Database(file);
  db.prepare("INSERT OR REPLACE INTO cursors VALUES (?, ?, ?)").run(slot, LONG_AGO, textCrc(slot, LONG_AGO));
  db.close();
}

/** Of a table that is read when the file is opened, and never again. */
function damageQuietly(file: string): void {
  const db = new Database(file);
  const page = Number(db.prepare("SELECT rootpage FROM sqlite_schema WHERE name = 'entities'").pluck().get());
  db.pragma("wal_checkpoint(TRUNCATE)");
  db.close();
  const fd = openSync(file, "r+");
  writeSync(fd, Buffer.alloc(64, 0xff), 0, 64, (page - 1) * PAGE_BYTES);
  closeSync(fd);
}

test("what is due is checked beside the work, and damage begins a new epoch", async () => {
  using plant = new Plant();
  await using stack = await plantStack({ plant });
  const first = stack.startAgent();
  await untilEqual(stack, "plant", plant);
  expect(await checksOf(stack)).toEqual({});
  await first.stop();
  using database = AgentDatabase.open(join(stack.agentDir, "agent.db"));
  database.setFact("agent", "integrity", LONG_AGO);
  const [file = ""] = roomFiles(stack);
  makeDue(file);

  const startedMs = Date.now();
  const agent = stack.startAgent();
  await agent.says("relay: connected");
  const checks = await until("both files to be checked", async () => {
    const found = await checksOf(stack);
    return Object.values(found).filter(({ atMs }) => atMs >= startedMs).length === 2 ? found : undefined;
  });
  expect(checks).toMatchObject({ "agent.db": { detail: "ok" }, plant: { detail: "ok" } });
  plant.change(10);
  await untilEqual(stack, "plant", plant);

  damageQuietly(file);
  makeDue(file);
  await until("a new epoch's file", () => !roomFiles(stack).includes(file) || undefined);
  expect(agent.output.some((line) => line.includes("weekly check: "))).toBe(true);
  plant.change(10);
  await untilEqual(stack, "plant", plant);
  expect((await checksOf(stack))["plant"]?.detail).toMatch(/malformed|btree/i);
  expect((await feedOf(stack)).filter(({ type }) => type === "gap.recorded")).toHaveLength(1);
});
