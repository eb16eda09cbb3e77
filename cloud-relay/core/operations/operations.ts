// Operations as callers see them: made durable, sent on their way, waited for, called off, and let go when they are old.
import { sleep, type Clock } from "#common/runtime/clock.ts";
import { messageOf } from "#common/runtime/errors.ts";
import type { Logger } from "#common/runtime/logger.ts";
import { subjects, type Bus } from "../bus.ts";
import type { CommandTarget, OperationCarrier } from "../commands/command-target.ts";
import { requireConnected } from "../connections/reachability.ts";
import { Problem } from "../problem.ts";
import type { ConnectionRow, Scope, Store } from "../store.ts";
import type { OperationJournal } from "./operation-journal.ts";
import { isFinished, isParked, type OperationRow } from "./operation.ts";
import type { Created, IdempotencyClaim } from "./operation-store.ts";

export interface OperationsDeps {
  readonly store: Pick<Store, "operations" | "directory">;
  readonly journal: OperationJournal;
  readonly carrier: OperationCarrier;
  /** For connections without a plant. */
  readonly commands: CommandTarget;
  readonly bus: Bus;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface Submission {
  readonly row: OperationRow;
  readonly connection: ConnectionRow;
}

/** How long finished operations are kept. */
const OPERATIONS_KEPT_MS = 30 * 86_400_000;
/** How long an idempotency key is. */
const KEYS_KEPT_MS = 86_400_000;
/** An agent that has not come back for so long after an operation's time will not tell how it ended. */
const GIVEN_UP_AFTER_MS = 7 * 86_400_000;
const SWEEP_EVERY_MS = 5_000;
const SWEEP_PAGE = 500;
/** A cancel waits so long for the plant to say whether it was in time. */
const CANCEL_WAIT_MS = 2_000;

export class Operations {
  readonly #deps: OperationsDeps;

  constructor(deps: OperationsDeps) {
    this.#deps = deps;
  }

  /**
   * Keeps all of them, or none when the key is taken; then sends them, in their order. Resolves when they are durable:
   * what becomes of them is read from them.
   * @throws Problem CONFLICT for a disconnected connection
   */
  async submit(submissions: readonly Submission[], claim: IdempotencyClaim | undefined): Promise<Created> {
    for (const { connection } of submissions) requireConnected(connection);
    const rows = submissions.map(({ row }) => row);
    const created = await this.#deps.store.operations.create(rows, claim);
    if (created.kind === "created") void this.#sendAll(submissions);
    return created;
  }

  /** As they are when each is over or stands still at the plant, when the time is over, or when the caller has gone. In the order of the ids. */
  async settled(
    ids: readonly string[],
    waitMs: number,
    signal: AbortSignal,
  ): Promise<readonly OperationRow[]> {
    const { bus, clock, store } = this.#deps;
    const found = new Map<string, OperationRow>();
    let wake: (() => void) | undefined;
    let isStale = true;
    let isOver = signal.aborted;
    const look = (): void => {
      isStale = true;
      wake?.();
    };
    const end = (): void => {
      isOver = true;
      wake?.();
    };
    const stops = ids.map((id) => bus.subscribe(subjects.operation(id), look));
    stops.push(clock.setTimer(waitMs, end));
    signal.addEventListener("abort", end, { once: true });
    try {
      for (;;) {
        isStale = false;
        for (const id of ids) {
          const known = found.get(id);
          if (known !== undefined && isStill(known)) continue;
          const row = await store.operations.byId(id);
          if (row !== undefined) found.set(id, row);
        }
        const rows = [...found.values()];
        if (rows.every(isStill) || isOver) return rows;
        if (!isStale) await new Promise<void>((resolve) => (wake = resolve));
        wake = undefined;
      }
    } finally {
      for (const stop of stops) stop();
      signal.removeEventListener("abort", end);
    }
  }

  /** @throws Problem NOT_FOUND, CONFLICT when it is over already */
  async cancel(scope: Scope, id: string, signal: AbortSignal): Promise<OperationRow> {
    const { store, journal, carrier } = this.#deps;
    const row = await store.operations.get(scope, id);
    if (row === undefined) throw unknownOperation(id);
    if (isFinished(row)) {
      if (row.state === "cancelled") return row;
      throw new Problem(
        "CONFLICT",
        `The operation is over (${row.state}); it cannot be cancelled any more.`,
        {
          operationId: id,
        },
      );
    }
    const cancelled = await journal.cancel(id, false);
    if (cancelled !== undefined && isFinished(cancelled)) return cancelled;
    const connection = await store.directory.connection(scope, row.connectionId);
    if (connection?.agentId !== undefined) carrier.callOff(id, connection.agentId);
    const [after] = await this.#ended(id, CANCEL_WAIT_MS, signal);
    return after ?? row;
  }

