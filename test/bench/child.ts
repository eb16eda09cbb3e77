// A program of the product as a child process: started by its own command line, watched through /proc, ended by its id.
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createWriteStream, readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("../../", import.meta.url));
/** Set to a folder, every process of the product writes a CPU profile there when it ends. */
const PROFILE_DIR = process.env["MILLRACE_BENCH_PROFILE"];
/** Linux counts CPU time in this unit, ms. */
const TICK_MS = 10;
const STOP_MS = 20_000;

export interface ChildOptions {
  /** From the repository's root. */
  readonly script: string;
  readonly args: readonly string[];
  /** Where standard error goes. */
  readonly log: string;
  readonly cwd?: string;
  /** Beside this process's own environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** File descriptors that the process needs, where the usual limit is too low. */
  readonly descriptors?: number;
  /** Stays for as long as it is not told to stop: ends with this process whatever becomes of it. */
  readonly isServer?: boolean;
}

export class Child implements AsyncDisposable {
  readonly #process: ChildProcess;
  readonly #firstLine: Promise<string>;
  readonly #log: string;

  constructor({ script, args, log, cwd, env, descriptors, isServer }: ChildOptions) {
    const command = [process.execPath, `${ROOT}${script}`, ...args];
    const limited =
      descriptors === undefined
        ? command
        : ["sh", "-c", `ulimit -n ${descriptors} 2>/dev/null; exec "$@"`, "sh", ...command];
    const [file = "", ...rest] = limited;
    const profile =
      PROFILE_DIR === undefined ? {} : { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${PROFILE_DIR}` };
    this.#log = log;
    this.#process = spawn(file, rest, {
      stdio: ["ignore", "pipe", "pipe", ...(isServer === true ? ["ipc" as const] : [])],
      env: { ...process.env, ...env, ...profile },
      ...(cwd === undefined ? {} : { cwd }),
    });
    const output = createWriteStream(log, { flags: "a" });
    this.#process.stderr?.pipe(output, { end: false });
    this.#process.stdout?.pipe(output, { end: false });
    this.#firstLine = firstLine(this.#process);
    this.#firstLine.catch(() => {});
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  /** The first line on standard output. @throws when the process ends before it */
  async firstLine(): Promise<string> {
    try {
      return await this.#firstLine;
    } catch {
      throw new TypeError(
        `${this.#process.spawnargs.join(" ")} ended early: ${readFileSync(this.#log, "utf8").slice(-2_000)}`,
      );
    }
  }

  /** Resolves with the exit code. */
  async ended(): Promise<number | null> {
    if (this.#process.exitCode === null && this.#process.signalCode === null)
      await once(this.#process, "exit");
    return this.#process.exitCode;
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    this.#process.kill("SIGTERM");
    const cut = setTimeout(() => this.#process.kill("SIGKILL"), STOP_MS);
    await this.ended();
    clearTimeout(cut);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}

/** Ids of a process's own children. */
export function childrenOf(pid: number): readonly number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8")
    .trim()
    .split(" ")
    .filter(Boolean)
    .map(Number);
}

/** User and system time of a process so far, ms. */
export function cpuMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}

/** Proportional set size: memory shared with others is counted by shares, bytes. */
export function pssBytes(pid: number): number {
  return memoryField(`/proc/${pid}/smaps_rollup`, "Pss");
}

/** Resident memory, bytes. */
export function rssBytes(pid: number): number {
  return memoryField(`/proc/${pid}/status`, "VmRSS");
}

function memoryField(file: string, name: string): number {
  const kib = new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(readFileSync(file, "latin1"))?.[1];
  return Number(kib) * 1024;
}

function firstLine({ stdout, spawnfile }: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    if (stdout === null) return reject(new TypeError(`${spawnfile} has no standard output`));
    createInterface(stdout)
      .once("line", resolve)
      .once("close", () => reject(new TypeError(`${spawnfile} said nothing`)));
  });
}
