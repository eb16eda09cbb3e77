// Writes to a sandbox that waited for its agent, or that a restart of the relay cut off: taken up again, oldest first.
import type { Clock } from "#common/runtime/clock.ts";
import type { CommandTarget } from "../commands/command-target.ts";
import type { OperationJournal } from "../operations/operation-journal.ts";
import type { OperationRow } from "../operations/operation.ts";
import type { OperationStore } from "../operations/operation-store.ts";
import { Problem } from "../problem.ts";
import type { ConnectionRow } from "../store.ts";

export interface ResumeDeps {
  readonly operations: OperationStore;
  readonly journal: OperationJournal;
  readonly target: CommandTarget;
  readonly clock: Clock;
}

/** Operations taken up at once; the rest waits for the next time. */
const MAX_RESUMED = 500;

/** `all`: nobody is at work on any of them; otherwise only those are taken that were never sent. */
export async function resumeWrites(deps: ResumeDeps, connection: ConnectionRow, all: boolean): Promise<void> {
  const rows = await deps.operations.unfinished(connection.id, undefined, MAX_RESUMED);
  const waiting = rows.filter(({ state }) => all || state === "queued_offline");
  // Not one after the other: one that is held must not keep the others.
  await Promise.all(waiting.map(({ id }) => resume(deps, connection, id)));
}

async function resume(deps: ResumeDeps, connection: ConnectionRow, id: string): Promise<void> {
  const { journal, target, clock } = deps;
  const row: OperationRow | undefined = await journal.sending(id);
  if (row === undefined) return;
  const timeoutMs = row.expiresAtMs - clock.nowMs();
  if (row.isCancelling === true) return void (await journal.cancel(id, true));
  if (timeoutMs <= 0) return journal.expired(id);
  try {
    const call = { connection, kind: "write", body: row.body, timeoutMs, commandId: id } as const;
    await journal.finish(row, await target.ask(call), connection);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    if (error.code === "AGENT_OFFLINE") await journal.unsent(id);
    else await journal.fail(id, error);
  }
}
