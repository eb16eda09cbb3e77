// Commands from the relay, through main and room to a real source and back.
import { describe, expect, test } from "vitest";
import { createCommandLog } from "#test/demo/plant/command-log.ts";
import { Plant } from "#test/support/plant-stack.ts";
import { join } from "node:path";
import type { AgentStatus } from "#agent/core/agent-status.ts";
import type { JournalEntry } from "#agent/core/commands/journal.ts";
import { AgentDatabase } from "#agent/platform/agent-database.ts";
import { askAgent } from "#agent/platform/control-socket.ts";
import { AgentAtRelay } from "#test/support/agent-at-relay.ts";
import { until } from "#test/support/until.ts";

const READS = { live_reads: true, browse: true, sync: true };

function keyOf(plant: Plant): { readonly key: string; readonly site: string; readonly number: string } {
  const row = plant.db.prepare("SELECT SITEID, WONUM FROM WORKORDER WHERE ISTASK = 0 LIMIT 1").get() as {
    SITEID: string;
    WONUM: string;
  };
  return { key: JSON.stringify([row.SITEID, row.WONUM]), site: row.SITEID, number: row.WONUM };
}

interface Started {
  readonly more?: Record<string, unknown>;
  readonly commandLog?: boolean;
}

function started(
  plant: Plant,
  allow: object,
  { more = {}, commandLog }: Started = {},
): Promise<AgentAtRelay> {
  const { connector, pack, settings, more: own } = plant.connection(more);
  const log = commandLog === true ? { command_log: "MILLRACE_COMMANDS" } : {};
  if (commandLog === true) createCommandLog(plant.db);
  const write = { allow: true, ...log };
  const connection = { name: "plant", connector, pack, settings: { ...settings, write }, ...own, allow };
  return AgentAtRelay.start({ connections: [connection] });
}

const WRITES = { work_order: { update: "apply", change_status: "hold" } };

function titleOf(plant: Plant, number: string): unknown {
  return plant.db.prepare("SELECT DESCRIPTION FROM WORKORDER WHERE WONUM = ?").pluck().get(number);
}

