// The last lines of the agent's log: from systemd's journal, or from a file.
import { spawnSync } from "node:child_process";
import { closeSync, fstatSync, openSync, readSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { messageOf } from "#common/runtime/errors.ts";

/** More is cut off at its beginning. */
const MAX_BYTES = 4 * 1024 * 1024;
const JOURNAL_TIMEOUT_MS = 20_000;
const UNIT = "millrace-agent";

export interface LogTail {
  /** Where it comes from, or why there is none. */
  readonly source: string;
  readonly text: string | undefined;
}

/** Of a file, of the folder where the Windows service logs, or of the unit's journal; never throws. */
export function logTail(lines: number, file: string | undefined, folder: string | undefined): LogTail {
  if (file !== undefined) return fromFile(lines, file);
  const newest = folder === undefined ? undefined : newestIn(folder);
  if (newest !== undefined) return fromFile(lines, newest);
  if (process.platform !== "linux")
    return { source: "no log file is known here; name it by --log-file", text: undefined };
  return fromJournal(lines);
}

function fromJournal(lines: number): LogTail {
  const args = ["--unit", UNIT, "--lines", String(lines), "--no-pager", "--output", "short-iso", "--quiet"];
  const { error, status, stdout, stderr } = spawnSync("journalctl", args, {
    timeout: JOURNAL_TIMEOUT_MS,
    maxBuffer: 16 * 1024 * 1024,
  });
  const source = `journalctl --unit ${UNIT}`;
  if (error !== undefined)
    return { source: `${source}: ${messageOf(error)}; name a file by --log-file`, text: undefined };
  if (status !== 0) return { source: `${source}: ${messageOf(stderr.toString("utf8"))}`, text: undefined };
  const text = stdout.subarray(Math.max(0, stdout.length - MAX_BYTES)).toString("utf8");
  if (text.trim() === "")
    return {
      source: `${source}: it shows nothing; this account may not read it, or the log goes elsewhere`,
      text: undefined,
    };
  return { source, text };
}

function fromFile(lines: number, file: string): LogTail {
  try {
    const fd = openSync(file, "r");
    try {
      const { size } = fstatSync(fd);
      const bytes = Buffer.alloc(Math.min(size, MAX_BYTES));
      const read = readSync(fd, bytes, 0, bytes.length, size - bytes.length);
      const text = bytes.subarray(0, read).toString("utf8");
      return {
        source: file,
        text: text
          .split("\n")
          .slice(-lines - 1)
          .join("\n"),
      };
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    return { source: `${file}: ${messageOf(error)}`, text: undefined };
  }
}

function newestIn(folder: string): string | undefined {
  try {
    const files = readdirSync(folder)
      .filter((name) => name.endsWith(".log"))
      .map((name) => join(folder, name));
    const atMs = (file: string): number => statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0;
    return files.toSorted((one, other) => atMs(other) - atMs(one))[0];
  } catch {
    return undefined;
  }
}
