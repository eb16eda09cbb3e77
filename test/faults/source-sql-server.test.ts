// A SQL Server that stops, answers nonsense, or knows an expired password, under a real agent: said as what it is, and healed by itself.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeEach, expect, test } from "vitest";
import { READER, type Plant, startPlant } from "#test/agent/connectors/sql-server/plant.ts";
import { feedOf } from "#test/support/plant-stack.ts";
import { ProcessStack } from "#test/support/process-stack.ts";
import { DatabaseError } from "#test/support/sql-engine/session.ts";
import { until } from "#test/support/until.ts";

const PACK = `name: vendors
system: Vendors
defaults: { timestamps: utc, poll: 200ms, reconcile: 1h }
entities:
  vendor:
    table: vendors
    key: code
    changes: full_scan
    fields: { name: title }
`;

const dir = mkdtempSync(join(tmpdir(), "millrace-pack-"));
const pack = join(dir, "vendors.yaml");
let plant: Plant;

beforeEach(async () => {
  writeFileSync(pack, PACK);
  plant = await startPlant();
  await plant.sql(
    "CREATE TABLE vendors (code nvarchar(10) NOT NULL PRIMARY KEY, title nvarchar(20)); INSERT INTO vendors VALUES ('a', 'A')",
  );
  plant.track("vendors");
});

afterEach(() => plant[Symbol.asyncDispose]());
afterAll(() => rmSync(dir, { recursive: true, force: true }));

function startStack(): Promise<ProcessStack> {
  const settings = {
    server: "127.0.0.1",
    port: plant.server.port,
    database: plant.database.name,
    ...READER,
    tls: { mode: "disable" },
  };
  return ProcessStack.create({ connections: { erp: { connector: "sql-server", pack, settings } } });
}

interface Page<Item> {
  readonly data: readonly Item[];
}

async function untilStatus(stack: ProcessStack, status: string): Promise<string | null> {
  return await until(
    `the connection to be ${status}`,
    async () => {
      const { body } = await stack.get("/v1/connections");
      const [view] = (body as Page<{ readonly status: string; readonly status_reason: string | null }>).data;
      return view?.status === status ? (view.status_reason ?? "") : undefined;
    },
    40_000,
  );
}

async function names(stack: ProcessStack): Promise<readonly string[]> {
  const { body } = await stack.get("/v1/vendors");
  return (body as Page<{ readonly name: string }>).data.map(({ name }) => name);
}

test("an expired password asks for another one", async () => {
  plant.database.rights.login(READER.user)!.isExpired = true;
  await using stack = await startStack();
  stack.startAgent();
  const reason = await untilStatus(stack, "reauthorization_required");
  expect(reason).toMatch(/password must be changed/);
  expect(reason).not.toContain(READER.password);
});

test("a server that stops, and one that answers nonsense: offline, then back by itself with what was missed", async () => {
  await using stack = await startStack();
  stack.startAgent();
  await until("the first reading", async () => (await names(stack)).includes("A"), 30_000);
  await untilStatus(stack, "online");
  await plant.server.refuse();
  plant.server.killAll();
  expect(await untilStatus(stack, "offline")).toContain("SQL Server");
  await plant.sql("INSERT INTO vendors VALUES ('b', 'B'); DELETE FROM vendors WHERE code = 'a'");
  await plant.server.admit();
  await until("what was missed", async () => (await names(stack)).join() === "B", 40_000);
  const { faults } = plant.server;
  faults.plan({ kind: "malformed_token" }, { matching: /CHANGETABLE/ });
  faults.plan({ kind: "truncated_token" }, { matching: /BEGIN TRANSACTION/ });
  faults.plan(
    { kind: "error", error: new DatabaseError(596, "killed", 21) },
    { matching: /CHANGE_TRACKING/ },
  );
  await until("each fault to have happened", async () => (faults.planned === 0 ? true : undefined), 60_000);
  await plant.sql("UPDATE vendors SET title = 'BB' WHERE code = 'b'");
  await until("what was written meanwhile", async () => (await names(stack)).join() === "BB", 60_000);
  await untilStatus(stack, "online");
  // One process all along: nothing of this ended the room.
  const events = (await feedOf(stack)).map(({ type }) => type);
  expect(events.filter((type) => type === "system.error")).toEqual([]);
});