describe("what changes nothing", () => {
  test("a live read shows the record as it is now, by the stream's mapper, and leaves absent ones out", async () => {
    using plant = new Plant();
    await using agent = await started(plant, READS, { more: { hide: ["work_order.title"] } });
    await agent.online("plant");
    const { key, site, number } = keyOf(plant);
    plant.db
      .prepare("UPDATE WORKORDER SET LONGDESCRIPTION = ? WHERE SITEID = ? AND WONUM = ?")
      .run("just now", site, number);
    const keys = ['["X","none"]', key, key];
    const read = await agent.ask("plant", "read", { entity: "work_order", keys, raw: true });
    expect(read).toMatchObject({ outcome: "succeeded" });
    const { records } = read.result as { records: { key: string; record: Record<string, unknown> }[] };
    expect(records).toHaveLength(1);
    expect(records[0]).toMatchObject({ key, record: { number, description: "just now" } });
    expect(JSON.stringify(records)).not.toContain('"title"');
    // The connection sends no raw rows, so none may be had this way either.
    expect(records[0]).not.toHaveProperty("raw");
  });

  test("browsing, a test of the source, and a sync", async () => {
    using plant = new Plant();
    await using agent = await started(plant, READS);
    await agent.online("plant");
    const top = await agent.ask("plant", "browse", { path: [] });
    expect(top).toMatchObject({ outcome: "succeeded" });
    expect(JSON.stringify(top.result)).toContain("WORKORDER");
    expect(await agent.ask("plant", "test", {})).toMatchObject({
      outcome: "succeeded",
      result: { took_ms: expect.any(Number) },
    });
    expect(await agent.ask("plant", "test", {})).toMatchObject({
      outcome: "failed",
      code: "RATE_LIMITED",
      retry_after_ms: expect.any(Number),
    });
    expect(await agent.ask("plant", "operate", { action: "sync" })).toMatchObject({ outcome: "succeeded" });
  });

  test("a query that the plant's file names, and what was asked in the audit trail", async () => {
    using plant = new Plant();
    const statement = "SELECT WONUM, DESCRIPTION FROM WORKORDER WHERE WONUM = :number";
    const queries = { orders: { statement, parameters: { number: { type: "text" } }, max_rows: 1 } };
    await using agent = await started(plant, { queries });
    await agent.online("plant");
    const { number } = keyOf(plant);
    expect(await agent.ask("plant", "query", { query: "orders", parameters: { number } })).toMatchObject({
      outcome: "succeeded",
      result: {
        columns: ["WONUM", "DESCRIPTION"],
        rows: [[number, titleOf(plant, number)]],
        is_truncated: false,
      },
    });
    expect(await agent.ask("plant", "query", { query: "orders", parameters: {} })).toMatchObject({
      code: "INVALID_VALUES",
      errors: [{ field: "number", detail: "is required" }],
    });
    await agent.stopAgent();
    using database = AgentDatabase.open(join(agent.dataDir, "agent.db"));
    const trail = database.journal.audit(0, 10).map(({ text }) => JSON.parse(text) as object);
    expect(trail).toMatchObject([
      { event: "asked", connection: "plant", kind: "query", query: "orders", outcome: "succeeded" },
      { event: "asked", code: "INVALID_VALUES" },
    ]);
    expect(JSON.stringify(trail)).not.toContain(number);
  });

  test("nothing is allowed that the plant's file does not name; nonsense is refused", async () => {
    using plant = new Plant();
    await using agent = await started(plant, {});
    await agent.online("plant");
    const { key } = keyOf(plant);
    for (const [kind, body] of [
      ["read", { entity: "work_order", keys: [key] }],
      ["browse", { path: [] }],
      ["test", {}],
      ["operate", { action: "resync" }],
      ["query", { query: "anything", parameters: {} }],
      ["write", { entity: "work_order", operation: "update", key, values: { title: "x" } }],
    ] as const)
      expect(await agent.ask("plant", kind, body)).toMatchObject({ outcome: "failed", code: "NOT_ALLOWED" });
    expect(await agent.ask("plant", "erase", {})).toMatchObject({ code: "UNKNOWN_COMMAND" });
    expect(await agent.ask("plant", "read", { entity: "work_order" })).toMatchObject({
      code: "UNKNOWN_COMMAND",
    });
    expect(await agent.ask("elsewhere", "read", { entity: "a", keys: ["b"] })).toMatchObject({
      code: "SYSTEM_UNREACHABLE",
    });
  });
});

