// The relay's settings: defaults, then the YAML file, then flags; every problem at once.
import { mkdirSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { Type, type Static } from "typebox";
import { LineCounter, parseDocument } from "yaml";
import { checkConfig } from "#common/runtime/config-file.ts";
import { Duration } from "#common/runtime/config-schema.ts";
import { ConfigError, messageOf, MillraceError, type Issue } from "#common/runtime/errors.ts";
import { readYamlDocument } from "#common/runtime/yaml-document.ts";
import type { RequestLimits } from "./core/limits/rate-limits.ts";
import { LOG_LEVELS, type LogLevel } from "./logging.ts";

/** Where webhooks may go besides public https receivers. */
export interface WebhookReach {
  /** Plain http to the allowed networks. */
  readonly allowHttp: boolean;
  /** CIDR; any port there. */
  readonly allowNetworks: readonly string[];
  /** That webhooks leave by; undefined: they go directly. */
  readonly proxy?: { readonly url: string; readonly credentialsFile: string | undefined } | undefined;
}

export interface RelayConfig {
  /** Absolute. */
  readonly dataDir: string;
  readonly host: string;
  /** 0 for any free one. */
  readonly port: number;
  /** PEM texts. */
  readonly tls: { readonly cert: string; readonly key: string } | undefined;
  /** How agents and integrators reach the relay; undefined: as it listens. */
  readonly publicUrl: string | undefined;
  readonly logLevel: LogLevel;
  readonly eventsKeptMs: number;
  readonly samplesKeptMs: number;
  /** 0: earlier versions of records are not kept. */
  readonly versionsKeptMs: number;
  readonly requestsKeptMs: number;
  readonly webhookPayloadsKeptMs: number;
  readonly webhookLogKeptMs: number;
  readonly limits: RequestLimits;
  readonly webhooks: WebhookReach;
  /** How long a stop waits for requests and agents before it closes. */
  readonly drainMs: number;
}

/** What the command line can set; text as it was written. */
export interface ConfigFlags {
  readonly config?: string | undefined;
  readonly dataDir?: string | undefined;
  readonly host?: string | undefined;
  readonly port?: string | undefined;
  readonly tlsCert?: string | undefined;
  readonly tlsKey?: string | undefined;
  readonly publicUrl?: string | undefined;
  readonly logLevel?: string | undefined;
}

const closed = { additionalProperties: false } as const;
const MAX_KEPT = "3650d";

export const RelayConfigSchema = Type.Object(
  {
    data_dir: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 4_000,
        description: "Folder of the relay's store and identity, on a local disk.",
        defaultText:
          "/var/lib/millrace-relay for root, else ~/.local/state/millrace-relay; on Windows %ProgramData%\\Millrace\\relay",
      }),
    ),
    host: Type.String({
      default: "127.0.0.1",
      minLength: 1,
      maxLength: 253,
      description: "Address to listen on; `0.0.0.0` or `::` for all.",
    }),
    port: Type.Integer({
      default: 8080,
      minimum: 0,
      maximum: 65_535,
      description: "Port to listen on; 0 for any free one.",
    }),
    tls: Type.Optional(
      Type.Object(
        {
          cert: Type.String({
            minLength: 1,
            maxLength: 4_000,
            description: "PEM file with the certificate and its chain.",
          }),
          key: Type.String({ minLength: 1, maxLength: 4_000, description: "PEM file with the private key." }),
        },
        { ...closed, description: "Serves HTTPS and WSS. Without it a proxy in front must do so." },
      ),
    ),
    public_url: Type.Optional(
      Type.String({
        pattern: "^https?://[^/\\s]+/?$",
        patternText: "an address such as https://relay.example.com",
        maxLength: 500,
        description: "How agents and integrators reach the relay.",
        defaultText: "the address it listens on",
      }),
    ),
    log_level: Type.Unsafe<LogLevel>({
      ...Type.Union(LOG_LEVELS.map((level) => Type.Literal(level))),
      default: "info",
      description: "How much is logged to standard error.",
    }),
    keep_events: Duration({
      default: "30d",
      minimum: "1h",
      maximum: MAX_KEPT,
      description: "How long the change feed is held. Older cursors answer 410.",
    }),
    keep_samples: Duration({
      default: "90d",
      minimum: "1h",
      maximum: MAX_KEPT,
      description: "How long telemetry history is held. The last value is held for ever.",
    }),
    keep_history: Duration({
      default: "90d",
      minimum: "0s",
      maximum: MAX_KEPT,
      description: "How long earlier versions of records are held; `0s`: none are.",
    }),
    keep_requests: Duration({
      default: "7d",
      minimum: "1h",
      maximum: MAX_KEPT,
      description: "How long the request log is held.",
    }),
    keep_webhook_payloads: Duration({
      default: "30d",
      minimum: "1h",
      maximum: MAX_KEPT,
      description:
        "How long what webhooks sent, and what receivers answered, is held. Afterwards it cannot be sent again.",
    }),
    keep_webhook_log: Duration({
      default: "90d",
      minimum: "1h",
      maximum: MAX_KEPT,
      description: "How long finished webhook deliveries and their attempts are listed.",
    }),
    limits: Type.Object(
      {
        connection_per_minute: Type.Integer({
          default: 1_200,
          minimum: 1,
          maximum: 10_000_000,
          description: "Requests a minute with the tokens of one connection.",
        }),
        workspace_per_minute: Type.Integer({
          default: 12_000,
          minimum: 1,
          maximum: 10_000_000,
          description: "Requests a minute of one workspace, its connections' tokens included.",
        }),
        workspace_at_once: Type.Integer({
          default: 100,
          minimum: 1,
          maximum: 100_000,
          description: "Requests of one workspace under way at once, event streams included.",
        }),
      },
      { ...closed, default: {}, description: "What may be asked of the API; more answers 429." },
    ),
    webhooks: Type.Object(
      {
        allow_networks: Type.Array(
          Type.String({
            pattern: "^[0-9a-fA-F:.]{2,45}/[0-9]{1,3}$",
            patternText: "a network such as 10.20.0.0/16 or fd12:3456::/32",
            maxLength: 50,
          }),
          {
            default: [],
            maxItems: 100,
            description:
              "Networks of your own that webhooks may reach, at any port. Without it they reach public addresses only, at 443 and 8443.",
            examples: [["10.20.0.0/16"]],
          },
        ),
        allow_http: Type.Boolean({
          default: false,
          description:
            "Whether webhooks may go by plain http to these networks; for a receiver on the same machine, with `127.0.0.0/8` among them.",
        }),
        proxy: Type.Optional(
          Type.String({
            maxLength: 500,
            description:
              "An HTTP proxy that webhooks leave by (CONNECT). Names are resolved by it, and which addresses a name may have is its to refuse; addresses in `allow_networks` that are written as such are reached without it.",
            examples: ["http://egress.example.com:4750"],
          }),
        ),
        proxy_credentials_file: Type.Optional(
          Type.String({
            maxLength: 1_000,
            description:
              "A file with `user:password` for the proxy (Basic), readable by the relay's user only.",
            examples: ["/etc/millrace-relay/egress-proxy"],
          }),
        ),
      },
      { ...closed, default: {}, description: "Where webhooks may go." },
    ),
    drain: Duration({
      default: "10s",
      minimum: "0s",
      maximum: "10m",
      description: "How long a stop waits for requests and agents that are under way.",
    }),
  },
  closed,
);
type RelayConfigFile = Static<typeof RelayConfigSchema>;

