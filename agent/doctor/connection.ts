// One connection from its settings to its first records: of each step, what was found.
import { join } from "node:path";
import { connectionPack } from "#agent/connection-pack.ts";
import { allowIssues } from "#agent/core/commands/allow-issues.ts";
import type { ConnectionSettings } from "#agent/core/agent-config.ts";
import { NOTHING_ALLOWED, type WriteRule } from "#agent/core/commands/plant-policy.ts";
import { mappedRow, type CompiledEntity, type CompiledPack } from "#agent/core/mapping/mapping.ts";
import type { Connector, StrategyReport } from "#agent/core/source/connector.ts";
import { tableLabel } from "#agent/core/sql/dialect.ts";
import { rawWriteSettings } from "#agent/core/sql/write-settings.ts";
import type { WritePlan } from "#agent/core/source/write.ts";
import { fieldProtection } from "#agent/platform/pseudonyms.ts";
import { sourceAccess } from "#agent/source-access.ts";
import { MillraceError } from "#common/runtime/errors.ts";
import { Checks, wordsOf } from "./checks.ts";
import { sourceLineChecks } from "./source-line.ts";

/** Stands for the id that the relay gives: no record leaves this command. */
const NO_CONNECTION = "00000000-0000-0000-0000-000000000000";

export interface ConnectionRequest {
  readonly connection: ConnectionSettings;
  readonly dataDir: string;
  /** The connection's id at the relay, where it is bound: its room's folder is named by it. */
  readonly boundId: string | undefined;
  readonly nowMs: number;
  readonly signal: AbortSignal;
}

/** Never throws for what is wrong with the connection: that is what it is asked about. */
export async function connectionChecks(request: ConnectionRequest): Promise<Checks> {
  const checks = new Checks();
  try {
    await examine(request, checks);
  } catch (error) {
    checks.failed("connection", wordsOf(error));
  }
  return checks;
}

async function examine(request: ConnectionRequest, checks: Checks): Promise<void> {
  const { connection, dataDir } = request;
  const access = await sourceAccess(connection, dataDir, request.signal);
  const { name, pack: packName, packSettings } = connection;
  const pack = await connectionPack(name, packName, access.definition, packSettings, access.settings);
  checks.ok("settings", `settings and pack ${pack.name} (${pack.system})`);
  await sourceLineChecks(checks, {
    connector: access.definition.type,
    settings: access.settings,
    folders: [
      ...(request.boundId === undefined ? [] : [join(dataDir, "rooms", request.boundId)]),
      join(dataDir, "preview", name),
    ],
    nowMs: request.nowMs,
    signal: request.signal,
  });
  await using connector = access.connector(pack.entities.map(({ plan }) => plan));
  const startMs = performance.now();
  await connector.open(access.signal);
  const elapsed = Math.round(performance.now() - startMs);
  checks.ok("open", `opened in ${elapsed} ms: ${connector.identity()}`);
  for (const report of connector.strategies()) strategyCheck(checks, report);
  writeChecks(checks, connection.settings, pack.entities);
  allowChecks(checks, connection, pack);
  for (const entity of pack.entities) await firstRecord(checks, request, connector, entity, access.signal);
}

function strategyCheck(
  checks: Checks,
  { entity, strategy, reason, deletes, advice, warning }: StrategyReport,
): void {
  const text = `${entity}: followed by ${strategy} (${reason}); deletes: ${deletes}`;
  const more = [...(warning === undefined ? [] : [warning]), ...(advice === undefined ? [] : [advice])];
  checks.add(warning === undefined ? "ok" : "warning", `entity:${entity}`, text, more);
}

/** Opening has held the writes against the source already. Nothing for packs that write nothing. */
function writeChecks(checks: Checks, settings: unknown, entities: readonly CompiledEntity[]): void {
  const writable = entities.map(({ plan }) => plan).filter(({ writes = [] }) => writes.length > 0);
  if (writable.length === 0) return;
  const { isAllowed, commandLog } = rawWriteSettings(settings);
  if (!isAllowed) {
    const what = writable.map(({ entity }) => entity).join(", ");
    checks.ok("writes", `only reads: the pack could write ${what}; write.allow is not set`);
    return;
  }
  const log =
    commandLog === undefined
      ? "no command log: a command that is sent twice may be carried out twice (write.command_log)"
      : `command log ${commandLog}`;
  for (const { entity, writes = [] } of writable) {
    const forms = writes.map((plan) => `${plan.operation} by ${formOf(plan)}`).join(", ");
    checks.ok(`writes:${entity}`, `${entity}: may be written: ${forms}; ${log}`);
  }
}

/** What the relay may ask for. */
function allowChecks(checks: Checks, { allow, settings }: ConnectionSettings, pack: CompiledPack): void {
  const { liveReads, browse, sync, writes, queries } = allow ?? NOTHING_ALLOWED;
  const allowed = [
    ...(liveReads ? ["live reads"] : []),
    ...(browse ? ["its catalogue"] : []),
    ...(sync ? ["syncs"] : []),
    ...Object.keys(queries).map((name) => `query ${name}`),
    ...Object.entries(writes).flatMap(([entity, rules]) =>
      Object.entries(rules).map(([operation, rule]) => `${entity}.${operation} (${ruleText(rule)})`),
    ),
  ];
  const issues = allow === undefined ? [] : allowIssues(pack, allow, rawWriteSettings(settings).isAllowed);
  checks.ok("allow", `the relay may ask for: ${allowed.join(", ") || "nothing (allow)"}`);
  for (const { path, message } of issues) checks.warning("allow", `allow.${path}: ${message}`);
}

function ruleText({ mode, windows }: WriteRule): string {
  return windows.length === 0 ? mode : `${mode} in ${windows.join("; ")}`;
}

function formOf(plan: WritePlan): string {
  if (plan.form === "procedure") return `procedure ${tableLabel(plan.procedure)}`;
  return plan.form === "interface_table" ? `interface table ${tableLabel(plan.table)}` : plan.form;
}

async function firstRecord(
  checks: Checks,
  { connection }: ConnectionRequest,
  connector: Connector,
  entity: CompiledEntity,
  signal: AbortSignal,
): Promise<void> {
  const name = entity.plan.entity;
  const check = `first:${name}`;
  const startMs = performance.now();
  try {
    const map = entity.mapper({
      connectionId: NO_CONNECTION,
      timeZone: connection.timeZone,
      raw: false,
      hidden: connection.hidden,
      protection: connection.protection && fieldProtection(connection.protection, undefined),
      keyRules: (other) => connector.keyRules(other),
    });
    const read = connector.read({ entity: name, pass: "snapshot", after: undefined, maxRows: 1, signal });
    for await (const { rows } of read) {
      const [row] = rows;
      if (row === undefined) continue;
      const elapsed = `${Math.round(performance.now() - startMs)} ms`;
      const mapped = mappedRow(row, map);
      if (mapped.ok) checks.ok(check, `${name}: first record read in ${elapsed}`);
      else {
        const { code, detail } = mapped;
        checks.warning(check, `${name}: ${row.key.join("/")} is no record: ${code} ${detail}`);
      }
      return;
    }
    checks.warning(check, `${name}: the source has no rows`);
  } catch (error) {
    if (!(error instanceof MillraceError)) throw error;
    checks.failed(check, `${name}: ${wordsOf(error)}`);
  }
}