describe("writes", () => {
  test("an allowed one is done once, told until it is settled, and its change comes by the stream", async () => {
    using plant = new Plant();
    await using agent = await started(plant, { writes: WRITES }, { more: { poll: "1h" }, commandLog: true });
    await agent.online("plant");
    const { key, number } = keyOf(plant);
    const body = {
      entity: "work_order",
      operation: "update",
      key,
      values: { title: "Seal replaced" },
      actor: "tok_1",
    };
    await agent.openStream("plant");
    const id = agent.send("plant", "write", body);
    const result = await agent.result(id);
    expect(result).toMatchObject({
      outcome: "succeeded",
      audit_head: { seq: 2, hash: expect.stringMatching(/^[0-9a-f]{64}$/) },
      result: { key, record: { number, title: "Seal replaced" }, is_repeat: false, is_dry: false },
    });
    expect(titleOf(plant, number)).toBe("Seal replaced");
    await until("the change in the stream", () => agent.streamed("Seal replaced"));
    // The same command again: known, not done.
    plant.db.prepare("UPDATE WORKORDER SET DESCRIPTION = 'by hand' WHERE WONUM = ?").run(number);
    agent.tell({
      type: "command",
      command_id: id,
      connection_id: "c-plant",
      kind: "write",
      ttl_ms: 1_000,
      body,
    });
    await until("the result again", () => agent.resultsOf(id).length === 2);
    expect(titleOf(plant, number)).toBe("by hand");
    await agent.stopAgent();
    await agent.startAgent();
    await until("the result after a restart", () => agent.resultsOf(id).length === 3);
    agent.tell({ type: "command_settled", command_id: id });
    await agent.online("plant");
    await agent.stopAgent();
    await agent.startAgent();
    await agent.online("plant");
    expect(agent.resultsOf(id)).toHaveLength(3);
  });

  test("refused values, another version, an unknown record, a dry run", async () => {
    using plant = new Plant();
    await using agent = await started(plant, { writes: WRITES });
    await agent.online("plant");
    const { key, number } = keyOf(plant);
    const before = titleOf(plant, number);
    const write = (more: object): Promise<unknown> =>
      agent.ask("plant", "write", {
        entity: "work_order",
        operation: "update",
        key,
        values: { title: "x" },
        ...more,
      });
    expect(await write({ values: { titel: "x" } })).toMatchObject({
      code: "INVALID_VALUES",
      errors: [{ field: "titel", detail: expect.stringContaining("title") }],
    });
    expect(await write({ if_version: "1" })).toMatchObject({
      code: "VERSION_CONFLICT",
      result: { record: { number, title: before } },
    });
    expect(await write({ key: '["BEDFORD","no such one"]' })).toMatchObject({ code: "NOT_FOUND" });
    expect(await write({ dry_run: true })).toMatchObject({
      outcome: "succeeded",
      result: { is_dry: true, record: { title: "x" } },
    });
    expect(titleOf(plant, number)).toBe(before);
  });
});

/** As if the agent's process had died right after it noted that this write begins. */
function begun(agent: AgentAtRelay, id: string, body: JournalEntry["body"], ttlMs: number): void {
  using database = AgentDatabase.open(join(agent.dataDir, "agent.db"));
  const receivedAtMs = Date.now();
  const entry: JournalEntry = {
    id,
    connectionId: "c-plant",
    connection: "plant",
    state: "started",
    body,
    receivedAtMs,
    expiresAtMs: receivedAtMs + ttlMs,
  };
  database.journal.commit({ entries: [entry] });
}

describe("people at the plant", () => {
  test("a held write is listed with its values, and done when it is approved", async () => {
    using plant = new Plant();
    await using agent = await started(plant, { writes: WRITES });
    await agent.online("plant");
    const { key } = keyOf(plant);
    const values = { status: "approved" };
    const id = agent.send("plant", "write", {
      entity: "work_order",
      operation: "change_status",
      key,
      values,
    });
    await until("the held state", () => agent.ofType("command_state").some(({ state }) => state === "held"));
    const listed = (await askAgent(agent.dataDir, { command: "commands" })) as readonly JournalEntry[];
    expect(listed).toMatchObject([{ id, state: "held", body: { values } }]);
    expect(await askAgent(agent.dataDir, { command: "status" })).toMatchObject({ held: 1, halted: [] });
    await askAgent(agent.dataDir, { command: "approve", id, by: "anna" });
    expect(await agent.result(id)).toMatchObject({
      outcome: "succeeded",
      result: { record: { status: "approved" } },
    });
    await expect(askAgent(agent.dataDir, { command: "approve", id, by: "anna" })).rejects.toThrow(
      "none does",
    );
  });

  test("a halt of writes refuses at once, survives a restart, is seen in the report, and ends", async () => {
    using plant = new Plant();
    await using agent = await started(plant, { ...READS, writes: WRITES });
    await agent.online("plant");
    const { key } = keyOf(plant);
    const body = { entity: "work_order", operation: "update", key, values: { title: "halted?" } };
    await askAgent(agent.dataDir, { command: "halt", part: "writes", by: "anna" });
    expect(await agent.ask("plant", "write", body)).toMatchObject({ outcome: "failed", code: "HALTED" });
    expect(await agent.ask("plant", "read", { entity: "work_order", keys: [key] })).toMatchObject({
      outcome: "succeeded",
    });
    expect(agent.ofType("connection_report").at(-1)).toMatchObject({ halted: ["writes"] });
    await agent.stopAgent();
    await agent.startAgent();
    await agent.online("plant");
    expect(await agent.ask("plant", "write", body)).toMatchObject({ code: "HALTED" });
    await askAgent(agent.dataDir, { command: "unhalt", part: "writes", by: "anna" });
    expect(await agent.ask("plant", "write", body)).toMatchObject({ outcome: "succeeded" });
    expect(agent.ofType("connection_report").at(-1)).not.toHaveProperty("halted");
  });

  test("a halt of egress closes the line within a second and keeps it closed over a restart; what is read stays", async () => {
    using plant = new Plant();
    await using agent = await started(plant, READS);
    await agent.online("plant");
    await askAgent(agent.dataDir, { command: "halt", part: "egress", by: "anna" });
    await until("the line to close", () => agent.isCut, 1_000);
    const sessions = agent.sessions;
    plant.change(5);
    await agent.stopAgent();
    await agent.startAgent({ connects: false });
    await until("the outbox to hold it", async () => {
      const status = (await askAgent(agent.dataDir, { command: "status" })) as AgentStatus;
      expect(status).toMatchObject({ halted: ["egress"], relay: { state: "halted" } });
      return (status.connections[0]?.report?.backlog_batches ?? 0) > 0;
    });
    expect(agent.sessions).toBe(sessions);
    await askAgent(agent.dataDir, { command: "unhalt", part: "egress", by: "anna" });
    await until("the agent to connect", () => agent.sessions > sessions);
  });
});

