// One archive for whoever helps: how this installation is, what happened of late, and nothing secret.
import { randomBytes } from "node:crypto";
import { accessSync, constants, statSync } from "node:fs";
import {
  arch,
  cpus,
  freemem,
  loadavg,
  release,
  tmpdir,
  totalmem,
  uptime,
  version as osVersion,
} from "node:os";
import { dirname, join, resolve } from "node:path";
import type { CommandContext, LoadedConfig } from "#agent/commands/command.ts";
import type { AgentConfig } from "#agent/core/agent-config.ts";
import type { AgentStatus } from "#agent/core/agent-status.ts";
import type { JournalEntry } from "#agent/core/commands/journal.ts";
import type { DoctorReport } from "#agent/core/doctor-report.ts";
import { roomFacts } from "#agent/outbox/room-facts.ts";
import { AgentDatabase } from "#agent/platform/agent-database.ts";
import { defaultDataDir } from "#agent/platform/config.ts";
import { installation } from "#agent/platform/installation.ts";
import { checkInstallation } from "#agent/platform/installation-check.ts";
import { knownSecrets } from "#agent/platform/known-secrets.ts";
import { logTail } from "#agent/platform/log-tail.ts";
import { secretRedactor, type SecretRedactor } from "#agent/platform/secret-redactor.ts";
import { secretUse } from "#agent/platform/secret-use.ts";
import { VERSION } from "#agent/platform/version.ts";
import { writeZip, type ZipEntry } from "#agent/platform/zip-file.ts";
import { AgentMetrics } from "#agent/status/metrics.ts";
import { ConfigError, MillraceError, messageOf } from "#common/runtime/errors.ts";

/** Of one entry; what is longer loses its beginning. */
const MAX_ENTRY_CHARS = 4 * 1024 * 1024;
const MAX_EVENTS = 1_000;
const MAX_COMMANDS = 500;

export interface BundleDeps {
  /** @throws ConfigError */
  readonly load: () => LoadedConfig;
  readonly askAgent: CommandContext["askAgent"];
  readonly doctor: () => Promise<DoctorReport>;
  readonly env: NodeJS.ProcessEnv;
  readonly nowMs: () => number;
  /** Exchanged only to show that the tests see what a bundle without it would hold. */
  readonly redactorOf?: (secrets: readonly string[]) => SecretRedactor;
}

export interface BundleRequest {
  readonly configFile: string;
  readonly out: string | undefined;
  /** Lines of the log. */
  readonly logLines: number;
  readonly logFile: string | undefined;
}

export interface WrittenBundle {
  readonly file: string;
  readonly bytes: number;
  readonly entries: readonly string[];
  /** What should be in it and is not, with the reason. */
  readonly missing: readonly string[];
}

/** What an entry is for, by its name in the archive. */
const PURPOSES: Readonly<Record<string, string>> = {
  "doctor.json": "what `millrace-agent doctor` found",
  "status.json": "what the running agent says of itself, or what it knew last",
  "configuration.txt": "the configuration as it was understood, secrets masked; or what is wrong with it",
  "versions.json": "versions, the machine, and whether the installed files are as they were built",
  "rooms.json": "each connection's file: epoch, positions, sizes, checks",
  "events.json": "the agent's own history, newest first",
  "commands.json": "writes that the relay asked for: what, when, how they ended; neither keys nor values",
  "log.txt": "the last lines of the log",
  "metrics.txt": "metrics in Prometheus' text format",
};

const NEVER = [
  "records, rows, samples, their keys and values (messages may name a key)",
  "secrets: passwords, tokens, codes, private keys, the agent's own key; *** stands in their place",
  "the configuration file itself, agent.db, room files, certificates, environment variables",
];

