// A relay and an agent as real processes in folders that a test may copy, put back and fill; any sources, any proxy between.
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createWriteStream, cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { createConnection, createToken, createWorkspace } from "#relay/core/administration.ts";
import { createEnrollment } from "#relay/core/enrollment-codes.ts";
import type { Store } from "#relay/core/store.ts";
import { STORE_FILE } from "#relay/compose.ts";
import { makeDataDir } from "#relay/config.ts";
import { systemEntropy } from "#relay/entropy.ts";
import { openIdentity } from "#relay/identity.ts";
import { openSqliteStore } from "#relay/store/sqlite/open-store.ts";
import { until } from "./until.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const CHECKOUT = { agent: "agent/bin.mjs", relay: "cloud-relay/bin.mjs" };
const DAY_MS = 86_400_000;
const STOP_MS = 20_000;

export interface StackConnection {
  readonly connector: string;
  readonly pack?: string;
  readonly settings: Readonly<Record<string, unknown>>;
  /** Further members of the connection in the agent's file. */
  readonly more?: Readonly<Record<string, unknown>>;
}

export interface StackOptions {
  readonly connections: Readonly<Record<string, StackConnection>>;
  /** Further members of the agent's file. */
  readonly agent?: Readonly<Record<string, unknown>>;
  /** Where the relay's and the agent's folders are; default: below the stack's own. */
  readonly relayDir?: string;
  readonly agentDir?: string;
  /** What runs instead of the checkout: the command of an installed product, and the arguments that come first. */
  readonly programs?: { readonly agent?: readonly string[]; readonly relay?: readonly string[] };
}

/** A process of the product, and everything that it said. */
export class StackProcess {
  readonly #child: ChildProcess;
  readonly #lines: string[] = [];

  /** @param script of the checkout; or a program with the arguments that come first */
  constructor(script: string | readonly string[], args: readonly string[], logFile: string) {
    const [program = "", ...first] =
      typeof script === "string" ? [process.execPath, join(ROOT, script)] : script;
    this.#child = spawn(program, [...first, ...args], { stdio: ["ignore", "pipe", "pipe"], cwd: ROOT });
    const log = createWriteStream(logFile, { flags: "a" });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      if (stream === null) continue;
      createInterface({ input: stream }).on("line", (line) => {
        this.#lines.push(line);
        log.write(`${line}\n`);
      });
    }
    this.#child.once("close", () => log.end());
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  get output(): readonly string[] {
    return this.#lines;
  }

  /** Resolves with the first line that has the text, past or future. */
  says(text: string, timeoutMs = 30_000): Promise<string> {
    const look = (): string | undefined => this.#lines.find((line) => line.includes(text));
    return until(`"${text}" from process ${this.pid}`, look, timeoutMs);
  }

