// The agent's program: gives the command line its world, and ends with its exit code. What only some commands need is
// loaded by them, so that `status` is quick.
import { createHash } from "node:crypto";
import { hostname, uptime } from "node:os";
import { dirname, join, resolve } from "node:path";
import type {
  CommandContext,
  ConfigPart,
  Enrolment,
  EnrolmentRequest,
  LoadedConfig,
} from "#agent/commands/command.ts";
import type { CompiledPack } from "#agent/core/mapping/mapping.ts";
import { EXIT_FAILURE } from "#agent/commands/command.ts";
import { runCommandLine } from "#agent/commands/command-line.ts";
import type { AgentConfig, ConnectionSettings } from "#agent/core/agent-config.ts";
import { AgentDatabase } from "#agent/platform/agent-database.ts";
import { readCaFile } from "#agent/platform/ca-file.ts";
import type { ServiceControl } from "#agent/core/service-control.ts";
import { askAgent, ControlError } from "#agent/platform/control-socket.ts";
import { defaultConfigFile, loadAgentConfig } from "#agent/platform/config.ts";
import { listenForHostStop } from "#agent/platform/host-stop.ts";
import { lockDataDir } from "#agent/platform/instance-lock.ts";
import { operatorName } from "#agent/platform/operator-name.ts";
import { SecurityLog, systemSink } from "#agent/platform/security-log.ts";
import { VERSION } from "#agent/platform/version.ts";
import { openSecretDesk } from "#agent/secret-desk.ts";
import { sleep, systemClock } from "#common/runtime/clock.ts";
import { ConfigError, messageOf, MillraceError, type Issue } from "#common/runtime/errors.ts";

const stop = new AbortController();
/** What commands do; the running agent has one of its own, which also goes to its log. */
const security = new SecurityLog({ sink: systemSink(process.env) });

const context: CommandContext = {
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
  env: process.env,
  signal: stop.signal,
  isTerminal: process.stdout.isTTY,
  hostName: hostname(),
  userName: operatorName(process.env),
  sha256: (text) => createHash("sha256").update(text).digest("hex"),
  // A timer of the product does not keep a process alive; here nothing else does.
  sleep: async (ms) => {
    const keepAlive = setInterval(() => {}, 60_000);
    await sleep(systemClock, ms, stop.signal);
    clearInterval(keepAlive);
  },
  loadConfig: (file) => loadAgentConfig(configFileOf(file)),
  checkConnection,
  lockDataDir,
  openDatabase: (dataDir) => AgentDatabase.open(join(dataDir, "agent.db")),
  openExistingDatabase: (dataDir) => AgentDatabase.openExisting(join(dataDir, "agent.db")),
  askAgent,
  enroll,
  runAgent,
  preview: async (request) => {
    startFrom(request.configFile);
    return await (await import("./preview.ts")).previewConnection(request);
  },
  discover: async ({ draft, ...request }) => {
    // Before the folder changes.
    const packOut = draft?.packOut === undefined ? undefined : resolve(draft.packOut);
    startFrom(request.configFile);
    const { discoverSource } = await import("./discover.ts");
    return await discoverSource(draft === undefined ? request : { ...request, draft: { packOut } });
  },
  doctor: async (request) => {
    const { runDoctor } = await import("./doctor.ts");
    const load = (): LoadedConfig => context.loadConfig(request.config);
    return await runDoctor({ load, checkConnection, askAgent, startFrom }, request);
  },
  supportBundle: async ({ config, signal, ...request }) => {
    const { writeSupportBundle } = await import("./support-bundle.ts");
    const everything = { config, only: undefined, connection: undefined, signingKeyFile: undefined };
    return await writeSupportBundle(
      {
        load: () => context.loadConfig(config),
        askAgent,
        doctor: async () => await context.doctor({ ...everything, told: () => {}, signal }),
        env: process.env,
        nowMs: () => systemClock.nowMs(),
      },
      { ...request, configFile: configFileOf(config) },
    );
  },
  service: serviceHere,
  openSecrets: (file) => openSecretDesk(configFileOf(file), process.env),
  readSecret: async (prompt) =>
    await (
      await import("#agent/platform/secret-input.ts")
    ).readSecret(prompt, (text) => void process.stderr.write(text), stop.signal),
  security,
  grants: async (connection, dataDir) =>
    await (await import("./grants.ts")).connectionGrants(connection, dataDir),
};

