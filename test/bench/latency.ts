// How old a change is when the API answers with it, from the source read on: idle, and while the agent carries a load.
//
// Measured: row read (`read_ms` in the stored batch) → mapped, committed to the outbox, sent, committed at the relay → its
// event on the live feed → GET of the record answered. Not measured: how long the row waited for the source's next poll.
// The load goes through another connection of the same agent to the same relay. A change of the loaded stream itself
// waits for those before it: for these, the time until the relay's commit stands in a line of its own.
import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { BatchReader } from "#agent/outbox/batch-reader.ts";
import type { BenchOptions, BenchRow } from "./bench-row.ts";
import { Probe, readTimes, roomFile } from "./probe.ts";
import { Stack } from "./stack.ts";
import { StoreView } from "./store-view.ts";
import { percentile, until } from "./wait.ts";

const LOAD_PER_S = 40_000;
const LOAD_ROWS = 100_000;
const CEILING_MS = 100;
const SETTLE_MS = 3_000;

export async function benchLatency({ isQuick, say }: BenchOptions): Promise<readonly BenchRow[]> {
  const count = isQuick ? 40 : 200;
  const sources = { probe: 1_000, load: LOAD_ROWS };
  await using stack = await Stack.create({ sources, settings: "raw: false\n" });
  await stack.startRelay();
  await stack.enrol();
  stack.startAgent();
  using store = new StoreView(stack);
  await until("both first syncs", () => store.syncsEnded() === 2);
  using probe = new Probe(stack, "probe");
  await probe.listen();
  say(`idle, ${count} changes`);
  await probe.run(10, 100);
  const idle = await probe.run(count, 100);
  say(`${LOAD_PER_S} changes/s, ${count} changes`);
  const load = startLoad(stack);
  await setTimeout(SETTLE_MS);
  const before = await changesOf(load);
  const ending = new AbortController();
  const stream = watchStream(stack, store, ending.signal);
  const loaded = await probe.run(count, 100);
  ending.abort();
  const after = await changesOf(load);
  const own = await stream;
  load.disconnect();
  await once(load, "exit");
  const rate = ((after.changes - before.changes) * 1_000) / (after.elapsedMs - before.elapsedMs);
  const carried = `beside ${Math.round(rate)} changes/s written to the source of another connection`;
  return [
    ...ages("change to API, idle", idle, CEILING_MS, `${idle.length} changes, one every 100 ms`),
    ...ages(`change to API, loaded`, loaded, CEILING_MS, carried),
    ...ages("change to commit in the loaded stream", own, undefined, "first in, first out within a stream"),
  ];
}

function ages(
  name: string,
  values: readonly number[],
  ceiling: number | undefined,
  note: string,
): BenchRow[] {
  const value = (share: number): number => Number(percentile(values, share).toFixed(1));
  return [
    { name: `${name}: median`, value: value(0.5), unit: "ms", note },
    {
      name: `${name}: p99`,
      value: value(0.99),
      unit: "ms",
      ...(ceiling === undefined ? {} : { ceiling }),
      note,
    },
  ];
}

/** Ages of the loaded stream's newest batch, again and again, when the relay has committed it. */
async function watchStream(stack: Stack, store: StoreView, signal: AbortSignal): Promise<readonly number[]> {
  const values: number[] = [];
  using reader = BatchReader.open(roomFile(stack, "load"));
  while (!signal.aborted) {
    const seq = reader.position().nextSeq - 1;
    const [readMs = Number.NaN] = readTimes(reader, seq);
    await until("the loaded stream", () => signal.aborted || store.ackedSeq("load") >= seq, { everyMs: 4 });
    values.push(Date.now() - readMs);
    await setTimeout(50);
  }
  return values;
}

function startLoad(stack: Stack): ChildProcess {
  const { file = "" } = stack.sources.get("load") ?? {};
  return fork(fileURLToPath(new URL("load.ts", import.meta.url)), [
    file,
    String(LOAD_ROWS),
    String(LOAD_PER_S),
  ]);
}

async function changesOf(load: ChildProcess): Promise<{ changes: number; elapsedMs: number }> {
  load.send("how many");
  const [answer] = (await once(load, "message")) as [{ changes: number; elapsedMs: number }];
  return answer;
}
