// SQL Server and Oracle as sources: snapshots beside the bare driver, changes by each strategy, flat memory, idle polls.
import { DEFAULT_SUPERVISION } from "#agent/core/room/supervision.ts";
import { roomProcess } from "#agent/platform/room-child.ts";
import type { BenchOptions, BenchRow } from "./bench-row.ts";
import { Peer } from "./peer.ts";
import type { BareResult, FromBareDriver, ToBareDriver } from "./sql-bare-driver.ts";
import type { FromSqlClient, ReadResult, ToSqlClient } from "./sql-source-client.ts";
import type { FromSqlServer, ServerLoad, ToSqlServer } from "./sql-source-server.ts";
import {
  FLAT_TABLE,
  planOf,
  type Product,
  SNAPSHOT_TABLE,
  STRATEGIES,
  type Strategy,
} from "./sql-source-tables.ts";

const SNAPSHOT_ROWS = { full: 300_000, quick: 60_000 } as const;
const FLAT_ROWS = { full: 10_000_000, quick: 300_000 } as const;
/** Where all of them would take longer than this, it is the first 3,000,000. */
const FLAT_LIMIT_MS = 6 * 60_000;
const FEWER_FLAT_ROWS = 3_000_000;
const CHANGE_ROWS = { full: 10_000, quick: 4_000 } as const;
/** Connector and bare driver take turns this often, so that a busy moment of the machine falls on both. */
const TURNS = 3;
const IDLE_POLLS = 10;
const READ_TIMEOUT_MS = 20 * 60_000;
const MEMORY_CEILING_MB = 250;
const MB = 1_000_000;
const EQUIPMENT = "against our own test server";

type Server = Peer<ToSqlServer, FromSqlServer>;
type Client = Peer<ToSqlClient, FromSqlClient>;

interface Stage {
  readonly product: Product;
  readonly server: Server;
  readonly settings: object;
  readonly size: "full" | "quick";
  readonly say: (text: string) => void;
}

/** Some fifteen minutes, most of them the large snapshots; with `isQuick` less than two. */
export async function benchSqlSources({ isQuick, say }: BenchOptions): Promise<readonly BenchRow[]> {
  const rows: BenchRow[] = [];
  for (const product of ["sql-server", "oracle"] as const) {
    rows.push(...(await benchProduct(product, isQuick ? "quick" : "full", say)));
  }
  return rows;
}

async function benchProduct(
  product: Product,
  size: Stage["size"],
  say: Stage["say"],
): Promise<readonly BenchRow[]> {
  const counts = [SNAPSHOT_ROWS[size], FLAT_ROWS[size], CHANGE_ROWS[size]].map(String);
  await using server: Server = new Peer("sql-source-server.ts", [product, ...counts]);
  const { settings } = await server.next("ready");
  const stage: Stage = { product, server, settings, size, say };
  const snapshot = await benchSnapshot(stage);
  const changes = await benchChanges(stage);
  const flat = await benchFlat(stage, snapshot.rowsPerMs);
  return [...snapshot.rows, ...changes, ...flat];
}

/** Started as the agent starts a connection's process: memory is one of the figures. */
function startClient({ product }: Stage): Client {
  return new Peer("sql-source-client.ts", [product], roomProcess(DEFAULT_SUPERVISION.memoryBytes));
}