  /** Ends what waited too long, and removes what is old, until the signal. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.#deps;
    while (!signal.aborted) {
      try {
        await this.sweep();
      } catch (error) {
        logger.error({}, `operations: those that are over could not be ended: ${messageOf(error)}`);
      }
      await sleep(clock, SWEEP_EVERY_MS, signal);
    }
  }

  async sweep(): Promise<void> {
    const { store, journal, clock, carrier } = this.#deps;
    const nowMs = clock.nowMs();
    const waiting = new Map<string, OperationRow>();
    let afterId: string | undefined;
    for (;;) {
      const rows = await store.operations.unfinished(undefined, afterId, SWEEP_PAGE);
      for (const row of rows) {
        const { id, state, expiresAtMs, connectionId } = row;
        if (state === "queued_offline") {
          if (expiresAtMs <= nowMs) await journal.expired(id);
          else waiting.set(connectionId, row);
        } else if (expiresAtMs + GIVEN_UP_AFTER_MS <= nowMs) await journal.givenUp(id);
      }
      afterId = rows.at(-1)?.id;
      if (rows.length < SWEEP_PAGE) break;
    }
    for (const { connectionId, workspaceId } of waiting.values()) {
      const connection = await store.directory.connection({ workspaceId }, connectionId);
      if (connection?.agentId !== undefined) carrier.queued(connectionId, connection.agentId);
    }
    const before = { operationsMs: nowMs - OPERATIONS_KEPT_MS, keysMs: nowMs - KEYS_KEPT_MS };
    while (await store.operations.prune(before)) await sleep(clock, 0);
  }

  /** One after the other: what was asked for first is done first. */
  async #sendAll(submissions: readonly Submission[]): Promise<void> {
    for (const { row, connection } of submissions) {
      if (isFinished(row)) continue;
      try {
        await this.#send(row, connection);
        if (submissions.length > 1) await this.settled([row.id], row.expiresAtMs - row.createdAtMs, NEVER);
      } catch (error) {
        const words = messageOf(error);
        this.#deps.logger.error({ operation: row.id }, `operations: could not be sent: ${words}`);
      }
    }
  }

  async #send(row: OperationRow, connection: ConnectionRow): Promise<void> {
    const { journal, carrier } = this.#deps;
    if (connection.kind === "sandbox") return this.#ask(row, connection);
    const { agentId } = connection;
    const handover = agentId === undefined ? "offline" : await carrier.deliver(row, agentId);
    if (handover === "offline") await journal.unsent(row.id);
    if (handover === "overloaded") {
      const detail = "The agent has as many commands as it can take; nothing was written. Try again.";
      await journal.fail(row.id, new Problem("OVERLOADED", detail, { retryAfterSeconds: 5 }));
    }
  }

  async #ask(row: OperationRow, connection: ConnectionRow): Promise<void> {
    const { commands, journal } = this.#deps;
    const { id: commandId, body } = row;
    const timeoutMs = row.expiresAtMs - row.createdAtMs;
    try {
      const result = await commands.ask({ connection, kind: "write", body, timeoutMs, commandId });
      await journal.finish(row, result, connection);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      if (error.code === "AGENT_OFFLINE") await journal.unsent(row.id);
      else await journal.fail(row.id, error);
    }
  }

  async #ended(id: string, waitMs: number, signal: AbortSignal): Promise<readonly OperationRow[]> {
    const over = new AbortController();
    const { bus } = this.#deps;
    const stop = bus.subscribe(subjects.operation(id), () => over.abort());
    try {
      const row = await this.#deps.store.operations.byId(id);
      if (row === undefined || isFinished(row)) return row === undefined ? [] : [row];
      await sleep(this.#deps.clock, waitMs, AbortSignal.any([over.signal, signal]));
      const after = await this.#deps.store.operations.byId(id);
      return after === undefined ? [] : [after];
    } finally {
      stop();
    }
  }
}

const NEVER = new AbortController().signal;

function isStill(row: OperationRow): boolean {
  return isFinished(row) || isParked(row);
}

export function unknownOperation(id: string): Problem {
  return new Problem(
    "NOT_FOUND",
    `There is no operation ${id} that this token may see. They are kept for 30 days; GET /v1/operations lists them.`,
  );
}
