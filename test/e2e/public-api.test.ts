// The public API through a real relay and a real agent: people at the plant, hours, halts, live reads, queries, syncs, keys.
import { expect, test } from "vitest";
import type { AgentStatus } from "#agent/core/agent-status.ts";
import { Plant, untilEqual } from "#test/support/plant-stack.ts";
import { until } from "#test/support/until.ts";
import { WritingStack, type Answer } from "#test/support/writing-stack.ts";

const WAIT_MS = 60_000;
const REPEATS = 100;
const OPEN_ORDER = "SELECT * FROM WORKORDER WHERE ISTASK = 0 AND STATUS NOT IN ('CLOSE', 'CAN') LIMIT 1";

interface OrderRow {
  readonly WONUM: string;
  readonly SITEID: string;
}

/** The stored record of the plant's row. */
async function recordOf(api: WritingStack, list: string, number: string): Promise<Answer["body"]> {
  return until(
    `${number} at the relay`,
    async () => {
      const { body } = await api.send("GET", `/v1/${list}?number=${number}`);
      return body.data[0];
    },
    WAIT_MS,
  );
}

function valueOf(plant: Plant, sql: string, ...parameters: readonly unknown[]): unknown {
  return plant.db
    .prepare(sql)
    .pluck()
    .get(...parameters);
}

async function openOrder(api: WritingStack, plant: Plant): Promise<{ path: string; number: string }> {
  const row = plant.db.prepare(OPEN_ORDER).get() as OrderRow;
  const record = await recordOf(api, "work-orders", row.WONUM);
  return { path: `/v1/work-orders/${record.id}`, number: row.WONUM };
}

/** A window of one hour that does not begin within the next day. */
function anotherDay(): string {
  const days = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
  return `${days[(new Date().getUTCDay() + 3) % 7]} 00:00-01:00`;
}

test("an order that is settled at the source is refused in its words; lines are changed with their order or not at all", async () => {
  using plant = new Plant();
  await using api = await WritingStack.start(plant);
  const find = (states: string): string =>
    valueOf(
      plant,
      `SELECT PONUM FROM PO JOIN POLINE USING (SITEID, PONUM, REVISIONNUM) WHERE STATUS IN (${states}) GROUP BY PONUM HAVING count(*) > 1 LIMIT 1`,
    ) as string;
  const settled = await recordOf(api, "purchase-orders", find("'APPR'"));
  const text = valueOf(plant, "SELECT DESCRIPTION FROM PO WHERE PONUM = ?", settled.number);
  const refused = await api.send("PATCH", `/v1/purchase-orders/${settled.id}`, { description: "too late" });
  expect([refused.status, refused.body.code, refused.body.retryable]).toEqual([
    422,
    "REFUSED_BY_SOURCE",
    false,
  ]);
  expect(refused.body.detail).toContain("PO-1003: an approved order cannot be changed; revise it");
  expect(valueOf(plant, "SELECT DESCRIPTION FROM PO WHERE PONUM = ?", settled.number)).toBe(text);

  const open = await recordOf(api, "purchase-orders", find("'WAPPR', 'PNDREV'"));
  const sums = plant.db
    .prepare("SELECT POLINENUM, ORDERQTY FROM POLINE WHERE PONUM = ? AND REVISIONNUM = ? ORDER BY POLINENUM")
    .raw();
  const before = sums.all(open.number, open.revision_number);
  const [first, second] = open.lines;
  const lines = (quantity: string): object[] => [
    { line_number: first.line_number, quantity: "9" },
    { line_number: second.line_number, quantity },
  ];
  const path = `/v1/purchase-orders/${open.id}`;
  const wrong = await api.send("PATCH", path, { description: "never", lines: lines("-1") });
  expect([wrong.status, wrong.body.code]).toEqual([422, "REFUSED_BY_SOURCE"]);
  expect(sums.all(open.number, open.revision_number)).toEqual(before);
  const done = await api.send("PATCH", path, { lines: lines("7") });
  expect([done.status, done.body.detail]).toEqual([200, undefined]);
  expect(done.body.lines.slice(0, 2).map((line: { quantity: string }) => line.quantity)).toEqual(["9", "7"]);
  await untilEqual(api.stack, "plant", plant);
});

