// Builds an .rpm by rpmbuild: the same bytes for the same payload, on whichever machine.
import { copyFile, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BuildError } from "./build-error.ts";
import { linuxTree, type LinuxTree, type PackageRequest } from "./linux-tree.ts";
import { packageFacts } from "./linux/files.ts";
import { linuxLayout } from "./linux/layout.ts";
import { maintainerScripts } from "./linux/maintainer-scripts.ts";
import type { Payload } from "./payload.ts";
import { PLATFORM_FACTS } from "./platforms.ts";
import { runProgram } from "./run-program.ts";
import { sourceCommit } from "./source-commit.ts";

const COMPRESSION = { quick: "w3.zstdio", small: "w6.xzdio" } as const;
const RELEASE = "1";

/** Returns the package's path. @throws BuildError with what rpmbuild says */
export async function buildRpm({ payload, out, compression = "small" }: PackageRequest): Promise<string> {
  const { product, version, platform } = payload;
  const architecture = PLATFORM_FACTS[platform].architecture?.rpm;
  if (architecture === undefined) throw new BuildError(`there is no .rpm for ${platform}`);
  const { epochSeconds } = await sourceCommit();
  const scratch = await mkdtemp(join(tmpdir(), "millrace-rpm-"));
  try {
    const tree = await linuxTree(payload, join(scratch, "tree"));
    const spec = join(scratch, "package.spec");
    await writeFile(spec, specText(payload, tree));
    const macros = Object.entries(macrosFor(scratch, COMPRESSION[compression]));
    const defines = macros.flatMap(([name, value]) => ["--define", `${name} ${value}`]);
    await runProgram("rpmbuild", ["-bb", "--target", architecture, ...defines, spec], {
      env: { ...process.env, SOURCE_DATE_EPOCH: String(epochSeconds) },
    });
    const name = `${linuxLayout(product).name}-${rpmVersion(version)}-${RELEASE}.${architecture}.rpm`;
    await mkdir(out, { recursive: true });
    await copyFile(join(scratch, "rpms", architecture, name), join(out, name));
    return join(out, name);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** A pre-release (`0.2.0-rc.1`) comes before its release. */
function rpmVersion(version: string): string {
  return version.replaceAll("-", "~");
}

/** Nothing of the machine that builds gets in, and nothing is looked into or changed on its way. */
function macrosFor(scratch: string, payload: string): Readonly<Record<string, string>> {
  return {
    _topdir: scratch,
    _rpmdir: join(scratch, "rpms"),
    _buildhost: "millrace",
    _binary_payload: payload,
    use_source_date_epoch_as_buildtime: "1",
    clamp_mtime_to_source_date_epoch: "1",
    source_date_epoch_from_changelog: "0",
    __os_install_post: "%{nil}",
    _build_id_links: "none",
    debug_package: "%{nil}",
  };
}

function specText({ product, version }: Payload, { root, files, folders }: LinuxTree): string {
  const { summary, description, rpmRequires, rpmRequiresPre } = packageFacts(product);
  const { pre, post, preun, postun } = maintainerScripts({ product, version }).rpm;
  const octal = (mode: number): string => mode.toString(8).padStart(4, "0");
  const lines = [
    `Name: ${linuxLayout(product).name}`,
    `Version: ${rpmVersion(version)}`,
    `Release: ${RELEASE}`,
    `Summary: ${summary}`,
    "License: Apache-2.0",
    // What the runtime and the addon need is named; rpm would add what it finds in every script.
    "AutoReqProv: no",
    ...rpmRequires.map((each) => `Requires: ${each}`),
    ...rpmRequiresPre.map((each) => `Requires(pre): ${each}`),
    "%description",
    description,
    "%install",
    `cp -al ${root}/. %{buildroot}/`,
    ...Object.entries({ pre, post, preun, postun }).flatMap(([name, body]) => [`%${name}`, escaped(body)]),
    "%files",
    ...folders.map((path) => `%dir %attr(0755,root,root) "${path}"`),
    ...files.map(({ path, mode }) => `%attr(${octal(mode)},root,root) ${verified(mode)}"${path}"`),
  ];
  return `${lines.join("\n")}\n`;
}

/** What others may not execute is given to the account's group at installation, which is no damage. */
function verified(mode: number): string {
  return mode === 0o750 ? "%verify(not group) " : "";
}

/** rpm takes every % for one of its macros. */
function escaped(script: string): string {
  return script.replaceAll("%", "%%");
}
