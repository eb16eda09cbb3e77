// The public API's way to a plant and back: live reads and writes beside the bare driver's call, a hundred connections at once, one caller that floods.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import Database from "better-sqlite3";
import { Plant } from "#test/support/plant-stack.ts";
import { ProcessStack, type StackConnection } from "#test/support/process-stack.ts";
import { until } from "#test/support/until.ts";
import type { BenchOptions, BenchRow } from "./bench-row.ts";
import { Client, Flood, quantile, timed } from "./public-api-client.ts";

const ROUND_TRIPS = 400;
const QUICK_SHARE = 10;
/** Before anything is measured: four processes compile what they run often. */
const WARMING = 300;
/** Above the bare driver's own call, median. */
const MAX_ABOVE_BARE_MS = 3;
/** Of what others wait while one floods. */
const MAX_SLOWDOWN = 2;
/** Busy at once: two at the plants, the others sandboxes. */
const CONNECTIONS = 100;
const QUICK_CONNECTIONS = 20;
const READY_MS = 60_000;
const FILLED_MS = 300_000;
const ALLOW = { live_reads: true, writes_per_minute: 6_000, writes: { work_order: { update: "apply" } } };

/** About a minute. One relay, one agent, two connections, as processes; quotas as they are if nobody sets them. */
export async function benchPublicApi({ isQuick, say }: BenchOptions): Promise<readonly BenchRow[]> {
  const count = isQuick ? ROUND_TRIPS / QUICK_SHARE : ROUND_TRIPS;
  using busy = new Plant();
  using calm = new Plant({ seed: 2 });
  const connections = { busy: connectionOf(busy), calm: connectionOf(calm) };
  await using stack = await ProcessStack.create({ connections });
  const client = new Client(stack.relayPort, await tokenOf(stack, ["--scope", "admin"]));
  stack.startAgent();
  const [mine, other] = [await orderOf(client, stack, "calm"), await orderOf(client, stack, "busy")];
  say("round trips");
  const warming = isQuick ? WARMING / QUICK_SHARE : WARMING;
  const write = (n: number): Promise<string> =>
    client.ask(mine, { method: "PATCH", body: { title: `bench ${n}` } });
  await timed(warming, () => client.ask(`${mine}?source=live`));
  await timed(warming, write);
  const bare = bareDriver(calm, count);
  const live = await timed(count, () => client.ask(`${mine}?source=live`));
  const written = await timed(count, write);
  const commits = syncedCommits(stack.dir, count);
  const flooding = await flooded({ stack, client, mine, other, count, say });
  const many = await manyAtOnce({
    client,
    plants: [mine, other],
    count: isQuick ? QUICK_CONNECTIONS : CONNECTIONS,
    say,
  });
  client.close();
  return [
    ...aboveBare("live read round trip", live, bare.read),
    ...aboveBare("write round trip", written, bare.write),
    {
      name: "a synced commit on this disk: median",
      value: quantile(commits, 0.5),
      unit: "ms",
      note: `one row, WAL, synchronous=FULL; p99 ${quantile(commits, 0.99)} ms; a write has four of them on its way, and the source's`,
    },
    ...many,
    ...flooding,
  ];
}

function connectionOf(plant: Plant): StackConnection {
  // As often as the pack says, not as tests want it: a write is looked for at once anyway.
  const base = plant.connection({ allow: ALLOW, poll: undefined, reconcile: undefined });
  return { ...base, settings: { ...base.settings, write: { allow: true } } };
}

async function tokenOf(stack: ProcessStack, more: readonly string[]): Promise<string> {
  const scopes = ["--scope", "read", "--scope", "write"];
  const said = await stack.command("relay", ["token", "create", "--workspace", "stack", ...more, ...scopes]);
  return /mr_(?:ws|live|test)_\w+/.exec(said)?.[0] ?? "";
}

/** The address of an open work order, once it can be read and written. */
async function orderOf(client: Client, stack: ProcessStack, connection: string): Promise<string> {
  const id = stack.connectionId(connection);
  return until(
    `${connection} to be read`,
    async () => {
      if ((await statusOf(client, id)) !== "online") return undefined;
      const path = await firstOrder(client, id);
      if (path === undefined) return undefined;
      const text = await client.ask(`${path}?source=live`, { alsoStatus: 503 });
      return text.includes('"freshness"') ? path : undefined;
    },
    READY_MS,
  );
}