// A parent that started the agent with an IPC channel stops it by disconnecting (Windows has no SIGTERM), or by dying.
for (const name of ["SIGINT", "SIGTERM", "disconnect"] as const)
  process.on(name, () => {
    // Asked twice: whatever holds it up is not waited for. Rooms end with us.
    if (stop.signal.aborted) process.exit(EXIT_FAILURE);
    stop.abort();
  });
listenForHostStop(
  process.env,
  () => process.stdin,
  () => stop.abort(),
);
// A reader that goes away (`status | head`) is no failure.
process.stdout.on("error", () => process.exit(EXIT_FAILURE));

process.exitCode = await runCommandLine(process.argv.slice(2), VERSION, context);
await security[Symbol.asyncDispose]();
// Listening for its end keeps the channel open, and the process with it. Its closing is no second order to stop.
process.removeAllListeners("disconnect");
if (process.connected) process.disconnect();

function configFileOf(file: string | undefined): string {
  return file ?? process.env["MILLRACE_AGENT_CONFIG"] ?? defaultConfigFile(process.env);
}

/** As in a room: relative paths in a connector's settings start from the configuration's folder. */
function startFrom(configFile: string): void {
  process.chdir(dirname(configFile));
}

async function runAgent(config: AgentConfig): Promise<void> {
  const { createLogger, redactor } = await import("#agent/platform/logger.ts");
  const { startAgent } = await import("#agent/compose.ts");
  const logger = createLogger({ level: config.logLevel, secrets: config.secrets });
  logger.info({ version: VERSION, config: config.file, settings: config.summary }, "Millrace agent starts");
  process.on("uncaughtException", (error) => {
    logger.error(
      { stack: error.stack },
      `the agent failed inside: ${messageOf(error)}; it ends, its service manager starts it again`,
    );
    process.exit(EXIT_FAILURE);
  });
  const { serviceNotify } = await import("#agent/platform/service-notify.ts");
  const redact = redactor(config.secrets);
  await using events = new SecurityLog({ logger, sink: systemSink(process.env), redact });
  await using agent = await startAgent({ config, logger, security: events });
  const { pid } = process;
  const isHealthy = (): Promise<boolean> => answersItself(config.dataDir);
  // Disposed of before the agent: systemd hears of the stop while it goes on.
  await using notify = serviceNotify({ env: process.env, pid, clock: systemClock, logger, isHealthy });
  const count = config.connections.length;
  await notify.ready(`It has ${count} connection${count === 1 ? "" : "s"} in its configuration.`);
  const aborted = new Promise<void>((resolve) => {
    stop.signal.addEventListener("abort", () => resolve(), { once: true });
    if (stop.signal.aborted) resolve();
  });
  await Promise.race([aborted, agent.stopRequested]);
  logger.info({}, "stopping");
}

/** By its own control socket: an event loop that turns, and an agent behind it; what it says does not matter. */
async function answersItself(dataDir: string): Promise<boolean> {
  try {
    await askAgent(dataDir, { command: "status" });
    return true;
  } catch (error) {
    if (!(error instanceof ControlError)) throw error;
    return error.isAnswered;
  }
}

