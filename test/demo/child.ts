// One program of the demo as a child process: its log, what it says when it is ready, its end and its next start.
import { execFile, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { closeSync, fstatSync, openSync, readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { SPARING_MALLOC } from "#agent/platform/sparing-malloc.ts";
import { messageOf } from "#common/runtime/errors.ts";
import { DemoError } from "./demo-error.ts";

export interface ChildSpec {
  /** For people: "the relay". */
  readonly title: string;
  readonly script: string;
  /** Asked anew at each start. */
  readonly args: () => readonly string[];
  readonly logFile: string;
  /** How it says that it is ready: a JSON line on standard output, a message to its parent, or not at all. */
  readonly ready: "line" | "message" | "none";
}

/** An end that nobody asked for, and what is done about it. */
export type OnUnexpectedEnd = (text: string) => void;

const STOP_GRACE_MS = 10_000;
const READY_WITHIN_MS = 60_000;
const FIRST_RESTART_MS = 500;
const MAX_RESTART_MS = 30_000;
/** After this long a start counts as a good one. */
const HEALTHY_AFTER_MS = 30_000;

export class Child {
  readonly #spec: ChildSpec;
  readonly #onEnd: OnUnexpectedEnd;
  readonly #onStart: (ready: unknown) => void;
  #process: ChildProcess | undefined;
  #restart: NodeJS.Timeout | undefined;
  #delayMs = FIRST_RESTART_MS;
  #isStopping = false;

  /** `onStart` is called at every start, with what the program said. */
  constructor(spec: ChildSpec, onEnd: OnUnexpectedEnd, onStart: (ready: unknown) => void = () => {}) {
    this.#spec = spec;
    this.#onEnd = onEnd;
    this.#onStart = onStart;
  }

  get pid(): number | undefined {
    return this.#process?.pid;
  }

  get isRunning(): boolean {
    return this.#process?.exitCode === null && this.#process.signalCode === null;
  }

  /** The first start: resolves when the program is ready. @throws DemoError with its last words */
  async start(): Promise<void> {
    if (this.#isStopping) throw new DemoError(`${this.#spec.title} was stopped before it started`);
    const logged = sizeOf(this.#spec.logFile);
    try {
      await this.#launch();
    } catch (error) {
      const words = lastWords(this.#spec.logFile, logged);
      throw new DemoError(`${this.#spec.title} did not start: ${words === "" ? messageOf(error) : words}`);
    }
    this.#watch();
  }

  /** By the channel, as every child takes its closing for the order to end; by force if that takes too long. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    clearTimeout(this.#restart);
    const child = this.#process;
    if (child === undefined || !this.isRunning) return;
    const ended = once(child, "exit");
    if (child.connected) child.disconnect();
    else child.kill("SIGTERM");
    const force = setTimeout(() => child.kill("SIGKILL"), STOP_GRACE_MS);
    await ended;
    clearTimeout(force);
  }

  async #launch(): Promise<void> {
    this.#onStart(await launch(this.#spec, (child) => (this.#process = child)));
  }

  #watch(): void {
    const child = this.#process;
    if (child === undefined) return;
    const startedAt = performance.now();
    const ended = (): void => {
      if (this.#isStopping) return;
      if (performance.now() - startedAt > HEALTHY_AFTER_MS) this.#delayMs = FIRST_RESTART_MS;
      this.#startAgain(`${this.#spec.title} ended (${child.signalCode ?? `exit code ${child.exitCode}`})`);
    };
    if (this.isRunning) child.once("exit", ended);
    else ended();
  }

  #startAgain(why: string): void {
    const delayMs = this.#delayMs;
    this.#delayMs = Math.min(MAX_RESTART_MS, delayMs * 2);
    this.#onEnd(`${why}; starting it again in ${delayMs / 1000} s, its log is ${this.#spec.logFile}`);
    this.#restart = setTimeout(() => {
      this.#launch().then(
        () => this.#watch(),
        (error: unknown) => {
          if (!this.#isStopping) this.#startAgain(`${this.#spec.title} did not start: ${messageOf(error)}`);
        },
      );
    }, delayMs);
  }
}

/** Starts a program, which ends when this process does. Resolves with what it says when it is ready. @throws when it ends first */
export async function launch(spec: ChildSpec, onSpawn: (child: ChildProcess) => void): Promise<unknown> {
  const { script, args, logFile, ready } = spec;
  const log = openSync(logFile, "a", 0o600);
  const child = spawn(process.execPath, [script, ...args()], {
    stdio: ["ignore", ready === "line" ? "pipe" : log, log, "ipc"],
    env: { ...process.env, ...SPARING_MALLOC },
    // A Ctrl-C in the terminal goes to the demo alone: it stops the others in order.
    detached: process.platform !== "win32",
    windowsHide: true,
  });
  closeSync(log);
  child.on("error", () => {});
  onSpawn(child);
  return await said(child, ready);
}

/** Resolves with what a child says when it is ready. @throws when it ends first or says nothing for long */
async function said(child: ChildProcess, ready: ChildSpec["ready"]): Promise<unknown> {
  const stop = new AbortController();
  const { signal } = stop;
  const ended = once(child, "exit", { signal }).then(([code, name]) => {
    throw new DemoError(`it ended (${String(name ?? `exit code ${String(code)}`)})`);
  });
  const silent = new Promise<never>((_, reject) => {
    const timer = setTimeout(() => {
      child.kill("SIGKILL");
      reject(new DemoError(`it said nothing for ${READY_WITHIN_MS / 1000} s`));
    }, READY_WITHIN_MS);
    signal.addEventListener("abort", () => clearTimeout(timer));
  });
  try {
    return await Promise.race([wordOf(child, ready, signal), ended, silent]);
  } finally {
    ended.catch(() => {});
    stop.abort();
  }
}

async function wordOf(child: ChildProcess, ready: ChildSpec["ready"], signal: AbortSignal): Promise<unknown> {
  if (ready === "message") return (await once(child, "message", { signal }))[0];
  if (ready === "none" || child.stdout === null) return once(child, "spawn", { signal });
  const lines = createInterface({ input: child.stdout });
  const [line] = (await once(lines, "line", { signal })) as [string];
  // Nothing more is said there; a full pipe would stop the child.
  lines.on("line", () => {});
  return JSON.parse(line);
}

/** Runs a command of the product to its end. @throws DemoError with what it printed */
export async function runCommand(
  script: string,
  args: readonly string[],
  options: { readonly env?: Readonly<Record<string, string>>; readonly signal: AbortSignal },
): Promise<string> {
  return new Promise((resolve, reject) => {
    const { signal } = options;
    const env = { ...process.env, ...options.env };
    execFile(process.execPath, [script, ...args], { env, signal }, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else reject(new DemoError(`${args.slice(0, 2).join(" ")} failed: ${stderr.trim() || error.message}`));
    });
  });
}

function sizeOf(file: string): number {
  const fd = openSync(file, "a", 0o600);
  try {
    return fstatSync(fd).size;
  } finally {
    closeSync(fd);
  }
}

/** What a program said last to people; of a crash its error; else the message of its last log line. */
function lastWords(file: string, fromByte: number): string {
  const lines = readFileSync(file).subarray(fromByte).toString("utf8").split("\n").filter(Boolean);
  const plain = lines.filter((line) => !line.startsWith("{"));
  const crash = plain.findLast((line) => /^\w*Error\b.*: /.test(line));
  if (crash !== undefined) return `${crash}; its log is ${file}`;
  if (plain.length > 0) return plain.at(-1) ?? "";
  try {
    const logged = JSON.parse(lines.at(-1) ?? "{}") as { msg?: string; message?: string };
    return logged.msg ?? logged.message ?? "";
  } catch {
    return "";
  }
}