test("people at the plant: approve and reject by command line, hours, and a halt that calls off what is at the source", async () => {
  using plant = new Plant();
  const work_order = {
    update: "apply",
    change_status: "hold",
    create: { windows: [anotherDay()] },
    delete: { policy: "refuse", reason: "closed orders stay" },
  };
  const allow = { live_reads: true, writes_per_minute: 6_000, writes: { work_order } };
  await using api = await WritingStack.start(plant, { allow });
  const { path, number } = await openOrder(api, plant);
  const status = (): unknown => valueOf(plant, "SELECT STATUS FROM WORKORDER WHERE WONUM = ?", number);
  const title = (): unknown => valueOf(plant, "SELECT DESCRIPTION FROM WORKORDER WHERE WONUM = ?", number);

  const first = status();
  const held = await api.send("POST", `${path}/actions/change_status`, { status: "waiting_material" });
  const other = await api.send("POST", `${path}/actions/change_status`, { status: "completed" });
  expect([held.body.state, other.body.state]).toEqual(["held", "held"]);
  const listed = await api.stack.command("agent", ["commands"]);
  expect(listed).toContain(held.body.id);
  expect(status()).toBe(first);
  await api.stack.command("agent", ["reject", other.body.id, "--reason", "the line is running"]);
  expect(await api.ended(other.body.id)).toMatchObject({
    state: "failed",
    error: { code: "REJECTED_AT_PLANT", detail: expect.stringContaining("the line is running") },
  });
  expect(status()).toBe(first);
  await api.stack.command("agent", ["approve", held.body.id]);
  expect(await api.ended(held.body.id)).toMatchObject({
    state: "succeeded",
    result: { status: "waiting_material" },
  });
  expect(status()).not.toBe(first);

  const refused = await api.send("DELETE", path);
  expect([refused.status, refused.body.code]).toEqual([403, "NOT_ALLOWED_BY_PLANT"]);
  expect(refused.body.detail).toContain("closed orders stay");
  const site = valueOf(plant, "SELECT SITEID FROM WORKORDER WHERE WONUM = ?", number);
  const order = { connection_id: api.connectionId, site, title: "on another day" };
  const waits = await api.send("POST", "/v1/work-orders?ttl=604800", order, { prefer: "wait=10" });
  expect([waits.status, waits.body.state]).toEqual([202, "waiting_window"]);
  const late = await api.send("POST", "/v1/work-orders?ttl=60", order);
  expect([late.status, late.body.code]).toEqual([504, "EXPIRED"]);
  expect((await api.send("POST", `/v1/operations/${waits.body.id}/cancel`)).status).toBeLessThan(300);
  expect(await api.ended(waits.body.id)).toMatchObject({ state: "cancelled" });

  // One write waits for somebody, one stands before a lock of the source's when everything is stopped.
  const pending = await api.send("POST", `${path}/actions/change_status`, { status: "in_progress" });
  const was = title();
  plant.db.exec("BEGIN IMMEDIATE");
  const stuck = await api.send("PATCH", path, { title: "stopped" }, { prefer: "respond-async" });
  await until("the write to be at the source", async () => {
    const { body } = await api.send("GET", `/v1/operations/${stuck.body.id}`);
    return body.state === "executing";
  });
  await api.stack.command("agent", ["halt", "writes"]);
  await until(
    "what waited to be refused, and new writes with it",
    async () => {
      const [one, next] = await Promise.all([
        api.send("GET", `/v1/operations/${pending.body.id}`),
        api.send("PATCH", path, { title: "after the halt" }),
      ]);
      return one.body.error?.code === "WRITES_HALTED" && next.body.code === "WRITES_HALTED";
    },
    1_000,
  );
  // Its source's lock is held all the time: it is over without the source.
  expect(await api.ended(stuck.body.id)).toMatchObject({ state: "failed", error: { code: "WRITES_HALTED" } });
  plant.db.exec("COMMIT");
  expect(title()).toBe(was);
  expect((await api.send("GET", `${path}?source=live`)).status).toBe(200);
  await api.stack.command("agent", ["unhalt", "writes"]);
  expect((await api.send("PATCH", path, { title: "going on" })).status).toBe(200);
  expect(title()).toBe("going on");
  await api.stack.command("agent", ["audit", "verify"]);
});

