// The bare driver beside the connector: the connector's own statements, sent by hand-written code that collects rows and does no more.
import oracledb from "oracledb";
import { Connection, Request, TYPES } from "tedious";
import type { OracleSettings } from "#agent/connectors/oracle/definition.ts";
import type { SqlServerSettings } from "#agent/connectors/sql-server/definition.ts";
import { CHUNK_ROWS } from "#agent/core/room/entity-work.ts";

/** The statements of a snapshot: the first page, and any page after a key. The key is the first column. */
export interface ToBareDriver {
  readonly type: "read";
  readonly first: string;
  readonly next: string;
}

export interface BareResult {
  readonly type: "read";
  readonly rows: number;
  readonly ms: number;
  readonly cpuMs: number;
}

export type FromBareDriver =
  | { readonly type: "ready" }
  | BareResult
  | { readonly type: "failed"; readonly message: string };

type Page = readonly (readonly unknown[])[];
/** Keys are whole numbers. */
type Query = (text: string, key: number | undefined) => Promise<Page>;

const [, , product, settingsText = "{}"] = process.argv;

async function tediousQuery({ endpoint, database, login }: SqlServerSettings): Promise<Query> {
  const connection = new Connection({
    server: "localhost",
    authentication: { type: "default", options: { userName: login.user, password: login.password } },
    options: {
      ...(endpoint.by === "port" ? { port: endpoint.port } : { instanceName: endpoint.instance }),
      database,
      encrypt: false,
      requestTimeout: 0,
    },
  });
  await new Promise<void>((resolve, reject) => {
    connection.connect((error) => (error === undefined ? resolve() : reject(error)));
  });
  return (text, key) =>
    new Promise((resolve, reject) => {
      const rows: unknown[][] = [];
      const request = new Request(text, (error) =>
        error === null || error === undefined ? resolve(rows) : reject(error),
      );
      request.on("row", (columns: readonly { readonly value: unknown }[]) => {
        const row: unknown[] = [];
        for (const column of columns) row.push(column.value);
        rows.push(row);
      });
      if (key !== undefined) request.addParameter("p1", TYPES.BigInt, key);
      connection.execSql(request);
    });
}

async function oracleQuery({ user, password, target }: OracleSettings): Promise<Query> {
  if (target.kind === "descriptor") throw new TypeError("the benchmark's own server has an address");
  const connectString = `${target.host}:${target.port}/${target.name.value}`;
  const connection = await oracledb.getConnection({
    user,
    ...(password === undefined ? {} : { password }),
    connectString,
  });
  const options = {
    outFormat: oracledb.OUT_FORMAT_ARRAY,
    fetchArraySize: CHUNK_ROWS + 1,
    prefetchRows: CHUNK_ROWS + 1,
  };
  return async (text, key) => {
    const binds = key === undefined ? [] : [String(key)];
    const { rows = [] } = await connection.execute<unknown[]>(text, binds, options);
    return rows;
  };
}

async function read(query: Query, { first, next }: ToBareDriver): Promise<void> {
  const cpu = process.cpuUsage();
  const startMs = performance.now();
  let rows = 0;
  let key: number | undefined;
  for (;;) {
    const page = await query(key === undefined ? first : next, key);
    rows += page.length;
    key = Number(page.at(-1)?.[0]);
    if (page.length < CHUNK_ROWS) break;
  }
  const { user, system } = process.cpuUsage(cpu);
  say({ type: "read", rows, ms: performance.now() - startMs, cpuMs: (user + system) / 1_000 });
}

function say(message: FromBareDriver): void {
  process.send?.(message);
}

const settings: unknown = JSON.parse(settingsText);
const query =
  product === "oracle"
    ? await oracleQuery(settings as OracleSettings)
    : await tediousQuery(settings as SqlServerSettings);
process.on("message", (message: ToBareDriver) => {
  read(query, message).catch((error: unknown) => say({ type: "failed", message: String(error) }));
});
process.once("disconnect", () => process.exit(0));
say({ type: "ready" });