async function benchSnapshot(
  stage: Stage,
): Promise<{ readonly rows: readonly BenchRow[]; readonly rowsPerMs: number }> {
  const { product, server, settings, size, say } = stage;
  const count = SNAPSHOT_ROWS[size];
  say(`${product}: snapshot of ${count} rows, connector and bare driver in turns`);
  await using client = startClient(stage);
  await client.ask({ type: "open", settings, plans: [planOf(product, SNAPSHOT_TABLE)] }, "opened");
  await using bare = new Peer<ToBareDriver, FromBareDriver>(
    "sql-bare-driver.ts",
    [product, JSON.stringify(settings)],
    roomProcess(DEFAULT_SUPERVISION.memoryBytes),
  );
  await bare.next("ready");
  const readAll = (): Promise<ReadResult> =>
    client.ask({ type: "read", entity: SNAPSHOT_TABLE, pass: "snapshot" }, "read", READ_TIMEOUT_MS);
  await server.ask({ type: "forget" }, "forgotten");
  // Each reads everything once before it counts: compilers and caches of all three processes are warm then.
  await readAll();
  const statements = pagesIn(await server.ask({ type: "load" }, "load"));
  const readBare = (): Promise<BareResult> =>
    bare.ask({ type: "read", ...statements }, "read", READ_TIMEOUT_MS);
  await readBare();
  const own: Cost[] = [];
  const driver: Cost[] = [];
  let serverMs = 0;
  for (let turn = 0; turn < TURNS; turn += 1) {
    const read = await withServerCpu(server, readAll);
    serverMs += read.serverMs;
    own.push(read.result);
    driver.push(await readBare());
  }
  for (const { rows } of [...own, ...driver]) expectRows(rows, count, `${product} snapshot`);
  const total = sumOf(own);
  return { rows: snapshotRows(product, total, sumOf(driver), serverMs), rowsPerMs: total.rows / total.ms };
}

type Cost = Pick<ReadResult, "rows" | "ms" | "cpuMs">;

function sumOf(costs: readonly Cost[]): Cost {
  const sum = (part: keyof Cost): number => costs.reduce((total, cost) => total + cost[part], 0);
  return { rows: sum("rows"), ms: sum("ms"), cpuMs: sum("cpuMs") };
}

function snapshotRows(product: Product, own: Cost, bare: Cost, serverMs: number): readonly BenchRow[] {
  const rate = (own.rows / own.ms) * 1_000;
  const bareRate = (bare.rows / bare.ms) * 1_000;
  const share = Math.round((serverMs / own.ms) * 100);
  return [
    {
      name: `${product} snapshot`,
      value: Math.round(rate),
      unit: "rows/s",
      ratio: rate / bareRate,
      floor: 0.5,
      note: `${own.rows / TURNS} rows, ${TURNS} times; bare driver ${Math.round(bareRate)} rows/s; ${EQUIPMENT}, which took ${share}% of one core meanwhile`,
    },
    {
      name: `${product} snapshot, CPU of the reader`,
      value: (own.cpuMs / own.rows) * 1_000,
      unit: "µs/row",
      ratio: own.cpuMs / bare.cpuMs,
      note: `bare driver ${perRow(bare)} µs/row: the server's speed is not in here`,
    },
  ];
}

/** As the connector sent them. */
function pagesIn({ texts }: ServerLoad): { readonly first: string; readonly next: string } {
  const pages = texts.filter((text) => text.toLowerCase().includes(`from ${quoted(text)}`));
  const [first, next] = pages;
  if (first === undefined || next === undefined)
    throw new TypeError(`no pages of ${SNAPSHOT_TABLE} among the statements: ${texts.join(" | ")}`);
  return { first, next };
}

function quoted(text: string): string {
  return text.includes("[") ? `[dbo].[${SNAPSHOT_TABLE}]` : `"plant"."${SNAPSHOT_TABLE}"`;
}

async function withServerCpu<T>(
  server: Server,
  work: () => Promise<T>,
): Promise<{ readonly result: T; readonly serverMs: number }> {
  const before = await server.ask({ type: "load" }, "load");
  const result = await work();
  const after = await server.ask({ type: "load" }, "load");
  return { result, serverMs: after.cpuMs - before.cpuMs };
}

async function benchChanges(stage: Stage): Promise<readonly BenchRow[]> {
  await using client = startClient(stage);
  const idle: BenchRow[] = [];
  const changes: BenchRow[] = [];
  for (const strategy of STRATEGIES[stage.product]) {
    stage.say(`${stage.product}: ${strategy.name}`);
    await follow(client, stage, strategy);
    idle.push(await benchIdle(client, stage, strategy));
    changes.push(await benchChange(client, stage, strategy));
  }
  return [...changes, ...idle];
}

async function follow(client: Client, stage: Stage, strategy: Strategy): Promise<void> {
  const { product, settings } = stage;
  const { strategies } = await client.ask(
    {
      type: "open",
      settings: { ...settings, changes: strategy.setting },
      plans: [planOf(product, strategy.table, strategy.change)],
    },
    "opened",
  );
  if (!strategy.says.test(strategies[0] ?? ""))
    throw new TypeError(
      `${strategy.table} was to be followed by ${strategy.name}, and is by ${strategies[0]}`,
    );
  // The first establishes "now", the second has looked once whether the source is still the same.
  await poll(client, strategy);
  await poll(client, strategy);
}

