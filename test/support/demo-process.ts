// `npm start` as a child process of a test: what it prints, what it writes, how it ends.
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { DemoFile } from "#test/demo/demo-folder.ts";

const START = fileURLToPath(new URL("../demo/start.mjs", import.meta.url));

export interface DemoEnd {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export class DemoProcess implements AsyncDisposable {
  readonly child: ChildProcess;
  readonly ended: Promise<DemoEnd>;
  #out = "";
  #err = "";

  constructor(args: readonly string[]) {
    this.child = spawn(process.execPath, [START, ...args], { stdio: ["ignore", "pipe", "pipe"] });
    this.child.stdout?.on("data", (chunk: Buffer) => (this.#out += chunk.toString()));
    this.child.stderr?.on("data", (chunk: Buffer) => (this.#err += chunk.toString()));
    this.ended = once(this.child, "close").then(([code]) => ({
      code: code as number | null,
      out: this.#out,
      err: this.#err,
    }));
  }

  get out(): string {
    return this.#out;
  }

  /** Resolves when the output has a match. @throws when the demo ends before it */
  async says(pattern: RegExp): Promise<RegExpExecArray> {
    const found = pattern.exec(this.#out);
    if (found !== null) return found;
    const stop = new AbortController();
    const more = once(this.child.stdout ?? this.child, "data", { signal: stop.signal });
    const isOver = await Promise.race([more.then(() => false), this.ended.then(() => true)]);
    stop.abort();
    more.catch(() => {});
    const last = pattern.exec(this.#out);
    if (last !== null) return last;
    if (isOver) throw new Error(`the demo ended without saying ${pattern}: ${this.#out}\n${this.#err}`);
    return await this.says(pattern);
  }

  async interrupt(): Promise<DemoEnd> {
    this.child.kill("SIGINT");
    return await this.ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill("SIGKILL");
    await this.ended;
  }
}

export async function runToEnd(args: readonly string[]): Promise<DemoEnd> {
  await using demo = new DemoProcess(args);
  return await demo.ended;
}

export function readDemoFile(dataDir: string): DemoFile | undefined {
  const file = join(dataDir, "demo.json");
  return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as DemoFile) : undefined;
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