test("live reads and queries need the agent: they say so while it is away, and go on when it is back", async () => {
  using plant = new Plant();
  const allow = {
    live_reads: true,
    queries: {
      orders_of_site: {
        statement: "SELECT PONUM, STATUS FROM PO WHERE SITEID = :site ORDER BY PONUM",
        parameters: { site: { type: "text" } },
        max_rows: 5,
        description: "Orders of a site",
      },
      attempt: { statement: "DELETE FROM PO", parameters: {} },
    },
  };
  await using api = await WritingStack.start(plant, { allow });
  const { path, number } = await openOrder(api, plant);
  const stored = await api.send("GET", path);
  plant.db.prepare("UPDATE WORKORDER SET LONGDESCRIPTION = 'at the moment' WHERE WONUM = ?").run(number);
  const live = await api.send("GET", `${path}?source=live`);
  expect([live.status, live.body.description, live.body.id]).toEqual([200, "at the moment", stored.body.id]);

  const { body: queries } = await api.send("GET", "/v1/queries");
  expect(queries.data.map((one: { query: string }) => one.query).sort()).toEqual([
    "attempt",
    "orders_of_site",
  ]);
  expect(JSON.stringify(queries)).not.toContain("SELECT");
  const site = valueOf(plant, "SELECT SITEID FROM PO GROUP BY SITEID HAVING count(*) > 5");
  const run = (parameters: object): Promise<Answer> =>
    api.send("POST", "/v1/queries/orders_of_site", { connection_id: api.connectionId, parameters });
  const found = await run({ site });
  expect(found.body).toMatchObject({ columns: ["PONUM", "STATUS"], is_truncated: true });
  expect(found.body.rows).toEqual(
    plant.db.prepare("SELECT PONUM, STATUS FROM PO WHERE SITEID = ? ORDER BY PONUM LIMIT 5").raw().all(site),
  );
  expect((await run({ site: "x' OR 1=1 --" })).body.rows).toEqual([]);
  expect((await run({ sight: "x" })).status).toBe(422);
  const orders = valueOf(plant, "SELECT count(*) FROM PO");
  const attempt = await api.send("POST", "/v1/queries/attempt", { connection_id: api.connectionId });
  expect(attempt.status).toBeGreaterThanOrEqual(400);
  expect(valueOf(plant, "SELECT count(*) FROM PO")).toBe(orders);

  await api.stack.stopAgent();
  await api.stack.relay?.says("agent disconnected", WAIT_MS);
  const away = await Promise.all([api.send("GET", `${path}?source=live`), run({ site })]);
  expect(away.map(({ status, body }) => [status, body.code])).toEqual([
    [503, "AGENT_OFFLINE"],
    [503, "AGENT_OFFLINE"],
  ]);
  expect((await api.send("GET", path)).status).toBe(200);
  api.stack.startAgent();
  await until(
    "live reads to go on",
    async () => (await api.send("GET", `${path}?source=live`)).status === 200,
    WAIT_MS,
  );
  // Nothing of all that was written, and the plant's file allows no write.
  const write = await api.send("PATCH", path, { title: "no" });
  expect([write.status, write.body.code]).toEqual([403, "NOT_ALLOWED_BY_PLANT"]);
});

test("syncs from outside: pause, resume, resync, cancel; a pause of the plant's own stays the plant's", async () => {
  using plant = new Plant();
  await using api = await WritingStack.start(plant, { allow: { sync: true } });
  await untilEqual(api.stack, "plant", plant);
  const base = `/v1/connections/${api.connectionId}`;
  const status = async (): Promise<string> => (await api.send("GET", base)).body.status;
  const post = async (action: string): Promise<number> =>
    (await api.send("POST", `${base}/${action}`)).status;
  const untilStatus = (wanted: string): Promise<unknown> =>
    until(`the connection to be ${wanted}`, async () => (await status()) === wanted, WAIT_MS);

  expect(await post("pause")).toBe(202);
  await untilStatus("paused");
  const { path, number } = await openOrder(api, plant);
  plant.db.prepare("UPDATE WORKORDER SET DESCRIPTION = 'meanwhile' WHERE WONUM = ?").run(number);
  expect(await post("resume")).toBe(202);
  await untilStatus("online");
  await until("the change", async () => (await api.send("GET", path)).body.title === "meanwhile", WAIT_MS);

  const snapshots = async (): Promise<number> => {
    const { body } = await api.send("GET", `${base}/syncs?entity=vendor&limit=200`);
    return body.data.filter((run: { pass: string }) => run.pass === "snapshot").length;
  };
  const before = await snapshots();
  const { body: feed } = await api.send("GET", "/v1/events?cursor=latest");
  expect((await api.send("POST", `${base}/resync?entity=vendor`)).status).toBe(202);
  await until("the vendors to be read anew", async () => (await snapshots()) > before, WAIT_MS);
  await untilEqual(api.stack, "plant", plant);
  const { body: since } = await api.send("GET", `/v1/events?cursor=${encodeURIComponent(feed.next_cursor)}`);
  expect(since.data.filter(({ type }: { type: string }) => type.startsWith("vendor."))).toEqual([]);
  expect(await post("sync")).toBe(202);
  // Either it hits something that is under way, or there is nothing to call off.
  const cancelled = await api.send("POST", `${base}/cancel`);
  const said = cancelled.status === 202 ? "202" : String(cancelled.body.detail);
  expect(said).toMatch(/^202$|nothing is under way/);

  await api.stack.command("agent", ["pause", "plant"]);
  await untilStatus("paused");
  const refused = await api.send("POST", `${base}/resume`);
  expect([refused.status, await status()]).toEqual([403, "paused"]);
  await api.stack.command("agent", ["resume", "plant"]);
  await untilStatus("online");
});

