// Reads an entity's first rows straight from the source and shows each beside its unified record.
import { join } from "node:path";
import type { PreviewRequest } from "#agent/commands/command.ts";
import { connectionPack } from "#agent/connection-pack.ts";
import {
  type MapperContext,
  mappedRow,
  type CompiledEntity,
  type CompiledPack,
  type MappedRow,
} from "#agent/core/mapping/mapping.ts";
import type { Connector, SourceBatch, SourceRow } from "#agent/core/source/connector.ts";
import { formatPreview } from "#agent/core/mapping/preview.ts";
import { entityWindow, windowFrom, type EntityWindow } from "#agent/core/room/initial-window.ts";
import { SAMPLE_ENTITY } from "#agent/core/room/telemetry-runner.ts";
import { AgentDatabase } from "#agent/platform/agent-database.ts";
import { PSEUDONYM_KEY_FACT, fieldProtection } from "#agent/platform/pseudonyms.ts";
import { sourceAccess } from "#agent/source-access.ts";
import { systemClock } from "#common/runtime/clock.ts";
import { ConfigError, MillraceError, type Issue } from "#common/runtime/errors.ts";
import { didYouMean } from "#common/runtime/nearest-match.ts";

/** Telemetry is watched for this long at most. */
const TELEMETRY_MS = 5_000;
/** Where the output is no terminal. */
const DEFAULT_WIDTH = 120;

/** @throws ConfigError, ConnectorError, MillraceError */
export async function previewConnection(request: PreviewRequest): Promise<string> {
  const { connection } = request;
  const access = await sourceAccess(connection, request.dataDir, request.signal);
  const { definition, signal } = access;
  const { name, packSettings } = connection;
  const pack = await connectionPack(name, connection.pack, definition, packSettings);
  const isSamples = definition.shape === "telemetry" && request.entity === SAMPLE_ENTITY;
  const entity = isSamples ? undefined : entityOf(pack, request.entity);
  await using connector = access.connector(pack.entities.map(({ plan }) => plan));
  await connector.open(signal);
  if (entity === undefined) return await telemetry(connector, request);
  const window = windowOf(entity, connection);
  const rows = await firstRows(connector, request, signal, window?.fromMs);
  const map = entity.mapper({
    ...boundAs(request),
    timeZone: connection.timeZone,
    raw: false,
    hidden: connection.hidden,
    keyRules: (name) => connector.keyRules(name),
  });
  const pairs = rows.map((row) => ({ row, mapped: mappedRow(row, map) }));
  return request.asJson ? asJson(pairs) : asText(connector, request, pairs, window);
}

/** The id that the relay gave, and the agent's key, so that everything reads as it will there; before enrolment any will do. */
function boundAs({
  dataDir,
  connection: { name, protection },
}: PreviewRequest): Pick<MapperContext, "connectionId" | "protection"> {
  using database = AgentDatabase.openExisting(join(dataDir, "agent.db"));
  const bound = database?.connections().find((one) => one.name === name);
  const key = database?.fact("agent", PSEUDONYM_KEY_FACT);
  return {
    connectionId: bound?.id ?? "00000000-0000-0000-0000-000000000000",
    protection: protection && fieldProtection(protection, key),
  };
}

function entityOf(pack: CompiledPack, name: string): CompiledEntity {
  const found = pack.entities.find(({ plan }) => plan.entity === name);
  if (found !== undefined) return found;
  const names = pack.entities.map(({ plan }) => plan.entity);
  const issue: Issue = {
    path: "",
    message: `pack ${pack.name} has no entity "${name}"${didYouMean(name, names)}; it has: ${names.join(", ")}`,
  };
  throw new ConfigError("preview", [issue]);
}

/** As if the first reading began now. */
function windowOf(
  { plan }: CompiledEntity,
  { initialWindowDays }: PreviewRequest["connection"],
): EntityWindow | undefined {
  return entityWindow(plan, windowFrom(initialWindowDays, systemClock.nowMs()));
}

async function firstRows(
  connector: Connector,
  { entity, limit }: PreviewRequest,
  signal: AbortSignal,
  documentsFromMs: number | undefined,
): Promise<SourceRow[]> {
  const rows: SourceRow[] = [];
  const request = { entity, pass: "snapshot", after: undefined, maxRows: limit, documentsFromMs } as const;
  const read = connector.read({ ...request, signal });
  for await (const batch of read) {
    rows.push(...batch.rows);
    if (rows.length >= limit) break;
  }
  return rows.slice(0, limit);
}

async function telemetry(
  connector: Connector,
  { entity, limit, asJson, signal }: PreviewRequest,
): Promise<string> {
  const ends = AbortSignal.any([signal, AbortSignal.timeout(TELEMETRY_MS)]);
  const samples: NonNullable<SourceBatch["samples"]>[number][] = [];
  const read = connector.read({ entity, pass: "subscribe", after: undefined, maxRows: limit, signal: ends });
  for await (const batch of read) {
    samples.push(...(batch.samples ?? []));
    if (samples.length >= limit) break;
  }
  if (samples.length === 0)
    throw new MillraceError(
      `no value came within ${TELEMETRY_MS / 1000} s; check the points in the connection's settings`,
    );
  const lines = samples.slice(0, limit).map((sample) => JSON.stringify(sample, plainJson));
  return asJson ? `[${lines.join(",")}]\n` : `${lines.join("\n")}\n`;
}

interface Pair {
  readonly row: SourceRow;
  readonly mapped: MappedRow;
}

function asJson(pairs: readonly Pair[]): string {
  const items = pairs.map(({ row, mapped }) => {
    const { columns, children } = row;
    const unified = mapped.ok
      ? { record: JSON.parse(mapped.record) as unknown }
      : { problem: { code: mapped.code, detail: mapped.detail } };
    return { source: { key: row.key, columns, children }, ...unified };
  });
  return `${JSON.stringify(items, plainJson, 2)}\n`;
}

function asText(
  connector: Connector,
  { entity }: PreviewRequest,
  pairs: readonly Pair[],
  window: EntityWindow | undefined,
): string {
  const strategy = connector.strategies().find((report) => report.entity === entity);
  const lines: string[] = [];
  if (strategy !== undefined)
    lines.push(`${entity}: read by ${strategy.strategy} (${strategy.reason}); deletes: ${strategy.deletes}`);
  if (window !== undefined) lines.push(window.words);
  if (strategy?.warning !== undefined) lines.push(`WARNING: ${strategy.warning}`);
  if (strategy?.advice !== undefined) lines.push(`advice: ${strategy.advice}`);
  if (pairs.length === 0) lines.push("The source has no rows.");
  const width = process.stdout.columns ?? DEFAULT_WIDTH;
  const shown = pairs.map(({ row, mapped }) =>
    formatPreview(`${entity} ${row.key.join("/")}`, row, mapped, { width }),
  );
  return `${lines.join("\n")}\n${shown.join("\n")}`;
}

/** What JSON cannot write. */
function plainJson(_key: string, value: unknown): unknown {
  if (typeof value === "bigint") return String(value);
  if (value instanceof Uint8Array) return `${value.length} bytes`;
  return value;
}
