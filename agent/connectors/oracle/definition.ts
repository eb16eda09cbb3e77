// The oracle connector's static half: its settings, checked without any I/O.
import type { Connector, ConnectorContext, ConnectorDefinition } from "#agent/core/source/connector.ts";
import { checkSettings, type SettingsReader } from "#agent/core/sql/settings.ts";
import { readWriteSettings, type WriteSettings } from "#agent/core/sql/write-settings.ts";
import type { ParseResult } from "#common/runtime/errors.ts";
import { OracleConnector } from "./change-reader.ts";
import { grantScript } from "./grants.ts";

export interface OracleSettings {
  /** Where the listener is, or a whole descriptor of one's own. */
  readonly target: OracleTarget;
  readonly tls: OracleTls;
  readonly httpsProxy: { readonly host: string; readonly port: number } | undefined;
  readonly user: string;
  readonly password: string | undefined;
  readonly client: OracleClient;
  /** Schema of tables that the pack names without one; absent: the user's own, then synonyms. */
  readonly schema: string | undefined;
  readonly changes: ChangesSetting;
  /** The driver counts in whole seconds. */
  readonly connectTimeoutMs: number;
  /** For the TCP connection alone, each address of a descriptor anew. */
  readonly transportConnectTimeoutMs: number;
  /** A call is broken off after this; a server that does not even answer that is cut off shortly after. */
  readonly statementTimeoutMs: number;
  /** How often an idle connection is probed, so that firewalls keep it and a dead server is noticed. */
  readonly expireTimeMinutes: number;
  /** How long a writing transaction may last before its rows may be missed until the next full pass. */
  readonly maxTransactionMs: number;
  /** For a row that another transaction holds; a write counts in whole seconds. */
  readonly lockTimeoutMs: number;
  readonly write: WriteSettings;
}

export type OracleTarget =
  | {
      readonly kind: "address";
      readonly host: string;
      readonly port: number;
      readonly name: { readonly kind: "service" | "sid"; readonly value: string };
    }
  | { readonly kind: "descriptor"; readonly text: string };

export interface OracleTls {
  readonly mode: "off" | "tcps";
  /** PEM file of the authority that signed the server's certificate (thin); absent: the driver's authorities. */
  readonly caFile: string | undefined;
  /** Folder with `ewallet.pem` (thin) or a wallet (thick), for servers that ask for a client's certificate. */
  readonly walletLocation: string | undefined;
  readonly walletPassword: string | undefined;
  readonly serverDnMatch: boolean;
  readonly serverCertDn: string | undefined;
}

export interface OracleClient {
  readonly mode: "thin" | "thick";
  /** Of Oracle's client libraries. */
  readonly libDir: string | undefined;
  /** Folder of sqlnet.ora and tnsnames.ora. */
  readonly configDir: string | undefined;
}

export const CHANGES = ["auto", "marker", "mview_log", "flashback", "rowscn"] as const;
export type ChangesSetting = (typeof CHANGES)[number];

export const oracleDefinition: ConnectorDefinition<OracleSettings> = {
  type: "oracle",
  title: "Oracle Database",
  shape: "tabular",
  parseConfig(input: unknown): ParseResult<OracleSettings> {
    return checkSettings(input, (settings) => {
      const target = readTarget(settings);
      const tls = settings.group("tls", readTls);
      const httpsProxy = readProxy(settings, target, tls);
      const client = readClient(settings);
      if (client.mode === "thick" && tls.caFile !== undefined) {
        settings.issue("tls.ca_file", "thick mode trusts what its wallet holds: use tls.wallet_location");
      }
      return {
        target,
        tls,
        httpsProxy,
        user: settings.text("user", "database user, best one with SELECT rights only"),
        password: settings.optionalText("password"),
        client,
        schema: settings.optionalText("schema"),
        changes: settings.oneOf("changes", CHANGES, "auto"),
        connectTimeoutMs: settings.integer("connect_timeout_ms", {
          min: 1000,
          max: 120_000,
          default: 20_000,
        }),
        transportConnectTimeoutMs: settings.integer("transport_connect_timeout_ms", {
          min: 1000,
          max: 120_000,
          default: 10_000,
        }),
        statementTimeoutMs: settings.integer("statement_timeout_ms", {
          min: 100,
          max: 3_600_000,
          default: 60_000,
        }),
        expireTimeMinutes: settings.integer("expire_time_minutes", { min: 0, max: 1440, default: 2 }),
        maxTransactionMs:
          settings.integer("max_transaction_minutes", { min: 0, max: 1440, default: 60 }) * 60_000,
        lockTimeoutMs: settings.integer("lock_timeout_ms", { min: 1000, max: 600_000, default: 5000 }),
        write: readWriteSettings(settings),
      };
    });
  },
  grantScript: (config, plans) => grantScript(plans, config),
  create(config: OracleSettings, context: ConnectorContext): Connector {
    return new OracleConnector(config, context);
  },
};

