// The demo plant's database as a process of its own: fills the file once, then keeps changing it until told to stop.
//
//   node test/demo/plant/plant-database.ts --file plant.db --rate 5 [--seed 1] [--scale 1]
//
// When forked it reports { type: "ready" | "changed", … } and takes { type: "rate", rate } and { type: "stop" }.
import { parseArgs } from "node:util";
import { openOrSeedPlant } from "./database.ts";
import type { ChangeKind } from "./changes.ts";
import { createMutator } from "./mutate.ts";
import { Random } from "./random.ts";

/** Changes are made in small portions, this often, ms. */
const TICK_MS = 50;
const REPORT_EVERY_MS = 1_000;
/** After a pause (a suspended laptop) at most this much is caught up, seconds of changes. */
const MAX_CATCH_UP_S = 1;

export type PlantMessage =
  /** The file is filled and may be opened. */
  | { readonly type: "ready"; readonly file: string }
  /** Since the start, by kind. */
  | { readonly type: "changed"; readonly total: number; readonly kinds: Readonly<Record<string, number>> };

export type PlantOrder = { readonly type: "rate"; readonly rate: number } | { readonly type: "stop" };

const { values } = parseArgs({
  options: {
    file: { type: "string" },
    rate: { type: "string", default: "5" },
    seed: { type: "string", default: "1" },
    scale: { type: "string", default: "1" },
  },
});

main();

function main(): void {
  const { file } = values;
  const [rate, seed, scale] = [values.rate, values.seed, values.scale].map(Number);
  if (file === undefined || !isCount(rate) || !isCount(seed) || !isCount(scale) || scale === 0) {
    process.stderr.write("usage: plant-database.ts --file FILE [--rate CHANGES/S] [--seed N] [--scale N]\n");
    process.exitCode = 2;
    leave();
    return;
  }
  run(file, rate, seed, scale);
}

function run(file: string, initialRate: number, seed: number, scale: number): void {
  const db = openOrSeedPlant(file, { seed, scale, nowMs: Date.now() });
  // Another start goes on differently: the first seed alone would repeat the same changes.
  const mutator = createMutator(db, new Random(seed + Math.floor(Date.now() / 1000)), () => Date.now());
  const kinds: Partial<Record<ChangeKind, number>> = {};
  let rate = initialRate;
  let total = 0;
  let due = 0;
  let last = performance.now();

  const tick = (): void => {
    const now = performance.now();
    due = Math.min(due + (rate * (now - last)) / 1000, Math.max(1, rate * MAX_CATCH_UP_S));
    last = now;
    for (; due >= 1; due -= 1) {
      const kind = mutator.mutate();
      if (kind === undefined) continue;
      kinds[kind] = (kinds[kind] ?? 0) + 1;
      total += 1;
    }
  };
  const report = (): void => tell({ type: "changed", total, kinds });
  const timers = [setInterval(tick, TICK_MS), setInterval(report, REPORT_EVERY_MS)];
  const stop = (): void => {
    for (const timer of timers.splice(0)) clearInterval(timer);
    if (!db.open) return;
    report();
    db.close();
    leave();
  };
  process.on("SIGTERM", stop).on("SIGINT", stop).on("disconnect", stop);
  process.on("message", (order: PlantOrder) => {
    if (order.type === "stop") stop();
    else rate = order.rate;
  });
  tell({ type: "ready", file });
}

/** Lets the process end: an open channel would keep it. */
function leave(): void {
  if (process.connected) process.disconnect();
}

function isCount(value: number | undefined): value is number {
  return value !== undefined && Number.isFinite(value) && value >= 0;
}

function tell(message: PlantMessage): void {
  if (process.connected) process.send?.(message);
}
