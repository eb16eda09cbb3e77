// Carries out an order: payloads, packages of them, and what says that they are the ones that were built.
import { createPublicKey, sign } from "node:crypto";
import { copyFile, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { BuildError } from "./build-error.ts";
import { buildDeb } from "./deb.ts";
import type { Compression, PackageRequest } from "./linux-tree.ts";
import { signingKey } from "./manifest.ts";
import type { PackageBuild, PackageKind, PackageOrder } from "./package-order.ts";
import { stagePayload } from "./payload.ts";
import { buildRpm } from "./rpm.ts";
import { sha256OfFile } from "./runtime.ts";
import { sourceCommit } from "./source-commit.ts";
import { buildTarball } from "./tarball.ts";
import { buildMsi } from "./windows/build-msi.ts";

const BUILDERS: Readonly<Record<PackageKind, (request: PackageRequest) => Promise<string>>> = {
  deb: buildDeb,
  rpm: buildRpm,
  tar: buildTarball,
  msi: ({ payload, out }) => buildMsi({ payload, version: payload.version, out }),
};

/**
 * Beside the packages: a bill of materials of each payload, `SHA256SUMS` over all of them, its signature and the key's
 * public half.
 * @param told hears of each file when it is there
 * @throws BuildError; what is in the folder then is no whole build
 */
export async function buildPackages(
  { builds, out, isRelease }: PackageOrder,
  told: (text: string) => void,
): Promise<void> {
  const key = signingKey();
  const { builtFrom } = await sourceCommit();
  if (isRelease && !key.isRelease)
    throw new BuildError("a release is signed: MILLRACE_SIGNING_KEY_FILE must name its Ed25519 key");
  if (isRelease && !/^[0-9a-f]+$/.test(builtFrom))
    throw new BuildError(
      `a release is built from a commit, so that others can repeat it; this is ${builtFrom}`,
    );
  await mkdir(out, { recursive: true });
  const files: string[] = [];
  for (const build of builds)
    for (const file of await buildOne(build, out, isRelease ? "small" : "quick")) {
      files.push(file);
      told(file);
    }
  const sums = await Promise.all(
    files.map(async (file) => `${await sha256OfFile(file)}  ${basename(file)}\n`),
  );
  const text = sums.sort((a, b) => (a.slice(64) < b.slice(64) ? -1 : 1)).join("");
  const signature = sign(null, Buffer.from(text), key.privateKey).toString("base64");
  await writeFile(join(out, "SHA256SUMS"), text);
  await writeFile(join(out, "SHA256SUMS.sig"), `${signature}\n`);
  const publicKey = createPublicKey(key.privateKey).export({ type: "spki", format: "pem" });
  await writeFile(join(out, "signing-key.pem"), publicKey);
  told(join(out, "SHA256SUMS"));
  told(`built from ${builtFrom}`);
  told(key.isRelease ? "signed by the given key" : "signed by a key made for this build, not a release key");
}

async function buildOne(
  { product, platform, kinds }: PackageBuild,
  out: string,
  compression: Compression,
): Promise<readonly string[]> {
  const scratch = await mkdtemp(join(tmpdir(), "millrace-package-"));
  try {
    const payload = await stagePayload({ product, platform, into: scratch });
    const sbom = join(out, `millrace-${product}-${payload.version}-${platform}.cdx.json`);
    await copyFile(join(payload.folder, "sbom.cdx.json"), sbom);
    const files = [sbom];
    for (const kind of kinds) files.push(await BUILDERS[kind]({ payload, out, compression }));
    return files;
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}
