// Desired and reported settings of the memory store.
import {
  MAX_KEPT_DOCUMENTS,
  type DesiredDocument,
  type SettingsStore,
} from "../../core/settings/settings-store.ts";
import type { Scope } from "../../core/store.ts";
import { isInScope } from "./memory-directory.ts";
import { keyOf, type MemoryTables } from "./memory-tables.ts";

export function memorySettings(
  { settings, settingsReports, connections }: MemoryTables,
  write: <T>(work: () => T) => Promise<T>,
  read: <T>(work: () => T) => Promise<T>,
): SettingsStore {
  const isVisible = (scope: Scope, id: string): boolean => isInScope(scope, connections.committed.get(id));
  const newest = (rows: Iterable<DesiredDocument>, id: string): DesiredDocument | undefined =>
    [...rows].filter(({ connectionId }) => connectionId === id).sort((a, b) => b.revision - a.revision)[0];
  return {
    get: (scope, id) =>
      read(() => {
        if (!isVisible(scope, id))
          return { desired: undefined, reported: undefined, reportedAtMs: undefined };
        const report = settingsReports.committed.get(id);
        return {
          desired: newest(settings.committed.values(), id),
          reported: report?.reported,
          reportedAtMs: report?.atMs,
        };
      }),
    document: (scope, id, revision) =>
      read(() => (isVisible(scope, id) ? settings.committed.get(keyOf(id, revision)) : undefined)),
    putDesired: (desired) =>
      write(() => {
        const { connectionId, revision } = desired;
        const connection = connections.get(connectionId);
        if (connection === undefined || connection.disconnectedAtMs !== undefined) return false;
        if (revision !== 1 + (newest(settings.values(), connectionId)?.revision ?? 0)) return false;
        settings.set(keyOf(connectionId, revision), desired);
        settings.delete(keyOf(connectionId, revision - MAX_KEPT_DOCUMENTS));
        return true;
      }),
    putReported: (reported, atMs) =>
      write(() => settingsReports.set(reported.connection_id, { reported, atMs })),
  };
}