/** Text that stands in a descriptor of ours must not be able to change it. */
const DESCRIPTOR_BREAKERS = /[()=\s"']/;

function readTarget(settings: SettingsReader): OracleTarget {
  const text = settings.optionalText("connect_descriptor");
  const host = settings.optionalText("host");
  const port = settings.integer("port", { min: 1, max: 65_535, default: 1521 });
  const service = settings.optionalText("service_name");
  const sid = settings.optionalText("sid");
  if (text !== undefined) {
    for (const [name, value] of Object.entries({ host, service_name: service, sid })) {
      if (value !== undefined)
        settings.issue(name, "does not go with connect_descriptor, which says it already");
    }
    return { kind: "descriptor", text };
  }
  if (host === undefined) {
    settings.issue(
      "host",
      "missing: name or address of the listener (or connect_descriptor: a whole TNS descriptor)",
    );
  }
  if (service === undefined && sid === undefined) {
    settings.issue(
      "service_name",
      'missing: service of the database as "lsnrctl services" lists it (or sid)',
    );
  }
  if (service !== undefined && sid !== undefined) {
    settings.issue("sid", "service_name is given as well: keep one of them, best service_name");
  }
  for (const [name, value] of Object.entries({ host, service_name: service, sid })) {
    if (value !== undefined && DESCRIPTOR_BREAKERS.test(value)) {
      settings.issue(
        name,
        "holds blanks, quotes, brackets or =; a whole descriptor goes to connect_descriptor",
      );
    }
  }
  const name =
    service === undefined
      ? { kind: "sid" as const, value: sid ?? "" }
      : { kind: "service" as const, value: service };
  return { kind: "address", host: host ?? "", port, name };
}

function readTls(tls: SettingsReader): OracleTls {
  const mode = tls.oneOf("mode", ["off", "tcps"], "off");
  const read = {
    mode,
    caFile: tls.optionalText("ca_file"),
    walletLocation: tls.optionalText("wallet_location"),
    walletPassword: tls.optionalText("wallet_password"),
    serverDnMatch: tls.oneOf("server_dn_match", ["on", "off"], "on") === "on",
    serverCertDn: tls.optionalText("server_cert_dn"),
  };
  if (read.walletPassword !== undefined && read.walletLocation === undefined) {
    tls.issue("wallet_password", "without wallet_location there is nothing that it opens");
  }
  if (read.caFile !== undefined && read.walletLocation !== undefined) {
    tls.issue("ca_file", "a wallet holds its own authorities: put this one into it, or leave the wallet out");
  }
  if (read.serverCertDn !== undefined && !read.serverDnMatch) {
    tls.issue("server_cert_dn", "is not looked at while server_dn_match is off");
  }
  if (read.walletLocation !== undefined && /[()"]/.test(read.walletLocation)) {
    tls.issue(
      "wallet_location",
      "a path with brackets or quotes cannot stand in a descriptor; move the wallet",
    );
  }
  if (read.serverCertDn !== undefined && /[()"]/.test(read.serverCertDn)) {
    tls.issue("server_cert_dn", "brackets and quotes cannot stand in a descriptor");
  }
  return read;
}

function readProxy(
  settings: SettingsReader,
  target: OracleTarget,
  tls: OracleTls,
): OracleSettings["httpsProxy"] {
  const proxy = settings.group("https_proxy", (group) => ({
    host: group.optionalText("host"),
    port: group.integer("port", { min: 1, max: 65_535, default: 80 }),
  }));
  if (proxy.host === undefined) return undefined;
  if (target.kind === "address" && tls.mode === "off") {
    settings.issue("https_proxy", "Oracle passes a web proxy with TLS only: set tls.mode: tcps");
  }
  return { host: proxy.host, port: proxy.port };
}

function readClient(settings: SettingsReader): OracleClient {
  const mode = settings.oneOf("mode", ["thin", "thick"], "thin");
  const libDir = settings.optionalText("client_lib_dir");
  const configDir = settings.optionalText("client_config_dir");
  if (mode === "thin" && libDir !== undefined) {
    settings.issue(
      "client_lib_dir",
      "thin mode uses no client libraries: set mode: thick, or leave this out",
    );
  }
  if (mode === "thin" && configDir !== undefined) {
    settings.issue("client_config_dir", "thin mode reads no sqlnet.ora: set mode: thick, or leave this out");
  }
  return { mode, libDir, configDir };
}
