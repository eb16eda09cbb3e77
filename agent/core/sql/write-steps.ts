// What one write does inside its transaction: log, lock, version, write, read back.
import type { SourceKey, SourceRow } from "../source/connector.ts";
import type {
  AppliedWrite,
  InterfacePlan,
  ProcedurePlan,
  WriteOutcome,
  WriteRequest,
} from "../source/write.ts";
import type { CommandLog } from "./command-log.ts";
import { keyText } from "./cursor-values.ts";
import { tableLabel } from "./dialect.ts";
import { buildRows } from "./row-builder.ts";
import { StatementWriter } from "./statement-writer.ts";
import { keyColumns, pointRead } from "./statements.ts";
import type { EntityShape } from "./table-shape.ts";
import { type WorkDone, WriteRefused, type SqlWriteSession, type SqlWriteSource } from "./write-source.ts";
import type { WriteShape } from "./write-shape.ts";
import { type Filled, insertRow, lockRow, readBy, updateRow } from "./write-statements.ts";

export type Outputs = Readonly<Record<string, string | null>>;

export interface WriteJob {
  readonly source: SqlWriteSource;
  readonly shape: WriteShape;
  readonly log: CommandLog | undefined;
  readonly request: WriteRequest;
}

/** What the transaction has seen so far: it decides what became of a commit whose answer was lost. */
export interface WriteTrace {
  before: SourceRow | undefined;
  after: SourceRow | undefined;
  key: SourceKey | undefined;
}

export function newTrace({ request }: WriteJob): WriteTrace {
  return { before: undefined, after: undefined, key: request.key };
}

/** The work of one transaction. @throws WriteRefused, ConnectorError */
export async function runWrite(
  session: SqlWriteSession,
  job: WriteJob,
  trace: WriteTrace,
): Promise<WorkDone<WriteOutcome>> {
  const { shape, log, request } = job;
  const repeated = await findRepeat(session, job);
  if (repeated !== undefined) return { isKept: false, value: repeated };
  await log?.enter(session, request);
  if (request.key !== undefined) {
    const stop = await checkRow(session, job, trace);
    if (stop !== undefined) return { isKept: false, value: stop };
  }
  const outputs = await writeValues(session, job);
  trace.key = request.key ?? createdKey(shape, request, outputs);
  trace.after = trace.key && (await readRow(session, job.source, shape.entity, trace.key));
  await log?.finish(session, request, { key: trace.key, outputs });
  const isPending = shape.plan.form === "interface_table";
  const value = applied(trace.after, { outputs, isPending, isDry: request.dryRun });
  return { isKept: !request.dryRun, value };
}

export function applied(row: SourceRow | undefined, more: Partial<AppliedWrite> = {}): AppliedWrite {
  return { status: "applied", row, outputs: {}, isRepeat: false, isPending: false, isDry: false, ...more };
}

/** The answer to a command that was carried out before. @throws WriteRefused if its id belongs to another write */
async function findRepeat(session: SqlWriteSession, job: WriteJob): Promise<WriteOutcome | undefined> {
  const { source, shape, log, request } = job;
  const isPending = shape.plan.form === "interface_table";
  const known = await log?.find(session, request);
  if (known !== undefined) {
    if (!known.isSame)
      throw new WriteRefused(
        "COMMAND_REUSED",
        `The command ${request.commandId} stands in the command log with another write. Give this one an id of its own.`,
      );
    const row = known.key && (await readRow(session, source, shape.entity, known.key));
    return applied(row, { outputs: known.outputs, isRepeat: true, isPending });
  }
  if (!isPending || !(await isStaged(session, job))) return undefined;
  return applied(undefined, { isRepeat: true, isPending });
}

/** Whether the interface table holds the command already. */
export async function isStaged(
  session: SqlWriteSession,
  { source, shape, request }: WriteJob,
): Promise<boolean> {
  const { commandColumn } = shape.plan as InterfacePlan;
  const column = commandColumn === undefined ? undefined : shape.columns.get(commandColumn);
  if (column === undefined) return false;
  const rows = await session.query(readBy(source.dialect, shape.table!, [column], column, request.commandId));
  return rows.length > 0;
}

