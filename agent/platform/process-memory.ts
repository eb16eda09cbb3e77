// A process's memory as the operating system sees it: a room in a busy loop cannot tell it any more.
import { readFileSync, writeFileSync } from "node:fs";

/** Resident memory of a process, bytes; undefined where /proc does not tell, or the process is gone. */
export function residentBytes(pid: number): number | undefined {
  if (process.platform !== "linux") return undefined;
  try {
    const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1];
    return kib === undefined ? undefined : Number(kib) * 1024;
  } catch {
    return undefined;
  }
}

/** Raised, so that a machine short of memory takes a room before it takes the agent, or the plant's own software. */
const ROOM_OOM_SCORE = 500;

/** Best effort: not every system lets us. */
export function preferAsVictim(pid: number): void {
  if (process.platform !== "linux") return;
  try {
    writeFileSync(`/proc/${pid}/oom_score_adj`, String(ROOM_OOM_SCORE));
  } catch {
    // Then the system chooses by itself.
  }
}
