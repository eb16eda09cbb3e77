// Loads the agent's configuration file: every problem at once, then plain settings with absolute paths.
import { readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { LineCounter, parseDocument } from "yaml";
import type { AgentConfig, ConnectionSettings } from "#agent/core/agent-config.ts";
import type { LoadLimits } from "#agent/core/load/source-load.ts";
import { effectiveProtection, protectionIssues } from "#agent/core/mapping/protection.ts";
import { relayUrl } from "#agent/core/relay-url.ts";
import { checkConfig, formatPath } from "#common/runtime/config-file.ts";
import { ConfigError, messageOf, type Issue } from "#common/runtime/errors.ts";
import { didYouMean } from "#common/runtime/nearest-match.ts";
import { readYamlDocument, type DocumentPath, type YamlDocument } from "#common/runtime/yaml-document.ts";
import { plantPolicy } from "./allow-schema.ts";
import { AgentConfigSchema, type AgentConfigFile } from "./config-schema.ts";
import { secretPlaces } from "./secret-places.ts";
import { secretUseOf } from "./secret-use.ts";
import { secretReader } from "./secrets.ts";

export interface LoadedConfig {
  readonly config: AgentConfig;
  /** Gives issues that others find in one connection's settings (paths relative to them) their place in the file. */
  locate(
    connection: number,
    part: "settings" | "pack" | "pack_settings" | "connector" | "hide" | "allow",
    issues: readonly Issue[],
  ): Issue[];
}

/** @throws ConfigError with every problem of the file. */
export function loadAgentConfig(file: string, env: NodeJS.ProcessEnv = process.env): LoadedConfig {
  const path = resolve(file);
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    const message = `cannot be read: ${messageOf(error)}; name the configuration file by --config`;
    throw new ConfigError(`configuration ${path}`, [{ path: "", file: path, message }]);
  }
  return parseAgentConfig(text, path, env);
}

/** @throws ConfigError */
export function parseAgentConfig(text: string, file: string, env: NodeJS.ProcessEnv): LoadedConfig {
  const document = readYamlDocument({ LineCounter, parseDocument }, text, file);
  const { inline, dataDir = defaultDataDir(env) } = secretUseOf(text, file);
  const places = secretPlaces(file, resolve(dirname(file), dataDir), env);
  const result = checkConfig<AgentConfigFile>(document, AgentConfigSchema, secretReader(places, env));
  if (!result.ok) throw new ConfigError(`configuration ${file}`, result.issues);
  const issues = meaningIssues(result.value, document);
  if (issues.length > 0) throw new ConfigError(`configuration ${file}`, issues);
  return {
    config: {
      ...toAgentConfig(result.value, file, env, result.summary, result.secrets),
      inlineSecrets: inline.map(({ path }) => path),
    },
    locate: (connection, part, found) =>
      found.map((issue) => {
        if (issue.file !== undefined) return issue;
        const prefix = ["connections", connection, part] as const;
        return issueAt(document, [...prefix, ...splitPath(issue.path)], issue.message);
      }),
  };
}

/** What a schema cannot say. */
function meaningIssues(file: AgentConfigFile, document: YamlDocument): Issue[] {
  const issues: Issue[] = [];
  const report = (path: DocumentPath, message: string): void =>
    void issues.push(issueAt(document, path, message));
  const { relay } = file;
  if (relay.url !== undefined) {
    const parsed = relayUrl(relay.url, relay.allow_insecure);
    if (!parsed.ok) report(["relay", "url"], parsed.message);
  }
  if (relay.proxy !== undefined) {
    const proxy = URL.parse(relay.proxy);
    const isHttp = proxy?.protocol === "http:" || proxy?.protocol === "https:";
    if (!isHttp) report(["relay", "proxy"], "expected an address such as http://proxy:3128");
    else if (proxy.password !== "")
      report(
        ["relay", "proxy"],
        "put the user into proxy_user and the password into proxy_password, where it is kept secret",
      );
  } else if (relay.proxy_user !== undefined)
    report(["relay", "proxy_user"], "has no meaning without relay.proxy");
  if (relay.proxy_password !== undefined && relay.proxy_user === undefined)
    report(["relay", "proxy_password"], "has no meaning without relay.proxy_user");
  const firstByName = new Map<string, number>();
  for (const [index, connection] of file.connections.entries()) {
    const name = connection.name.toLowerCase();
    const first = firstByName.get(name);
    if (first === undefined) firstByName.set(name, index);
    else
      report(
        ["connections", index, "name"],
        `"${connection.name}" is already the name of connections[${first}]`,
      );
    if (!isTimeZone(connection.time_zone)) {
      const hint = didYouMean(connection.time_zone, Intl.supportedValuesOf("timeZone"));
      report(
        ["connections", index, "time_zone"],
        `expected an IANA time zone such as Europe/Berlin, not "${connection.time_zone}"${hint}`,
      );
    }
  }
  for (const [index, connection] of file.connections.entries())
    for (const part of ["mask", "pseudonymise", "release"] as const)
      for (const { path, message } of protectionIssues(part, connection[part]))
        report(["connections", index, part, Number(path.slice(1, -1))], message);
  return issues;
}

