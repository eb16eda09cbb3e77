// The public API's way to a plant and back: live reads and writes beside the bare driver's call, many at once, one caller that floods.
import { Agent, request } from "node:http";
import { connect } from "node:net";
import Database from "better-sqlite3";
import { Plant } from "#test/support/plant-stack.ts";
import { ProcessStack, type StackConnection } from "#test/support/process-stack.ts";
import { until } from "#test/support/until.ts";
import type { BenchOptions, BenchRow } from "./bench-row.ts";

const ROUND_TRIPS = 400;
const QUICK_SHARE = 10;
/** Above the bare driver's own call, median. */
const MAX_ABOVE_BARE_MS = 3;
/** Of what others wait while one floods. */
const MAX_SLOWDOWN = 2;
const AT_ONCE = 100;
const FLOOD_SOCKETS = 8;
const PIPELINED = 50;
const READY_MS = 60_000;
const ALLOW = { live_reads: true, writes_per_minute: 6_000, writes: { work_order: { update: "apply" } } };

/** About 20 s. One relay, one agent, two connections, as processes; quotas as they are if nobody sets them. */
export async function benchPublicApi({ isQuick, say }: BenchOptions): Promise<readonly BenchRow[]> {
  const count = isQuick ? ROUND_TRIPS / QUICK_SHARE : ROUND_TRIPS;
  using busy = new Plant();
  using calm = new Plant({ seed: 2 });
  const connections = { busy: connectionOf(busy), calm: connectionOf(calm) };
  await using stack = await ProcessStack.create({ connections });
  const client = new Client(stack, await tokenOf(stack, []));
  stack.startAgent();
  const [mine, other] = [await orderOf(client, stack, "calm"), await orderOf(client, stack, "busy")];
  say("round trips");
  const bare = bareDriver(calm, count);
  const live = await timed(count, () => client.ask("GET", `${mine}?source=live`));
  const written = await timed(count, (n) => client.ask("PATCH", mine, { title: `bench ${n}` }));
  const many = await timed(isQuick ? 1 : 5, () =>
    Promise.all(
      Array.from({ length: AT_ONCE }, (_, n) =>
        client.ask("GET", `${n % 2 === 0 ? mine : other}?source=live`, undefined, 503),
      ),
    ),
  );
  say("a flood");
  const before = await timed(count, () => client.ask("GET", mine));
  const flood = new Flood(stack.relayPort, await tokenOf(stack, ["--connection", "busy"]), other);
  const during = await timed(count, () => client.ask("GET", mine));
  const refused = flood.stop();
  client.close();
  return [
    ...aboveBare("live read round trip", live, bare.read),
    ...aboveBare("write round trip", written, bare.write),
    {
      name: `${AT_ONCE} live reads at once: all answered`,
      value: at(many, 0.5),
      unit: "ms",
      note: `${client.refusals} of them 503 OVERLOADED: 8 under way and 32 waiting for each agent`,
    },
    {
      name: "stored get, nobody floods: p99",
      value: at(before, 0.99),
      unit: "ms",
      note: `${count} one after the other`,
    },
    {
      name: "stored get, another connection's token floods: p99",
      value: at(during, 0.99),
      unit: "ms",
      ceiling: Number((at(before, 0.99) * MAX_SLOWDOWN).toFixed(2)),
      note: `${FLOOD_SOCKETS} sockets, ${refused} requests answered meanwhile, most of them 429; demanded: ${MAX_SLOWDOWN} times what it is without`,
    },
  ];
}

function connectionOf(plant: Plant): StackConnection {
  const base = plant.connection({ allow: ALLOW });
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
      const { status } = JSON.parse(await client.ask("GET", `/v1/connections/${id}`)) as {
        readonly status: string;
      };
      if (status !== "online") return undefined;
      const text = await client.ask("GET", `/v1/work-orders?limit=1&status=in_progress&connection_id=${id}`);
      const { data } = JSON.parse(text) as { readonly data: readonly { readonly id: string }[] };
      if (data[0] === undefined) return undefined;
      const path = `/v1/work-orders/${data[0].id}`;
      return (await client.ask("GET", `${path}?source=live`, undefined, 503)).includes('"freshness"')
        ? path
        : undefined;
    },
    READY_MS,
  );
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

