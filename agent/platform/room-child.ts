// One run of a room's process: fork, typed messages, captured output, one end.
import { fork, type ChildProcess } from "node:child_process";
import type { FromRoom, ToRoom } from "#agent/core/room/messages.ts";
import type { ProcessEnd } from "#agent/core/room/supervision.ts";
import type { Clock } from "#common/runtime/clock.ts";
import { messageOf } from "#common/runtime/errors.ts";
import { LineCapture } from "./line-capture.ts";
import { preferAsVictim, residentBytes } from "./process-memory.ts";
import { SPARING_MALLOC } from "./sparing-malloc.ts";

/** Output may still be in the pipe when the process is gone; it is waited for no longer than this. */
const OUTPUT_GRACE_MS = 500;
/** What a room needs besides its heap: native code, buffers, SQLite's cache, the runtime itself. */
const MEMORY_BESIDE_HEAP_BYTES = 96 * 1024 * 1024;
const MIN_HEAP_MIB = 32;
/** A room's rows live for one chunk. Measured: 2 MiB cost 15 % of its speed, V8's own 16 MiB cost 80 MB more memory. */
const YOUNG_SPACE_MIB = 4;
export interface RoomChildDeps {
  readonly clock: Clock;
  /** The room's script, absolute. */
  readonly script: string;
  /** The process's working folder; absent: this process's own. */
  readonly cwd?: string | undefined;
  readonly memoryBytes: number;
  readonly onMessage: (message: FromRoom) => void;
  readonly onLine: (line: string) => void;
  /** Exactly once, also if the process could not be started. */
  readonly onEnd: (end: ProcessEnd) => void;
}

export class RoomChild {
  readonly #deps: RoomChildDeps;
  readonly #process: ChildProcess;
  readonly #output: LineCapture;
  #pendingMessages = 0;
  #isOver = false;

  constructor(deps: RoomChildDeps) {
    this.#deps = deps;
    this.#output = new LineCapture(deps.clock, deps.onLine);
    this.#process = fork(deps.script, [], {
      serialization: "advanced",
      cwd: deps.cwd,
      ...roomProcess(deps.memoryBytes),
      stdio: ["ignore", "pipe", "pipe", "ipc"],
    });
    this.#listen();
    if (this.#process.pid !== undefined) preferAsVictim(this.#process.pid);
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  /** Messages that the process has not taken off its channel. */
  get pendingMessages(): number {
    return this.#pendingMessages;
  }

  residentBytes(): number | undefined {
    return this.#isOver || this.pid === undefined ? undefined : residentBytes(this.pid);
  }

  /** False if the process cannot be told any more. */
  send(message: ToRoom): boolean {
    if (this.#isOver || !this.#process.connected) return false;
    this.#pendingMessages += 1;
    this.#process.send(message, () => {
      this.#pendingMessages -= 1;
    });
    return true;
  }

  kill(): void {
    if (!this.#isOver) this.#process.kill("SIGKILL");
  }

  #listen(): void {
    const child = this.#process;
    child.on("message", (message) => {
      if (!this.#isOver) this.#deps.onMessage(message as FromRoom);
    });
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on("data", (chunk: Buffer) => this.#output.write(chunk));
      stream?.on("error", () => {});
    }
    // Failed to start, or a message could not be sent; only the former is an end.
    child.on("error", (error) => {
      if (child.pid === undefined) this.#finish({ code: null, signal: null, lastLine: messageOf(error) });
    });
    child.once("exit", (code, signal) => {
      const finish = (): void => {
        cancel();
        this.#output.end();
        this.#finish({ code, signal, lastLine: this.#output.lastWords });
      };
      const cancel = this.#deps.clock.setTimer(OUTPUT_GRACE_MS, finish);
      child.once("close", finish);
    });
  }

  #finish(end: ProcessEnd): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#deps.onEnd(end);
  }
}

/** How a room's process is started: flags and environment that hold its memory down. */
export function roomProcess(memoryBytes: number): { execArgv: string[]; env: NodeJS.ProcessEnv } {
  return {
    // Named anew, so that flags meant for this process (inspect, heap size) do not reach the room.
    execArgv: [`--max-old-space-size=${heapMib(memoryBytes)}`, `--max-semi-space-size=${YOUNG_SPACE_MIB}`],
    env: { ...process.env, ...SPARING_MALLOC, TZ: "UTC" },
  };
}

function heapMib(memoryBytes: number): number {
  return Math.max(MIN_HEAP_MIB, Math.floor((memoryBytes - MEMORY_BESIDE_HEAP_BYTES) / 1024 / 1024));
}