async function serviceHere(): Promise<ServiceControl> {
  if (process.platform === "win32") {
    const { windowsService } = await import("#agent/platform/service-windows.ts");
    const { serviceHost } = await import("#agent/platform/secret-places.ts");
    const logDir = join(dirname(configFileOf(undefined)), "logs");
    return windowsService({ host: serviceHost(process.env), logDir, sleep: (ms) => context.sleep(ms) });
  }
  if (process.platform !== "linux")
    throw new MillraceError(
      "the service verbs know systemd on Linux and services on Windows; here, use the machine's own service manager",
    );
  const { linuxService } = await import("#agent/platform/service-linux.ts");
  return linuxService({ bootedAtMs: Date.now() - uptime() * 1_000 });
}

async function checkConnection(
  connection: ConnectionSettings,
): ReturnType<CommandContext["checkConnection"]> {
  const { loadConnector } = await import("#agent/connectors/registry.ts");
  const { loadPack } = await import("#agent/packs/load-pack.ts");
  const { hiddenIssues } = await import("#agent/core/mapping/hidden.ts");
  const { allowIssues } = await import("#agent/core/commands/allow-issues.ts");
  const { rawWriteSettings } = await import("#agent/core/sql/write-settings.ts");
  const found: { part: ConfigPart; issues: readonly Issue[] }[] = [];
  let ownPack: CompiledPack | undefined;
  try {
    const definition = await loadConnector(connection.connector);
    const settings = definition.parseConfig(connection.settings);
    if (!settings.ok) found.push({ part: "settings", issues: settings.issues });
    else if (definition.shape === "telemetry") {
      const { connectionPack } = await import("#agent/connection-pack.ts");
      ownPack = await connectionPack(connection.name, undefined, definition, {}, settings.value);
    }
    if (definition.shape === "tabular" && connection.pack === undefined) {
      const message = `missing; the connector ${connection.connector} needs a pack that maps its tables`;
      found.push({ part: "pack", issues: [{ path: "", message }] });
    }
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    found.push({ part: "connector", issues: error.issues });
  }
  const { connector, packSettings } = connection;
  const pack =
    connection.pack === undefined
      ? undefined
      : loadPack(connection.pack, { connector, settings: packSettings ?? {} });
  if (pack?.ok === false) {
    const settings = pack.issues.filter(({ path }) => path.startsWith("pack_settings"));
    const relative = settings.map(({ path, message }) => ({
      path: path.slice("pack_settings.".length),
      message,
    }));
    found.push({ part: "pack_settings", issues: relative });
    found.push({ part: "pack", issues: pack.issues.filter((issue) => !settings.includes(issue)) });
  }
  if (pack?.ok === true) found.push({ part: "hide", issues: hiddenIssues(pack.pack, connection.hidden) });
  const compiled = pack?.ok === true ? pack.pack : ownPack;
  if (compiled !== undefined && connection.allow !== undefined) {
    const { isAllowed } = rawWriteSettings(connection.settings);
    found.push({ part: "allow", issues: allowIssues(compiled, connection.allow, isAllowed) });
  }
  return found;
}

async function enroll(request: EnrolmentRequest): Promise<Enrolment> {
  const { enrollAgent } = await import("#agent/uplink/socket.ts");
  const { parseEnrollmentCode } = await import("#common/contract/enrollment-code.ts");
  const { generateIdentityKey } = await import("#common/contract/identity-key.ts");
  const { relayUrl, name, relay, allowInsecure, signal } = request;
  const identity = generateIdentityKey();
  const enrolled = await enrollAgent({
    url: relayUrl,
    identity,
    clock: systemClock,
    code: parseEnrollmentCode(request.code),
    name,
    ca: readCaFile(relay.caFile),
    proxy: relay.proxy,
    allowInsecure,
    signal,
  });
  return {
    identity: {
      agentId: enrolled.agent_id,
      name,
      workspaceId: enrolled.workspace_id,
      workspaceName: enrolled.workspace_name,
      relayUrl,
      relayKey: enrolled.relayKey,
      secretKey: identity.exportSecret(),
      enrolledAtMs: systemClock.nowMs(),
    },
    connections: enrolled.connections,
  };
}
