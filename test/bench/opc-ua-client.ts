// The connector under measurement, in a process of its own: counts what it delivers and what that costs.
import { opcUaDefinition } from "#agent/connectors/opc-ua/definition.ts";
import { systemClock } from "#common/runtime/clock.ts";
import { silentLogger } from "#common/runtime/logger.ts";

export type ToBenchClient =
  /** Count from zero; tell when every point has been seen anew. */
  { readonly type: "mark" } | { readonly type: "stats" };

export interface ClientStats {
  readonly type: "stats";
  readonly samples: number;
  readonly gaps: number;
  readonly cpuMs: number;
  readonly rssBytes: number;
  readonly heapBytes: number;
}
export type FromBenchClient =
  | ClientStats
  | { readonly type: "all_live" }
  | { readonly type: "failed"; readonly message: string };

const [, , endpoint = "", fingerprint = "", points = "0", dataDir = ""] = process.argv;
const parsed = opcUaDefinition.parseConfig({
  endpoint,
  server_fingerprint: fingerprint,
  discover: { namespaces: ["urn:test:items"], max: 50_000 },
  sampling_ms: 0,
  publishing_ms: 500,
  keep_alive_ms: 2_000,
});
if (!parsed.ok) throw new TypeError(JSON.stringify(parsed.issues));
const connector = opcUaDefinition.create(parsed.value, {
  connection: "bench",
  plans: [],
  timeZone: "UTC",
  clock: systemClock,
  logger: silentLogger,
  dataDir,
});

let samples = 0;
let gaps = 0;
let unseen: Set<string> | undefined;
const seen = new Set<string>();

process.on("message", (message: ToBenchClient) => {
  if (message.type === "mark") {
    samples = 0;
    gaps = 0;
    unseen = new Set(seen);
  } else {
    globalThis.gc?.();
    globalThis.gc?.();
    const { user, system } = process.cpuUsage();
    const { rss, heapUsed } = process.memoryUsage();
    say({ type: "stats", samples, gaps, cpuMs: (user + system) / 1_000, rssBytes: rss, heapBytes: heapUsed });
  }
});
process.once("disconnect", () => process.exit(0));

try {
  await connector.open(AbortSignal.timeout(60_000));
  const { signal } = new AbortController();
  const request = {
    entity: "telemetry_sample",
    pass: "subscribe",
    after: undefined,
    maxRows: 500,
    signal,
  } as const;
  for await (const batch of connector.read(request)) {
    samples += batch.samples?.length ?? 0;
    gaps += batch.gaps?.length ?? 0;
    for (const { point } of batch.samples ?? []) see(point);
  }
} catch (error) {
  say({ type: "failed", message: String(error) });
}

function see(point: string): void {
  if (unseen !== undefined) {
    if (unseen.delete(point) && unseen.size === 0) {
      unseen = undefined;
      say({ type: "all_live" });
    }
  } else if (seen.size < Number(points)) {
    seen.add(point);
    if (seen.size === Number(points)) say({ type: "all_live" });
  }
}

function say(message: FromBenchClient): void {
  process.send?.(message);
}
