// Examines this installation section by section, in the order in which one thing needs the other; never ends at the first failure.
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import type { CommandContext, LoadedConfig } from "#agent/commands/command.ts";
import type { AgentConfig } from "#agent/core/agent-config.ts";
import type { AgentIdentity } from "#agent/core/agent-identity.ts";
import type { AgentStatus } from "#agent/core/agent-status.ts";
import {
  DOCTOR_SECTIONS,
  doctorReport,
  type DoctorReport,
  type DoctorSection,
  type DoctorSectionName,
} from "#agent/core/doctor-report.ts";
import { clockChecks } from "#agent/doctor/clock.ts";
import { configurationChecks } from "#agent/doctor/configuration.ts";
import { connectionChecks } from "#agent/doctor/connection.ts";
import { diskChecks } from "#agent/doctor/disk.ts";
import { installationChecks } from "#agent/doctor/installation.ts";
import { networkChecks, type Way } from "#agent/doctor/network.ts";
import { permissionChecks } from "#agent/doctor/permissions.ts";
import { relayChecks } from "#agent/doctor/relay.ts";
import { Checks } from "#agent/doctor/checks.ts";
import { AgentDatabase } from "#agent/platform/agent-database.ts";
import { readCaFile } from "#agent/platform/ca-file.ts";
import { installation, type Installation } from "#agent/platform/installation.ts";
import { VERSION } from "#agent/platform/version.ts";
import type { BoundConnection } from "#common/contract/messages.ts";
import { systemClock } from "#common/runtime/clock.ts";
import { MillraceError } from "#common/runtime/errors.ts";

/** Of each look that may hang: a name server, a connection, a proxy, a handshake. */
const LIMIT_MS = 10_000;

export interface DoctorDeps {
  /** @throws ConfigError */
  readonly load: () => LoadedConfig;
  readonly checkConnection: CommandContext["checkConnection"];
  readonly askAgent: CommandContext["askAgent"];
  /** Relative paths in a connector's settings start from the configuration's folder, as in a room. */
  readonly startFrom: (configFile: string) => void;
  readonly nowMs?: () => number;
  readonly limitMs?: number;
  readonly installed?: () => Installation | undefined;
}

export interface DoctorExamination {
  /** Sections to look at; `undefined`: all. */
  readonly only: ReadonlySet<DoctorSectionName> | undefined;
  /** The one connection to look at; `undefined`: all. @throws ConfigError is the caller's for unknown names */
  readonly connection: string | undefined;
  readonly signingKeyFile: string | undefined;
  /** Hears each section as it is done. */
  readonly told: (section: DoctorSection) => void;
  readonly signal: AbortSignal;
}

/** What the sections after the configuration share. */
interface Known {
  readonly config: AgentConfig;
  readonly identity: AgentIdentity | undefined;
  readonly bound: readonly BoundConnection[];
  readonly status: AgentStatus | undefined;
  readonly mayOpen: boolean;
  readonly way: Way | undefined;
}

/** Never throws for what is wrong: that is what it is asked about. */
export async function runDoctor(deps: DoctorDeps, request: DoctorExamination): Promise<DoctorReport> {
  const { nowMs = () => systemClock.nowMs(), installed = installation } = deps;
  const { only, told } = request;
  const startedMs = nowMs();
  const sections: DoctorSection[] = [];
  const report = (section: DoctorSectionName, checks: Checks, connection?: string): void => {
    const made: DoctorSection = {
      section,
      ...(connection === undefined ? {} : { connection }),
      checks: checks.list,
    };
    sections.push(made);
    told(made);
  };
  const wants = (section: DoctorSectionName): boolean => only === undefined || only.has(section);
  const { checks, loaded } = await configurationChecks(deps.load, deps.checkConnection);
  if (wants("configuration") || loaded === undefined) report("configuration", checks);
  if (wants("installation"))
    report("installation", await installationChecks(installed(), request.signingKeyFile));
  if (loaded === undefined) return doctorReport(new Date(startedMs).toISOString(), VERSION, sections);
  const known = await gather(loaded.config, deps, request, nowMs);
  for (const section of DOCTOR_SECTIONS) {
    if (!wants(section) || section === "connections") continue;
    const found = await examine(section, known, nowMs);
    if (found !== undefined) report(section, found);
  }
  if (wants("connections")) {
    deps.startFrom(loaded.config.file);
    await connections(known, request, nowMs, report);
  }
  return doctorReport(new Date(startedMs).toISOString(), VERSION, sections);
}