describe("a write that had begun when the agent died", () => {
  const values = { title: "after the crash" };

  test("is found in the command log, or done if it is not there and there is time, and never twice", async () => {
    using plant = new Plant();
    await using agent = await started(plant, { writes: WRITES }, { commandLog: true });
    await agent.online("plant");
    const { key, number } = keyOf(plant);
    const body = { entity: "work_order", operation: "update", key, values };
    const done = agent.send("plant", "write", { ...body, values: { title: "before the crash" } });
    await agent.result(done);
    agent.tell({ type: "command_settled", command_id: done });
    await until(
      "the log's entry",
      () => plant.db.prepare("SELECT 1 FROM MILLRACE_COMMANDS").get() !== undefined,
    );
    await agent.stopAgent();
    begun(agent, done, { ...body, values: { title: "before the crash" } }, 60_000);
    begun(agent, "cmd_in_time", body, 60_000);
    begun(agent, "cmd_late", { ...body, values: { title: "too late" } }, 0);
    await agent.startAgent();
    expect(await agent.result("cmd_in_time")).toMatchObject({
      outcome: "succeeded",
      result: { is_repeat: false },
    });
    expect(await agent.result("cmd_late")).toMatchObject({ outcome: "failed", code: "EXPIRED" });
    await until("the repeated one", () =>
      agent
        .resultsOf(done)
        .some(({ result }) => (result as { is_repeat: boolean } | undefined)?.is_repeat === true),
    );
    expect(titleOf(plant, number)).toBe("after the crash");
    expect(plant.db.prepare("SELECT count(*) FROM MILLRACE_COMMANDS").pluck().get()).toBe(2);
  });

  test("at the very moment of a kill: its next process finds out, and it is done once", async () => {
    using plant = new Plant();
    await using agent = await started(plant, { writes: WRITES }, { commandLog: true });
    await agent.online("plant");
    const { key, number } = keyOf(plant);
    // The write stands before a lock, in its transaction, when its process dies.
    plant.db.exec("BEGIN IMMEDIATE");
    const id = agent.send("plant", "write", { entity: "work_order", operation: "update", key, values });
    await until("the write to begin", () =>
      agent.ofType("command_state").some(({ state }) => state === "executing"),
    );
    const { connections } = (await askAgent(agent.dataDir, { command: "status" })) as AgentStatus;
    process.kill(connections[0]?.room.pid ?? 0, "SIGKILL");
    await until("the room's end to be told", () =>
      agent.ofType("connection_report").some(({ status }) => status === "degraded"),
    );
    plant.db.exec("COMMIT");
    expect(await agent.result(id)).toMatchObject({
      outcome: "succeeded",
      result: { record: { title: values.title } },
    });
    expect(agent.resultsOf(id)).toHaveLength(1);
    expect(titleOf(plant, number)).toBe(values.title);
    expect(plant.db.prepare("SELECT count(*) FROM MILLRACE_COMMANDS").pluck().get()).toBe(1);
  });

  test("without a command log nobody knows, and the record is told as it stands", async () => {
    using plant = new Plant();
    await using agent = await started(plant, { writes: WRITES });
    await agent.online("plant");
    const { key, number } = keyOf(plant);
    const before = titleOf(plant, number);
    await agent.stopAgent();
    begun(agent, "cmd_lost", { entity: "work_order", operation: "update", key, values }, 60_000);
    await agent.startAgent();
    expect(await agent.result("cmd_lost")).toMatchObject({
      outcome: "unknown_outcome",
      result: { record: { title: before } },
    });
    expect(titleOf(plant, number)).toBe(before);
  });
});

