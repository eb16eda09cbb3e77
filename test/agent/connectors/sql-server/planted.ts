// A TDS server with planted answers, and the connector's lane over the real driver to it.
import { SqlServerConnection, type TransactionPlan } from "#agent/connectors/sql-server/connection.ts";
import { sqlServerDefinition, type SqlServerSettings } from "#agent/connectors/sql-server/definition.ts";
import { SchemaWatch } from "#agent/connectors/sql-server/schema-watch.ts";
import { systemClock } from "#common/runtime/clock.ts";
import type { StatementResult } from "#test/support/sql-engine/session.ts";
import { PlantedDatabase, rowOf } from "#test/support/tds/planted-database.ts";
import { startTdsServer, type TdsServer } from "#test/support/tds/server.ts";
import type { TdsServerOptions } from "#test/support/tds/server-options.ts";

const DONE: StatementResult = { sets: [], rowsAffected: 0 };
const START = rowOf(
  ["", { kind: "varchar", length: 30 }, "2026-05-04T10:00:00.1234567"],
  ["", { kind: "varchar", length: 18 }, "0x00000000000007D1"],
);
export const SESSION_SETTINGS =
  "SET NOCOUNT ON; SET XACT_ABORT ON; SET DEADLOCK_PRIORITY LOW; SET LOCK_TIMEOUT 5000";

/** Snapshots, and no tables to keep an eye on. */
export const SNAPSHOTS: TransactionPlan = {
  isolation: "SNAPSHOT",
  watch: new SchemaWatch({ objectIds: [], token: "", fingerprint: "" }, () =>
    Promise.reject(new Error("nothing is watched")),
  ),
};

export interface PlantedServer extends AsyncDisposable {
  readonly server: TdsServer;
  readonly database: PlantedDatabase;
  settings(more?: Record<string, unknown>): SqlServerSettings;
  lane(more?: Record<string, unknown>): SqlServerConnection;
}

export async function startPlanted(options: Omit<TdsServerOptions, "database"> = {}): Promise<PlantedServer> {
  const database = new PlantedDatabase();
  database.plant(SESSION_SETTINGS, DONE);
  database.plant("COMMIT TRANSACTION", DONE);
  const start =
    "SELECT CONVERT(varchar(30), SYSUTCDATETIME(), 126), CONVERT(varchar(18), MIN_ACTIVE_ROWVERSION(), 1), ''";
  database.plant(`SET TRANSACTION ISOLATION LEVEL SNAPSHOT; ${start}; BEGIN TRANSACTION`, START);
  const server = await startTdsServer({ ...options, database });
  const settings = (more: Record<string, unknown> = {}): SqlServerSettings =>
    settingsOf({ port: server.port, ...more });
  return {
    server,
    database,
    settings,
    lane: (more) => new SqlServerConnection(settings(more), systemClock),
    [Symbol.asyncDispose]: () => server.close(),
  };
}

/** Over a server on this machine, in the clear unless said otherwise. */
export function settingsOf(more: Record<string, unknown>): SqlServerSettings {
  const parsed = sqlServerDefinition.parseConfig({
    server: "localhost",
    database: "plant",
    user: "reader",
    password: "pä$$wörd",
    tls: { mode: "disable" },
    ...more,
  });
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.issues));
  return parsed.value;
}
