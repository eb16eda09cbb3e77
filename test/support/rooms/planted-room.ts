// A room with something planted in it: half a second of good behaviour, then the fault that its settings name.
import { EventEmitter } from "node:events";
import Database from "better-sqlite3";
import { liveAsRoom, tell } from "./room-script.ts";

export type Fault = keyof typeof faults;

const faults = {
  none: (): void => {},
  /** A driver's emitter fails with nobody listening, outside any call of ours. */
  emitter_error: (): void => void new EventEmitter().emit("error", new Error("socket lost in a driver")),
  /** A promise that nobody awaited. */
  unhandled_rejection: (): void => void Promise.reject(new Error("rejected in a driver")),
  busy_loop: (): void => {
    for (;;);
  },
  /** Native code that does not come back for minutes. */
  native_query: (): void => {
    const db = new Database(":memory:");
    db.prepare(
      "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 100000000000) SELECT count(*) FROM n",
    ).get();
  },
  /** Grows the heap between events: heartbeats go on. */
  map_growth: (): void => {
    const leak = new Map<number, string>();
    const grow = (): void => {
      for (let index = 0; index < 50_000; index += 1)
        leak.set(leak.size, `row ${leak.size} ${Math.random()}`);
      setImmediate(grow);
    };
    grow();
  },
  /** Outside the heap, in one go: no heartbeat tells of it. */
  buffers: (): void => {
    const held: Buffer[] = [];
    while (held.length < 192) {
      held.push(Buffer.alloc(16 * 1024 * 1024, held.length + 1));
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
    }
  },
  misconfigured: (): void => {
    tell({ type: "misconfigured", message: "settings.file: no such file" });
    process.disconnect();
  },
  ignores_stop: (): void => {
    process.removeAllListeners("message");
    process.on("message", () => {});
  },
  floods_output: (): void => {
    for (let line = 0; line < 5_000; line += 1) console.log(`line ${line}`);
    console.error("x".repeat(200_000));
    process.exit(7);
  },
} as const;

liveAsRoom((config) => {
  const { fault } = config.settings as { fault: Fault };
  if (config.settings !== undefined && process.env["TZ"] !== "UTC") process.exit(99);
  setTimeout(() => faults[fault](), 500);
});
