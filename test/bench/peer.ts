// Another process of a benchmark: a script of this folder, forked, and its messages by type.
import { fork, type ChildProcess, type ForkOptions } from "node:child_process";
import { fileURLToPath } from "node:url";

const MESSAGE_TIMEOUT_MS = 60_000;

/** Ends with its channel: the script listens for `disconnect`. A message of type `failed` fails whoever waits. */
export class Peer<To extends object, From extends { readonly type: string }> implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #arrived: (From | { readonly type: "exited" })[] = [];
  #waiting: (() => void) | undefined;

  constructor(script: string, args: readonly string[], options: ForkOptions = {}) {
    const file = fileURLToPath(new URL(script, import.meta.url));
    this.#child = fork(file, args, {
      ...options,
      execArgv: ["--expose-gc", ...(options.execArgv ?? [])],
      stdio: ["ignore", "ignore", "inherit", "ipc"],
    });
    this.#child.on("message", (message) => this.#take(message as From));
    this.#child.once("exit", () => this.#take({ type: "exited" }));
  }

  send(message: To): void {
    this.#child.send(message);
  }

  async next<Type extends From["type"]>(
    type: Type,
    timeoutMs = MESSAGE_TIMEOUT_MS,
  ): Promise<Extract<From, { readonly type: Type }>> {
    const limit = AbortSignal.timeout(timeoutMs);
    for (;;) {
      const index = this.#arrived.findIndex((message) => message.type === type);
      if (index >= 0) return this.#arrived.splice(index, 1)[0] as Extract<From, { readonly type: Type }>;
      const failed = this.#arrived.find(({ type: of }) => of === "failed" || of === "exited");
      if (failed !== undefined) throw new TypeError(`the other process failed: ${JSON.stringify(failed)}`);
      if (limit.aborted) throw new TypeError(`no "${type}" within ${timeoutMs} ms`);
      await new Promise<void>((resolve) => {
        this.#waiting = resolve;
        limit.addEventListener("abort", () => resolve(), { once: true });
      });
    }
  }

  /** Sends, and waits for the answer. */
  ask<Type extends From["type"]>(
    message: To,
    type: Type,
    timeoutMs?: number,
  ): Promise<Extract<From, { readonly type: Type }>> {
    this.send(message);
    return this.next(type, timeoutMs);
  }

  async stop(): Promise<void> {
    const { exitCode, signalCode } = this.#child;
    if (exitCode !== null || signalCode !== null) return;
    const exited = new Promise<void>((resolve) => this.#child.once("exit", () => resolve()));
    if (this.#child.connected) this.#child.disconnect();
    await exited;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  #take(message: From | { readonly type: "exited" }): void {
    this.#arrived.push(message);
    this.#waiting?.();
  }
}
