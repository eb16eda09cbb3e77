// The postgres connector's static half: its settings, checked without any I/O.
import type { Connector, ConnectorContext, ConnectorDefinition } from "#agent/core/source/connector.ts";
import { checkSettings } from "#agent/core/sql/settings.ts";
import { readWriteSettings, type WriteSettings } from "#agent/core/sql/write-settings.ts";
import type { ParseResult } from "#common/runtime/errors.ts";
import { PostgresConnector } from "./change-reader.ts";
import { grantScript } from "./grants.ts";

export interface PostgresSettings {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
  readonly password: string | undefined;
  readonly tls: PostgresTls;
  /** What the database administrator sees in pg_stat_activity. */
  readonly applicationName: string;
  readonly connectTimeoutMs: number;
  /** The server ends a statement after this; a server that does not even answer is cut off shortly after. */
  readonly statementTimeoutMs: number;
  readonly lockTimeoutMs: number;
  /** How long a writing transaction may last before its rows may be missed until the next full pass. */
  readonly maxTransactionMs: number;
  readonly write: WriteSettings;
}

export interface PostgresTls {
  readonly mode: "verify-full" | "disable";
  /** PEM file of the authority that signed the server's certificate; absent: the system's authorities. */
  readonly caFile: string | undefined;
}

export const postgresDefinition: ConnectorDefinition<PostgresSettings> = {
  type: "postgres",
  title: "PostgreSQL",
  shape: "tabular",
  parseConfig(input: unknown): ParseResult<PostgresSettings> {
    return checkSettings(input, (settings) => ({
      host: settings.text("host", "name or address of the database server"),
      port: settings.integer("port", { min: 1, max: 65_535, default: 5432 }),
      database: settings.text("database", "name of the database"),
      user: settings.text("user", "database user, best one with SELECT rights only"),
      password: settings.optionalText("password"),
      tls: settings.group("tls", (tls) => ({
        mode: tls.oneOf("mode", ["verify-full", "disable"], "verify-full"),
        caFile: tls.optionalText("ca_file"),
      })),
      applicationName: settings.optionalText("application_name") ?? "millrace",
      connectTimeoutMs: settings.integer("connect_timeout_ms", { min: 100, max: 120_000, default: 10_000 }),
      statementTimeoutMs: settings.integer("statement_timeout_ms", {
        min: 100,
        max: 3_600_000,
        default: 60_000,
      }),
      lockTimeoutMs: settings.integer("lock_timeout_ms", { min: 1, max: 600_000, default: 5000 }),
      maxTransactionMs:
        settings.integer("max_transaction_minutes", { min: 0, max: 1440, default: 60 }) * 60_000,
      write: readWriteSettings(settings),
    }));
  },
  grantScript: (config: PostgresSettings, plans) => grantScript(plans, config),
  create(config: PostgresSettings, context: ConnectorContext): Connector {
    return new PostgresConnector(config, context);
  },
};
