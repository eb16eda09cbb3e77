// How much disk the agent uses, may use, and has left. Looks at names and sizes only; the one file that it opens is its own ballast.
import {
  closeSync,
  fsyncSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statfsSync,
  statSync,
  writeSync,
} from "node:fs";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { defaultTotalBytes, splitBudget } from "#agent/core/room/budget.ts";
import type { RoomBudget } from "#agent/core/room/messages.ts";

/** With less than this left on the volume nothing new is written: the rest of the machine needs it too. */
const VOLUME_FULL_BELOW_BYTES = 64 * 1024 * 1024;
/** Given up on a full disk, so that there is space to clean up in. */
export const BALLAST_BYTES = 16 * 1024 * 1024;
/** The ballast is only laid where it takes no more than this part of what is free. */
const BALLAST_SHARE = 0.1;

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
  const totalBytes = configuredBytes ?? defaultTotalBytes(freeDiskBytes, usedBytes);
  return { totalBytes, usedBytes, freeDiskBytes, volumeFull: freeDiskBytes < VOLUME_FULL_BELOW_BYTES };
}

/** Equal shares, for rooms whose use is not known. */
export function roomBudget(space: SpaceMeasure, rooms: number): RoomBudget {
  const idle = { outboxBytes: 0, knownBytes: 0 };
  const uses = Array.from({ length: Math.max(1, rooms) }, () => idle);
  const [first] = splitBudget(space.totalBytes, uses, space.volumeFull);
  return first ?? { ...idle, volumeFull: space.volumeFull };
}

/** Lays the ballast if it is not there and there is plenty of space; true when it is there. */
export function layBallast(dataDir: string, bytes: number = BALLAST_BYTES): boolean {
  const file = join(dataDir, "ballast");
  if (statSync(file, { throwIfNoEntry: false })?.size === bytes) return true;
  const { bavail, bsize } = statfsSync(dataDir);
  if (bytes > bavail * bsize * BALLAST_SHARE) return false;
  const temporary = `${file}.new`;
  const fd = openSync(temporary, "w", 0o600);
  try {
    // Random: neither sparse nor compressed away.
    const block = randomBytes(Math.min(bytes, 1024 * 1024));
    for (let done = 0; done < bytes;) done += writeSync(fd, block, 0, Math.min(block.length, bytes - done));
    fsyncSync(fd);
  } catch {
    rmSync(temporary, { force: true });
    return false;
  } finally {
    closeSync(fd);
  }
  renameSync(temporary, file);
  return true;
}

/** Gives the ballast up: the volume has that much more space at once. */
export function dropBallast(dataDir: string): void {
  rmSync(join(dataDir, "ballast"), { force: true });
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
