// Writes to any SQL source: one request, one transaction, one honest outcome.
import type { Clock } from "#common/runtime/clock.ts";
import { ConnectorError, messageOf } from "#common/runtime/errors.ts";
import type { SourceRow } from "../source/connector.ts";
import type { RefusalCode, WriteOutcome, WriteRequest } from "../source/write.ts";
import { CommandLog } from "./command-log.ts";
import { awaitProduct } from "./interface-status.ts";
import { applied, isStaged, locksRow, newTrace, readRow, runWrite, type WriteTrace } from "./write-steps.ts";
import type { WriteJob } from "./write-job.ts";
import { CommitUnknown, WriteRefused, type SqlWriteSession, type SqlWriteSource } from "./write-source.ts";
import type { RowsShape, WriteShape, WriteShapes } from "./write-shape.ts";

export interface TableWriterDeps {
  readonly source: SqlWriteSource;
  readonly shapes: WriteShapes;
  readonly clock: Clock;
}

/** The command log's column is that long. */
const MAX_COMMAND_ID_LENGTH = 64;

export class TableWriter {
  readonly #deps: TableWriterDeps;
  readonly #log: CommandLog | undefined;

  constructor(deps: TableWriterDeps) {
    this.#deps = deps;
    const { source, shapes } = deps;
    this.#log = shapes.log && new CommandLog(source.dialect, shapes.log);
  }

