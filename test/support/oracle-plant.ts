// A plant's Oracle database for tests: the engine in memory, our TNS server before it, and the connector over the real driver.
import { oracleDefinition, type OracleSettings } from "#agent/connectors/oracle/definition.ts";
import type { Connector } from "#agent/core/source/connector.ts";
import type { EntityPlan } from "#agent/core/source/plan.ts";
import { type Clock, systemClock } from "#common/runtime/clock.ts";
import { silentLogger, type Logger } from "#common/runtime/logger.ts";
import { OracleDatabase, OWNER_PASSWORD } from "./sql-engine/oracle.ts";
import type { DatabaseSession } from "./sql-engine/session.ts";
import { startTnsServer, type TnsServer } from "./tns/tns-server.ts";

const OWNER = "PLANT";
const READER = "READER";
const PASSWORD = "reads-only";
const SERVICE = "plant.example";
const never = new AbortController().signal;

export interface OraclePlantOptions {
  /** Rights of the reader besides SELECT on all tables. Default: the system change number. */
  readonly rights?: readonly ("scn" | "flashback")[];
  /** More settings of the connector. */
  readonly settings?: Readonly<Record<string, unknown>>;
}

export class OraclePlant implements AsyncDisposable {
  readonly database: OracleDatabase;
  server: TnsServer;
  readonly #session: DatabaseSession;
  readonly #settings: Readonly<Record<string, unknown>>;

  static async start({ rights = ["scn"], settings = {} }: OraclePlantOptions = {}): Promise<OraclePlant> {
    const database = new OracleDatabase({ owner: OWNER, serviceName: SERVICE });
    database.rights.add({ user: READER, password: PASSWORD });
    database.rights.grant(READER, "SELECT", `${OWNER}.*`);
    if (rights.includes("scn")) {
      database.rights.grant(READER, "EXECUTE", "SYS.DBMS_FLASHBACK");
      database.rights.grant(READER, "SELECT", "SYS.V$DATABASE");
    }
    if (rights.includes("flashback")) database.rights.grant(READER, "FLASHBACK", `${OWNER}.*`);
    return new OraclePlant(database, await serve(database, 0), settings);
  }

  private constructor(
    database: OracleDatabase,
    server: TnsServer,
    settings: Readonly<Record<string, unknown>>,
  ) {
    this.database = database;
    this.server = server;
    this.#settings = settings;
    this.#session = this.#logIn();
  }

  #logIn(): DatabaseSession {
    return this.database.logIn({
      user: OWNER,
      password: OWNER_PASSWORD,
      database: SERVICE,
      applicationName: "plant",
      isReadOnlyIntent: false,
    });
  }

  /** Writes as the plant's own program does; ISO literals become timestamps. One transaction. */
  async sql(statements: string): Promise<void> {
    for (const statement of splitStatements(statements)) {
      await this.#session.execute(withTimestamps(statement), [], never);
    }
    await this.#session.execute("COMMIT", [], never);
  }

  /** Statements of another program, in a transaction that stays open until `release` commits it. */
  async hold(statements: string): Promise<{ isWaitedFor(): Promise<boolean>; release(): Promise<void> }> {
    const holder = this.#logIn();
    for (const statement of splitStatements(statements)) await holder.execute(statement, [], never);
    return {
      isWaitedFor: async () => this.database.waitingSessions > 0,
      release: async () => {
        await holder.execute("COMMIT", [], never);
        holder.close();
      },
    };
  }

  /** Lets the agent's user write to every table that there is. */
  allowWrites(): void {
    for (const right of ["INSERT", "UPDATE", "DELETE", "EXECUTE"])
      this.database.rights.grant(READER, right, `${OWNER}.*`);
  }

  async rows(query: string): Promise<readonly (readonly (string | null)[])[]> {
    const { sets } = await this.#session.execute(query, [], never);
    const rows = sets[0]?.rows ?? [];
    return rows.map((row) => row.map((value) => (value === null ? null : String(value))));
  }

  settings(more: Readonly<Record<string, unknown>> = {}): OracleSettings {
    const parsed = oracleDefinition.parseConfig({
      host: "127.0.0.1",
      port: this.server.port,
      service_name: SERVICE,
      user: READER,
      password: PASSWORD,
      schema: OWNER,
      max_transaction_minutes: 0,
      ...this.#settings,
      ...more,
    });
    if (!parsed.ok) throw new Error(JSON.stringify(parsed.issues));
    return parsed.value;
  }

  connector(plans: readonly EntityPlan[], options: PlantConnectorOptions = {}): Connector {
    const { clock = systemClock, timeZone = "UTC", logger = silentLogger, settings = {} } = options;
    const context = { connection: "test", plans, timeZone, clock, logger, dataDir: "" };
    return oracleDefinition.create(this.settings(settings), context);
  }

  async gone(): Promise<void> {
    await this.server.close();
  }

  async back(): Promise<void> {
    this.server = await serve(this.database, this.server.port);
  }

  async revoke(table: string): Promise<void> {
    this.database.rights.deny(READER, "SELECT", `${OWNER}.${table.toUpperCase()}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.database.faults.release();
    this.#session.close();
    await this.server.close();
  }
}

export interface PlantConnectorOptions {
  readonly clock?: Clock;
  readonly timeZone?: string;
  readonly logger?: Logger;
  readonly settings?: Readonly<Record<string, unknown>>;
}

function serve(database: OracleDatabase, port: number): Promise<TnsServer> {
  const users = { [READER]: PASSWORD };
  return startTnsServer({ database, serviceName: SERVICE, users, port });
}

function splitStatements(text: string): readonly string[] {
  const parts = text.match(/(?:'[^']*'|[^;'])+/g) ?? [];
  return parts.map((part) => part.trim()).filter((part) => part !== "");
}

function withTimestamps(statement: string): string {
  return statement.replaceAll(
    /(?<!TIMESTAMP )'(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d(?:\.\d+)?)Z?'/g,
    (_, date: string, time: string) => `TIMESTAMP '${date} ${time}'`,
  );
}
