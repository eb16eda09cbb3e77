// The script of rights, run by a real server: with it the pack's tables are read and written, and nothing else is.
import { afterAll, beforeAll, expect, test } from "vitest";
import { postgresDefinition } from "#agent/connectors/postgres/definition.ts";
import type { EntityPlan } from "#agent/core/source/plan.ts";
import type { WriteOutcome, WriteRequest } from "#agent/core/source/write.ts";
import { systemClock } from "#common/runtime/clock.ts";
import { silentLogger } from "#common/runtime/logger.ts";
import { orderTables } from "#test/conformance/connector/harness.ts";
import { COUNTERS, LOG, request, rowsPlan, writableTables } from "#test/conformance/connector/write-plans.ts";
import { startPostgres, type TestPostgres } from "#test/support/postgres.ts";

const TYPES = {
  integer: "int",
  bigint: "bigint",
  text: "varchar(30)",
  quantity: "numeric(15,2)",
  timestamp: "timestamptz",
  localTimestamp: "timestamp",
  date: "date",
};
const never = new AbortController().signal;
let server: TestPostgres;
let database: string;

beforeAll(async () => {
  server = await startPostgres();
  database = await server.createDatabase();
});
afterAll(() => server[Symbol.asyncDispose]());

function settingsFor(user: string, write?: object): Parameters<typeof postgresDefinition.create>[0] {
  const parsed = postgresDefinition.parseConfig({
    host: server.host,
    port: server.port,
    database,
    user,
    password: "of-the-test",
    tls: { mode: "disable" },
    ...(write && { write }),
  });
  if (!parsed.ok) throw new Error("settings must parse");
  return parsed.value;
}

/** Runs the script as an administrator does, and opens the connector as the role that it makes. */
async function asGranted(
  user: string,
  plan: EntityPlan,
  write?: object,
): Promise<(change: Partial<WriteRequest>) => Promise<WriteOutcome>> {
  const settings = settingsFor(user, write);
  const script = postgresDefinition.grantScript!(settings, [plan]);
  const admin = await server.connect(database);
  await admin.query(script.replace("'…'", "'of-the-test'"));
  await admin.end();
  const context = { connection: "test", plans: [plan], timeZone: "UTC", clock: systemClock };
  const connector = postgresDefinition.create(settings, { ...context, logger: silentLogger, dataDir: "" });
  await connector.open(never);
  return (change) => connector.write!(request({ values: {}, ...change }));
}

test("is enough to create, change, count, adjust and delete, and names each right once", async () => {
  const admin = await server.connect(database);
  await admin.query(writableTables(TYPES, "text"));
  const settings = { allow: true, command_log: LOG };
  const write = await asGranted("writer", rowsPlan(), settings);
  const children = { lines: [{ values: { item: "seal", qty: "1" } }] };
  const values = { site: "S1", status: "NEW", stamp: 1 };
  const states: string[] = [];
  for (const change of [
    { operation: "create", key: undefined, values, children },
    { operation: "update", values: { status: "APPR" }, children },
    { operation: "update", children: { lines: [{ values: { line: 2 }, isRemoved: true }] } },
    { operation: "adjust", values: { total: "-1" } },
    { operation: "adjust_line", values: { qty: "1", line: 1 } },
    { operation: "delete" },
  ])
    states.push(`${change.operation} ${(await write(change)).status}`);
  expect(states.filter((state) => !state.endsWith(" applied"))).toEqual([]);
  const { rows } = await admin.query<{ granted: string }>(`
    SELECT DISTINCT table_name || ' ' || privilege_type AS granted FROM information_schema.role_table_grants
    WHERE grantee = 'writer' ORDER BY 1`);
  expect(rows.map(({ granted }) => granted)).toEqual([
    `${COUNTERS} SELECT`,
    `${LOG} INSERT`,
    `${LOG} SELECT`,
    `${LOG} UPDATE`,
    "po DELETE",
    "po INSERT",
    "po SELECT",
    "poline DELETE",
    "poline INSERT",
    "poline SELECT",
  ]);
  const lines = postgresDefinition.grantScript!(settingsFor("writer", settings), [rowsPlan()]).split("\n");
  expect(new Set(lines.filter((line) => line.startsWith("GRANT"))).size).toBe(
    lines.filter((line) => line.startsWith("GRANT")).length,
  );
  expect(lines).toContain(`GRANT UPDATE ("seed") ON "public"."${COUNTERS}" TO "writer";`);
  await admin.end();
});

test("of a sequence, a routine, and rows that are only held: the least that will do", async () => {
  const schema = "erp";
  const admin = await server.connect(database);
  await admin.query(`CREATE SCHEMA erp; SET search_path = erp; ${orderTables(TYPES)}
    CREATE SEQUENCE po_number START 500; INSERT INTO po VALUES ('S1', 'PO-1', 'NEW', 1, NULL, 1);
    CREATE FUNCTION close_po(num text, OUT code text) AS $$ BEGIN code := '0'; END $$ LANGUAGE plpgsql;
    REVOKE ALL ON FUNCTION close_po FROM PUBLIC;`);
  const plain = rowsPlan();
  const [create, update] = plain.writes!;
  if (create?.form !== "insert" || update?.form !== "update") throw new Error("other plans were expected");
  const next = {
    column: "ponum",
    prefix: "",
    digits: 6,
    from: "sequence",
    sequence: { schema, name: "po_number" },
  };
  const plan: EntityPlan = {
    ...plain,
    table: { schema, name: "po" },
    children: plain.children.map((child) => Object.assign({}, child, { table: { schema, name: "poline" } })),
    writes: [
      { ...create, next: [{ ...next, from: "sequence" }] },
      { ...update, slots: [] },
      {
        operation: "close",
        form: "procedure",
        procedure: { schema, name: "close_po" },
        isNamed: false,
        slots: [{ name: "num" }],
        outputs: ["code"],
      },
    ],
  };
  const write = await asGranted("holder", plan, { allow: true });
  const children = { lines: [{ values: { item: "seal", qty: "1" } }] };
  const created = await write({ operation: "create", key: undefined, values: { site: "S1" }, children });
  expect(created).toMatchObject({ status: "applied", row: { key: ["S1", "000500"] } });
  expect(await write({ operation: "update", children })).toMatchObject({ status: "applied" });
  const closed = await write({ operation: "close", values: { num: "PO-1" } });
  expect(closed).toMatchObject({ status: "applied", outputs: { code: "0" } });
  await admin.end();
});

test("without write.allow nothing can be written", () => {
  const script = postgresDefinition.grantScript!(settingsFor("reader"), [rowsPlan()]);
  expect(script).toContain("It can write nothing.");
  expect(script.match(/GRANT [A-Z]+/g)).toEqual([
    "GRANT CONNECT",
    "GRANT USAGE",
    "GRANT SELECT",
    "GRANT SELECT",
    "GRANT EXECUTE",
  ]);
});
