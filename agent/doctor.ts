// Looks into one connection from its settings to its first records, and says of each step what it found.
import type { DoctorReport, DoctorRequest, DoctorStep } from "#agent/commands/command.ts";
import { connectionPack } from "#agent/connection-pack.ts";
import { allowIssues } from "#agent/core/commands/allow-issues.ts";
import { NOTHING_ALLOWED, type WriteRule } from "#agent/core/commands/plant-policy.ts";
import { mappedRow, type CompiledEntity, type CompiledPack } from "#agent/core/mapping/mapping.ts";
import type { Connector, StrategyReport } from "#agent/core/source/connector.ts";
import { tableLabel } from "#agent/core/sql/dialect.ts";
import { rawWriteSettings } from "#agent/core/sql/write-settings.ts";
import type { WritePlan } from "#agent/core/source/write.ts";
import { fieldProtection } from "#agent/platform/pseudonyms.ts";
import { sourceAccess } from "#agent/source-access.ts";
import { ConfigError, ConnectorError, formatIssue, MillraceError } from "#common/runtime/errors.ts";

/** Stands for the id that the relay gives: no record leaves this command. */
const NO_CONNECTION = "00000000-0000-0000-0000-000000000000";

/** Never throws for what is wrong with the connection: that is what it is asked about. */
export async function examineConnection(request: DoctorRequest): Promise<DoctorReport> {
  const steps: DoctorStep[] = [];
  try {
    await examine(request, steps);
  } catch (error) {
    steps.push({ outcome: "failed", text: wordsOf(error) });
  }
  return { connection: request.connection.name, steps };
}

async function examine(request: DoctorRequest, steps: DoctorStep[]): Promise<void> {
  const { connection, dataDir } = request;
  const access = await sourceAccess(connection, dataDir, request.signal);
  const { name, pack: packName, packSettings } = connection;
  const pack = await connectionPack(name, packName, access.definition, packSettings, access.settings);
  steps.push({ outcome: "ok", text: `settings and pack ${pack.name} (${pack.system})` });
  await using connector = access.connector(pack.entities.map(({ plan }) => plan));
  const startMs = performance.now();
  await connector.open(access.signal);
  const elapsed = Math.round(performance.now() - startMs);
  steps.push({ outcome: "ok", text: `opened in ${elapsed} ms: ${connector.identity()}` });
  for (const report of connector.strategies()) steps.push(strategyStep(report));
  steps.push(...writeSteps(connection.settings, pack.entities));
  steps.push(...allowSteps(connection, pack));
  for (const entity of pack.entities)
    steps.push(await firstRecord(request, connector, entity, access.signal));
}

function strategyStep({ entity, strategy, reason, deletes, advice, warning }: StrategyReport): DoctorStep {
  const text = `${entity}: followed by ${strategy} (${reason}); deletes: ${deletes}`;
  const more = [...(warning === undefined ? [] : [warning]), ...(advice === undefined ? [] : [advice])];
  return { outcome: warning === undefined ? "ok" : "warning", text, more };
}

/** Opening has held the writes against the source already. Nothing for packs that write nothing. */
function writeSteps(settings: unknown, entities: readonly CompiledEntity[]): readonly DoctorStep[] {
  const writable = entities.map(({ plan }) => plan).filter(({ writes = [] }) => writes.length > 0);
  if (writable.length === 0) return [];
  const { isAllowed, commandLog } = rawWriteSettings(settings);
  if (!isAllowed) {
    const what = writable.map(({ entity }) => entity).join(", ");
    return [{ outcome: "ok", text: `only reads: the pack could write ${what}; write.allow is not set` }];
  }
  const log =
    commandLog === undefined
      ? "no command log: a command that is sent twice may be carried out twice (write.command_log)"
      : `command log ${commandLog}`;
  return writable.map(({ entity, writes = [] }) => {
    const forms = writes.map((plan) => `${plan.operation} by ${formOf(plan)}`).join(", ");
    return { outcome: "ok", text: `${entity}: may be written: ${forms}; ${log}` };
  });
}

/** What the relay may ask for. */
function allowSteps(
  { allow, settings }: DoctorRequest["connection"],
  pack: CompiledPack,
): readonly DoctorStep[] {
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
  return [
    { outcome: "ok", text: `the relay may ask for: ${allowed.join(", ") || "nothing (allow)"}` },
    ...issues.map(({ path, message }): DoctorStep => ({
      outcome: "warning",
      text: `allow.${path}: ${message}`,
    })),
  ];
}

function ruleText({ mode, windows }: WriteRule): string {
  return windows.length === 0 ? mode : `${mode} in ${windows.join("; ")}`;
}

function formOf(plan: WritePlan): string {
  if (plan.form === "procedure") return `procedure ${tableLabel(plan.procedure)}`;
  return plan.form === "interface_table" ? `interface table ${tableLabel(plan.table)}` : plan.form;
}

async function firstRecord(
  { connection }: DoctorRequest,
  connector: Connector,
  entity: CompiledEntity,
  signal: AbortSignal,
): Promise<DoctorStep> {
  const name = entity.plan.entity;
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
      if (mapped.ok) return { outcome: "ok", text: `${name}: first record read in ${elapsed}` };
      const { code, detail } = mapped;
      return { outcome: "warning", text: `${name}: ${row.key.join("/")} is no record: ${code} ${detail}` };
    }
    return { outcome: "warning", text: `${name}: the source has no rows` };
  } catch (error) {
    if (!(error instanceof MillraceError)) throw error;
    return { outcome: "failed", text: `${name}: ${wordsOf(error)}` };
  }
}

function wordsOf(error: unknown): string {
  if (error instanceof ConfigError) return error.issues.map(formatIssue).join("\n");
  if (error instanceof ConnectorError) return `${error.kind}: ${error.message}`;
  if (error instanceof MillraceError) return error.message;
  throw error;
}
