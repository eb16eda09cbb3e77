// Keeps a connection's status and tells its changes in the feed.
import { reauthorizationOf } from "../connections/reachability.ts";
import type { ConnectionRow, ConnectionState, ConnectionStatus, Store } from "../store.ts";

/** Whether the state means that data flows, or would if anything changed. */
function isUp(state: ConnectionState): boolean {
  return state === "online" || state === "synchronizing" || state === "degraded" || state === "paused";
}

/** Event types of a change of state; none where it is no news to a consumer. */
function eventsOf(before: ConnectionState, after: ConnectionState): readonly string[] {
  if (before === after) return [];
  if (after === "reauthorization_required") return ["connection.authentication_required"];
  if (after === "offline") return ["connection.offline"];
  const back = isUp(after) && !isUp(before) ? ["connection.online"] : [];
  return after === "degraded" ? [...back, "system.error"] : back;
}

/** Writes the status; returns the number of events that it made. A status that is the same writes nothing. */
export function setStatus(
  store: Store,
  connectionId: string,
  status: ConnectionStatus,
  nowMs: number,
): Promise<number> {
  return store.ingest(async (tx) => {
    const connection = await tx.connection(connectionId);
    if (connection === undefined || isSame(connection, status)) return 0;
    await tx.setConnectionStatus(connectionId, status, nowMs);
    const types = eventsOf(connection.state, status.state);
    if (types.length === 0) return 0;
    const reauthorization = reauthorizationOf(status, connection.description?.connector);
    const data = JSON.stringify({
      status: status.state,
      previous_status: connection.state,
      reason: status.reason,
      advice: status.advice,
      ...(reauthorization.required && { instructions: reauthorization.instructions }),
    });
    const first = await tx.revisions(types.length, nowMs);
    await tx.appendEvents(
      types.map((type, index) => ({
        id: `evt_r_${first + index}`,
        position: first + index,
        type,
        workspaceId: connection.workspaceId,
        connectionId,
        entity: undefined,
        recordId: undefined,
        origin: undefined,
        atMs: nowMs,
        data,
      })),
    );
    return types.length;
  });
}

function isSame(connection: ConnectionRow, status: ConnectionStatus): boolean {
  return (
    connection.state === status.state &&
    connection.reason === status.reason &&
    connection.advice === status.advice
  );
}