function closing(db: Database.Database): Disposable & { readonly db: Database.Database } {
  return { db, [Symbol.dispose]: () => void db.close() };
}

function aboveBare(name: string, ours: readonly number[], bare: readonly number[]): readonly BenchRow[] {
  const above = at(ours, 0.5) - at(bare, 0.5);
  const note = `${ours.length} one after the other; the bare driver's call: median ${at(bare, 0.5)} ms, p99 ${at(bare, 0.99)} ms`;
  return [
    { name: `${name}: median`, value: at(ours, 0.5), unit: "ms", note },
    {
      name: `${name}: above the bare driver`,
      value: Number(above.toFixed(2)),
      unit: "ms",
      ceiling: MAX_ABOVE_BARE_MS,
      note,
    },
    { name: `${name}: p99`, value: at(ours, 0.99), unit: "ms", note },
    {
      name: `${name}: rate`,
      value: Math.round(1_000 / at(ours, 0.5)),
      unit: "requests/s",
      note: "one caller, at the median",
    },
  ];
}

async function timed(count: number, work: (n: number) => Promise<unknown>): Promise<readonly number[]> {
  const took: number[] = [];
  for (let n = 0; n < count; n += 1) {
    const start = performance.now();
    await work(n);
    took.push(performance.now() - start);
  }
  return took;
}

function at(times: readonly number[], share: number): number {
  const sorted = times.toSorted((a, b) => a - b);
  return Number((sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0).toFixed(2));
}

/** Keep-alive requests; whatever is not expected ends the benchmark. */
class Client {
  refusals = 0;
  readonly #agent = new Agent({ keepAlive: true });
  readonly #stack: ProcessStack;
  readonly #token: string;

  constructor(stack: ProcessStack, token: string) {
    this.#stack = stack;
    this.#token = token;
  }

  close(): void {
    this.#agent.destroy();
  }

  ask(method: string, path: string, body?: object, alsoStatus = 200): Promise<string> {
    return new Promise((resolve, reject) => {
      const headers = {
        authorization: `Bearer ${this.#token}`,
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      };
      const to = {
        host: "127.0.0.1",
        port: this.#stack.relayPort,
        method,
        path,
        headers,
        agent: this.#agent,
      };
      const sent = request(to, (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("end", () => {
          const text = Buffer.concat(chunks).toString();
          if (response.statusCode !== 200) this.refusals += 1;
          if (response.statusCode === 200 || response.statusCode === alsoStatus) resolve(text);
          else reject(new TypeError(`${method} ${path}: ${response.statusCode} ${text.slice(0, 300)}`));
        });
      });
      sent.on("error", reject);
      sent.end(body === undefined ? undefined : JSON.stringify(body));
    });
  }
}

/** Asks as fast as the relay reads, without looking at the answers. */
class Flood {
  #answers = 0;
  readonly #sockets;

  constructor(port: number, token: string, path: string) {
    const text = `GET ${path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${token}\r\n\r\n`.repeat(
      PIPELINED,
    );
    this.#sockets = Array.from({ length: FLOOD_SOCKETS }, () => {
      const socket = connect(port, "127.0.0.1", () => socket.write(text));
      let open = PIPELINED;
      socket.on("error", () => socket.destroy());
      socket.on("data", (chunk: Buffer) => {
        const count = chunk.toString("latin1").split("HTTP/1.1 ").length - 1;
        this.#answers += count;
        open -= count;
        if (open > 0) return;
        open += PIPELINED;
        socket.write(text);
      });
      return socket;
    });
  }

  /** How many requests were answered. */
  stop(): number {
    for (const socket of this.#sockets) socket.destroy();
    return this.#answers;
  }
}