function poll(client: Client, { table }: Strategy): Promise<ReadResult> {
  return client.ask({ type: "read", entity: table, pass: "incremental" }, "read", READ_TIMEOUT_MS);
}

async function benchIdle(
  client: Client,
  { product, server, size }: Stage,
  strategy: Strategy,
): Promise<BenchRow> {
  await server.ask({ type: "forget" }, "forgotten");
  let given = 0;
  for (let count = 0; count < IDLE_POLLS; count += 1) given += (await poll(client, strategy)).rows;
  const { statements, rowsRead } = await server.ask({ type: "load" }, "load");
  const isScan = strategy.change.kind === "full_scan" && strategy.name === "full scan";
  expectRows(
    given,
    isScan ? CHANGE_ROWS[size] * IDLE_POLLS : 0,
    `${IDLE_POLLS} idle polls of ${strategy.table}`,
  );
  return {
    name: `${product} idle poll, ${strategy.name}`,
    value: statements / IDLE_POLLS,
    unit: "statements",
    note: `${round(rowsRead / IDLE_POLLS)} rows read by the server, catalogue included; ${given / IDLE_POLLS} given out; table of ${CHANGE_ROWS[size]}`,
  };
}

async function benchChange(
  client: Client,
  { product, server, size }: Stage,
  strategy: Strategy,
): Promise<BenchRow> {
  const change = (): Promise<unknown> =>
    server.ask({ type: "change", table: strategy.table }, "changed", READ_TIMEOUT_MS);
  // The first round warms the compilers of both processes up.
  await change();
  await poll(client, strategy);
  await change();
  const { result, serverMs } = await withServerCpu(server, () => poll(client, strategy));
  expectRows(result.rows, CHANGE_ROWS[size], `changes by ${strategy.name}`);
  return {
    name: `${product} changes, ${strategy.name}`,
    value: Math.round((result.rows / result.ms) * 1_000),
    unit: "rows/s",
    note: `each of ${result.rows} rows changed once; reader's CPU ${perRow(result)} µs/row; ${EQUIPMENT}, busy ${Math.round((serverMs / result.ms) * 100)}% of the time`,
  };
}

async function benchFlat(stage: Stage, rowsPerMs: number): Promise<readonly BenchRow[]> {
  const { product, settings, size, say } = stage;
  const all = FLAT_ROWS[size];
  const expectedMs = all / rowsPerMs;
  const isCut = expectedMs > FLAT_LIMIT_MS;
  const limit = isCut ? FEWER_FLAT_ROWS : all;
  say(`${product}: memory over a snapshot of ${limit} rows`);
  await using client = startClient(stage);
  await client.ask({ type: "open", settings, plans: [planOf(product, FLAT_TABLE)] }, "opened");
  const result = await client.ask(
    { type: "read", entity: FLAT_TABLE, pass: "snapshot", limit },
    "read",
    READ_TIMEOUT_MS,
  );
  expectRows(result.rows, limit, `${product} large snapshot`);
  const tenths = result.tenths.map((bytes) => Math.round(bytes / MB)).join(" ");
  const minutes = Math.round(expectedMs / 60_000);
  const cut = isCut ? `NOT all ${all}, which would take ${minutes} min here: ` : "";
  return [
    {
      name: `${product} memory of the connector`,
      value: result.peakBytes / MB,
      unit: "MB RSS",
      ceiling: MEMORY_CEILING_MB,
      note: `${cut}the highest ever over ${limit} rows; at each tenth of them ${tenths}; ${EQUIPMENT}`,
    },
  ];
}

function perRow({ cpuMs, rows }: Cost): string {
  return ((cpuMs / rows) * 1_000).toFixed(1);
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

/** A figure of something else than what was meant is none. */
function expectRows(got: number, wanted: number, what: string): void {
  if (got !== wanted) throw new TypeError(`${what}: ${got} rows came, ${wanted} were expected`);
}
