// The root file system of a small Debian for tests that need a machine of their own, made once and kept beside other caches.
import { createHash } from "node:crypto";
import { execFile } from "node:child_process";
import { existsSync, mkdirSync, renameSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);
const CACHE = fileURLToPath(new URL("../../../node_modules/.cache/millrace/", import.meta.url));
const SUITE = "bookworm";
/** What the packages depend on, what a booted machine needs, and rpm for the .rpm. */
const PACKAGES = [
  "systemd",
  "systemd-sysv",
  "dbus",
  "util-linux",
  "passwd",
  "procps",
  "libstdc++6",
  "libgcc-s1",
  "rpm",
];
/** Security updates change it; older ones are made anew. */
const MAX_AGE_MS = 7 * 86_400_000;
const MAX_MS = 10 * 60_000;

/** Unpacks it into an empty folder. Takes about half a minute the first time, a second afterwards. */
export async function unpackDebian(into: string): Promise<void> {
  const archive = await debianArchive();
  await run("tar", ["-C", into, "--numeric-owner", "-xf", archive], { timeout: MAX_MS });
}

/** Mirrors have bad moments. */
async function retried(attempt: () => Promise<unknown>): Promise<void> {
  for (let left = 2; ; left -= 1)
    try {
      await attempt();
      return;
    } catch (error) {
      if (left === 0) throw error;
    }
}

async function debianArchive(): Promise<string> {
  const key = createHash("sha256")
    .update([SUITE, ...PACKAGES].join(" "))
    .digest("hex")
    .slice(0, 12);
  const archive = join(CACHE, `debian-${key}.tar`);
  if (existsSync(archive) && Date.now() - statSync(archive).mtimeMs < MAX_AGE_MS) return archive;
  mkdirSync(CACHE, { recursive: true });
  // Its own name until it is whole, so that a run that is ended, or one beside it, leaves nothing half done.
  const partial = join(CACHE, `debian-${key}.${process.pid}.tar`);
  try {
    const args = ["--variant=minbase", `--include=${PACKAGES.join(",")}`, SUITE, partial];
    await retried(() => run("mmdebstrap", args, { timeout: MAX_MS, maxBuffer: 16 * 1024 * 1024 }));
    renameSync(partial, archive);
  } finally {
    rmSync(partial, { force: true });
  }
  return archive;
}
