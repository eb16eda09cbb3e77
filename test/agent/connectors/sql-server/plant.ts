// A whole SQL Server for tests: our TDS server with an engine behind it, a reader with few rights, and the plant's own program.
import { sqlServerDefinition, type SqlServerSettings } from "#agent/connectors/sql-server/definition.ts";
import type { Connector } from "#agent/core/source/connector.ts";
import type { EntityPlan } from "#agent/core/source/plan.ts";
import { type Clock, systemClock } from "#common/runtime/clock.ts";
import { silentLogger } from "#common/runtime/logger.ts";
import type { DbValue } from "#test/support/sql-engine/session.ts";
import {
  ADMINISTRATOR,
  SqlServerDatabase,
  type SqlServerOptions,
} from "#test/support/sql-engine/sql-server.ts";
import { startTdsServer, type TdsServer } from "#test/support/tds/server.ts";
import { settingsOf } from "./planted.ts";

/** Who the agent is. */
export const READER = { user: "plant_reader", password: "reads-only" } as const;
const never = new AbortController().signal;

export interface ConnectorChoices {
  readonly clock?: Clock;
  readonly timeZone?: string;
  readonly settings?: Record<string, unknown>;
}

export class Plant implements AsyncDisposable {
  readonly database: SqlServerDatabase;
  readonly server: TdsServer;
  readonly #writer: ReturnType<SqlServerDatabase["logIn"]>;

  constructor(database: SqlServerDatabase, server: TdsServer) {
    this.database = database;
    this.server = server;
    this.#writer = database.logIn({
      ...ADMINISTRATOR,
      database: database.name,
      applicationName: "plant",
      isReadOnlyIntent: false,
    });
  }

  /** As the plant's own program writes. */
  async sql(statements: string): Promise<void> {
    await this.#writer.execute(statements, [], never);
  }

  async rows(query: string): Promise<readonly (readonly (string | null)[])[]> {
    const { sets } = await this.#writer.execute(query, [], never);
    return (sets[0]?.rows ?? []).map((row) => row.map(textOf));
  }

  /** Turns change tracking on for a table, and lets the reader use it. */
  track(table: string): void {
    if (!this.database.changeTracking.isOn) this.database.changeTracking.enable();
    this.database.changeTracking.enableTable(this.database.storage.table(table));
    this.database.rights.grant(READER.user, "VIEW CHANGE TRACKING", `dbo.${table}`);
  }

  /** Turns CDC on for a table. */
  capture(table: string): void {
    if (!this.database.dataCapture.isOn) this.database.dataCapture.enable();
    this.database.dataCapture.enableTable(this.database.storage.table(table));
  }

  /** Takes the right to read a table away. */
  revoke(table: string): void {
    this.database.rights.deny(READER.user, "SELECT", `dbo.${table}`);
  }

  settings(more: Record<string, unknown> = {}): SqlServerSettings {
    return settingsOf({
      port: this.server.port,
      database: this.database.name,
      ...READER,
      ...more,
    });
  }

  connector(plans: readonly EntityPlan[], choices: ConnectorChoices = {}): Connector {
    const { clock = systemClock, timeZone = "UTC", settings } = choices;
    const context = { connection: "test", plans, timeZone, clock, logger: silentLogger, dataDir: "" };
    return sqlServerDefinition.create(this.settings(settings), context);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#writer.close();
    await this.server.close();
  }
}

export async function startPlant(options: SqlServerOptions = {}): Promise<Plant> {
  const database = new SqlServerDatabase(options);
  database.rights.add({ ...READER, roles: ["db_datareader"] });
  return new Plant(database, await startTdsServer({ database }));
}

function textOf(value: DbValue): string | null {
  return value === null ? null : String(value);
}
