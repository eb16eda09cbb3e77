// Writes by PostgreSQL's own programs: functions and procedures, by order and by name, and what they say no with.
import { afterAll, beforeAll, expect, test } from "vitest";
import { postgresDefinition } from "#agent/connectors/postgres/definition.ts";
import type { Connector } from "#agent/core/source/connector.ts";
import type { EntityPlan } from "#agent/core/source/plan.ts";
import type { ProcedurePlan, WriteOutcome } from "#agent/core/source/write.ts";
import { systemClock } from "#common/runtime/clock.ts";
import { silentLogger } from "#common/runtime/logger.ts";
import { startPostgres, type TestPostgres } from "#test/support/postgres.ts";

const never = new AbortController().signal;

function call(operation: string, more: Partial<ProcedurePlan>): ProcedurePlan {
  return {
    operation,
    form: "procedure",
    procedure: { name: operation },
    isNamed: false,
    slots: [{ name: "wanted" }],
    outputs: [],
    ...more,
  };
}

const PLAN: EntityPlan = {
  entity: "work_order",
  table: { name: "wo" },
  key: ["num"],
  columns: ["num", "title"],
  filters: [],
  change: { kind: "full_scan" },
  children: [],
  writes: [
    call("create", { procedure: { name: "new_wo" }, outputs: ["num"], keyFrom: ["num"] }),
    call("rename", { isNamed: true, slots: [{ name: "wanted" }, { name: "which", cast: "int" }] }),
    call("finish", { outputs: ["said"] }),
    call("refuse", {}),
  ],
};

let server: TestPostgres;
let connector: Connector;

beforeAll(async () => {
  server = await startPostgres();
  const admin = await server.connect();
  await admin.query(`
    CREATE TABLE wo (num int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, title text, CHECK (title <> 'bad') INITIALLY IMMEDIATE);
    CREATE TABLE part (wo int REFERENCES wo DEFERRABLE INITIALLY DEFERRED);
    INSERT INTO wo (title) VALUES ('first');
    CREATE FUNCTION new_wo(wanted text) RETURNS int AS 'INSERT INTO wo (title) VALUES (wanted) RETURNING num' LANGUAGE sql;
    CREATE FUNCTION rename(which int, wanted text, extra text DEFAULT '!') RETURNS void AS
      'UPDATE wo SET title = wanted || extra WHERE num = which' LANGUAGE sql;
    CREATE FUNCTION rename(which text, wanted text) RETURNS void AS 'SELECT 1 / 0' LANGUAGE sql;
    CREATE PROCEDURE finish(wanted text, OUT said text) AS
      $$ BEGIN UPDATE wo SET title = wanted WHERE num = 1; said := 'finished'; END $$ LANGUAGE plpgsql;
    CREATE FUNCTION refuse(wanted text) RETURNS void AS $$
    BEGIN
      IF wanted = 'later' THEN INSERT INTO part VALUES (99); ELSE RAISE EXCEPTION 'the period is closed'; END IF;
    END $$ LANGUAGE plpgsql`);
  await admin.end();
  connector = create(PLAN);
  await connector.open(never);
});
afterAll(async () => {
  await connector[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

function create(plan: EntityPlan): Connector {
  const { host, port, user, password } = server;
  const parsed = postgresDefinition.parseConfig({
    host,
    port,
    user,
    password,
    database: "postgres",
    tls: { mode: "disable" },
    write: { allow: true },
  });
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.issues));
  const context = { connection: "test", plans: [plan], timeZone: "UTC", clock: systemClock };
  return postgresDefinition.create(parsed.value, { ...context, logger: silentLogger, dataDir: "" });
}

function write(operation: string, values: Record<string, string>): Promise<WriteOutcome> {
  const command = { commandId: `${operation}-1`, entity: "work_order", dryRun: false, signal: never };
  return connector.write!({ ...command, operation, key: ["1"], values });
}

test("a record that a function creates is read back by the key that it gives", async () => {
  const command = { commandId: "c-1", entity: "work_order", operation: "create", dryRun: false };
  const values = { wanted: "second" };
  const outcome = await connector.write!({ ...command, key: undefined, values, signal: never });
  expect(outcome).toMatchObject({
    status: "applied",
    outputs: { num: "2" },
    row: { key: ["2"], columns: { title: "second" } },
  });
});

test("arguments by name: what is left out keeps its default, a cast chooses among overloads", async () => {
  expect(await write("rename", { wanted: "renamed", which: "1" })).toMatchObject({
    status: "applied",
    row: { columns: { title: "renamed!" } },
  });
});

test("a procedure's OUT parameters are its outputs", async () => {
  expect(await write("finish", { wanted: "done" })).toMatchObject({
    status: "applied",
    outputs: { said: "finished" },
    row: { columns: { title: "done" } },
  });
});

test("an exception, a check, and a constraint that waits for the commit are refusals", async () => {
  expect(await write("refuse", { wanted: "now" })).toMatchObject({
    status: "rejected",
    code: "REFUSED",
    message: expect.stringContaining("the period is closed"),
  });
  expect(await write("finish", { wanted: "bad" })).toMatchObject({ status: "rejected", code: "CONSTRAINT" });
  expect(await write("refuse", { wanted: "later" })).toMatchObject({
    status: "rejected",
    code: "CONSTRAINT",
  });
});

test("a program that is not there is said on opening", async () => {
  const wrong = create({ ...PLAN, writes: [call("vanish", {})] });
  await expect(wrong.open(never)).rejects.toMatchObject({
    kind: "misconfigured",
    message: expect.stringContaining("vanish"),
  });
});
