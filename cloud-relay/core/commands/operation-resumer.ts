// Takes up the operations of one agent's session: those an earlier session may have sent, and those that wait for their source.
import type { OperationJournal } from "../operations/operation-journal.ts";
import type { OperationRow } from "../operations/operation.ts";
import type { Store } from "../store.ts";
import { requestOf, type AgentCommands } from "./agent-commands.ts";

export interface OperationResumerDeps {
  readonly store: Pick<Store, "operations" | "directory">;
  readonly journal: OperationJournal;
  readonly commands: AgentCommands;
  /** Called with what a step failed with; it is taken up again later. */
  readonly failed: (error: unknown) => void;
}

/** Operations looked up at once. */
const PAGE = 100;

export class OperationResumer {
  readonly #deps: OperationResumerDeps;
  /** Connections that are being gone through; true: once more, because more has come. */
  readonly #running = new Map<string, boolean>();

  constructor(deps: OperationResumerDeps) {
    this.#deps = deps;
  }

  /** At the session's start: nobody knows what became of what was sent before. */
  async start(): Promise<void> {
    const { store, commands } = this.#deps;
    const connections = await store.directory.connectionsOfAgent(commands.peer.agentId);
    for (const { id, disconnectedAtMs } of connections)
      if (disconnectedAtMs === undefined) this.#go(id, true);
  }

  /** Sends what waits for the connection, if its source is open. */
  queued(connectionId: string): void {
    if (this.#deps.commands.isReady(connectionId)) this.#go(connectionId, false);
  }

  #go(connectionId: string, isStart: boolean): void {
    if (this.#running.has(connectionId)) {
      this.#running.set(connectionId, true);
      return;
    }
    this.#run(connectionId, isStart).catch((error: unknown) => this.#deps.failed(error));
  }

  async #run(connectionId: string, isStart: boolean): Promise<void> {
    this.#running.set(connectionId, false);
    try {
      await this.#walk(connectionId, isStart);
      while (this.#running.get(connectionId) === true && this.#deps.commands.isReady(connectionId)) {
        this.#running.set(connectionId, false);
        await this.#walk(connectionId, false);
      }
    } finally {
      this.#running.delete(connectionId);
    }
  }

  /** In the order in which they were asked for, each after the one before. */
  async #walk(connectionId: string, isStart: boolean): Promise<void> {
    const { store, commands } = this.#deps;
    let afterId: string | undefined;
    for (;;) {
      const rows = await store.operations.unfinished(connectionId, afterId, PAGE);
      for (const row of rows) {
        if (commands.isClosed) return;
        const isQueued = row.state === "queued_offline";
        if (isQueued ? commands.isReady(connectionId) : isStart) await this.#resume(row.id);
      }
      afterId = rows.at(-1)?.id;
      if (rows.length < PAGE) return;
    }
  }

  async #resume(id: string): Promise<void> {
    const { store, journal, commands } = this.#deps;
    const before = await store.operations.byId(id);
    const row = await journal.sending(id);
    if (row === undefined || before === undefined) return;
    const mayHaveBeenSent = before.state !== "queued_offline";
    await commands.again(wanted(row), mayHaveBeenSent);
    if (row.isCancelling === true) commands.peer.send({ type: "command_cancel", command_id: id });
  }
}

/** What is not wanted any more must not begin now: without time left, the agent only tells what it knows of it. */
function wanted(row: OperationRow) {
  const request = requestOf(row);
  return row.isCancelling === true ? { ...request, expiresAtMs: 0 } : request;
}
