// A server on a scripted database and connections of the real driver, all closed after each test.
import oracledb from "oracledb";
import { afterEach } from "vitest";
import { ScriptedDatabase } from "./scripted-database.ts";
import { startTnsServer, type TnsServer, type TnsServerOptions } from "./tns-server.ts";

export const CREDENTIALS = { user: "reader", password: "s3cret pass" };

export interface TnsFixture {
  readonly database: ScriptedDatabase;
  readonly server: TnsServer;
  /** With the right password, unless told otherwise. */
  readonly connect: (attributes?: oracledb.ConnectionAttributes) => Promise<oracledb.Connection>;
  readonly pool: (attributes?: oracledb.PoolAttributes) => Promise<oracledb.Pool>;
}

const open: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const close of open.splice(0).toReversed()) await close();
});

export async function startTns(options: Partial<TnsServerOptions> = {}): Promise<TnsFixture> {
  const database = new ScriptedDatabase();
  const server = await startTnsServer({
    database,
    serviceName: "plant.example",
    users: { [CREDENTIALS.user]: CREDENTIALS.password },
    ...options,
  });
  open.push(() => server.close());
  const { connectString } = server;
  return {
    database,
    server,
    connect: async (attributes) => {
      const connection = await oracledb.getConnection({ ...CREDENTIALS, connectString, ...attributes });
      open.push(() => connection.close().catch(() => {}));
      return connection;
    },
    pool: async (attributes) => {
      const pool = await oracledb.createPool({ ...CREDENTIALS, connectString, ...attributes });
      open.push(() => pool.close(0).catch(() => {}));
      return pool;
    },
  };
}

/** Rejects like the driver does; what came instead is the failure of the test. */
export async function failureOf(
  promise: Promise<unknown>,
): Promise<Error & { code?: string; errorNum?: number }> {
  const outcome: unknown = await promise.then(
    (value) => new TypeError(`it should have failed, but gave ${JSON.stringify(value)}`),
    (error: unknown) => error,
  );
  if (outcome instanceof TypeError || !(outcome instanceof Error)) throw outcome;
  return outcome;
}
