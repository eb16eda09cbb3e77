// Every step of an operation, durable before it is told: the one place that changes the state of one.
import type { CommandResult, CommandState } from "#common/contract/messages.ts";
import type { Clock } from "#common/runtime/clock.ts";
import { subjects, type Bus } from "../bus.ts";
import { Problem } from "../problem.ts";
import type { ConnectionRow, Store } from "../store.ts";
import { endOf, errorOf, finished, unknownOutcome, type OperationEnd } from "./operation-end.ts";
import { isFinished, type OperationRow } from "./operation.ts";

export interface OperationJournalDeps {
  readonly store: Pick<Store, "operations" | "directory">;
  readonly bus: Bus;
  readonly clock: Clock;
  readonly recordId: (connectionId: string, entity: string, key: string) => string;
}

export class OperationJournal {
  readonly #deps: OperationJournalDeps;

  constructor(deps: OperationJournalDeps) {
    this.#deps = deps;
  }

  /** The end, as an agent tells it. What is not an operation of a connection of this agent is passed over. Idempotent. */
  async result(agentId: string, result: CommandResult): Promise<void> {
    const owned = await this.#owned(agentId, result.command_id);
    if (owned !== undefined) await this.finish(owned.row, result, owned.connection);
  }

  /** The end of an operation that is known to be the sender's. */
  async finish(row: OperationRow, result: CommandResult, connection: ConnectionRow): Promise<void> {
    const answer = endOf(row, result, connection);
    const { key } = answer.result ?? {};
    const recordId =
      key === undefined ? row.recordId : this.#deps.recordId(row.connectionId, row.entity, key);
    await this.#end(row.id, () => answer, recordId);
  }

  /** A state on the way, as an agent tells it. */
  async state(agentId: string, { command_id: id, state, detail }: CommandState): Promise<void> {
    const owned = await this.#owned(agentId, id);
    if (owned !== undefined) await this.waits(id, state, detail);
  }

  /** A state on the way of an operation that is known to be the sender's. */
  async waits(id: string, state: CommandState["state"], detail: string | undefined): Promise<void> {
    await this.#change(id, (row) => {
      if (isFinished(row) || (row.state === state && row.detail === detail)) return undefined;
      const { detail: _, ...rest } = row;
      return { ...rest, state, ...(detail === undefined ? {} : { detail }) };
    });
  }

  /** It was sent, and nothing was heard for a moment. */
  async delivered(id: string): Promise<void> {
    await this.#change(id, (row) => (row.state === "accepted" ? { ...row, state: "delivered" } : undefined));
  }

  /** It is certain that it was not sent, because its agent is away: it waits for it, or fails. */
  async unsent(id: string): Promise<void> {
    const row = await this.#change(id, (before) =>
      before.state === "accepted" && before.mayQueue ? { ...before, state: "queued_offline" } : undefined,
    );
    if (row === undefined || isFinished(row) || row.state === "queued_offline") return;
    const detail =
      "The agent of this connection is not connected to the relay; nothing was written. With `queue_if_offline=true` a write waits for it.";
    await this.fail(id, new Problem("AGENT_OFFLINE", detail, { retryAfterSeconds: 5 }));
  }

  /** It is about to be sent. Undefined when it must not be: it is over. */
  async sending(id: string): Promise<OperationRow | undefined> {
    const row = await this.#change(id, (before) =>
      before.state === "queued_offline" ? { ...before, state: "accepted" } : undefined,
    );
    return row === undefined || isFinished(row) ? undefined : row;
  }

  /** It did not reach the plant, for this reason. */
  async fail(id: string, problem: Problem): Promise<void> {
    await this.#end(id, () => ({ state: "failed", error: errorOf(problem) }));
  }

  /** Its time is over, and it is certain that it was never sent. */
  async expired(id: string): Promise<void> {
    const detail = "Its time ended before its agent came back; it was never sent, and nothing was written.";
    await this.#end(id, () => ({ state: "expired", error: { code: "EXPIRED", detail, extras: {} } }));
  }

  /** The agent that may have begun it does not come back. */
  async givenUp(id: string): Promise<void> {
    const why = "the agent did not come back to tell.";
    await this.#end(id, (row) => ({ state: "unknown_outcome", error: unknownOutcome(row, why) }));
  }

  /** The caller wants it stopped. What was never sent is over at once. */
  async cancel(id: string, wasNeverSent: boolean): Promise<OperationRow | undefined> {
    return this.#deps.store.operations
      .change(id, (row) => {
        if (isFinished(row)) return undefined;
        if (wasNeverSent || row.state === "queued_offline") return this.#cancelled(row);
        return row.isCancelling === true ? undefined : { row: { ...row, isCancelling: true } };
      })
      .then((row) => this.#told(row));
  }

  #cancelled(row: OperationRow) {
    const detail = "It was cancelled before it was sent; nothing was written.";
    const end = { state: "cancelled", error: { code: "CANCELLED", detail, extras: {} } } as const;
    return finished(row, end, row.recordId, this.#deps.clock.nowMs());
  }

  async #owned(agentId: string, id: string) {
    const { store } = this.#deps;
    const row = await store.operations.byId(id);
    if (row === undefined) return undefined;
    const connection = await store.directory.connection({ workspaceId: row.workspaceId }, row.connectionId);
    return connection?.agentId === agentId ? { row, connection } : undefined;
  }

  async #end(id: string, end: (row: OperationRow) => OperationEnd, recordId?: string): Promise<void> {
    const nowMs = this.#deps.clock.nowMs();
    const row = await this.#deps.store.operations.change(id, (before) =>
      isFinished(before) ? undefined : finished(before, end(before), recordId ?? before.recordId, nowMs),
    );
    this.#told(row);
  }

  async #change(
    id: string,
    next: (row: OperationRow) => OperationRow | undefined,
  ): Promise<OperationRow | undefined> {
    const row = await this.#deps.store.operations.change(id, (before) => {
      const after = next(before);
      return after === undefined ? undefined : { row: after };
    });
    return this.#told(row);
  }

  /** Whoever waits for it looks again. */
  #told(row: OperationRow | undefined): OperationRow | undefined {
    if (row === undefined) return undefined;
    const { bus } = this.#deps;
    bus.publish(subjects.operation(row.id), row.state);
    if (isFinished(row)) bus.publish(subjects.feed(row.workspaceId), 1);
    return row;
  }
}
