// Makes the Windows package: service host, tables, cabinet.
import { createHash } from "node:crypto";
import { copyFile, mkdir, mkdtemp, readFile, rm, symlink, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { BuildError } from "../build-error.ts";
import type { Payload } from "../payload.ts";
import { runProgram } from "../run-program.ts";
import { sourceCommit } from "../source-commit.ts";
import { appLockerPolicy } from "./allow-list.ts";
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
    const rulesFile = join(work, "applocker.xml");
    await writeFile(rulesFile, await allowRules(payload, version, [host, actions]));
    for (const path of [host, actions, commandFile, rulesFile])
      await utimes(path, epochSeconds, epochSeconds);
    await symlink(payload.folder, join(work, "payload"));
    const source = productSource({
      version,
      numericVersion: numericVersion(version),
      files: payloadFiles(payload.folder),
      folder: "payload",
      host: basename(host),
      actions: basename(actions),
      commandFile: basename(commandFile),
      rulesFile: basename(rulesFile),
    });
    await writeFile(join(work, "agent.wxs"), source);
    const built = join(work, "agent.msi");
    await runProgram("wixl", ["--arch", "x64", "--output", built, "agent.wxs"], { cwd: work });
    await fixTables(built, await packageCode(payload, host, actions), version);
    await fixTimes(built, epochSeconds);
    const msi = join(out, `millrace-agent-${version}-x64.msi`);
    await copyFile(built, msi);
    return msi;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** For what Windows itself runs or loads: the programs of the package, and those of the payload. */
async function allowRules(
  { folder }: Payload,
  version: string,
  programs: readonly string[],
): Promise<string> {
  const inPayload = payloadFiles(folder).filter((file) => /\.(exe|dll|node)$/.test(file));
  const paths = [...programs, ...inPayload.map((file) => join(folder, file))];
  const files = await Promise.all(
    paths.map(async (path) => ({ name: basename(path), bytes: await readFile(path) })),
  );
  return appLockerPolicy(version, files);
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

const UNIX_EPOCH_MS = 11_644_473_600_000n;
/** In the summary: when the package was made, and last saved. */
const SUMMARY_TIMES = 2;
/** Nothing in a build takes longer; it tells a moment of this build from other bytes. */
const MAX_BUILD_MS = 3_600_000n;

/** The summary's times, which no tool sets, become the sources'. A time there is four bytes of kind, then 100 ns since 1601. */
async function fixTimes(msi: string, epochSeconds: number): Promise<void> {
  const bytes = await readFile(msi);
  const nowMs = BigInt(Date.now());
  const kind = Buffer.from([0x40, 0, 0, 0]);
  const places: number[] = [];
  for (let at = bytes.indexOf(kind); at >= 0 && at + 12 <= bytes.length; at = bytes.indexOf(kind, at + 1)) {
    const ageMs = nowMs - (bytes.readBigUInt64LE(at + 4) / 10_000n - UNIX_EPOCH_MS);
    if (ageMs >= -1_000n && ageMs < MAX_BUILD_MS) places.push(at + 4);
  }
  if (places.length !== SUMMARY_TIMES)
    throw new BuildError(
      `${msi} has ${places.length} times in its summary where there should be ${SUMMARY_TIMES}`,
    );
  const time = (BigInt(epochSeconds) * 1_000n + UNIX_EPOCH_MS) * 10_000n;
  for (const at of places) bytes.writeBigUInt64LE(time, at);
  await writeFile(msi, bytes);
}
