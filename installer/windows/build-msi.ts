// Makes the Windows package: service host, tables, cabinet.
import { createHash } from "node:crypto";
import { copyFile, mkdir, mkdtemp, readFile, rm, symlink, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import type { Payload } from "../payload.ts";
import { runProgram } from "../run-program.ts";
import { sourceCommit } from "../source-commit.ts";
import { buildWindowsPrograms, numericVersion } from "./build-host.ts";
import { payloadFiles, productSource } from "./product-source.ts";
import { stableGuid } from "./stable-guid.ts";
import { tableFixes } from "./table-fixes.ts";

export interface MsiRequest {
  /** Of the agent, for win-x64. */
  readonly payload: Payload;
  readonly version: string;
  /** The folder that the package comes into; it is made. */
  readonly out: string;
}

/** `<out>/millrace-agent-<version>-x64.msi`. @throws BuildError */
export async function buildMsi({ payload, version, out }: MsiRequest): Promise<string> {
  await mkdir(out, { recursive: true });
  const work = await mkdtemp(join(tmpdir(), "millrace-msi-"));
  try {
    const { epochSeconds } = await sourceCommit();
    const { host, actions } = await buildWindowsPrograms(version, work);
    const commandFile = join(work, "millrace-agent.cmd");
    await copyFile(join(import.meta.dirname, "millrace-agent.cmd"), commandFile);
    for (const path of [host, actions, commandFile]) await utimes(path, epochSeconds, epochSeconds);
    await symlink(payload.folder, join(work, "payload"));
    const source = productSource({
      version,
      numericVersion: numericVersion(version),
      files: payloadFiles(payload.folder),
      folder: "payload",
      host: basename(host),
      actions: basename(actions),
      commandFile: basename(commandFile),
    });
    await writeFile(join(work, "agent.wxs"), source);
    const built = join(work, "agent.msi");
    await runProgram("wixl", ["--arch", "x64", "--output", built, "agent.wxs"], { cwd: work });
    await fixTables(built, await packageCode(payload, host, actions), version);
    const msi = join(out, `millrace-agent-${version}-x64.msi`);
    await copyFile(built, msi);
    return msi;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** Each package has one of its own; the same content gives the same. */
async function packageCode({ manifestFile }: Payload, host: string, actions: string): Promise<string> {
  const hash = createHash("sha256");
  for (const file of [manifestFile, host, actions]) hash.update(await readFile(file));
  return stableGuid(`package/${hash.digest("hex")}`);
}

async function fixTables(msi: string, code: string, version: string): Promise<void> {
  const upgrade = await runProgram("msiinfo", ["export", msi, "Upgrade"]);
  const properties = upgrade
    .split(/\r?\n/)
    .slice(3)
    .map((row) => row.split("\t").at(-1) ?? "")
    .filter((name) => name !== "");
  for (const statement of tableFixes(properties)) await runProgram("msibuild", [msi, "-q", statement]);
  await runProgram("msibuild", [msi, "-s", `Millrace Agent ${version}`, "Millrace", "x64;1033", code]);
}
