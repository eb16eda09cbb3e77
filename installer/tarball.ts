// Builds the plain archive of a Linux payload: unpacked, it runs from where it lies, without an installation.
import { chmod, cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BuildError } from "./build-error.ts";
import type { PackageRequest } from "./linux-tree.ts";
import type { Payload } from "./payload.ts";
import { PLATFORM_FACTS, type Product } from "./platforms.ts";
import { runProgram } from "./run-program.ts";
import { sourceCommit } from "./source-commit.ts";

const COMPRESSION = {
  quick: { ending: "tar.zst", program: "zstd -3 -T1" },
  small: { ending: "tar.xz", program: "xz -6 -T1" },
} as const;

/** Returns the archive's path. @throws BuildError with what tar says */
export async function buildTarball({ payload, out, compression = "small" }: PackageRequest): Promise<string> {
  const { product, version, platform, folder } = payload;
  if (PLATFORM_FACTS[platform].architecture === undefined)
    throw new BuildError(`there is no archive for ${platform}`);
  const { epochSeconds } = await sourceCommit();
  const scratch = await mkdtemp(join(tmpdir(), "millrace-tar-"));
  try {
    const name = `millrace-${product}-${version}-${platform}`;
    const root = join(scratch, name);
    await mkdir(root);
    await cp(folder, join(root, "versions", version), { recursive: true });
    await writeFile(join(root, `millrace-${product}`), launcher(version));
    await writeFile(join(root, "README"), readme(payload));
    await chmod(join(root, `millrace-${product}`), 0o755);
    await chmod(join(root, "README"), 0o644);
    const { ending, program } = COMPRESSION[compression];
    const file = join(out, `${name}.${ending}`);
    await mkdir(out, { recursive: true });
    await runProgram("tar", [
      "--sort=name",
      `--mtime=@${epochSeconds}`,
      "--owner=0",
      "--group=0",
      "--numeric-owner",
      "--mode=go-w",
      "--format=gnu",
      `--use-compress-program=${program}`,
      "-cf",
      file,
      "-C",
      scratch,
      name,
    ]);
    return file;
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** Also when it is called through a symbolic link. */
function launcher(version: string): string {
  return `#!/bin/sh
# Starts Millrace from where it was unpacked.
here=$(dirname "$(readlink -f "$0")")
exec "$here/versions/${version}/node" "$here/versions/${version}/main.mjs" "$@"
`;
}

const START: Readonly<Record<Product, string>> = {
  agent: `  ./millrace-agent enroll --config agent.yaml --code <code of the relay>
  ./millrace-agent run --config agent.yaml`,
  relay: `  ./millrace-relay workspace create --data-dir data --name <name>
  ./millrace-relay serve --data-dir data`,
};

function readme({ product, version, platform }: Payload): string {
  return `Millrace ${product} ${version} for ${platform}

Nothing is installed: unpack it where you like, and start it from there. It brings its own Node.js and needs
glibc 2.34 or newer with libstdc++ (Debian 12, Ubuntu 22.04, RHEL 9 and newer).

${START[product]}

  ./millrace-${product} --help

To run it as a service, with an account of its own and a hardened unit, install the .deb or the .rpm instead.

versions/${version}/NOTICE has the licences of what it carries, sbom.cdx.json lists it, manifest.json names every file with
its SHA-256 and is signed (manifest.json.sig, signing-key.pem).
`;
}