test("what the connection offers is told: fields with their columns, custom fields, writes under the plant's policy", async () => {
  using plant = new Plant();
  const writes = {
    work_order: {
      update: { windows: ["mon-fri 06:00-18:00"] },
      change_status: { policy: "refuse", reason: "the shift leader does that" },
    },
  };
  const queries = {
    open_orders: {
      statement: "SELECT 1",
      parameters: { vendor: { type: "text" } },
      description: "Open ones",
    },
  };
  const allow = { ...READS, writes, queries, settings: ["schedules"] };
  await using agent = await started(plant, allow, {
    more: { hide: ["WORKORDER.DESCRIPTION"] },
    commandLog: true,
  });
  await agent.online("plant");
  const description = await until("custom fields", () =>
    agent
      .ofType("connection_description")
      .find(({ entities }) => entities.some((one) => one.custom_fields.length > 0)),
  );
  expect(description).toMatchObject({
    connection_id: "c-plant",
    connector: "sqlite",
    pack: "demo-cmms",
    browse: true,
    settings_allowed: ["schedules"],
    queries: [
      {
        query: "open_orders",
        description: "Open ones",
        parameters: [{ name: "vendor", type: "text", required: true }],
      },
    ],
  });
  expect(JSON.stringify(description)).not.toContain("SELECT 1");
  const workOrder = description.entities.find(({ entity }) => entity === "work_order");
  expect(workOrder).toMatchObject({ table: "WORKORDER", key: ["SITEID", "WONUM"], live: true });
  const fields = new Map(workOrder?.fields.map(({ name, sources }) => [name, sources]));
  expect(fields.get("number")).toEqual(["WORKORDER.WONUM"]);
  expect(fields.get("actual_labor_hours")).toEqual(expect.arrayContaining(["LABTRANS.REGULARHRS"]));
  expect(fields.has("title")).toBe(false);
  const write = (operation: string) => workOrder?.writes.find((one) => one.operation === operation);
  const update = write("update");
  expect(update).toMatchObject({
    operation: "update",
    policy: "window",
    windows: ["mon-fri 06:00-18:00"],
    exactly_once: true,
  });
  expect(update?.fields).toContainEqual(
    expect.objectContaining({ name: "priority", type: "enum", values: expect.arrayContaining(["critical"]) }),
  );
  expect(write("change_status")).toMatchObject({ policy: "refuse", reason: "the shift leader does that" });
  const order = description.entities.find(({ entity }) => entity === "purchase_order");
  expect(order?.custom_fields).toEqual(expect.arrayContaining([expect.stringMatching(/^ACME_/)]));
  expect(order?.fields.map(({ name }) => name)).toContain("lines.quantity");
});