async function statusOf(client: Client, connectionId: string): Promise<string> {
  const text = await client.ask(`/v1/connections/${connectionId}`);
  return (JSON.parse(text) as { readonly status: string }).status;
}

async function firstOrder(client: Client, connectionId: string): Promise<string | undefined> {
  const text = await client.ask(`/v1/work-orders?limit=1&status=in_progress&connection_id=${connectionId}`);
  const { data } = JSON.parse(text) as { readonly data: readonly { readonly id: string }[] };
  return data[0] && `/v1/work-orders/${data[0].id}`;
}

/** What the agent's connector asks of the same driver and file, and nothing around it; ms each. */
function bareDriver(
  plant: Plant,
  count: number,
): { readonly read: readonly number[]; readonly write: readonly number[] } {
  using database = closing(new Database(plant.file));
  const { db } = database;
  const select = db.prepare("SELECT * FROM WORKORDER WHERE SITEID = ? AND WONUM = ?");
  const update = db.prepare("UPDATE WORKORDER SET DESCRIPTION = ? WHERE SITEID = ? AND WONUM = ?");
  const { SITEID, WONUM } = db
    .prepare("SELECT SITEID, WONUM FROM WORKORDER WHERE STATUS = 'INPRG'")
    .get() as {
    readonly SITEID: string;
    readonly WONUM: string;
  };
  const [read, write]: [number[], number[]] = [[], []];
  const measure = (into: number[], work: () => void): void => {
    const start = performance.now();
    work();
    into.push(performance.now() - start);
  };
  for (let n = 0; n < count; n += 1) measure(read, () => void select.get(SITEID, WONUM));
  for (let n = 0; n < count; n += 1)
    measure(write, () => {
      db.exec("BEGIN IMMEDIATE");
      update.run(`bare ${n}`, SITEID, WONUM);
      select.get(SITEID, WONUM);
      db.exec("COMMIT");
    });
  return { read, write };
}

/** ms each. */
function syncedCommits(dir: string, count: number): readonly number[] {
  using database = closing(new Database(join(dir, "commits.db")));
  const { db } = database;
  db.pragma("journal_mode = WAL");
  db.pragma("synchronous = FULL");
  db.exec("CREATE TABLE t (a TEXT)");
  const insert = db.prepare("INSERT INTO t VALUES (?)");
  const took: number[] = [];
  for (let n = 0; n < count; n += 1) {
    const start = performance.now();
    insert.run("x".repeat(1_000));
    took.push(performance.now() - start);
  }
  return took;
}

function closing(db: Database.Database): Disposable & { readonly db: Database.Database } {
  return { db, [Symbol.dispose]: () => void db.close() };
}

function aboveBare(name: string, ours: readonly number[], bare: readonly number[]): readonly BenchRow[] {
  const median = quantile(ours, 0.5);
  const above = median - quantile(bare, 0.5);
  const note = `${ours.length} one after the other; the bare driver's call: median ${quantile(bare, 0.5)} ms, p99 ${quantile(bare, 0.99)} ms`;
  return [
    { name: `${name}: median`, value: median, unit: "ms", note },
    {
      name: `${name}: above the bare driver`,
      value: Number(above.toFixed(2)),
      unit: "ms",
      ceiling: MAX_ABOVE_BARE_MS,
      note,
    },
    { name: `${name}: p99`, value: quantile(ours, 0.99), unit: "ms", note },
    {
      name: `${name}: rate`,
      value: Math.round(1_000 / median),
      unit: "requests/s",
      note: "one caller, at the median",
    },
  ];
}

interface Flooding {
  readonly stack: ProcessStack;
  readonly client: Client;
  /** Addresses of a record each, of the connection that asks and of the one that floods. */
  readonly mine: string;
  readonly other: string;
  readonly count: number;
  readonly say: (text: string) => void;
}

