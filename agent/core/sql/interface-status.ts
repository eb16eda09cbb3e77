// Waits for the product to take a row from its interface table, as long as the pack says.
import { type Clock, sleep } from "#common/runtime/clock.ts";
import { ConnectorError } from "#common/runtime/errors.ts";
import type { AppliedWrite, InterfacePlan, InterfaceStatus, WriteOutcome } from "../source/write.ts";
import { keyText } from "./cursor-values.ts";
import type { ColumnFacts } from "./dialect.ts";
import { readBy } from "./write-statements.ts";
import { WriteRefused } from "./write-source.ts";
import type { WriteJob } from "./write-job.ts";
import { readRow } from "./write-steps.ts";

/** How often the row is looked at, ms. */
const LOOK_EVERY_MS = 500;

/** The staged write's outcome: taken, refused, or `applied` and still pending when time is up. Whether it can be asked does not matter: it is staged. */
export async function awaitProduct(job: WriteJob, staged: AppliedWrite, clock: Clock): Promise<WriteOutcome> {
  const { status } = job.shape.plan as InterfacePlan;
  if (status === undefined) return staged;
  const endMs = clock.monotonicMs() + status.withinMs;
  for (;;) {
    const seen = await look(job, staged, status);
    if (seen !== undefined) return seen;
    const leftMs = endMs - clock.monotonicMs();
    if (leftMs <= 0 || job.request.signal.aborted) return staged;
    await sleep(clock, Math.min(LOOK_EVERY_MS, leftMs), job.request.signal);
  }
}

/** Undefined: the product has not said anything yet, or cannot be asked now. */
async function look(
  job: WriteJob,
  staged: AppliedWrite,
  status: InterfaceStatus,
): Promise<WriteOutcome | undefined> {
  const { source, shape, request } = job;
  const { commandColumn } = shape.plan as InterfacePlan;
  const column = (name: string): ColumnFacts => shape.columns.get(name)!;
  const names = [
    status.column,
    ...(status.keyFrom ?? []),
    ...(status.message === undefined ? [] : [status.message]),
  ];
  const statement = readBy(
    source.dialect,
    shape.table!,
    names.map(column),
    column(commandColumn!),
    request.commandId,
  );
  try {
    return await source.writeTransaction<WriteOutcome | undefined>(request.signal, async (session) => {
      const [row] = await session.query(statement);
      const [code, ...rest] = (row ?? []).map((value) => keyText(value)?.trim() ?? null);
      if (code !== undefined && code !== null && status.failed.includes(code)) {
        const said = status.message === undefined ? undefined : rest.at(-1);
        const message = `The product refused it: ${said ?? `${status.column} is ${code}`}`;
        return { isKept: false, value: { status: "rejected", code: "REFUSED", message } };
      }
      if (code === undefined || code === null || !status.done.includes(code))
        return { isKept: false, value: undefined };
      const key = request.key ?? status.keyFrom?.map((_, at) => rest[at] ?? null);
      const found = key && (await readRow(session, source, shape.entity, key));
      return { isKept: false, value: { ...staged, row: found, isPending: false } };
    });
  } catch (error) {
    const isForeseen = error instanceof ConnectorError || error instanceof WriteRefused;
    if (isForeseen || request.signal.aborted) return undefined;
    throw error;
  }
}