  /** One attempt. @throws ConnectorError; then the source was not touched */
  async write(request: WriteRequest): Promise<WriteOutcome> {
    const job = this.#jobOf(request);
    if ("status" in job) return job;
    const outcome = await this.#attempt(job);
    if (outcome.status !== "applied" || !outcome.isPending || request.dryRun) return outcome;
    return await awaitProduct(job, outcome, this.#deps.clock);
  }

  async #attempt(job: WriteJob): Promise<WriteOutcome> {
    const { source, request, log } = job;
    for (let isAgain = false; ; isAgain = true) {
      const trace = newTrace(job);
      try {
        return await source.writeTransaction(request.signal, (session) => runWrite(session, job, trace));
      } catch (error) {
        if (error instanceof CommitUnknown) return await decide(job, trace, error);
        if (error instanceof WriteRefused) {
          // The same command at the same moment: the other one was first, and now stands in the log.
          const isRace = log !== undefined && error.code === "CONSTRAINT" && !isAgain;
          if (!isRace || !(await this.#isLogged(job))) return refused(error.code, error.message);
        } else if (request.signal.aborted && !(error instanceof ConnectorError)) {
          throw new ConnectorError("unavailable", "The write was called off before it was committed.", {
            cause: error,
          });
        } else throw error;
      }
    }
  }

  async #isLogged({ source, request, log }: WriteJob): Promise<boolean> {
    return await source.writeTransaction(request.signal, async (session) => ({
      isKept: false,
      value: (await log?.find(session, request)) !== undefined,
    }));
  }

  /** The request held against what is planned; nothing is asked of the source yet. */
  #jobOf(request: WriteRequest): WriteJob | WriteOutcome {
    const { source, shapes } = this.#deps;
    const { entity, operation, key, values, commandId } = request;
    const label = `${entity}.${operation}`;
    const shape = shapes.writes.find(
      (one) => one.entity.plan.entity === entity && one.plan.operation === operation,
    );
    if (shape === undefined) return refused("NOT_WRITABLE", `The pack allows no ${label}.`);
    const slots = new Set(shape.plan.slots.map(({ name }) => name));
    const stray = Object.keys(values).find((name) => !slots.has(name));
    if (stray !== undefined) return refused("NOT_WRITABLE", `${label} writes no ${stray}.`);
    const strayRows = rowsProblem(request, shape.rows);
    if (strayRows !== undefined) return refused("NOT_WRITABLE", `${label}: ${strayRows}`);
    const takesNothing = shape.plan.form === "procedure" || shape.plan.form === "delete";
    const rowCount = Object.values(request.children ?? {}).flat().length;
    if (!takesNothing && Object.keys(values).length + rowCount === 0)
      return refused("NOT_WRITABLE", `${label} was given nothing to write.`);
    if (commandId === "" || commandId.length > MAX_COMMAND_ID_LENGTH)
      return refused("NOT_WRITABLE", `A command's id has 1 to ${MAX_COMMAND_ID_LENGTH} characters.`);
    const wanted = shape.entity.plan.key.length;
    const isCreating = operation === "create" || shape.plan.form === "interface_table";
    if (key === undefined ? !isCreating : key.length !== wanted || shape.plan.form === "insert")
      return refused(
        "NOT_WRITABLE",
        shape.plan.form === "insert" ? `${label} takes no key.` : `${label} needs a key of ${wanted} values.`,
      );
    if (request.ifVersion !== undefined && (key === undefined || shape.entity.versionAt === undefined))
      return refused("NO_VERSION", `${entity} has no version that could be compared.`);
    return { source, shape, log: this.#log, request };
  }
}

/** Rows that the plan does not name, or too many of them. */
function rowsProblem({ children = {} }: WriteRequest, shapes: readonly RowsShape[]): string | undefined {
  for (const [name, rows] of Object.entries(children)) {
    const plan = shapes.find((one) => one.plan.child === name)?.plan;
    if (plan === undefined) return `it writes no ${name}.`;
    if (rows.length > plan.maxRows)
      return `${rows.length} rows of ${name}; ${plan.maxRows} can be written at once.`;
    const slots = new Set(plan.slots.map((slot) => slot.name));
    for (const { values, initial, isRemoved } of rows) {
      const stray = Object.keys({ ...initial, ...values }).find((slot) => !slots.has(slot));
      if (stray !== undefined) return `it writes no ${stray} of ${name}.`;
      if (isRemoved === true && plan.removal === undefined) return `it removes no ${name}.`;
    }
  }
  return undefined;
}

function refused(code: RefusalCode, message: string): WriteOutcome {
  return { status: "rejected", code, message };
}

/** What became of a commit whose answer was lost. @throws ConnectorError if it certainly was not carried out */
async function decide(job: WriteJob, trace: WriteTrace, lost: CommitUnknown): Promise<WriteOutcome> {
  let verdict: Verdict;
  try {
    verdict = await findOut(job, trace);
  } catch (error) {
    return unknown(`${lost.message} Asking what became of it failed as well: ${messageOf(error)}`);
  }
  if (verdict === "not_applied")
    throw new ConnectorError(
      "unavailable",
      `${lost.message} The source does not have the write; try it again.`,
      {
        cause: lost,
      },
    );
  if (verdict !== "unknown") return verdict;
  return unknown(`${lost.message} The source does not tell whether it has the write: look at the record.`);
}

type Verdict = WriteOutcome | "not_applied" | "unknown";

async function findOut(job: WriteJob, trace: WriteTrace, isAgain = false): Promise<Verdict> {
  // The request's own signal may be what is over already.
  const { signal } = new AbortController();
  const ask = job.log === undefined ? askRow : askLog;
  try {
    return await job.source.writeTransaction<Verdict>(signal, async (session) => ({
      isKept: false,
      value: await ask(session, job, trace),
    }));
  } catch (error) {
    // The lost transaction was still ending, and has taken its place in the log since.
    if (!(error instanceof WriteRefused) || isAgain) throw error;
    return await findOut(job, trace, true);
  }
}

async function askLog(session: SqlWriteSession, job: WriteJob): Promise<Verdict> {
  const { source, shape, log, request } = job;
  const known = await log!.find(session, request);
  if (known === undefined) {
    // Waits for the lost transaction, should it still be ending: then the id is taken.
    await log!.enter(session, request);
    return "not_applied";
  }
  const row = known.key && (await readRow(session, source, shape.entity, known.key));
  return applied(row, { outputs: known.outputs, isPending: shape.plan.form === "interface_table" });
}

async function askRow(session: SqlWriteSession, job: WriteJob, trace: WriteTrace): Promise<Verdict> {
  const { source, shape } = job;
  if (shape.plan.form === "interface_table")
    return (await isStaged(session, job)) ? applied(undefined, { isPending: true }) : "unknown";
  if (trace.key === undefined) return "unknown";
  const isLocked = locksRow(shape.plan);
  const row = await readRow(session, source, shape.entity, trace.key, isLocked);
  const isSame = (left: SourceRow | undefined, right: SourceRow | undefined): boolean =>
    imageOf(left, shape) === imageOf(right, shape);
  if (shape.plan.form === "delete" && row === undefined) return applied(undefined);
  // A write that changed nothing that is read leaves nothing to tell it by.
  if (row === undefined || isSame(trace.before, trace.after)) return "unknown";
  if (isSame(row, trace.after)) return applied(row);
  // Without a lock the lost transaction may still be ending.
  return isLocked && isSame(row, trace.before) ? "not_applied" : "unknown";
}

/** The row's own columns, and those children that are written with it: others may have been read at another moment. */
function imageOf(row: SourceRow | undefined, { rows, child }: WriteShape): string {
  const plain = (_: string, value: unknown): unknown => (typeof value === "bigint" ? String(value) : value);
  const written = [...rows.map((one) => one.child), ...(child === undefined ? [] : [child])];
  const children = written.map(({ rowsUnder }) => row?.children?.[rowsUnder]);
  return JSON.stringify([row?.columns, children], plain);
}

function unknown(message: string): WriteOutcome {
  return { status: "unknown_outcome", message };
}
