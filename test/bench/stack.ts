// A relay and an agent as the product runs them, in a folder of their own, with their sources.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import { SPARING_MALLOC } from "#agent/platform/sparing-malloc.ts";
import { makeDataDir } from "#relay/config.ts";
import { STORE_FILE } from "#relay/compose.ts";
import { createConnection, createToken, createWorkspace } from "#relay/core/administration.ts";
import { createEnrollment } from "#relay/core/enrollment-codes.ts";
import { systemEntropy } from "#relay/entropy.ts";
import { openIdentity } from "#relay/identity.ts";
import { openSqliteStore } from "#relay/store/sqlite/open-store.ts";
import { BENCH_PACK, BenchSource } from "./bench-source.ts";
import { Child, childrenOf } from "./child.ts";

const DAY_MS = 86_400_000;
/** Set to anything, folders stay for a look. */
const IS_KEPT = process.env["MILLRACE_BENCH_KEEP"] !== undefined;

export interface StackOptions {
  /** Connections of the one agent: name → rows in its source. */
  readonly sources: Readonly<Record<string, number>>;
  /** Further lines of each connection in the agent's file. */
  readonly settings?: string;
  /** PEM files for a relay over TLS. */
  readonly tls?: { readonly certFile: string; readonly keyFile: string };
  readonly relayDescriptors?: number;
}

export class Stack implements AsyncDisposable {
  readonly dir: string;
  readonly workspaceId: string;
  /** A workspace's token. */
  readonly token: string;
  readonly sources: ReadonlyMap<string, BenchSource>;
  readonly connectionIds: ReadonlyMap<string, string>;
  readonly #options: StackOptions;
  readonly #code: string;
  #relay: Child | undefined;
  #agent: Child | undefined;
  #url = "";
  #port = "0";

  private constructor(
    dir: string,
    options: StackOptions,
    sources: ReadonlyMap<string, BenchSource>,
    made: Administered,
  ) {
    this.dir = dir;
    this.#options = options;
    this.sources = sources;
    this.workspaceId = made.workspaceId;
    this.token = made.token;
    this.connectionIds = made.connectionIds;
    this.#code = made.code;
  }

  /** Sources, workspace, tokens: nothing runs yet. */
  static async create(options: StackOptions): Promise<Stack> {
    const dir = mkdtempSync(join(tmpdir(), "millrace-bench-"));
    const names = Object.keys(options.sources);
    const sources = new Map(
      names.map((name) => [name, BenchSource.create(join(dir, `${name}.db`), options.sources[name] ?? 0)]),
    );
    return new Stack(dir, options, sources, await administer(join(dir, "relay"), names));
  }

  get url(): string {
    return this.#url;
  }

  get relayPid(): number {
    return this.#relay?.pid ?? 0;
  }

  get agentPid(): number {
    return this.#agent?.pid ?? 0;
  }

  /** Processes of the rooms, in the order in which they were started. */
  get roomPids(): readonly number[] {
    return childrenOf(this.agentPid);
  }

  get storeFile(): string {
    return join(this.dir, "relay", STORE_FILE);
  }

  async startRelay(): Promise<void> {
    const { tls, relayDescriptors } = this.#options;
    const secure = tls === undefined ? [] : ["--tls-cert", tls.certFile, "--tls-key", tls.keyFile];
    // Measured is what the relay can do, not what it lets one caller do.
    const config = join(this.dir, "relay.yaml");
    const limits =
      "{ connection_per_minute: 10000000, workspace_per_minute: 10000000, workspace_at_once: 100000 }";
    writeFileSync(config, `limits: ${limits}\n`);
    this.#relay = new Child({
      script: "cloud-relay/bin.mjs",
      args: [
        "serve",
        "--json",
        "--config",
        config,
        "--data-dir",
        join(this.dir, "relay"),
        "--port",
        this.#port,
        ...secure,
      ],
      log: join(this.dir, "relay.log"),
      isServer: true,
      ...(relayDescriptors === undefined ? {} : { descriptors: relayDescriptors }),
    });
    const { url, port } = JSON.parse(await this.#relay.firstLine()) as { url: string; port: number };
    this.#url = url;
    this.#port = String(port);
  }

  async stopRelay(): Promise<void> {
    await this.#relay?.stop();
  }

  /** Enrols at the running relay. */
  async enrol(): Promise<void> {
    mkdirSync(join(this.dir, "agent"), { recursive: true });
    writeFileSync(join(this.dir, "bench-pack.yaml"), BENCH_PACK);
    const settings = this.#options.settings ?? "";
    const connections = [...this.sources].map(
      ([name, { file }]) =>
        `  - name: ${name}\n    connector: sqlite\n    pack: ./bench-pack.yaml\n    release_personal: true\n    settings: { file: "${file}" }\n${settings.replaceAll(/^(?=.)/gm, "    ")}`,
    );
    const relay = this.#url.replace(/^http/, "ws");
    writeFileSync(
      join(this.dir, "agent.yaml"),
      `relay: { url: "${relay}" }\ndata_dir: agent\nconnections:\n${connections.join("\n")}\n`,
    );
    await using child = this.#agentChild("enroll", ["--code", this.#code]);
    if ((await child.ended()) !== 0)
      throw new TypeError(`the agent could not enrol; see ${this.dir}/agent.log`);
  }

  startAgent(): void {
    this.#agent = this.#agentChild("run", []);
  }

  async stopAgent(): Promise<void> {
    await this.#agent?.stop();
  }

  /** The relay's store, for looking at what was committed. */
  openStore(): Database.Database {
    return new Database(this.storeFile, { readonly: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stopAgent();
    await this.stopRelay();
    for (const source of this.sources.values()) source[Symbol.dispose]();
    if (!IS_KEPT) rmSync(this.dir, { recursive: true, force: true });
  }

  #agentChild(command: string, args: readonly string[]): Child {
    return new Child({
      script: "agent/bin.mjs",
      args: [command, ...args, "--config", join(this.dir, "agent.yaml")],
      log: join(this.dir, "agent.log"),
      // As its service runs it.
      env: SPARING_MALLOC,
      isServer: command === "run",
    });
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
  const { id: workspaceId } = await createWorkspace(deps, "bench");
  const connectionIds = new Map<string, string>();
  for (const name of names) connectionIds.set(name, (await createConnection(deps, { workspaceId, name })).id);
  const { token } = await createToken(deps, { kind: "workspace", workspaceId });
  const made = { workspaceId, token, connectionIds };
  if (names.length === 0) return { ...made, code: "" };
  const { code } = await createEnrollment(deps, {
    workspaceId,
    connectionIds: [...connectionIds.values()],
    ttlMs: DAY_MS,
    relayPublicKey: identity.publicKey,
  });
  return { ...made, code };
}
