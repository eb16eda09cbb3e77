// What one write does inside its transaction: log, lock, version, write, read back.
import type { SourceKey, SourceRow } from "../source/connector.ts";
import type {
  AppliedWrite,
  InterfacePlan,
  ProcedurePlan,
  WriteOutcome,
  WritePlan,
  WriteRequest,
} from "../source/write.ts";
import { keyText } from "./cursor-values.ts";
import { tableLabel } from "./dialect.ts";
import { buildRows } from "./row-builder.ts";
import { StatementWriter } from "./statement-writer.ts";
import { joinColumns, keyColumns, pointRead } from "./statements.ts";
import type { EntityShape } from "./table-shape.ts";
import { type WorkDone, WriteRefused, type SqlWriteSession, type SqlWriteSource } from "./write-source.ts";
import type { WriteShape } from "./write-shape.ts";
import type { Outputs, WriteJob } from "./write-job.ts";
import { adjustAmount } from "./write-amount.ts";
import { nextValues } from "./write-next.ts";
import { checkOne, parentValues, rowsToWrite, writeRows } from "./write-rows.ts";
import {
  deleteRows,
  type Filled,
  insertRow,
  lockRow,
  ownRow,
  readBy,
  updateRows,
} from "./write-statements.ts";

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
  const { key, outputs } = await writeValues(session, job);
  trace.key = key;
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
  const isLocked = locksRow(shape.plan) || request.ifVersion !== undefined;
  trace.before = await readRow(session, source, shape.entity, request.key!, isLocked);
  if (trace.before === undefined) return { status: "not_found" };
  const isOther = request.ifVersion !== undefined && trace.before.version !== request.ifVersion;
  return isOther ? { status: "conflict", row: trace.before } : undefined;
}

export function locksRow({ form }: WritePlan): boolean {
  return form === "update" || form === "delete" || form === "adjust";
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

/** Written, with what the source gave back, and the record's key. */
interface Written {
  readonly key: SourceKey | undefined;
  readonly outputs: Outputs;
}

async function writeValues(session: SqlWriteSession, job: WriteJob): Promise<Written> {
  const { source, shape, request } = job;
  const { plan } = shape;
  const { key } = request;
  switch (plan.form) {
    case "procedure": {
      const outputs = request.dryRun ? {} : await callProcedure(session, source, plan, request);
      return { key: key ?? plan.keyFrom?.map((name) => outputs[name] ?? null), outputs };
    }
    case "delete":
      await removeRecord(session, job);
      return { key, outputs: {} };
    case "adjust":
      return { key, outputs: await adjustAmount(session, job, plan) };
    case "update": {
      // Before: the record may leave what the pack reads by this very update.
      const rows = await rowsToWrite(session, job, key!);
      await updateOwnRow(session, job);
      await writeRows(session, job, rows);
      return { key, outputs: {} };
    }
    case "interface_table":
      await insertOwnRow(session, job, request.values);
      return { key, outputs: {} };
    default: {
      const values = { ...request.values, ...(await nextValues(session, job)) };
      await insertOwnRow(session, job, values);
      const created = createdKey(shape, values);
      await writeRows(session, job, await rowsToWrite(session, job, created));
      return { key: created, outputs: {} };
    }
  }
}

async function updateOwnRow(session: SqlWriteSession, { source, shape, request }: WriteJob): Promise<void> {
  const filled = filledOf(shape, request.values);
  // Only rows of children are written.
  if (filled.length === 0) return;
  const statement = updateRows(source.dialect, ownRow(shape.entity, request.key!), filled);
  checkOne(await session.execute(statement), shape.table!);
}

async function insertOwnRow(
  session: SqlWriteSession,
  { source, shape }: WriteJob,
  values: WriteRequest["values"],
): Promise<void> {
  const statement = insertRow(source.dialect, shape.table!, filledOf(shape, values));
  checkOne(await session.execute(statement), shape.table!);
}

function filledOf({ plan, columns }: WriteShape, values: WriteRequest["values"]): readonly Filled[] {
  return plan.slots.flatMap(({ name, cast }): Filled[] => {
    const value = values[name];
    return value === undefined ? [] : [{ column: columns.get(name)!, value, cast }];
  });
}

async function removeRecord(session: SqlWriteSession, { source, shape, request }: WriteJob): Promise<void> {
  for (const child of shape.removed) {
    const parent = await parentValues(session, source, shape.entity, child, request.key!);
    const rows = { table: child.facts, filters: child.filters, columns: joinColumns(child), values: parent };
    await session.execute(deleteRows(source.dialect, rows));
  }
  const statement = deleteRows(source.dialect, ownRow(shape.entity, request.key!));
  checkOne(await session.execute(statement), shape.table!);
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

/** Of a record that did not exist before: the values of its key columns. */
function createdKey({ entity }: WriteShape, values: WriteRequest["values"]): SourceKey {
  return entity.plan.key.map((name) => {
    const value = values[name];
    return value === undefined || value === null ? null : String(value);
  });
}
