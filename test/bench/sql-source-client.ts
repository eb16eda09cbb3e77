// The connector of the SQL benchmark, in a process of its own: reads passes, counts rows, says what that cost.
import { oracleDefinition, type OracleSettings } from "#agent/connectors/oracle/definition.ts";
import { sqlServerDefinition, type SqlServerSettings } from "#agent/connectors/sql-server/definition.ts";
import { CHUNK_ROWS } from "#agent/core/room/entity-work.ts";
import type { Connector, Cursor } from "#agent/core/source/connector.ts";
import type { EntityPlan } from "#agent/core/source/plan.ts";
import { systemClock } from "#common/runtime/clock.ts";
import { silentLogger } from "#common/runtime/logger.ts";
import type { Product } from "./sql-source-tables.ts";

export type ToSqlClient =
  | { readonly type: "open"; readonly settings: object; readonly plans: readonly EntityPlan[] }
  /** From the beginning to the end or to the limit; the next incremental pass goes on where the last one ended. */
  | {
      readonly type: "read";
      readonly entity: string;
      readonly pass: "snapshot" | "incremental";
      readonly limit?: number;
    };

export interface ReadResult {
  readonly type: "read";
  readonly rows: number;
  readonly ms: number;
  readonly cpuMs: number;
  /** Resident memory at each tenth of the limit, bytes. */
  readonly tenths: readonly number[];
  /** The most that the process ever had, as the kernel counted it, bytes. */
  readonly peakBytes: number;
}

export type FromSqlClient =
  | { readonly type: "opened"; readonly strategies: readonly string[] }
  | ReadResult
  | { readonly type: "failed"; readonly message: string };

const product: Product = process.argv[2] === "oracle" ? "oracle" : "sql-server";
const cursors = new Map<string, Cursor>();
let connector: Connector | undefined;

async function open(settings: object, plans: readonly EntityPlan[]): Promise<void> {
  await connector?.[Symbol.asyncDispose]();
  const context = {
    connection: "bench",
    plans,
    timeZone: "UTC",
    clock: systemClock,
    logger: silentLogger,
    dataDir: "",
  };
  connector =
    product === "oracle"
      ? oracleDefinition.create(settings as OracleSettings, context)
      : sqlServerDefinition.create(settings as SqlServerSettings, context);
  await connector.open(AbortSignal.timeout(60_000));
  say({ type: "opened", strategies: connector.strategies().map(({ strategy }) => strategy) });
}

async function read({ entity, pass, limit = Infinity }: ToSqlClient & { type: "read" }): Promise<void> {
  const { signal } = new AbortController();
  const after = pass === "snapshot" ? undefined : cursors.get(entity);
  const tenths: number[] = [];
  const cpu = process.cpuUsage();
  const startMs = performance.now();
  let rows = 0;
  for await (const batch of connector!.read({ entity, pass, after, maxRows: CHUNK_ROWS, signal })) {
    rows += batch.rows.length;
    if (pass === "incremental") cursors.set(entity, batch.cursor);
    if (rows * 10 >= limit * (tenths.length + 1)) tenths.push(process.memoryUsage.rss());
    if (rows >= limit) break;
  }
  const { user, system } = process.cpuUsage(cpu);
  say({
    type: "read",
    rows,
    ms: performance.now() - startMs,
    cpuMs: (user + system) / 1_000,
    tenths,
    peakBytes: process.resourceUsage().maxRSS * 1_024,
  });
}

function say(message: FromSqlClient): void {
  process.send?.(message);
}

process.on("message", (message: ToSqlClient) => {
  const work = message.type === "open" ? open(message.settings, message.plans) : read(message);
  work.catch((error: unknown) => say({ type: "failed", message: String(error) }));
});
process.once("disconnect", () => process.exit(0));