/** @throws MillraceError when the archive cannot be written */
export async function writeSupportBundle(deps: BundleDeps, request: BundleRequest): Promise<WrittenBundle> {
  const { redactorOf = secretRedactor, nowMs } = deps;
  const loaded = loadOrIssues(deps);
  const config = loaded instanceof ConfigError ? undefined : loaded.config;
  // Before doctor goes to the configuration's folder.
  const file = resolve(request.out ?? defaultName(nowMs()));
  const configFile = resolve(request.configFile);
  const logFile = request.logFile === undefined ? undefined : resolve(request.logFile);
  const dataDir = config?.dataDir ?? namedDataDir(configFile, deps.env);
  const mayOpen = isOurs(dataDir);
  const { env } = deps;
  const secrets = knownSecrets({ configFile, dataDir, env, resolved: config?.secrets ?? [], mayOpen });
  const redactor = redactorOf(secrets);
  const gathering = new Gathering(redactor);
  await gathering.json("doctor.json", deps.doctor);
  const status = await statusOf(deps, dataDir);
  await gathering.json("status.json", () => status ?? atRest(dataDir, mayOpen));
  await gathering.text("configuration.txt", () =>
    loaded instanceof ConfigError ? loaded.message : loaded.config.summary.join("\n"),
  );
  await gathering.json("versions.json", versions);
  if (config !== undefined) await gathering.json("rooms.json", () => rooms(config, mayOpen));
  await gathering.json("events.json", () =>
    opened(dataDir, mayOpen, (database) => database.recentEvents(MAX_EVENTS)),
  );
  await gathering.json("commands.json", () =>
    opened(dataDir, mayOpen, (database) => database.journal.recent(MAX_COMMANDS).map(header)),
  );
  await gathering.text("log.txt", () => log({ ...request, logFile }, configFile));
  if (status !== undefined) await gathering.text("metrics.txt", () => metrics(status, nowMs));
  const entries = [gathering.index(nowMs(), status !== undefined), ...gathering.entries];
  const bytes = writeZip(file, entries, nowMs());
  return { file, bytes, entries: entries.map(({ name }) => name), missing: gathering.missing };
}

/** Collects the entries; what fails is named instead, and the rest goes on. */
class Gathering {
  readonly entries: ZipEntry[] = [];
  readonly missing: string[] = [];
  readonly #redactor: SecretRedactor;

  constructor(redactor: SecretRedactor) {
    this.#redactor = redactor;
  }

  async json(name: string, make: () => unknown): Promise<void> {
    await this.#add(name, async () => {
      const value = await make();
      // By way of JSON, so that what is masked is what will be written.
      const plain: unknown = JSON.parse(JSON.stringify(value ?? null));
      return `${JSON.stringify(this.#redactor.value(plain), undefined, 2)}\n`;
    });
  }

  async text(name: string, make: () => string | Promise<string>): Promise<void> {
    await this.#add(name, async () => `${this.#redactor.text(await make())}\n`);
  }

  index(atMs: number, isRunning: boolean): ZipEntry {
    const lines = [
      `Support bundle of a Millrace agent ${VERSION}, made ${new Date(atMs).toISOString()}; the agent ${isRunning ? "runs" : "does not run, or could not be asked"}.`,
      "",
      "In it:",
      ...this.entries.map(
        ({ name, text }) => `  ${name} (${text.length} characters): ${PURPOSES[name] ?? ""}`,
      ),
      ...(this.missing.length === 0 ? [] : ["", "Should be in it, but could not be had:"]),
      ...this.missing.map((line) => `  ${line}`),
      "",
      "Left out on purpose:",
      ...NEVER.map((line) => `  ${line}`),
      "",
      "Look through it before you send it: names of machines, connections, tables and columns are in it.",
    ];
    return { name: "index.txt", text: `${this.#redactor.text(lines.join("\n"))}\n` };
  }

  async #add(name: string, make: () => Promise<string>): Promise<void> {
    try {
      const text = await make();
      const kept = text.length > MAX_ENTRY_CHARS ? `…${text.slice(-MAX_ENTRY_CHARS)}` : text;
      this.entries.push({ name, text: kept });
    } catch (error) {
      this.missing.push(this.#redactor.text(`${name}: ${messageOf(error)}`));
    }
  }
}