/** What a stored read waits while another token floods; and the same flood at a bare Fastify that has both answers at hand. */
async function flooded({ stack, client, mine, other, count, say }: Flooding): Promise<readonly BenchRow[]> {
  say("a flood");
  const flooder = await tokenOf(stack, ["--connection", "busy"]);
  const ours = await underFlood(stack.relayPort, client, { flooder, other, mine, count });
  await using bare = await bareServer(flooder, await client.ask(mine));
  const plain = new Client(bare.port, "nobody");
  const theirs = await underFlood(bare.port, plain, { flooder, other, mine, count });
  plain.close();
  const at99 = (times: readonly number[]): number => quantile(times, 0.99);
  return [
    {
      name: "stored get, nobody floods: p99",
      value: at99(ours.before),
      unit: "ms",
      note: `${count} one after the other`,
    },
    {
      name: "stored get, another connection's token floods: p99",
      value: at99(ours.during),
      unit: "ms",
      ceiling: Number((at99(ours.before) * MAX_SLOWDOWN).toFixed(2)),
      note: `${Flood.sockets} sockets, ${ours.answers} requests answered meanwhile, most of them 429; demanded: ${MAX_SLOWDOWN} times what it is without`,
    },
    {
      name: "stored get, the same flood at a bare Fastify: p99",
      value: at99(theirs.during),
      unit: "ms",
      note: `${at99(theirs.before)} ms without; ${theirs.answers} requests answered meanwhile, each with a 429 at hand`,
    },
  ];
}

interface UnderFlood {
  readonly before: readonly number[];
  readonly during: readonly number[];
  readonly answers: number;
}

async function underFlood(
  port: number,
  client: Client,
  { flooder, other, mine, count }: { readonly flooder: string } & Pick<Flooding, "other" | "mine" | "count">,
): Promise<UnderFlood> {
  await timed(count, () => client.ask(mine));
  const before = await timed(count, () => client.ask(mine));
  const flood = new Flood(port, flooder, other);
  const during = await timed(count, () => client.ask(mine));
  return { before, during, answers: flood.stop() };
}

async function bareServer(
  flooder: string,
  served: string,
): Promise<AsyncDisposable & { readonly port: number }> {
  const script = fileURLToPath(new URL("public-api-bare.ts", import.meta.url));
  const refused = JSON.stringify({ code: "RATE_LIMIT_EXCEEDED", detail: "x".repeat(300) });
  const child = spawn(process.execPath, [script, flooder, served, refused], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const [line] = (await once(child.stdout, "data")) as [Buffer];
  return {
    port: Number(line.toString()),
    async [Symbol.asyncDispose]() {
      const ended = once(child, "exit");
      child.stdin.end();
      await ended;
    },
  };
}

interface Many {
  readonly client: Client;
  readonly plants: readonly string[];
  readonly count: number;
  readonly say: (text: string) => void;
}

/** One live read of each connection at once, and one write of each. */
async function manyAtOnce({ client, plants, count, say }: Many): Promise<readonly BenchRow[]> {
  say(`${count} connections`);
  const sandboxes: string[] = [];
  for (let n = plants.length; n < count; n += 1) sandboxes.push(await sandboxOrder(client, n));
  const orders = [...plants, ...sandboxes];
  const patch = { method: "PATCH", body: { title: "at once" } };
  const rounds = async (ask: (path: string) => Promise<unknown>): Promise<readonly number[]> =>
    timed(5, () => Promise.all(orders.map(ask)));
  client.refusals = 0;
  const read = await rounds((path) => client.ask(`${path}?source=live`, { alsoStatus: 503 }));
  const written = await rounds((path) => client.ask(path, { ...patch, alsoStatus: 503 }));
  const refusals = client.refusals;
  const note = `${plants.length} at plants, ${sandboxes.length} sandboxes; one request each, median of 5 rounds`;
  return [
    {
      name: `${count} connections, a live read each at once: all answered`,
      value: quantile(read, 0.5),
      unit: "ms",
      note,
    },
    {
      name: `${count} connections, a write each at once: all answered`,
      value: quantile(written, 0.5),
      unit: "ms",
      note,
    },
    {
      name: `${count} connections at once: refused`,
      value: refusals,
      unit: "of " + String(count * 10),
      ceiling: 0,
      note,
    },
  ];
}

/** A sandbox of its own; the address of one of its work orders, once it is filled. */
async function sandboxOrder(client: Client, n: number): Promise<string> {
  const body = { name: `sandbox-${n}`, kind: "sandbox" };
  const { id } = JSON.parse(await client.ask("/admin/v1/connections", { method: "POST", body })) as {
    readonly id: string;
  };
  return until(
    `sandbox ${n} to be filled`,
    async () => ((await statusOf(client, id)) === "online" ? firstOrder(client, id) : undefined),
    FILLED_MS,
  );
}
