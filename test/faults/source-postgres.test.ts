// A real PostgreSQL that stops, and one that knows another password: said as what it is, and healed by itself.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { feedOf } from "#test/support/plant-stack.ts";
import { startPostgres, type TestPostgres } from "#test/support/postgres.ts";
import { ProcessStack } from "#test/support/process-stack.ts";
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

let postgres: TestPostgres;
let database: string;
const dir = mkdtempSync(join(tmpdir(), "millrace-pack-"));
const pack = join(dir, "vendors.yaml");
beforeAll(async () => {
  writeFileSync(pack, PACK);
  postgres = await startPostgres();
  database = await postgres.createDatabase();
  await run(
    "CREATE TABLE vendors (code text PRIMARY KEY, title text)",
    "INSERT INTO vendors VALUES ('a', 'A')",
  );
});
afterAll(async () => {
  await postgres[Symbol.asyncDispose]();
  rmSync(dir, { recursive: true, force: true });
});

async function run(...statements: readonly string[]): Promise<void> {
  const client = await postgres.connect(database);
  try {
    for (const statement of statements) await client.query(statement);
  } finally {
    await client.end();
  }
}

function stackWith(password: string): Promise<ProcessStack> {
  const { host, port, user } = postgres;
  const settings = { host, port, database, user, password, tls: { mode: "disable" } };
  return ProcessStack.create({ connections: { erp: { connector: "postgres", pack, settings } } });
}

interface Page<Item> {
  readonly data: readonly Item[];
}

async function untilStatus(
  stack: ProcessStack,
  status: string,
): Promise<{ readonly status_reason: string | null }> {
  return until(
    `the connection to be ${status}`,
    async () => {
      const { body } = await stack.get("/v1/connections");
      const [view] = (body as Page<{ readonly status: string; readonly status_reason: string | null }>).data;
      return view?.status === status ? view : undefined;
    },
    40_000,
  );
}

async function names(stack: ProcessStack): Promise<readonly string[]> {
  const { body } = await stack.get("/v1/vendors");
  return (body as Page<{ readonly name: string }>).data.map(({ name }) => name);
}

async function told(stack: ProcessStack): Promise<readonly string[]> {
  const types = (await feedOf(stack)).map(({ type }) => type);
  return types.filter((type) => type.startsWith("connection."));
}

test("a wrong password asks for another one in the status and in the feed", async () => {
  await using stack = await stackWith("wrong");
  stack.startAgent();
  const { status_reason: reason } = await untilStatus(stack, "reauthorization_required");
  expect(reason).toMatch(/password/);
  expect(reason).not.toContain("wrong");
  expect(await told(stack)).toContain("connection.authentication_required");
});

test("a server that stops: offline with its reason, then back by itself with what was missed", async () => {
  await using stack = await stackWith(postgres.password);
  stack.startAgent();
  await until("the first reading", async () => (await names(stack)).includes("A"), 30_000);
  await untilStatus(stack, "online");
  await postgres.stop();
  const { status_reason: reason } = await untilStatus(stack, "offline");
  expect(reason).not.toBeNull();
  await postgres.start();
  await run("INSERT INTO vendors VALUES ('b', 'B')");
  await until("what was missed", async () => (await names(stack)).includes("B"), 40_000);
  await untilStatus(stack, "online");
  expect(await told(stack)).toEqual(["connection.online", "connection.offline", "connection.online"]);
});
