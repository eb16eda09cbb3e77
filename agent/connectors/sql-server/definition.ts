// The sql-server connector's static half: its settings, checked without any I/O.
import type { Connector, ConnectorContext, ConnectorDefinition } from "#agent/core/source/connector.ts";
import { checkSettings, type SettingsReader } from "#agent/core/sql/settings.ts";
import { readWriteSettings, type WriteSettings } from "#agent/core/sql/write-settings.ts";
import type { ParseResult } from "#common/runtime/errors.ts";
import { SqlServerConnector } from "./change-reader.ts";
import { grantScript } from "./grants.ts";

export interface SqlServerSettings {
  readonly server: string;
  /** With a port, or with neither, the SQL Server Browser is never asked. */
  readonly endpoint:
    | { readonly by: "port"; readonly port: number }
    | { readonly by: "instance"; readonly instance: string };
  readonly database: string;
  readonly login: SqlServerLogin;
  readonly tls: SqlServerTls;
  /** What the database administrator sees in sys.dm_exec_sessions. */
  readonly applicationName: string;
  /** An availability group's listener may then lead to a readable copy. */
  readonly isReadOnlyIntent: boolean;
  /** `marker`: the pack's own column, whatever the database offers. */
  readonly changes: "auto" | "marker";
  readonly connectTimeoutMs: number;
  /** A statement is cancelled after this; a server that does not answer the cancel is cut off shortly after. */
  readonly requestTimeoutMs: number;
  readonly lockTimeoutMs: number;
  readonly write: WriteSettings;
}

export interface SqlServerLogin {
  readonly method: "sql" | "ntlm";
  readonly user: string;
  readonly password: string;
  /** Windows domain; for `ntlm` only. */
  readonly domain: string | undefined;
}

/**
 * verify-full  TLS 1.2, certificate and name checked
 * strict       TDS 8: TLS before anything else (SQL Server 2022)
 * legacy       TLS 1.0 and weak ciphers allowed, for servers without TLS 1.2
 * disable      everything in the clear
 */
export interface SqlServerTls {
  readonly mode: "verify-full" | "strict" | "legacy" | "disable";
  /** `none`: whoever stands between can read and change everything. */
  readonly verify: "full" | "none";
  /** PEM file of the authority that signed the server's certificate; absent: the system's authorities. */
  readonly caFile: string | undefined;
  /** SHA-256 of the server's certificate, 64 hex digits in upper case; this very certificate and no other. */
  readonly fingerprint: string | undefined;
  /** Name in the certificate, where it is not `server`. */
  readonly serverName: string | undefined;
}

export const sqlServerDefinition: ConnectorDefinition<SqlServerSettings> = {
  type: "sql-server",
  title: "Microsoft SQL Server",
  shape: "tabular",
  parseConfig(input: unknown): ParseResult<SqlServerSettings> {
    return checkSettings(input, readSettings);
  },
  grantScript: (config, plans) => grantScript(plans, config),
  create(config: SqlServerSettings, context: ConnectorContext): Connector {
    return new SqlServerConnector(config, context);
  },
};

function readSettings(settings: SettingsReader): SqlServerSettings {
  const server = readServer(settings);
  return {
    server: server.host,
    endpoint: readEndpoint(settings, server.instance),
    database: settings.text("database", "name of the database"),
    login: readLogin(settings),
    tls: settings.group("tls", readTls),
    applicationName: settings.optionalText("application_name") ?? "millrace",
    isReadOnlyIntent: settings.oneOf("intent", ["read-only", "read-write"], "read-only") === "read-only",
    changes: settings.oneOf("changes", ["auto", "marker"], "auto"),
    connectTimeoutMs: settings.integer("connect_timeout_ms", { min: 100, max: 120_000, default: 15_000 }),
    requestTimeoutMs: settings.integer("request_timeout_ms", { min: 100, max: 3_600_000, default: 60_000 }),
    lockTimeoutMs: settings.integer("lock_timeout_ms", { min: 1, max: 600_000, default: 5000 }),
    write: readWriteSettings(settings),
  };
}

/** People write `HOST\INSTANCE`, as SQL Server's own tools do. */
function readServer(settings: SettingsReader): { host: string; instance: string | undefined } {
  const text = settings.text("server", "name or address of the database server");
  const [host = "", instance, ...rest] = text.split("\\");
  const isOdd = rest.length > 0 || host.includes(",") || (instance === "" && text !== "");
  if (isOdd)
    settings.issue(
      "server",
      `expected a host name or host\\instance, got ${JSON.stringify(text)}; a port goes into port`,
    );
  return { host, instance };
}

function readEndpoint(
  settings: SettingsReader,
  fromServer: string | undefined,
): SqlServerSettings["endpoint"] {
  const instance = settings.optionalText("instance") ?? fromServer;
  const port = settings.integer("port", { min: 1, max: 65_535, default: 0 });
  if (fromServer !== undefined && instance !== fromServer)
    settings.issue("instance", `server names another instance: ${fromServer}`);
  // A port says everything: the Browser, which plant firewalls block, need not be asked.
  if (port > 0 || instance === undefined) return { by: "port", port: port === 0 ? 1433 : port };
  return { by: "instance", instance };
}

function readLogin(settings: SettingsReader): SqlServerLogin {
  const method = settings.oneOf("authentication", ["sql", "ntlm"], "sql");
  const domain = settings.optionalText("domain");
  const user = settings.text("user", "login, best one with SELECT rights only");
  const password = settings.text(
    "password",
    "the login's password, as a reference such as {env:ERP_PASSWORD}",
  );
  if (method === "ntlm" && domain === undefined)
    settings.issue("domain", "missing: the Windows domain of the user, for authentication: ntlm");
  if (method === "sql" && domain !== undefined)
    settings.issue("domain", "only for authentication: ntlm; a SQL login has no domain");
  if (method === "sql" && user.includes("\\"))
    settings.issue("user", "a Windows user needs authentication: ntlm, with its domain in domain");
  return { method, user, password, domain };
}

function readTls(tls: SettingsReader): SqlServerTls {
  const mode = tls.oneOf("mode", ["verify-full", "strict", "legacy", "disable"], "verify-full");
  const verify = tls.oneOf("verify", ["full", "none"], "full");
  const caFile = tls.optionalText("ca_file");
  const written = tls.optionalText("fingerprint");
  const serverName = tls.optionalText("server_name");
  const fingerprint = written?.replaceAll(/[\s:]/g, "").toUpperCase();
  if (fingerprint !== undefined && !/^[0-9A-F]{64}$/.test(fingerprint))
    tls.issue("fingerprint", "expected the certificate's SHA-256 fingerprint, 64 hex digits");
  if (fingerprint !== undefined && mode === "strict")
    tls.issue("fingerprint", "not with mode: strict; name the authority in ca_file");
  if (fingerprint !== undefined && caFile !== undefined)
    tls.issue("fingerprint", "either fingerprint or ca_file: a pinned certificate needs no authority");
  if (verify === "none" && (fingerprint !== undefined || caFile !== undefined))
    tls.issue("verify", "none, although ca_file or fingerprint says what to check");
  if (verify === "none" && mode === "strict") tls.issue("verify", "mode: strict always verifies");
  if (mode === "disable" && (caFile ?? fingerprint ?? serverName) !== undefined)
    tls.issue("mode", "disable, although the settings beside it describe a certificate");
  return { mode, verify, caFile, fingerprint, serverName };
}
