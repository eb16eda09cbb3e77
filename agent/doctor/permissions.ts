// Who else on this machine may read or change what is the agent's: the configuration, the data folder, secrets.
import { X509Certificate } from "node:crypto";
import { accessSync, constants, readFileSync, readdirSync, statSync, type Stats } from "node:fs";
import { join, resolve, dirname } from "node:path";
import type { AgentConfig } from "#agent/core/agent-config.ts";
import { secretUse, type SecretUse } from "#agent/platform/secret-use.ts";
import { Checks, systemWordsOf } from "./checks.ts";

const OTHERS_READ = 0o004;
const OTHERS_WRITE = 0o002;
const GROUP_WRITE = 0o020;
const NOT_OWNER = 0o077;
/** What lies in the data folder is its owner's alone; looked at one level deep, at most so many. */
const MAX_SECRET_FILES = 1_000;
const EXPIRES_SOON_MS = 30 * 86_400_000;

export function permissionChecks(config: AgentConfig, nowMs: number): Checks {
  const checks = new Checks();
  if (process.platform === "win32") {
    checks.skipped(
      "files",
      "rights of files are Windows' access lists: the installer sets them, and its check shows them",
    );
  } else {
    const use = secretUse(config.file);
    configFile(checks, config.file, use);
    dataFolder(checks, config.dataDir);
    secretFiles(checks, config, use);
  }
  caFile(checks, config.relay.caFile, nowMs);
  return checks;
}

function configFile(checks: Checks, file: string, { inline }: SecretUse): void {
  const stats = statSync(file, { throwIfNoEntry: false });
  if (stats === undefined) return;
  const settings = inline.map(({ path }) => path).join(", ");
  if ((stats.mode & (OTHERS_WRITE | GROUP_WRITE)) !== 0)
    checks.failed("configuration", `${file} (${modeOf(stats)}) can be changed by others than its owner`, [
      `chmod go-w ${file}: whoever changes it decides what leaves this plant.`,
    ]);
  else if (inline.length > 0 && (stats.mode & OTHERS_READ) !== 0)
    checks.failed(
      "configuration",
      `${file} (${modeOf(stats)}) can be read by everybody, and holds secrets: ${settings}`,
      [
        `chmod o-rwx ${file}, change those secrets, and best keep them elsewhere: millrace-agent secret set, then {credential:<name>} in the file.`,
      ],
    );
  else if (inline.length > 0)
    checks.warning("configuration", `${file} (${modeOf(stats)}) holds secrets as plain text: ${settings}`, [
      "Better: millrace-agent secret set <name>, and {credential:<name>} in the file.",
    ]);
  else checks.ok("configuration", `${file} (${modeOf(stats)}) holds no secret itself`);
}

function dataFolder(checks: Checks, folder: string): void {
  let stats: Stats | undefined;
  try {
    stats = statSync(folder, { throwIfNoEntry: false });
  } catch (error) {
    checks.failed("data_folder", `${folder} cannot be looked at: ${systemWordsOf(error)}`, [runAs]);
    return;
  }
  if (stats === undefined) {
    checks.warning("data_folder", `${folder} does not exist yet: enrolment or the first start makes it`);
    return;
  }
  const shown = `${folder} (${modeOf(stats)}, owner ${stats.uid})`;
  const me = process.getuid?.();
  if ((stats.mode & (OTHERS_WRITE | GROUP_WRITE)) !== 0)
    checks.failed("data_folder", `${shown} can be written by others than its owner`, [
      `chmod 0700 ${folder}`,
    ]);
  else if ((stats.mode & NOT_OWNER) !== 0)
    checks.warning("data_folder", `${shown} can be looked into by others than its owner`, [
      `chmod 0700 ${folder}`,
    ]);
  else if (me !== undefined && stats.uid !== me)
    checks.warning("data_folder", `${shown} belongs to another account than this one (${me})`, [
      "Run doctor as the account that the agent runs under: it sees what the agent sees.",
    ]);
  else checks.ok("data_folder", `${shown} is its owner's alone`);
  try {
    accessSync(folder, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    checks.failed("data_folder_access", `this account may not write in ${folder}: ${systemWordsOf(error)}`, [
      runAs,
    ]);
  }
}

const runAs = "Run doctor as the account that the agent runs under, or give it the folder (chown).";

/** Files that references name, and those that `millrace-agent secret` keeps in the data folder. */
function secretFiles(checks: Checks, config: AgentConfig, { references }: SecretUse): void {
  const base = dirname(config.file);
  const named = references.filter(({ scheme }) => scheme === "file").map(({ name }) => resolve(base, name));
  const files = [...new Set([...named, ...storedIn(join(config.dataDir, "secrets"))])];
  if (files.length === 0) return;
  const open = files.filter((file) => {
    const stats = statSync(file, { throwIfNoEntry: false });
    return stats !== undefined && (stats.mode & 0o007) !== 0;
  });
  if (open.length === 0)
    checks.ok(
      "secret_files",
      `${files.length} file${files.length === 1 ? "" : "s"} with secrets: no others may read ${files.length === 1 ? "it" : "them"}`,
    );
  else
    checks.failed("secret_files", `files with secrets that everybody may read: ${open.join(", ")}`, [
      `chmod o-rwx ${open.join(" ")}, and change the secrets: somebody may have read them.`,
    ]);
}

function storedIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder)
      .slice(0, MAX_SECRET_FILES)
      .map((name) => join(folder, name));
  } catch {
    return [];
  }
}

function caFile(checks: Checks, file: string | undefined, nowMs: number): void {
  if (file === undefined) return;
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    checks.failed("ca_file", `relay.ca_file ${file} cannot be read: ${systemWordsOf(error)}`, [
      "Check its path, and that the agent's account may read it.",
    ]);
    return;
  }
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
  const subjects: string[] = [];
  const expired: string[] = [];
  for (const block of blocks) {
    try {
      const { subject, validToDate } = new X509Certificate(block);
      const name = subject.replaceAll("\n", ", ");
      subjects.push(name);
      if (validToDate.getTime() < nowMs + EXPIRES_SOON_MS)
        expired.push(`${name}: to ${validToDate.toISOString().slice(0, 10)}`);
    } catch {
      // Counted below as a block that is none.
    }
  }
  if (subjects.length === 0 || subjects.length < blocks.length)
    checks.failed(
      "ca_file",
      `relay.ca_file ${file} holds ${subjects.length} certificates in PEM that can be read, of ${blocks.length}`,
      ["Export the authority's certificate as PEM (Base64): it begins with -----BEGIN CERTIFICATE-----."],
    );
  else if (expired.length > 0)
    checks.warning(
      "ca_file",
      `relay.ca_file ${file} has authorities that have run out or soon will`,
      expired,
    );
  else checks.ok("ca_file", `relay.ca_file ${file}: ${subjects.join("; ")}`);
}

function modeOf({ mode }: Stats): string {
  return `mode ${(mode & 0o777).toString(8).padStart(4, "0")}`;
}
