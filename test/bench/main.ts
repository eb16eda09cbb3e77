// Runs benchmarks by name, prints one table with ratios and floors, and names the machine.
import { writeFileSync } from "node:fs";
import { availableParallelism, cpus, loadavg, totalmem } from "node:os";
import { parseArgs } from "node:util";
import { isWithin, type BenchOptions, type BenchRow } from "./bench-row.ts";

type Bench = (options: BenchOptions) => Promise<readonly BenchRow[]>;

/** Loaded one by one, so that a benchmark's modules do not weigh on the others. */
const BENCHES: Readonly<Record<string, () => Promise<Bench>>> = {
  pipeline: async () => (await import("./pipeline.ts")).benchPipeline,
  drain: async () => (await import("./drain.ts")).benchDrain,
  latency: async () => (await import("./latency.ts")).benchLatency,
  api: async () => (await import("./api.ts")).benchApi,
  "public-api": async () => (await import("./public-api.ts")).benchPublicApi,
  webhooks: async () => (await import("./webhooks.ts")).benchWebhooks,
  dashboard: async () => (await import("./dashboard.ts")).benchDashboard,
  "opc-ua": async () => (await import("./opc-ua.ts")).benchOpcUa,
  "sql-sources": async () => (await import("./sql-sources.ts")).benchSqlSources,
  gateway: async () => (await import("./gateway.ts")).benchGateway,
  "relay-store": async () => (await import("./relay-store.ts")).benchRelayStore,
  "room-store": async () => {
    const { benchRoomStore } = await import("./room-store.ts");
    return () => Promise.resolve(benchRoomStore());
  },
};

/** Exit code 0 also when a floor was missed: the table says so. */
export async function main(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    options: { quick: { type: "boolean" }, json: { type: "string" }, help: { type: "boolean" } },
    allowPositionals: true,
  });
  const known = Object.keys(BENCHES);
  const unknown = positionals.filter((name) => !known.includes(name));
  if (values.help === true || unknown.length > 0) {
    const problem = unknown.length > 0 ? `no benchmark ${unknown.join(", ")}\n` : "";
    process.stdout.write(
      `${problem}npm run bench -- [${known.join("|")}]… [--quick] [--json <file>]\nAll of them without a name; --quick takes a fraction of the work.\n`,
    );
    return unknown.length > 0 ? 1 : 0;
  }
  const names = positionals.length > 0 ? known.filter((name) => positionals.includes(name)) : known;
  process.stdout.write(`${machine()}\n`);
  const rows = await run(names, values.quick === true);
  process.stdout.write(`\n${table(rows)}\n${machine()}\n`);
  if (values.json !== undefined) {
    writeFileSync(
      values.json,
      `${JSON.stringify({ machine: machine(), quick: values.quick === true, rows }, null, 2)}\n`,
    );
  }
  return 0;
}

async function run(names: readonly string[], isQuick: boolean): Promise<readonly BenchRow[]> {
  const rows: BenchRow[] = [];
  for (const name of names) {
    const say = (text: string): void => void process.stderr.write(`${name}: ${text}\n`);
    try {
      const bench = await BENCHES[name]?.();
      rows.push(...((await bench?.({ isQuick, say })) ?? []));
    } catch (error) {
      say(error instanceof Error ? (error.stack ?? error.message) : String(error));
      rows.push({ name: `${name} FAILED`, value: Number.NaN, unit: "", floor: 0 });
    }
  }
  return rows;
}

function machine(): string {
  const model = cpus()[0]?.model.trim() ?? "unknown CPU";
  const gib = (totalmem() / 1024 ** 3).toFixed(0);
  return `${model}, ${availableParallelism()} cores, ${gib} GiB, ${process.platform} ${process.arch}, Node ${process.version}, load ${loadavg()
    .map((load) => load.toFixed(1))
    .join(" ")}`;
}

function table(rows: readonly BenchRow[]): string {
  const cells = rows.map((row) => [
    row.name,
    row.value.toLocaleString("en", { maximumFractionDigits: 3 }),
    row.unit,
    row.ratio === undefined ? "" : row.ratio.toFixed(2),
    row.floor === undefined ? (row.ceiling === undefined ? "" : `≤ ${row.ceiling}`) : `≥ ${row.floor}`,
    verdict(row),
    row.note ?? "",
  ]);
  const all = [["benchmark", "value", "unit", "of bare", "demanded", "", "note"], ...cells];
  const widths = all[0]?.map((_, column) => Math.max(...all.map((line) => line[column]?.length ?? 0))) ?? [];
  return all
    .map((line) =>
      line
        .map((cell, column) =>
          column === 1 ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0),
        )
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

function verdict(row: BenchRow): string {
  const within = isWithin(row);
  return within === undefined ? "" : within ? "ok" : "BELOW";
}
