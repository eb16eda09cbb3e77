// What an administrator does with a connection that is there: change, disconnect, reconnect, delete.
import { setStatus } from "../agents/connection-status.ts";
import type { ConnectionChanges } from "../directory.ts";
import { Problem } from "../problem.ts";
import type { ConnectionRow, Store } from "../store.ts";

export interface ConnectionLifeDeps {
  readonly store: Store;
  nowMs(): number;
}

/** `events`: how many entered the feed. */
export interface LifeOutcome {
  readonly connection: ConnectionRow;
  readonly events: number;
}

/** @throws Problem NOT_FOUND */
export async function changeConnection(
  { store }: ConnectionLifeDeps,
  workspaceId: string,
  id: string,
  changes: ConnectionChanges,
): Promise<ConnectionRow> {
  const changed = await store.directory.changeConnection(workspaceId, id, changes);
  if (changed === undefined) throw unknown(id);
  return changed;
}

/** Its tokens are dead from now on, its agent's stream is refused; what it held stays. @throws Problem NOT_FOUND, CONFLICT */
export async function disconnectConnection(
  deps: ConnectionLifeDeps,
  workspaceId: string,
  id: string,
): Promise<LifeOutcome> {
  const { store } = deps;
  const nowMs = deps.nowMs();
  await existing(deps, workspaceId, id);
  if (!(await store.directory.disconnectConnection(workspaceId, id, nowMs))) {
    throw new Problem("CONFLICT", "The connection is disconnected already.");
  }
  const events = await setStatus(
    store,
    id,
    {
      state: "offline",
      reason: "This connection was disconnected.",
      advice: "Reconnect it and make new tokens for it, or delete it.",
    },
    nowMs,
  );
  return { connection: await existing(deps, workspaceId, id), events };
}

/** Its agent is let in again; tokens must be made anew. @throws Problem NOT_FOUND, CONFLICT */
export async function reconnectConnection(
  deps: ConnectionLifeDeps,
  workspaceId: string,
  id: string,
): Promise<LifeOutcome> {
  const { store } = deps;
  const { agentId } = await existing(deps, workspaceId, id);
  if (!(await store.directory.reconnectConnection(workspaceId, id))) {
    throw new Problem("CONFLICT", "The connection is not disconnected; there is nothing to reconnect.");
  }
  const waiting =
    agentId === undefined
      ? ({ state: "pending", reason: "No agent serves this connection yet." } as const)
      : ({ state: "offline", reason: "It was reconnected and waits for its agent." } as const);
  const advice =
    agentId === undefined
      ? "Make an enrolment code for it and enrol the agent at the plant."
      : "If it stays so for a minute, see that the agent runs: millrace-agent status";
  const events = await setStatus(store, id, { ...waiting, advice }, deps.nowMs());
  return { connection: await existing(deps, workspaceId, id), events };
}

/** With records, events and samples; only when it is disconnected. @throws Problem NOT_FOUND, CONFLICT */
export async function deleteConnection(
  deps: ConnectionLifeDeps,
  workspaceId: string,
  id: string,
): Promise<void> {
  await existing(deps, workspaceId, id);
  if (await deps.store.directory.deleteConnection(workspaceId, id)) return;
  throw new Problem(
    "CONFLICT",
    "Only a disconnected connection can be deleted. Disconnect it first: POST /admin/v1/connections/{id}/disconnect.",
  );
}

async function existing(
  { store }: ConnectionLifeDeps,
  workspaceId: string,
  id: string,
): Promise<ConnectionRow> {
  const row = await store.directory.connection({ workspaceId }, id);
  if (row === undefined) throw unknown(id);
  return row;
}

function unknown(id: string): Problem {
  return new Problem("NOT_FOUND", `There is no connection ${id} here.`);
}
