// Removes a connection and all it held from the memory store, at once.
import type { MemoryTables } from "./memory-tables.ts";
import { forgetIdleFeed } from "./memory-webhooks.ts";
import type { OverlayMap } from "./overlay-map.ts";

/** False when the workspace has no such connection, or it is not disconnected. */
export function forgetConnection(tables: MemoryTables, workspaceId: string, id: string): boolean {
  const row = tables.connections.get(id);
  if (row?.workspaceId !== workspaceId || row.disconnectedAtMs === undefined) return false;
  const {
    records,
    versions,
    events,
    samples,
    lastSamples,
    gaps,
    rejects,
    undecodable,
    tokens,
    runs,
    operations,
    settings,
    links,
  } = tables;
  for (const table of [
    records,
    versions,
    events,
    samples,
    lastSamples,
    gaps,
    rejects,
    undecodable,
    tokens,
    operations,
    settings,
    links,
  ]) {
    removeWhere<{ readonly connectionId: string | undefined }>(table, (held) => held.connectionId === id);
  }
  removeWhere(runs, ({ run }) => run.connectionId === id);
  forgetWebhooks(tables, workspaceId, id);
  tables.settingsReports.delete(id);
  tables.streams.delete(id);
  tables.connections.delete(id);
  return true;
}

/** Its endpoints, and what was made of its events. */
function forgetWebhooks(tables: MemoryTables, workspaceId: string, id: string): void {
  const { webhookEndpoints, webhookMessages, webhookDeliveries, webhookAttempts } = tables;
  const isOwn = (endpointId: string): boolean => webhookEndpoints.get(endpointId)?.row.connectionId === id;
  removeWhere(webhookDeliveries, ({ row }) => row.connectionId === id || isOwn(row.endpointId));
  removeWhere(webhookAttempts, ({ deliveryId }) => !webhookDeliveries.has(deliveryId));
  removeWhere(webhookMessages, ({ row }) => row.connectionId === id);
  removeWhere(webhookEndpoints, ({ row }) => row.connectionId === id);
  forgetIdleFeed(tables, workspaceId);
}

function removeWhere<Row>(
  table: Pick<OverlayMap<Row>, "entries" | "delete">,
  matches: (row: Row) => boolean,
): void {
  for (const [key, row] of table.entries()) if (matches(row)) table.delete(key);
}
