// A relay that has turned against the plant, with the right key: what the plant's file does not allow does not happen.
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, afterAll, expect, test } from "vitest";
import type { AgentStatus } from "#agent/core/agent-status.ts";
import { AgentDatabase } from "#agent/platform/agent-database.ts";
import { askAgent } from "#agent/platform/control-socket.ts";
import { MAX_PLAIN_FRAME_BYTES } from "#common/contract/limits.ts";
import { Random } from "#test/demo/plant/random.ts";
import { HostileRelay, Malice } from "#test/support/hostile-relay.ts";
import { Plant } from "#test/support/plant-stack.ts";
import { ProcessStack } from "#test/support/process-stack.ts";
import { startTcpProxy } from "#test/support/tcp-proxy.ts";
import { until } from "#test/support/until.ts";

const FUZZED = 3_000;
const FLOOD = 6_000;
/** Of commands that are answered, so that the agent is never merely behind. */
const ROUND = 500;
const ROUND_MS = 120_000;
const WAIT_MS = 60_000;
/** Highest ever, MB, of each process: an idle one has some 90. */
const MAX_RSS_MB = 320;
const HIDDEN = "TAX-THAT-NEVER-LEAVES";
const SECRET = "a-file-that-nobody-reads";

/** What the plant's file allows, and nothing else. */
const ALLOW = { writes: { work_order: { update: "apply" } } };
/** What an update of a work order may change, and what the product notes beside it. */
const ALLOWED_COLUMNS = new Set(["DESCRIPTION", "LONGDESCRIPTION", "CHANGEDATE", "CHANGEBY", "ROWSTAMP"]);

let plant: Plant;
let stack: ProcessStack;
let hostile: HostileRelay;
let key: string;
let rowId: number;
let plantBefore: Readonly<Record<string, string>>;
let filesBefore: readonly string[];

/** By table, a digest of all rows, but for the counter that every change moves on; of the one row that may be changed, without the columns that may. */
function digests(): Readonly<Record<string, string>> {
  const tables = plant.db
    .prepare("SELECT name FROM sqlite_master WHERE type = 'table' AND name <> 'MAXSEQ' ORDER BY name")
    .pluck()
    .all() as string[];
  const schema = plant.db.prepare("SELECT sql FROM sqlite_master ORDER BY name").pluck().all();
  const all: Record<string, string> = { schema: digest(JSON.stringify(schema)) };
  for (const table of tables) {
    const rows = plant.db.prepare(`SELECT rowid AS ROWID_, * FROM "${table}" ORDER BY rowid`).all() as Record<
      string,
      unknown
    >[];
    for (const row of rows)
      if (table === "WORKORDER" && row["ROWID_"] === rowId)
        for (const column of ALLOWED_COLUMNS) delete row[column];
    all[table] = digest(JSON.stringify(rows));
  }
  return all;
}

