// Stages the one folder that an installation runs from, the same in every package of a platform.
import { chmod, copyFile, cp, mkdir, readdir, readFile, rm, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { bundle } from "./bundle.ts";
import { bundledPackages } from "./bundled-packages.ts";
import { signingKey, writeManifest } from "./manifest.ts";
import { noticeText } from "./notice.ts";
import { PLATFORM_FACTS, type Platform, type Product } from "./platforms.ts";
import { fetchRuntime } from "./runtime.ts";
import { sbomText } from "./sbom.ts";
import { ROOT, sourceCommit } from "./source-commit.ts";

export interface PayloadRequest {
  readonly product: Product;
  readonly platform: Platform;
  /** The root of an installation: the payload comes into `<into>/versions/<version>`, which is made anew. */
  readonly into: string;
  /** Of package.json where none is given; tests give others to have an older and a newer one. */
  readonly version?: string;
}

export interface Payload {
  readonly product: Product;
  readonly folder: string;
  readonly version: string;
  readonly platform: Platform;
  readonly manifestFile: string;
}

/**
 * Signs with the key of `MILLRACE_SIGNING_KEY_FILE`, or with one of this run. All files bear the commit's moment.
 * @throws BuildError that says what could not be had or made
 */
export async function stagePayload(request: PayloadRequest): Promise<Payload> {
  const { product, platform, into } = request;
  const key = signingKey();
  const commit = await sourceCommit();
  const version = request.version ?? (await packageVersion());
  const folder = join(into, "versions", version);
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });

  const runtime = await fetchRuntime(platform);
  await copyFile(runtime.file, join(folder, PLATFORM_FACTS[platform].executable));
  const { packages, direct } = bundledPackages(await bundle({ product, platform, version, into: folder }));
  await (product === "agent" ? addPacks(folder) : addDashboard(folder));
  await copyFile(join(ROOT, "LICENSE"), join(folder, "LICENSE"));
  await writeFile(join(folder, "NOTICE"), await noticeText(packages, runtime.licenseFile));
  const { builtFrom, epochSeconds } = commit;
  const sbom = sbomText({ product, platform, version, epochSeconds, packages, direct });
  await writeFile(join(folder, "sbom.cdx.json"), sbom);

  const about = { product, version, platform, built_from: builtFrom };
  const manifestFile = await writeManifest(folder, about, key);
  await settle(folder, epochSeconds, PLATFORM_FACTS[platform].executable);
  return { product, folder, version, platform, manifestFile };
}

export async function packageVersion(): Promise<string> {
  const { version } = JSON.parse(await readFile(join(ROOT, "package.json"), "utf8")) as { version: string };
  return version;
}

async function addPacks(folder: string): Promise<void> {
  const source = join(ROOT, "agent", "packs");
  await mkdir(join(folder, "packs"));
  for (const file of await readdir(source))
    if (file.endsWith(".yaml")) await copyFile(join(source, file), join(folder, "packs", file));
}

/** Built for this payload, so that what an earlier build left behind is no part of it. */
async function addDashboard(folder: string): Promise<void> {
  const { buildDashboard } = (await import("../cloud-relay/dashboard/build.mjs")) as {
    buildDashboard: (options: { outDir: string }) => Promise<void>;
  };
  const built = join(folder, ".dashboard");
  await buildDashboard({ outDir: built });
  await cp(built, join(folder, "dashboard"), { recursive: true });
  for (const scratch of [built, join(folder, ".millrace")])
    await rm(scratch, { recursive: true, force: true });
}

/** Modes and times by what a file is, not by this machine's habits. */
async function settle(folder: string, epochSeconds: number, executable: string): Promise<void> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  for (const entry of entries) {
    const path = join(entry.parentPath, entry.name);
    await chmod(path, modeOf(entry.isDirectory(), entry.name === executable));
  }
  for (const path of [...entries.map((entry) => join(entry.parentPath, entry.name)), folder])
    await utimes(path, epochSeconds, epochSeconds);
}

/** The runtime is for the account that runs it, and for nobody else. */
function modeOf(isFolder: boolean, isExecutable: boolean): number {
  return isFolder ? 0o755 : isExecutable ? 0o750 : 0o644;
}