  async ended(): Promise<number | null> {
    if (this.isRunning) await once(this.#child, "close");
    return this.#child.exitCode;
  }

  async stop(): Promise<void> {
    if (!this.isRunning) return;
    this.#child.kill("SIGTERM");
    const cut = setTimeout(() => this.#child.kill("SIGKILL"), STOP_MS);
    await this.ended();
    clearTimeout(cut);
  }

  async kill(): Promise<void> {
    if (!this.isRunning) return;
    this.#child.kill("SIGKILL");
    await this.ended();
  }
}

export class ProcessStack implements AsyncDisposable {
  readonly dir: string;
  readonly relayDir: string;
  readonly agentDir: string;
  readonly workspaceId: string;
  readonly token: string;
  /** Where the agent reaches the relay; a proxy's port, if one stands between. */
  agentPort: number | undefined;
  relay: StackProcess | undefined;
  agent: StackProcess | undefined;
  readonly #options: StackOptions;
  readonly #connectionIds: ReadonlyMap<string, string>;
  readonly #code: string;
  readonly #processes: StackProcess[] = [];
  #port = 0;

  private constructor(dir: string, relayDir: string, options: StackOptions, made: Administered) {
    this.dir = dir;
    this.relayDir = relayDir;
    this.agentDir = options.agentDir ?? join(dir, "agent");
    this.#options = options;
    this.workspaceId = made.workspaceId;
    this.token = made.token;
    this.#connectionIds = made.connectionIds;
    this.#code = made.code;
  }

  /** A relay that serves, and an agent that is enrolled and does not run yet. */
  static async create(options: StackOptions): Promise<ProcessStack> {
    const dir = mkdtempSync(join(tmpdir(), "millrace-stack-"));
    const relayDir = options.relayDir ?? join(dir, "relay");
    const made = await administer(relayDir, Object.keys(options.connections));
    const stack = new ProcessStack(dir, relayDir, options, made);
    try {
      await stack.startRelay();
      mkdirSync(stack.agentDir, { recursive: true });
      await stack.command("agent", ["enroll", "--code", stack.#code]);
    } catch (error) {
      await stack[Symbol.asyncDispose]();
      throw error;
    }
    return stack;
  }

  get relayPort(): number {
    return this.#port;
  }

  get storeFile(): string {
    return join(this.relayDir, STORE_FILE);
  }

  connectionId(name: string): string {
    return this.#connectionIds.get(name) ?? "";
  }

  /** On the same port as before. */
  async startRelay(): Promise<StackProcess> {
    const args = ["serve", "--json", "--data-dir", this.relayDir, "--port", String(this.#port)];
    this.relay = this.#spawn("relay", args, "relay.log");
    const line = await this.relay.says('"port"');
    this.#port = (JSON.parse(line) as { readonly port: number }).port;
    return this.relay;
  }

  /** With another folder: a second installation of the same agent. */
  startAgent(folder = this.agentDir): StackProcess {
    const process = this.#spawn("agent", ["run", "--config", this.#configFile(folder)], "agent.log");
    if (folder === this.agentDir) this.agent = process;
    return process;
  }

  async stopAgent(): Promise<void> {
    await this.agent?.stop();
  }

  async stopRelay(): Promise<void> {
    await this.relay?.stop();
  }

  /** A command line of the product, to its end; what it printed. @throws when it fails */
  async command(side: "agent" | "relay", args: readonly string[]): Promise<string> {
    const where =
      side === "agent" ? ["--config", this.#configFile(this.agentDir)] : ["--data-dir", this.relayDir];
    const process = this.#spawn(side, [...args, ...where], `${side}.log`);
    const code = await process.ended();
    const text = process.output.join("\n");
    if (code !== 0) throw new TypeError(`${args.join(" ")} ended with ${code}: ${text}`);
    return text;
  }

  /** Asks the relay's API with the workspace's token; the status code and the body. */
  async get(path: string): Promise<{ readonly status: number; readonly body: unknown }> {
    const response = await fetch(`http://127.0.0.1:${this.#port}${path}`, {
      headers: { authorization: `Bearer ${this.token}` },
    });
    return { status: response.status, body: await response.json() };
  }

  /** The relay's store beside the running relay, for looking at it. */
  openStore(): Promise<Store> {
    return openSqliteStore({ path: this.storeFile });
  }

  /** Copies a folder whose process must not run; gives the copy's path. */
  copy(folder: string, name: string): string {
    const copy = join(this.dir, name);
    rmSync(copy, { recursive: true, force: true });
    cpSync(folder, copy, { recursive: true });
    return copy;
  }

  /** Puts a copy in the folder's place. */
  restore(copy: string, folder: string): void {
    rmSync(folder, { recursive: true, force: true });
    cpSync(copy, folder, { recursive: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#processes.map((process) => process.stop()));
    rmSync(this.dir, { recursive: true, force: true });
  }

  /** Written anew each time: the port may be another. JSON is YAML. */
  #configFile(agentDir: string): string {
    const file = join(this.dir, `${agentDir.replaceAll(/\W/g, "_")}.yaml`);
    const connections: Record<string, unknown>[] = [];
    for (const [name, { more, ...connection }] of Object.entries(this.#options.connections))
      connections.push({ name, ...connection, ...more });
    const relay = { url: `ws://127.0.0.1:${this.agentPort ?? this.#port}` };
    const config = { relay, data_dir: agentDir, ...this.#options.agent, connections };
    writeFileSync(file, JSON.stringify(config, null, 2));
    return file;
  }

  #spawn(side: "agent" | "relay", args: readonly string[], log: string): StackProcess {
    const program = this.#options.programs?.[side] ?? CHECKOUT[side];
    const started = new StackProcess(program, args, join(this.dir, log));
    this.#processes.push(started);
    return started;
  }
}

interface Administered {
  readonly workspaceId: string;
  readonly token: string;
  readonly connectionIds: ReadonlyMap<string, string>;
  readonly code: string;
}

async function administer(dataDir: string, names: readonly string[]): Promise<Administered> {
  makeDataDir(dataDir);
  const identity = await openIdentity(dataDir);
  await using store = await openSqliteStore({ path: join(dataDir, STORE_FILE) });
  const deps = { directory: store.directory, entropy: systemEntropy, nowMs: () => Date.now() };
  const { id: workspaceId } = await createWorkspace(deps, "stack");
  const connectionIds = new Map<string, string>();
  for (const name of names) connectionIds.set(name, (await createConnection(deps, { workspaceId, name })).id);
  const { token } = await createToken(deps, { kind: "workspace", workspaceId });
  const { code } = await createEnrollment(deps, {
    workspaceId,
    connectionIds: [...connectionIds.values()],
    ttlMs: DAY_MS,
    relayPublicKey: identity.publicKey,
  });
  return { workspaceId, token, connectionIds, code };
}