/** Without a file in the flags, $MILLRACE_RELAY_CONFIG names one. @throws ConfigError with every problem of file and flags */
export function loadRelayConfig(flags: ConfigFlags, env: NodeJS.ProcessEnv): RelayConfig {
  const named = flags.config ?? env["MILLRACE_RELAY_CONFIG"];
  const file = named === undefined ? undefined : resolve(named);
  const text = file === undefined ? "" : readConfigFile(file);
  const document = readYamlDocument({ LineCounter, parseDocument }, text, file ?? "defaults");
  const result = checkConfig<RelayConfigFile>(document, RelayConfigSchema, () => ({
    ok: false,
    message: "the relay's settings hold no secrets; write the value itself",
  }));
  const flagIssues: Issue[] = [];
  const overrides = readFlags(flags, flagIssues);
  const issues = [...(result.ok ? [] : result.issues), ...flagIssues];
  if (!result.ok || issues.length > 0) throw new ConfigError("the relay's settings", issues);
  return toConfig(
    { ...result.value, ...overrides },
    file === undefined ? process.cwd() : dirname(file),
    flags,
    env,
  );
}

/** Where the command line and the relay itself look when nothing is said. */
export function defaultDataDir(env: NodeJS.ProcessEnv): string {
  if (process.platform === "win32") return join(env["ProgramData"] ?? "C:\\ProgramData", "Millrace", "relay");
  if (process.getuid?.() === 0) return "/var/lib/millrace-relay";
  return join(env["XDG_STATE_HOME"] ?? join(homedir(), ".local", "state"), "millrace-relay");
}

