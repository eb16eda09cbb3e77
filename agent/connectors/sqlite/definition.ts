// The sqlite connector's static half: its settings, checked without any I/O.
import type { Connector, ConnectorContext, ConnectorDefinition } from "#agent/core/source/connector.ts";
import { checkSettings } from "#agent/core/sql/settings.ts";
import { readWriteSettings, type WriteSettings } from "#agent/core/sql/write-settings.ts";
import type { ParseResult } from "#common/runtime/errors.ts";
import { SqliteConnector } from "./change-reader.ts";

export interface SqliteSettings {
  readonly file: string;
  /** How long a statement waits for a writer's lock, ms. */
  readonly busyTimeoutMs: number;
  readonly write: WriteSettings;
}

const DEFAULT_BUSY_TIMEOUT_MS = 5000;

export const sqliteDefinition: ConnectorDefinition<SqliteSettings> = {
  type: "sqlite",
  title: "SQLite database file",
  shape: "tabular",
  parseConfig(input: unknown): ParseResult<SqliteSettings> {
    return checkSettings(input, (settings) => ({
      file: settings.text("file", "path of the database file"),
      busyTimeoutMs: settings.integer("busy_timeout_ms", {
        min: 0,
        max: 60_000,
        default: DEFAULT_BUSY_TIMEOUT_MS,
      }),
      write: readWriteSettings(settings),
    }));
  },
  create(config: SqliteSettings, context: ConnectorContext): Connector {
    return new SqliteConnector(config, context);
  },
};