function loadOrIssues({ load }: BundleDeps): LoadedConfig | ConfigError {
  try {
    return load();
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
}

async function statusOf({ askAgent }: BundleDeps, dataDir: string): Promise<AgentStatus | undefined> {
  try {
    return (await askAgent(dataDir, { command: "status" })) as AgentStatus;
  } catch (error) {
    if (error instanceof MillraceError) return undefined;
    throw error;
  }
}

/** As a file that is wrong elsewhere says it. */
function namedDataDir(configFile: string, env: NodeJS.ProcessEnv): string {
  return resolve(dirname(configFile), secretUse(configFile).dataDir ?? defaultDataDir(env));
}

/** SQLite leaves files of whoever opens a database: as root they would keep the agent's own account out. */
function isOurs(dataDir: string): boolean {
  const stats = statSync(dataDir, { throwIfNoEntry: false });
  return process.platform === "win32" || stats === undefined || stats.uid === process.getuid?.();
}

function opened<T>(dataDir: string, mayOpen: boolean, look: (database: AgentDatabase) => T): T {
  if (!mayOpen) throw new MillraceError(`${dataDir} belongs to another account; run this as the agent's`);
  using database = AgentDatabase.openExisting(join(dataDir, "agent.db"));
  if (database === undefined) throw new MillraceError(`${dataDir} holds no agent.db yet`);
  return look(database);
}

function atRest(dataDir: string, mayOpen: boolean): unknown {
  return opened(dataDir, mayOpen, (database) => {
    const { agentId, name, workspaceName, relayUrl, enrolledAtMs } = database.identity() ?? {};
    const connections = database.connections();
    return {
      running: false,
      agentId,
      name,
      workspace: workspaceName,
      relay: relayUrl,
      enrolledAtMs,
      connections,
    };
  });
}

async function versions(): Promise<unknown> {
  const installed = installation();
  return {
    millrace: VERSION,
    components: process.versions,
    platform: process.platform,
    arch: arch(),
    os: { release: release(), version: osVersion(), uptime_s: Math.round(uptime()) },
    machine: {
      cpus: cpus().length,
      memory_bytes: totalmem(),
      free_memory_bytes: freemem(),
      load: loadavg(),
      time_zone: Intl.DateTimeFormat().resolvedOptions().timeZone,
    },
    account: process.getuid?.(),
    installation:
      installed === undefined ? "a checkout" : await checkInstallation(installed.manifestFile, undefined),
  };
}

function rooms(config: AgentConfig, mayOpen: boolean): unknown {
  const bound = opened(config.dataDir, mayOpen, (database) => database.connections());
  return bound.map(({ id, name }) => {
    try {
      return { connection: name, id, facts: roomFacts(join(config.dataDir, "rooms", id)) };
    } catch (error) {
      if (!(error instanceof MillraceError)) throw error;
      return { connection: name, id, problem: error.message };
    }
  });
}

/** Of a write: what, when, how it ended. */
function header(entry: JournalEntry): unknown {
  const { id, connection, state, body, result, receivedAtMs, expiresAtMs, startedAtMs, finishedAtMs } = entry;
  return {
    id,
    connection,
    state,
    entity: body.entity,
    operation: body.operation,
    dry_run: body.dry_run === true,
    receivedAtMs,
    expiresAtMs,
    startedAtMs,
    finishedAtMs,
    outcome: result?.outcome,
    code: result?.code,
    source_code: result?.source_code,
  };
}

function log({ logLines, logFile }: BundleRequest, configFile: string): string {
  // The Windows service logs beside its configuration.
  const folder = process.platform === "win32" ? join(dirname(configFile), "logs") : undefined;
  const { source, text } = logTail(logLines, logFile, folder);
  if (text === undefined) throw new MillraceError(source);
  return `# ${source}\n${text}`;
}

async function metrics(status: AgentStatus, nowMs: () => number): Promise<string> {
  return await new AgentMetrics({ status: () => status, commands: () => [] }, nowMs).text();
}

/** In this folder, or where this account may write none, with the temporary files. */
function defaultName(atMs: number): string {
  const at = new Date(atMs).toISOString().replaceAll(/[-:]|\.\d+/g, "");
  let folder = process.cwd();
  try {
    accessSync(folder, constants.W_OK);
  } catch {
    folder = tmpdir();
  }
  return join(folder, `millrace-agent-support-${at}-${randomBytes(3).toString("hex")}.zip`);
}