function digest(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

/** Names and contents of everything beside the agent's own folder; logs and the plant's files grow by themselves. */
function filesOutside(): readonly string[] {
  return readdirSync(stack.dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((file) => !file.startsWith(stack.agentDir) && !file.startsWith(stack.relayDir))
    .filter((file) => !/\.(log|yaml)$/.test(file))
    .map((file) => `${file} ${digest(readFileSync(file, "utf8"))}`)
    .sort();
}

async function status(): Promise<AgentStatus> {
  return (await askAgent(stack.agentDir, { command: "status" })) as AgentStatus;
}

/** MB, the highest since the process began. */
function peakMb(pid: number): number {
  const line = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return Number(line) / 1_024;
}

/** Sends commands and waits until each of them is answered: nothing of it was passed over, nothing broke. */
async function answered(count: number, send: (id: string, n: number) => void, prefix: string): Promise<void> {
  for (let from = 0; from < count; from += ROUND) {
    const ids: string[] = [];
    for (let n = from; n < Math.min(count, from + ROUND); n += 1) {
      ids.push(`${prefix}_${n}`);
      send(`${prefix}_${n}`, n);
    }
    await until(
      `answers ${from} to ${from + ROUND}`,
      () => {
        hostile.listen();
        return ids.every((id) => hostile.results.has(id));
      },
      ROUND_MS,
    );
  }
}

beforeAll(async () => {
  plant = new Plant();
  plant.db.prepare("UPDATE COMPANIES SET TAXREGISTRATION = ?").run(HIDDEN);
  const settings = { ...plant.connection().settings, write: { allow: true } };
  const { more, ...base } = plant.connection({
    allow: ALLOW,
    hide: ["COMPANIES.TAXREGISTRATION", "vendor.tax_id"],
  });
  stack = await ProcessStack.create({
    connections: { plant: { ...base, settings, ...(more === undefined ? {} : { more }) } },
  });
  mkdirSync(join(stack.dir, "beside"));
  writeFileSync(join(stack.dir, "beside", "secret.txt"), SECRET);
  await stack.stopRelay();
  hostile = await HostileRelay.start(stack, "plant");
  stack.agentPort = hostile.port;
  const row = plant.db
    .prepare("SELECT rowid AS id, SITEID, WONUM FROM WORKORDER WHERE STATUS = 'INPRG'")
    .get() as {
    readonly id: number;
    readonly SITEID: string;
    readonly WONUM: string;
  };
  rowId = row.id;
  key = JSON.stringify([row.SITEID, row.WONUM]);
  plantBefore = digests();
  filesBefore = filesOutside();
  stack.startAgent();
  await hostile.connected();
  await until(
    "the source to be open",
    async () => (await status()).connections[0]?.report?.status === "online",
    WAIT_MS,
  );
});

afterAll(async () => {
  await hostile[Symbol.asyncDispose]();
  await stack[Symbol.asyncDispose]();
  plant[Symbol.dispose]();
});

test("commands of every kind with every body are answered, and nothing happens", async () => {
  const malice = new Malice(new Random(7));
  await answered(
    FUZZED,
    (id, n) => {
      if (n % 3 === 0) hostile.command(id, "write", malice.write(key));
      else hostile.command(id, malice.kind(), malice.body());
    },
    "fuzz",
  );
  const succeeded = [...hostile.results.values()].filter(({ outcome }) => outcome !== "failed");
  expect(succeeded).toEqual([]);
  const codes = new Set([...hostile.results.values()].map(({ code }) => code));
  expect([...codes].filter((code) => code === "INTERNAL")).toEqual([]);
  expect([...codes]).toEqual(expect.arrayContaining(["NOT_ALLOWED", "UNKNOWN_COMMAND"]));
  expect(digests()).toEqual(plantBefore);
});

test("what is allowed is done, once for each id; what comes with it is not", async () => {
  const write = (id: string, more: object): void =>
    hostile.command(id, "write", { entity: "work_order", operation: "update", key, ...more });
  for (let copy = 0; copy < 50; copy += 1) write("allowed", { values: { title: "by the relay" } });
  expect(await hostile.result("allowed")).toMatchObject({
    outcome: "succeeded",
    result: { is_repeat: false },
  });
  const smuggled: readonly object[] = [
    { values: { title: "x", status: "closed" } },
    { values: { title: "x", STATUS: "CLOSE" } },
    { values: { title: "x", "DESCRIPTION = 'y', STATUS": "CLOSE" } },
    { values: { title: "x", custom_fields: { STATUS: "CLOSE" } } },
    { values: { title: "x" }, key: `["x' OR 1=1 --","x"]` },
    { values: { title: "x" }, key: "[]" },
    { values: { title: ["x"] } },
    { values: { title: "x".repeat(5_000) } },
    { values: JSON.parse('{"__proto__": {"title": "x"}}') as object },
  ];
  await answered(smuggled.length, (id, n) => write(id, smuggled[n] ?? {}), "smuggled");
  const ends = smuggled.map((_, n) => hostile.results.get(`smuggled_${n}`)?.outcome);
  expect(ends).toEqual(smuggled.map(() => "failed"));
  const text = "'); DROP TABLE WORKORDER; --";
  write("quoted", { values: { title: text } });
  expect(await hostile.result("quoted")).toMatchObject({ outcome: "succeeded" });
  expect(plant.db.prepare("SELECT DESCRIPTION FROM WORKORDER WHERE rowid = ?").pluck().get(rowId)).toBe(text);
  expect(digests()).toEqual(plantBefore);
});

test("floods, cancels of nothing, wishes of every kind: the agent answers, and stays within its memory", async () => {
  const malice = new Malice(new Random(11));
  const connection_id = hostile.connectionId;
  await answered(
    FLOOD,
    (id, n) => {
      hostile.command(
        id,
        n % 2 === 0 ? "read" : "operate",
        n % 2 === 0 ? { entity: "work_order", keys: [key] } : { action: "resync" },
      );
      hostile.tell({ type: "command_cancel", command_id: `nothing_${n}` });
      hostile.tell({ type: "command_settled", command_id: `nothing_${n}` });
    },
    "flood",
  );
  for (let n = 1; n <= 500; n += 1) {
    const document = n % 5 === 0 ? nonsense(malice) : malice.body();
    hostile.tell({ type: "desired_settings", connection_id, revision: n, document });
  }
  for (const type of ["ping", "pong"]) for (let n = 0; n < 500; n += 1) hostile.tell({ type, n });
  hostile.tell({
    type: "bindings",
    connections: [
      { id: connection_id, name: "plant" },
      { id: "x", name: "../x" },
    ],
  });
  // What writes there are, are few.
  const update = { entity: "work_order", operation: "update", key, values: { title: "flooded" } };
  await answered(500, (id) => hostile.command(id, "write", update), "many");
  const done = [...hostile.results].filter(
    ([id, { outcome }]) => id.startsWith("many_") && outcome === "succeeded",
  );
  expect(done.length).toBeLessThanOrEqual(30);
  const { pid, connections } = await status();
  const room = connections[0]?.room.pid ?? 0;
  expect(Math.max(peakMb(pid), peakMb(room))).toBeLessThan(MAX_RSS_MB);
  expect(digests()).toEqual(plantBefore);
});

test("frames that are none close the line, and the agent comes back each time", async () => {
  const frames: readonly Uint8Array[] = [
    Buffer.alloc(0),
    Buffer.from([1]),
    Buffer.from([2, 0, 0]),
    Buffer.from([9, 9, 9]),
    Buffer.concat([Buffer.from([1]), Buffer.from("{".repeat(100_000))]),
    Buffer.alloc(MAX_PLAIN_FRAME_BYTES, 0x20),
  ];
  for (const [n, frame] of frames.entries()) {
    const { sessions } = hostile;
    hostile.sendBytes(frame);
    await until(
      `the agent to come back after frame ${n}`,
      () => hostile.sessions > sessions && !hostile.isCut,
      WAIT_MS,
    );
  }
  hostile.command("alive", "read", { entity: "work_order", keys: [key] });
  expect(await hostile.result("alive")).toMatchObject({ code: "NOT_ALLOWED" });
});

test("drop by drop: an agent behind a slow line with a hostile relay still answers", async () => {
  await using proxy = await startTcpProxy({ port: hostile.port, delayMs: 1, chunkBytes: 200 });
  await stack.stopAgent();
  stack.agentPort = proxy.port;
  const { sessions } = hostile;
  stack.startAgent();
  await until("the agent to connect", () => hostile.sessions > sessions && !hostile.isCut, WAIT_MS);
  hostile.command("slowly", "write", { entity: "vendor", operation: "delete", key, values: {} });
  expect(await hostile.result("slowly")).toMatchObject({ code: "NOT_ALLOWED" });
  await stack.stopAgent();
});

test("afterwards: nothing but the allowed has changed, nothing hidden was told, the trail is whole, an honest relay is served", async () => {
  hostile.listen();
  await stack.stopAgent();
  expect(digests()).toEqual(plantBefore);
  expect(filesOutside()).toEqual(filesBefore);
  const said = hostile.heard.join("\n");
  expect(said.length).toBeGreaterThan(100_000);
  const secrets = [HIDDEN, SECRET, secretKey(), "root:x:0", process.env["PATH"] ?? "?", plant.file];
  expect(secrets.filter((secret) => said.includes(secret))).toEqual([]);
  await stack.command("agent", ["audit", "verify"]);
  const trail = await stack.command("agent", ["audit", "show", "--json"]);
  const facts = trail.split("\n").filter((line) => line.startsWith("{"));
  const done = [...hostile.results.values()].filter(({ outcome }) => outcome === "succeeded");
  for (const { command_id: id } of done)
    expect(facts.filter((fact) => fact.includes(`"${id}"`)).length).toBeGreaterThanOrEqual(2);
  expect(facts.filter((fact) => fact.includes('"refused"')).length).toBeGreaterThanOrEqual(30);
  stack.agentPort = undefined;
  await stack.startRelay();
  stack.startAgent();
  plant.db.prepare("UPDATE WORKORDER SET DESCRIPTION = 'honest again' WHERE rowid = ?").run(rowId);
  const vendors = plant.db.prepare("SELECT count(*) FROM COMPANIES").pluck().get();
  await until(
    "the honest relay to hold what the plant holds",
    async () => {
      const orders = JSON.stringify((await stack.get("/v1/work-orders?limit=200&status=in_progress")).body);
      const { body } = await stack.get("/v1/vendors?page=1&per_page=1");
      return orders.includes("honest again") && (body as Numbered).meta.total === vendors;
    },
    WAIT_MS,
  );
});

interface Numbered {
  readonly meta: { readonly total: number };
}

/** Documents that would reach for files, statements and addresses if anything read them so. */
function nonsense(malice: Malice): object {
  return {
    schedules: { "*": { poll_s: 1 } },
    entities: [malice.word()],
    custom_fields: { vendor: ["TAXREGISTRATION"], work_order: [malice.word()] },
    custom_entities: [
      { entity: "stolen", table: "COMPANIES", key: ["COMPANY"], columns: ["TAXREGISTRATION"] },
    ],
    remap: { vendor: { name: { column: "TAXREGISTRATION" } } },
    file: "/etc/passwd",
    statement: "DELETE FROM PO",
  };
}

function secretKey(): string {
  using database = AgentDatabase.open(join(stack.agentDir, "agent.db"));
  return database.identity()?.secretKey ?? "?";
}