function toAgentConfig(
  file: AgentConfigFile,
  path: string,
  env: NodeJS.ProcessEnv,
  summary: readonly string[],
  secrets: readonly string[],
): AgentConfig {
  const baseDir = dirname(path);
  const { relay } = file;
  const url = relay.url === undefined ? undefined : relayUrl(relay.url, relay.allow_insecure);
  return {
    file: path,
    relay: {
      url: url?.ok === true ? url.url : undefined,
      caFile: relay.ca_file === undefined ? undefined : resolve(baseDir, relay.ca_file),
      proxy:
        relay.proxy === undefined
          ? undefined
          : { url: relay.proxy, user: relay.proxy_user, password: relay.proxy_password },
      allowInsecure: relay.allow_insecure,
    },
    dataDir: file.data_dir === undefined ? defaultDataDir(env) : resolve(baseDir, file.data_dir),
    logLevel: file.log_level,
    space: { totalBytes: file.space.total },
    room: { heartbeatTimeoutMs: file.room.heartbeat_timeout, memoryBytes: file.room.memory },
    connections: file.connections.map((connection) => toConnection(connection, baseDir)),
    statusPage: file.status_page && listenAddress(file.status_page.listen),
    summary,
    secrets,
  };
}

/** The schema has let nothing else pass. */
function listenAddress(listen: string): NonNullable<AgentConfig["statusPage"]> {
  const end = listen.lastIndexOf(":");
  return { host: listen.slice(0, end).replaceAll(/[[\]]/g, ""), port: Number(listen.slice(end + 1)) };
}

function toConnection(section: AgentConfigFile["connections"][number], baseDir: string): ConnectionSettings {
  return {
    name: section.name,
    connector: section.connector,
    pack:
      section.pack !== undefined && isPackPath(section.pack) ? resolve(baseDir, section.pack) : section.pack,
    packSettings: section.pack_settings,
    settings: section.settings,
    timeZone: section.time_zone,
    raw: section.raw,
    hidden: section.hide,
    protection: effectiveProtection({ ...section, releasePersonal: section.release_personal }),
    pollMs: perEntity(section.poll),
    reconcileMs: perEntity(section.reconcile),
    initialWindowDays: section.initial_window_days,
    load: loadLimits(section.load),
    allow: plantPolicy(section.allow),
    telemetryPolicy: section.telemetry_policy,
    massDeleteFraction: section.mass_delete_guard,
  };
}

function loadLimits(section: AgentConfigFile["connections"][number]["load"]): LoadLimits {
  const { rows_per_second: rowsPerSecond, statements, full_passes: fullPasses } = section;
  return {
    ...(rowsPerSecond === undefined ? {} : { rowsPerSecond }),
    ...(statements === undefined ? {} : { statements }),
    ...(fullPasses.length === 0 ? {} : { fullPasses }),
  };
}

function perEntity(value: number | Record<string, number> | undefined): Record<string, number> {
  if (value === undefined) return {};
  if (typeof value === "number") return { "*": value };
  return Object.fromEntries(Object.entries(value).map(([name, ms]) => [name === "default" ? "*" : name, ms]));
}

/** Bundled packs have plain names; whatever looks like a file is one. */
function isPackPath(pack: string): boolean {
  return /[/\\]|\.ya?ml$/i.test(pack);
}

/** Where the configuration stands when nobody says. */
export function defaultConfigFile(env: NodeJS.ProcessEnv): string {
  if (process.platform !== "win32") return "/etc/millrace-agent/agent.yaml";
  return join(env["ProgramData"] ?? "C:\\ProgramData", "Millrace Agent", "agent.yaml");
}

/** Where the data stand when the file does not say. */
export function defaultDataDir(env: NodeJS.ProcessEnv): string {
  if (process.platform !== "win32") return "/var/lib/millrace-agent";
  return join(env["ProgramData"] ?? "C:\\ProgramData", "Millrace Agent", "data");
}

function isTimeZone(name: string): boolean {
  try {
    return Intl.DateTimeFormat("en", { timeZone: name }).resolvedOptions().timeZone !== "";
  } catch {
    return false;
  }
}

function issueAt(document: YamlDocument, path: DocumentPath, message: string): Issue {
  return { path: formatPath(path), message, file: document.file, ...document.position(path, "value") };
}

/** `nodes[3].id` → `["nodes", 3, "id"]`. */
function splitPath(path: string): (string | number)[] {
  const steps = path.match(/[^.[\]]+|\[\d+\]/g) ?? [];
  return steps.map((step) => (step.startsWith("[") ? Number(step.slice(1, -1)) : step));
}
