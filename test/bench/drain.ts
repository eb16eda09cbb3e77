// The relay away while everything is buffered, then back: memory, drain rate, and how fresh changes fare meanwhile.
//
// Fresh changes are those of a second connection of the same agent: streams take turns, so they do not wait behind the
// backlog. Within one stream order is promised, so there a fresh change cannot overtake: it comes when the older are in.
import Database from "better-sqlite3";
import type { BenchOptions, BenchRow } from "./bench-row.ts";
import { pssBytes } from "./child.ts";
import { Probe, roomFile } from "./probe.ts";
import { Stack } from "./stack.ts";
import { StoreView } from "./store-view.ts";
import { percentile, until } from "./wait.ts";

const ROWS = 1_000_000;
const QUICK_ROWS = 100_000;
const MEMORY_CEILING_MB = 200;
const FRESH_CEILING_MS = 1_000;
const SAMPLE_MS = 250;
const FRESH_EVERY_MS = 200;

export async function benchDrain({ isQuick, say }: BenchOptions): Promise<readonly BenchRow[]> {
  const rows = isQuick ? QUICK_ROWS : ROWS;
  await using stack = await Stack.create({ sources: { erp: rows, fresh: 1_000 }, settings: "raw: false\n" });
  await stack.startRelay();
  await stack.enrol();
  await stack.stopRelay();
  say(`relay away, buffering ${rows} changes`);
  stack.startAgent();
  await until("both rooms", () => stack.roomPids.length === 2);
  using memory = new MemoryWatch(stack);
  const startMs = performance.now();
  await until("the outbox", () => bufferedChanges(stack) >= rows, { everyMs: 500, atMostMs: 900_000 });
  const bufferS = (performance.now() - startMs) / 1_000;
  const buffering = memory.highest();
  const bytes = askRoom(stack, "SELECT sum(length(blob)) FROM batches") / rows;
  say("relay back");
  await stack.startRelay();
  using store = new StoreView(stack);
  using probe = new Probe(stack, "fresh");
  await until("the first batch", () => store.ackedSeq("erp") > 0, { everyMs: 20, atMostMs: 120_000 });
  const drainMs = performance.now();
  await probe.listen();
  const fresh: number[] = [];
  const watched = until("the drain", () => store.records("erp") >= rows, {
    everyMs: 500,
    atMostMs: 900_000,
  }).then(() => performance.now() - drainMs);
  while (store.records("erp") < rows) fresh.push(...(await probe.run(5, FRESH_EVERY_MS)));
  const tookMs = await watched;
  const draining = memory.highest();
  return [
    {
      name: "buffering: rate",
      value: Math.round(rows / bufferS),
      unit: "changes/s",
      note: `${rows} changes, first sync`,
    },
    { name: "buffering: outbox", value: Number(bytes.toFixed(1)), unit: "bytes/change" },
    memoryRow("buffering: memory", buffering),
    {
      name: "drain: rate",
      value: Math.round((rows * 1_000) / tookMs),
      unit: "changes/s",
      note: "from the first acknowledgement",
    },
    memoryRow("drain: memory", draining),
    {
      name: "drain: fresh change of another connection, median",
      value: Math.round(percentile(fresh, 0.5)),
      unit: "ms",
      note: `${fresh.length} changes, from source read to API answer`,
    },
    {
      name: "drain: fresh change of another connection, p99",
      value: Math.round(percentile(fresh, 0.99)),
      unit: "ms",
      ceiling: FRESH_CEILING_MS,
      note: "within the drained stream itself order is promised: there a fresh change comes after the older",
    },
  ];
}

function bufferedChanges(stack: Stack): number {
  try {
    return askRoom(stack, "SELECT count(*) FROM known_records");
  } catch {
    // The room is making its file.
    return 0;
  }
}

function askRoom(stack: Stack, sql: string): number {
  const db = new Database(roomFile(stack, "erp"), { readonly: true, fileMustExist: true });
  try {
    return Number(db.prepare(sql).pluck().get());
  } finally {
    db.close();
  }
}

function memoryRow(name: string, { main, room }: Memory): BenchRow {
  return {
    name,
    value: megabytes(main + room),
    unit: "MB",
    ceiling: MEMORY_CEILING_MB,
    note: `highest sum of proportional set sizes: main ${megabytes(main)}, the connection's room ${megabytes(room)}`,
  };
}

function megabytes(bytes: number): number {
  return Math.round(bytes / 1e6);
}

interface Memory {
  readonly main: number;
  readonly room: number;
}

/** Main and its first room, bytes: the sample in which both together were highest. */
class MemoryWatch implements Disposable {
  readonly #timer: NodeJS.Timeout;
  #highest: Memory = { main: 0, room: 0 };

  constructor(stack: Stack) {
    this.#timer = setInterval(() => {
      const [pid] = stack.roomPids;
      if (pid === undefined) return;
      const now = { main: pssBytes(stack.agentPid), room: pssBytes(pid) };
      if (now.main + now.room > this.#highest.main + this.#highest.room) this.#highest = now;
    }, SAMPLE_MS);
  }

  /** Since it was asked last. */
  highest(): Memory {
    const highest = this.#highest;
    this.#highest = { main: 0, room: 0 };
    return highest;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}