/** Locks the row and holds it against what the caller knows of it. Undefined: go on. */
async function checkRow(
  session: SqlWriteSession,
  job: WriteJob,
  trace: WriteTrace,
): Promise<WriteOutcome | undefined> {
  const { source, shape, request } = job;
  // Whoever may only call a procedure may not lock rows; only a version needs that it stays.
  const isLocked = shape.plan.form === "update" || request.ifVersion !== undefined;
  trace.before = await readRow(session, source, shape.entity, request.key!, isLocked);
  if (trace.before === undefined) return { status: "not_found" };
  const isOther = request.ifVersion !== undefined && trace.before.version !== request.ifVersion;
  return isOther ? { status: "conflict", row: trace.before } : undefined;
}

export async function readRow(
  session: SqlWriteSession,
  source: SqlWriteSource,
  entity: EntityShape,
  key: SourceKey,
  isLocked = false,
): Promise<SourceRow | undefined> {
  const statement = isLocked
    ? lockRow(source, entity, key)
    : pointRead(source.dialect, entity, keyColumns(entity), [key]);
  const rows = await buildRows(session, source.dialect, entity, await session.query(statement));
  if (rows.length <= 1) return rows[0];
  throw new WriteRefused(
    "NOT_ONE_ROW",
    `The key ${JSON.stringify(key)} means ${rows.length} rows of ${tableLabel(entity.facts.table)}: the pack's key does not tell them apart.`,
  );
}

async function writeValues(session: SqlWriteSession, job: WriteJob): Promise<Outputs> {
  const { source, shape, request } = job;
  const { plan } = shape;
  if (plan.form === "procedure")
    return request.dryRun ? {} : await callProcedure(session, source, plan, request);
  const filled = plan.slots.flatMap(({ name, cast }): Filled[] => {
    const value = request.values[name];
    return value === undefined ? [] : [{ column: shape.columns.get(name)!, value, cast }];
  });
  const statement =
    plan.form === "update"
      ? updateRow(source.dialect, shape.entity, filled, request.key!)
      : insertRow(source.dialect, shape.table!, filled);
  const count = await session.execute(statement);
  if (count === 1) return {};
  throw new WriteRefused(
    "NOT_ONE_ROW",
    `Writing ${tableLabel(shape.table!.table)} changed ${count} rows instead of one; nothing was kept. Check the pack's key, and triggers of the table.`,
  );
}

async function callProcedure(
  session: SqlWriteSession,
  source: SqlWriteSource,
  plan: ProcedurePlan,
  request: WriteRequest,
): Promise<Outputs> {
  const { procedure, isNamed, slots } = plan;
  const writer = new StatementWriter(source.dialect);
  // By name, what is not given keeps the procedure's default; by position it must be null.
  const given = slots.filter(({ name }) => !isNamed || request.values[name] !== undefined);
  source.writeCall!(writer, {
    procedure,
    isNamed,
    arguments: given.map(({ name, cast }) => ({ name, value: request.values[name] ?? null, cast })),
    outputs: plan.outputs,
  });
  const [row = []] = await session.query(writer.done());
  const outputs = Object.fromEntries(plan.outputs.map((name, at) => [name, keyText(row[at] ?? null)]));
  const { success } = plan;
  if (success === undefined || success.in.includes(outputs[success.output] ?? "")) return outputs;
  const said = success.message === undefined ? undefined : outputs[success.message];
  throw new WriteRefused(
    "REFUSED",
    `${tableLabel(procedure)} refused: ${said ?? `${success.output} is ${outputs[success.output] ?? "null"}`}`,
  );
}

/** Of a record that did not exist before: from the values of its key columns, or what the procedure gave back. */
function createdKey(
  { plan, entity }: WriteShape,
  { values }: WriteRequest,
  outputs: Outputs,
): SourceKey | undefined {
  if (plan.form === "procedure") return plan.keyFrom?.map((name) => outputs[name] ?? null);
  if (plan.form !== "insert") return undefined;
  return entity.plan.key.map((name) => {
    const value = values[name];
    return value === undefined || value === null ? null : String(value);
  });
}
