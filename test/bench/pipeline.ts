// Source rows to the relay's durable commit and back, beside a bare pipe of the same three processes doing the same work.
//
// Both sides: a process that reads the source and commits compressed batches of 500 rows to SQLite (FULL), a process that
// reads those batches through a handle of its own and sends them over one WebSocket with 1 MiB in flight, and a process that
// commits records and feed to SQLite (FULL) and acknowledges. Both carry the unified record and the source's own row.
// The bare pipe maps by hand-written code and leaves out what makes the product: packs, masking, hashes and known records,
// checksums, cursors, epochs, sealed frames, schema checks, record states, revisions shared by a workspace, fencing.
import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import Database from "better-sqlite3";
import type { BenchOptions, BenchRow } from "./bench-row.ts";
import { BenchSource } from "./bench-source.ts";
import { cpuMs } from "./child.ts";
import { Stack } from "./stack.ts";
import { until } from "./wait.ts";

const ROWS = 300_000;
const QUICK_ROWS = 60_000;
const FLOOR = 0.6;

interface Measured {
  /** From the first commit at the relay to the last, changes/s. */
  readonly rate: number;
  /** CPU time per change of the three processes, µs. */
  readonly room: number;
  readonly main: number;
  readonly relay: number;
}

type Passes = Readonly<Record<"snapshot" | "changes", Measured>>;

export async function benchPipeline({ isQuick, say }: BenchOptions): Promise<readonly BenchRow[]> {
  const rows = isQuick ? QUICK_ROWS : ROWS;
  say(`bare pipe, ${rows} rows twice`);
  const bare = await runBare(rows);
  say(`product, ${rows} rows twice`);
  const product = await runProduct(rows);
  return [
    ...compare("pipeline, first sync", product.snapshot, bare.snapshot, rows),
    ...compare("pipeline, changes", product.changes, bare.changes, rows),
  ];
}

function compare(name: string, ours: Measured, bare: Measured, rows: number): BenchRow[] {
  const cpu = ({ room, main, relay }: Measured): string =>
    `CPU µs a change: room ${room.toFixed(1)}, main ${main.toFixed(1)}, relay ${relay.toFixed(1)}`;
  const total = ({ room, main, relay }: Measured): number => room + main + relay;
  return [
    {
      name,
      value: Math.round(ours.rate),
      unit: "changes/s",
      ratio: ours.rate / bare.rate,
      floor: FLOOR,
      note: `${rows} rows; ${cpu(ours)}`,
    },
    { name: `${name}: bare pipe`, value: Math.round(bare.rate), unit: "changes/s", note: cpu(bare) },
    {
      name: `${name}: CPU time, bare pipe's over ours`,
      value: Number((total(bare) / total(ours)).toFixed(2)),
      unit: "ratio",
      note: "the ratio that a busy machine cannot change",
    },
  ];
}

async function runProduct(rows: number): Promise<Passes> {
  await using stack = await Stack.create({ sources: { erp: rows } });
  await stack.startRelay();
  await stack.enrol();
  stack.startAgent();
  using feed = new Feed(stack.storeFile, "events");
  await until("the room", () => stack.roomPids.length === 1);
  const [roomPid = 0] = stack.roomPids;
  const pids = { room: roomPid, main: stack.agentPid, relay: stack.relayPid };
  const snapshot = await measured(pids, feed, rows, () => Promise.resolve());
  const changes = await measured(pids, feed, rows, async () => stack.sources.get("erp")?.touch(0, rows));
  return { snapshot, changes };
}

async function runBare(rows: number): Promise<Passes> {
  const dir = mkdtempSync(join(tmpdir(), "millrace-bench-"));
  const children: ChildProcess[] = [];
  try {
    using source = BenchSource.create(join(dir, "source.db"), rows);
    const relay = forked("relay.ts", [join(dir, "relay.db")], children);
    const [{ port }] = (await once(relay, "message")) as [{ port: number }];
    const main = forked("main.ts", [source.file, join(dir, "outbox.db"), String(port)], children);
    const [{ ready }] = (await once(main, "message")) as [{ ready: number }];
    using feed = new Feed(join(dir, "relay.db"), "events");
    const pids = { room: ready, main: main.pid ?? 0, relay: relay.pid ?? 0 };
    const snapshot = await measured(pids, feed, rows, async () => void main.send("snapshot"));
    const changes = await measured(pids, feed, rows, async () => {
      source.touch(0, rows);
      main.send("changes");
    });
    return { snapshot, changes };
  } finally {
    for (const child of children) {
      child.disconnect();
      await once(child, "exit");
    }
    rmSync(dir, { recursive: true, force: true });
  }
}

function forked(script: string, args: readonly string[], children: ChildProcess[]): ChildProcess {
  const child = fork(fileURLToPath(new URL(`bare-pipe/${script}`, import.meta.url)), args);
  children.unshift(child);
  return child;
}

async function measured(
  pids: Readonly<Record<"room" | "main" | "relay", number>>,
  feed: Feed,
  rows: number,
  start: () => Promise<void>,
): Promise<Measured> {
  const before = { room: cpuMs(pids.room), main: cpuMs(pids.main), relay: cpuMs(pids.relay) };
  const from = feed.newest();
  await start();
  await until(`${rows} changes`, () => feed.countAfter(from) >= rows, { everyMs: 500 });
  const perChange = (name: "room" | "main" | "relay"): number =>
    ((cpuMs(pids[name]) - before[name]) * 1_000) / rows;
  const rate = feed.rateAfter(from);
  return { rate, room: perChange("room"), main: perChange("main"), relay: perChange("relay") };
}

/** A relay's feed, looked at from outside: both relays write the same columns. */
class Feed implements Disposable {
  readonly #db: Database.Database;
  readonly #newest: Database.Statement<[], number>;
  readonly #count: Database.Statement<[number], number>;
  readonly #span: Database.Statement<
    [number],
    { first: number; last: number; changes: number; firstGroup: number }
  >;

  constructor(file: string, table: string) {
    const db = new Database(file, { readonly: true });
    const record = "record_id IS NOT NULL";
    this.#db = db;
    this.#newest = db.prepare<[], number>(`SELECT coalesce(max(position), 0) FROM ${table}`).pluck();
    this.#count = db
      .prepare<[number], number>(`SELECT count(*) FROM ${table} WHERE position > ? AND ${record}`)
      .pluck();
    this.#span = db.prepare(
      `WITH new AS (SELECT at_ms FROM ${table} WHERE position > ? AND ${record})
       SELECT min(at_ms) AS first, max(at_ms) AS last, count(*) AS changes,
       (SELECT count(*) FROM new WHERE at_ms = (SELECT min(at_ms) FROM new)) AS firstGroup FROM new`,
    );
  }

  newest(): number {
    return this.#newest.get() ?? 0;
  }

  countAfter(position: number): number {
    return this.#count.get(position) ?? 0;
  }

  /** Changes/s between the first commit and the last. */
  rateAfter(position: number): number {
    const { first = 0, last = 0, changes = 0, firstGroup = 0 } = this.#span.get(position) ?? {};
    return ((changes - firstGroup) * 1_000) / (last - first);
  }

  [Symbol.dispose](): void {
    this.#db.close();
  }
}
