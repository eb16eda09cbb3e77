// OPC UA under load: 10,000 items at 1 s, signed and encrypted; reconnects until all are live; many reconnects with a flat heap.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { DEFAULT_SUPERVISION } from "#agent/core/room/supervision.ts";
import { roomProcess } from "#agent/platform/room-child.ts";
import type { BenchRow } from "./bench-row.ts";
import type { ClientStats, FromBenchClient, ToBenchClient } from "./opc-ua-client.ts";
import type { FromBenchServer, ToBenchServer } from "./opc-ua-server.ts";
import { Peer } from "./peer.ts";

export interface OpcUaBenchOptions {
  readonly isQuick: boolean;
  readonly say?: (text: string) => void;
  /** Overrides, for a shorter or longer look. */
  readonly items?: number;
  readonly seconds?: number;
  readonly reconnects?: number;
}

const ITEMS = 10_000;
const PERIOD_MS = 1_000;
const SECONDS = 60;
const RECONNECTS = 1_000;
const SOAK_ITEMS = 100;
/** Heap is read this many times during the soak; the first fifth is warming up. */
const HEAP_READINGS = 20;
const MB = 1_000_000;

/** Some ten minutes, most of them the reconnects; with `isQuick` less than one. */
export async function benchOpcUa(options: OpcUaBenchOptions): Promise<readonly BenchRow[]> {
  const { isQuick, say = () => {} } = options;
  const items = options.items ?? ITEMS;
  const folder = mkdtempSync(join(tmpdir(), "millrace-bench-opcua-"));
  try {
    const load = await sustained(folder, items, options.seconds ?? (isQuick ? 8 : SECONDS), say);
    const soak = await soaked(folder, options.reconnects ?? (isQuick ? 60 : RECONNECTS), say);
    return [...load, ...soak];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function sustained(
  folder: string,
  items: number,
  seconds: number,
  say: (text: string) => void,
): Promise<readonly BenchRow[]> {
  say(`${items} items every ${PERIOD_MS} ms for ${seconds} s`);
  await using pair = await startPair(folder, items);
  pair.client.send({ type: "mark" });
  const before = await pair.stats();
  pair.server.send({ type: "tick", everyMs: PERIOD_MS });
  await wait(seconds * 1_000);
  const after = await pair.stats();
  // Told once each item had shown its first change.
  await pair.client.next("all_live");
  pair.server.send({ type: "stop_ticking" });
  const { ticks } = await pair.server.next("stopped_ticking");
  const expected = ticks * items;
  const last = await pair.settled(expected);
  const liveMs = await reconnected(pair, say);
  const rate = (after.samples - before.samples) / seconds;
  return [
    {
      name: "opc-ua samples delivered",
      value: rate,
      unit: "1/s",
      note: `${ticks} changes of ${items} items`,
    },
    {
      name: "opc-ua samples lost",
      value: expected - last.samples,
      unit: "",
      ceiling: 0,
      note: `${last.gaps} gaps told`,
    },
    {
      name: "opc-ua CPU of the connector",
      value: (after.cpuMs - before.cpuMs) / (seconds * 10),
      unit: "% of one core",
    },
    { name: "opc-ua memory of the connector", value: after.rssBytes / MB, unit: "MB RSS", ceiling: 350 },
    ...liveMs,
  ];
}

/** From the fault to the moment when every item has shown a value again, with values changing all the while. */
async function reconnected(pair: Pair, say: (text: string) => void): Promise<readonly BenchRow[]> {
  const faults: readonly [string, ToBenchServer][] = [
    ["cut connection", { type: "cut" }],
    ["lost session", { type: "kill_sessions", keepSubscriptions: true }],
    ["lost subscriptions", { type: "kill_sessions", keepSubscriptions: false }],
  ];
  pair.server.send({ type: "tick", everyMs: PERIOD_MS });
  const rows: BenchRow[] = [];
  for (const [name, fault] of faults) {
    say(`reconnect after ${name}`);
    pair.server.send(fault);
    pair.client.send({ type: "mark" });
    const startMs = performance.now();
    await pair.client.next("all_live");
    rows.push({
      name: `opc-ua all live after ${name}`,
      value: (performance.now() - startMs) / 1_000,
      unit: "s",
      ceiling: 10,
    });
  }
  pair.server.send({ type: "stop_ticking" });
  await pair.server.next("stopped_ticking");
  return rows;
}

async function soaked(
  folder: string,
  reconnects: number,
  say: (text: string) => void,
): Promise<readonly BenchRow[]> {
  say(`${reconnects} reconnects`);
  await using pair = await startPair(folder, SOAK_ITEMS);
  pair.server.send({ type: "tick", everyMs: 50 });
  const every = Math.max(1, Math.floor(reconnects / HEAP_READINGS));
  const heap: (readonly [number, number])[] = [];
  for (let count = 1; count <= reconnects; count += 1) {
    const fault: ToBenchServer =
      count % 3 === 0 ? { type: "cut" } : { type: "kill_sessions", keepSubscriptions: count % 3 === 1 };
    pair.server.send(fault);
    // The fault reaches the client after the mark at the earliest; values seen anew prove that it is over.
    await wait(20);
    pair.client.send({ type: "mark" });
    await pair.client.next("all_live");
    if (count % every === 0 && count > reconnects / 5) heap.push([count, (await pair.stats()).heapBytes]);
  }
  return [
    {
      name: "opc-ua heap growth",
      value: (slopeOf(heap) * 1_000) / MB,
      unit: "MB per 1,000 reconnects",
      ceiling: 1,
      note: `${reconnects} reconnects, ${((heap.at(-1)?.[1] ?? 0) / MB).toFixed(1)} MB at the end`,
    },
  ];
}

/** Least squares. */
function slopeOf(points: readonly (readonly [number, number])[]): number {
  const count = Math.max(1, points.length);
  const meanX = points.reduce((sum, [x]) => sum + x, 0) / count;
  const meanY = points.reduce((sum, [, y]) => sum + y, 0) / count;
  const above = points.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0);
  const below = points.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0);
  return below === 0 ? 0 : above / below;
}

interface Pair extends AsyncDisposable {
  readonly server: Peer<ToBenchServer, FromBenchServer>;
  readonly client: Peer<ToBenchClient, FromBenchClient>;
  stats(): Promise<ClientStats>;
  /** Stats once this many samples came, or none came for a while. */
  settled(samples: number): Promise<ClientStats>;
}

async function startPair(folder: string, items: number): Promise<Pair> {
  const server = new Peer<ToBenchServer, FromBenchServer>("opc-ua-server.ts", [
    join(folder, "pki"),
    String(items),
  ]);
  const { endpointUrl, fingerprint } = await server.next("ready");
  // Started as the agent starts a connection's process: memory is one of the figures.
  const client = new Peer<ToBenchClient, FromBenchClient>(
    "opc-ua-client.ts",
    [endpointUrl, fingerprint, String(items), join(folder, "client")],
    roomProcess(DEFAULT_SUPERVISION.memoryBytes),
  );
  await client.next("all_live");
  const stats = (): Promise<ClientStats> => {
    client.send({ type: "stats" });
    return client.next("stats");
  };
  return {
    server,
    client,
    stats,
    async settled(samples) {
      let now = await stats();
      for (let idle = 0; now.samples < samples && idle < 20; idle += 1) {
        await wait(100);
        const next = await stats();
        if (next.samples > now.samples) idle = 0;
        now = next;
      }
      return now;
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([client.stop(), server.stop()]);
    },
  };
}
