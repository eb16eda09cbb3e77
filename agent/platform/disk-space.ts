// How much disk the agent uses, may use, and has left. Looks at names and sizes only; never opens a file.
import { readdirSync, statfsSync, statSync } from "node:fs";
import { join } from "node:path";
import type { RoomBudget } from "#agent/core/room/messages.ts";

const DEFAULT_TOTAL_BYTES = 4 * 1024 ** 3;
/** With less than this left on the volume nothing new is written: the rest of the machine needs it too. */
const VOLUME_FULL_BELOW_BYTES = 64 * 1024 * 1024;
/** Known records grow with the source's rows, outboxes with outages: the outbox gets three quarters. */
const OUTBOX_SHARE = 0.75;

export interface SpaceMeasure {
  readonly totalBytes: number;
  readonly usedBytes: number;
  readonly freeDiskBytes: number;
  readonly volumeFull: boolean;
}

/** `configuredBytes` undefined: the smaller of 4 GiB and half of what is free beside our own use. */
export function measureSpace(dataDir: string, configuredBytes: number | undefined): SpaceMeasure {
  const { bavail, bsize } = statfsSync(dataDir);
  const freeDiskBytes = bavail * bsize;
  const usedBytes = folderBytes(join(dataDir, "rooms"));
  const totalBytes =
    configuredBytes ?? Math.min(DEFAULT_TOTAL_BYTES, Math.floor((freeDiskBytes + usedBytes) / 2));
  return { totalBytes, usedBytes, freeDiskBytes, volumeFull: freeDiskBytes < VOLUME_FULL_BELOW_BYTES };
}

/** Equal shares. */
export function roomBudget(space: SpaceMeasure, rooms: number): RoomBudget {
  const share = space.totalBytes / Math.max(1, rooms);
  return {
    outboxBytes: Math.floor(share * OUTBOX_SHARE),
    knownBytes: Math.floor(share * (1 - OUTBOX_SHARE)),
    volumeFull: space.volumeFull,
  };
}

/** Files may come and go while we look. */
function folderBytes(folder: string): number {
  let bytes = 0;
  let entries;
  try {
    entries = readdirSync(folder, { withFileTypes: true, recursive: true });
  } catch {
    return 0;
  }
  for (const entry of entries)
    if (entry.isFile())
      bytes += statSync(join(entry.parentPath, entry.name), { throwIfNoEntry: false })?.size ?? 0;
  return bytes;
}