test("capabilities are what the plant's file says, and neither it nor settings reach further", async () => {
  using plant = new Plant();
  const writes = { work_order: { update: "apply", change_status: "hold" } };
  await using api = await WritingStack.start(plant, { allow: { live_reads: true, writes } });
  const base = `/v1/connections/${api.connectionId}`;
  const { body } = await api.send("GET", `${base}/capabilities`);
  expect(body).toMatchObject({ known: true });
  const entity = (name: string): Answer["body"] =>
    body.entities.find((one: { entity: string }) => one.entity === name);
  const policies = (name: string): unknown =>
    Object.fromEntries(
      entity(name).operations.map((one: { operation: string; policy: string }) => [
        one.operation,
        one.policy,
      ]),
    );
  expect(entity("work_order")).toMatchObject({ live: true });
  expect(policies("work_order")).toMatchObject({ update: "apply", change_status: "hold" });
  const allowed = body.entities.flatMap(
    (one: { entity: string; operations: { operation: string; policy: string }[] }) =>
      one.operations
        .filter(({ policy }) => policy !== "refuse")
        .map(({ operation }) => `${one.entity}.${operation}`),
  );
  expect(allowed.sort()).toEqual(["work_order.change_status", "work_order.update"]);
  const wish = await api.send("PATCH", `${base}/settings`, { schedules: { work_order: { poll_s: 30 } } });
  expect([wish.status, wish.body.code]).toEqual([403, "NOT_ALLOWED_BY_PLANT"]);
  const sync = await api.send("POST", `${base}/resync`);
  expect([sync.status, sync.body.code]).toEqual([403, "NOT_ALLOWED_BY_PLANT"]);
});

test("one key a hundred times at once is one order; another body under it is refused", async () => {
  using plant = new Plant();
  await using api = await WritingStack.start(plant);
  const site = valueOf(plant, "SELECT SITEID FROM WORKORDER LIMIT 1");
  const order = { connection_id: api.connectionId, site, title: "once only" };
  const create = (body: object = order): Promise<Answer> =>
    api.send("POST", "/v1/work-orders", body, { "idempotency-key": "a-hundred" });
  const answers = await Promise.all(Array.from({ length: REPEATS }, () => create()));
  const unexpected = answers.filter(
    ({ status, body }) => status !== 201 && body.code !== "IDEMPOTENCY_IN_PROGRESS",
  );
  expect(unexpected.map(({ status, body }) => [status, body.code])).toEqual([]);
  const first = await until(
    "the answer",
    async () => {
      const answer = await create();
      return answer.status === 201 ? answer : undefined;
    },
    WAIT_MS,
  );
  const ids = new Set(answers.filter(({ status }) => status === 201).map(({ body }) => body.id));
  expect([...ids, first.body.id].every((id) => id === first.body.id)).toBe(true);
  expect(valueOf(plant, "SELECT count(*) FROM WORKORDER WHERE DESCRIPTION = 'once only'")).toBe(1);
  expect(valueOf(plant, "SELECT count(*) FROM MILLRACE_COMMANDS")).toBe(1);
  const other = await create({ ...order, title: "twice?" });
  expect([other.status, other.body.code]).toEqual([422, "IDEMPOTENCY_KEY_REUSED"]);
  const { body: operations } = await api.send("GET", "/v1/operations?limit=200");
  expect(operations.data).toHaveLength(1);
  await until(
    "the connection to be online",
    async () => {
      const status = (await api.atPlant({ command: "status" })) as AgentStatus;
      return status.connections[0]?.report?.status === "online";
    },
    WAIT_MS,
  );
});
