// Moves and removes a room file with all that belongs to it. Only for files that nobody has open.
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
} from "node:fs";
import { statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { headPath } from "./head-file.ts";

/** Damaged files kept for a look; older ones go. */
export const MAX_QUARANTINED_FILES = 2;

/** The database last: what is left of an interrupted removal is still known by its name. */
export function removeFile(file: string): void {
  for (const part of partsOf(file)) rmSync(part, { force: true });
  syncFolder(dirname(file));
}

/** Moves the file and its WAL to `quarantine/` beside it, and lets the oldest there go. */
export function quarantineFile(file: string): void {
  const folder = quarantineOf(dirname(file));
  mkdirSync(folder, { recursive: true });
  for (const part of partsOf(file)) {
    if (existsSync(part)) renameSync(part, join(folder, basename(part)));
  }
  syncFolder(dirname(file));
  const kept = readdirSync(folder)
    .filter((name) => name.endsWith(".db"))
    .map((name) => join(folder, name))
    .sort((left, right) => statSync(right).mtimeMs - statSync(left).mtimeMs);
  for (const old of kept.slice(MAX_QUARANTINED_FILES)) removeFile(old);
}

export function clearQuarantine(dir: string): void {
  rmSync(quarantineOf(dir), { recursive: true, force: true });
}

/** Makes renames and removals in a folder durable. Windows has no such call and does not need it. */
export function syncFolder(dir: string): void {
  if (process.platform === "win32") return;
  const fd = openSync(dir, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function quarantineOf(dir: string): string {
  return join(dir, "quarantine");
}

function partsOf(file: string): readonly string[] {
  return [`${file}-wal`, `${file}-shm`, `${file}-journal`, headPath(file), file];
}