/** Only its owner may look into it. @throws MillraceError */
export function makeDataDir(dataDir: string): void {
  try {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new MillraceError(
      `making the data directory ${dataDir} failed (${messageOf(error)}); name one that this user may write by --data-dir`,
      { cause: error },
    );
  }
}

function readConfigFile(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    const message = `cannot be read: ${messageOf(error)}; --config names a YAML file`;
    throw new ConfigError("the relay's settings", [{ path: "", file, message }]);
  }
}

function readFlags(flags: ConfigFlags, issues: Issue[]): Partial<RelayConfigFile> {
  const given: Record<string, unknown> = {};
  if (flags.host !== undefined) given["host"] = flags.host;
  if (flags.port !== undefined)
    given["port"] = /^\d{1,6}$/.test(flags.port) ? Number(flags.port) : flags.port;
  if (flags.publicUrl !== undefined) given["public_url"] = flags.publicUrl;
  if (flags.logLevel !== undefined) given["log_level"] = flags.logLevel;
  if ((flags.tlsCert === undefined) !== (flags.tlsKey === undefined)) {
    issues.push({ path: "--tls-cert", message: "--tls-cert and --tls-key belong together; give both" });
  }
  const document = { file: "", value: given, issues: [], position: () => undefined };
  const result = checkConfig<RelayConfigFile>(document, RelayConfigSchema, () => ({
    ok: false,
    message: "",
  }));
  if (!result.ok) {
    for (const { path, message } of result.issues) {
      issues.push({ path: `--${path.replaceAll("_", "-")}`, message });
    }
    return {};
  }
  return Object.fromEntries(
    Object.keys(given).map((name) => [name, result.value[name as keyof RelayConfigFile]]),
  );
}

function toConfig(
  file: RelayConfigFile,
  baseDir: string,
  flags: ConfigFlags,
  env: NodeJS.ProcessEnv,
): RelayConfig {
  const inFile = file.data_dir === undefined ? defaultDataDir(env) : resolve(baseDir, file.data_dir);
  return {
    dataDir: flags.dataDir === undefined ? inFile : resolve(flags.dataDir),
    host: file.host,
    port: file.port,
    tls: readTls(file, baseDir, flags),
    publicUrl: file.public_url?.replace(/\/$/, ""),
    logLevel: file.log_level,
    eventsKeptMs: file.keep_events,
    samplesKeptMs: file.keep_samples,
    versionsKeptMs: file.keep_history,
    requestsKeptMs: file.keep_requests,
    webhookPayloadsKeptMs: file.keep_webhook_payloads,
    webhookLogKeptMs: file.keep_webhook_log,
    limits: {
      connectionPerMinute: file.limits.connection_per_minute,
      workspacePerMinute: file.limits.workspace_per_minute,
      workspaceAtOnce: file.limits.workspace_at_once,
    },
    webhooks: {
      allowHttp: file.webhooks.allow_http,
      allowNetworks: file.webhooks.allow_networks,
      proxy: proxyOf(file.webhooks, baseDir),
    },
    drainMs: file.drain,
  };
}

function readTls(file: RelayConfigFile, baseDir: string, flags: ConfigFlags): RelayConfig["tls"] {
  const cert =
    flags.tlsCert === undefined ? file.tls && resolve(baseDir, file.tls.cert) : resolve(flags.tlsCert);
  const key = flags.tlsKey === undefined ? file.tls && resolve(baseDir, file.tls.key) : resolve(flags.tlsKey);
  if (cert === undefined || key === undefined) return undefined;
  const issues: Issue[] = [];
  const read = (name: string, path: string): string => {
    try {
      return readFileSync(path, "utf8");
    } catch (error) {
      issues.push({ path: name, message: `${path} cannot be read: ${messageOf(error)}` });
      return "";
    }
  };
  const tls = { cert: read("tls.cert", cert), key: read("tls.key", key) };
  if (issues.length > 0) throw new ConfigError("the relay's settings", issues);
  return tls;
}

function proxyOf(
  { proxy, proxy_credentials_file: file }: RelayConfigFile["webhooks"],
  baseDir: string,
): WebhookReach["proxy"] {
  if (proxy !== undefined)
    return { url: proxy, credentialsFile: file === undefined ? undefined : resolve(baseDir, file) };
  if (file === undefined) return undefined;
  const message = "belongs to webhooks.proxy, which is not set";
  throw new ConfigError("the relay's settings", [{ path: "webhooks.proxy_credentials_file", message }]);
}