async function examine(
  section: DoctorSectionName,
  known: Known,
  nowMs: () => number,
): Promise<Checks | undefined> {
  const { config, way } = known;
  switch (section) {
    case "permissions":
      return permissionChecks(config, nowMs());
    case "disk":
      return diskChecks({ ...known, nowMs: nowMs() });
    case "network":
      return way === undefined ? nowhere() : await networkChecks(way);
    case "clock":
      return await clockChecks(
        way,
        config.connections.map(({ timeZone }) => timeZone),
        nowMs,
      );
    case "relay":
      return await relayChecks(known);
    default:
      return undefined;
  }
}

function nowhere(): Checks {
  const checks = new Checks();
  checks.skipped(
    "dns",
    "the relay's address is not known: this agent is not enrolled, and relay.url is not set",
  );
  return checks;
}

async function connections(
  { config, bound }: Known,
  request: DoctorExamination,
  nowMs: () => number,
  report: (section: DoctorSectionName, checks: Checks, connection?: string) => void,
): Promise<void> {
  for (const connection of config.connections) {
    if (request.connection !== undefined && connection.name !== request.connection) continue;
    const boundId = bound.find(({ name }) => name === connection.name)?.id;
    const { dataDir } = config;
    const { signal } = request;
    const checks = await connectionChecks({ connection, dataDir, boundId, nowMs: nowMs(), signal });
    report("connections", checks, connection.name);
  }
}

async function gather(
  config: AgentConfig,
  deps: DoctorDeps,
  { signal }: DoctorExamination,
  nowMs: () => number,
): Promise<Known> {
  const { dataDir, relay } = config;
  const mayOpen = isOurs(dataDir);
  const { identity, bound } = mayOpen ? stored(dataDir) : { identity: undefined, bound: [] };
  const status = await statusOf(deps, dataDir);
  const address = relay.url ?? identity?.relayUrl;
  const { limitMs = LIMIT_MS } = deps;
  const way =
    address === undefined
      ? undefined
      : { url: new URL(address), proxy: relay.proxy, ca: authorities(relay.caFile), limitMs, nowMs, signal };
  return { config, identity, bound, status, mayOpen, way };
}

/** SQLite leaves files of whoever opens a database: as root they would keep the agent's own account out. */
function isOurs(dataDir: string): boolean {
  const stats = statSync(dataDir, { throwIfNoEntry: false });
  return process.platform === "win32" || stats === undefined || stats.uid === process.getuid?.();
}

function stored(dataDir: string): Pick<Known, "identity" | "bound"> {
  try {
    if (!existsSync(join(dataDir, "agent.db"))) return { identity: undefined, bound: [] };
    using database = AgentDatabase.openExisting(join(dataDir, "agent.db"));
    return { identity: database?.identity(), bound: database?.connections() ?? [] };
  } catch (error) {
    if (!(error instanceof MillraceError)) throw error;
    // What is wrong with the file is said by the disk's section; without it there is no identity to ask with.
    return { identity: undefined, bound: [] };
  }
}

async function statusOf(deps: DoctorDeps, dataDir: string): Promise<AgentStatus | undefined> {
  try {
    return (await deps.askAgent(dataDir, { command: "status" })) as AgentStatus;
  } catch (error) {
    if (error instanceof MillraceError) return undefined;
    throw error;
  }
}

/** What is wrong with the file is said by the section of permissions. */
function authorities(caFile: string | undefined): readonly string[] {
  try {
    return readCaFile(caFile);
  } catch (error) {
    if (error instanceof MillraceError) return [];
    throw error;
  }
}
