// Whether what is installed is what was built: the signed manifest against the files.
import { statSync } from "node:fs";
import { checkInstallation, type InstallationCheck } from "#agent/platform/installation-check.ts";
import type { Installation } from "#agent/platform/installation.ts";
import { VERSION } from "#agent/platform/version.ts";
import { Checks, wordsOf } from "./checks.ts";

/** Names that are listed; the rest is counted. */
const MAX_NAMES = 20;
const INSTALL_AGAIN =
  "Install the package of this version again; if nobody here changed files, find out who did.";

export async function installationChecks(
  installed: Installation | undefined,
  signingKeyFile: string | undefined,
): Promise<Checks> {
  const checks = new Checks();
  const { node } = process.versions;
  checks.ok("version", `Millrace ${VERSION} on Node ${node}, ${process.platform} ${process.arch}`);
  if (installed === undefined) {
    checks.skipped(
      "manifest",
      "runs from a checkout, not from an installed package: there is no manifest to hold it against",
    );
    return checks;
  }
  let found: InstallationCheck;
  try {
    found = await checkInstallation(installed.manifestFile, signingKeyFile);
  } catch (error) {
    checks.failed("manifest", wordsOf(error), [INSTALL_AGAIN]);
    return checks;
  }
  signature(checks, found);
  files(checks, found, installed.folder);
  runtime(checks);
  return checks;
}

function signature(
  checks: Checks,
  { signature: outcome, keyFingerprint, isKeyGiven, builtFrom }: InstallationCheck,
): void {
  const key = keyFingerprint === undefined ? "no key beside it" : `key ${keyFingerprint}`;
  switch (outcome) {
    case "good":
      checks.ok(
        "signature",
        isKeyGiven
          ? `the manifest is signed by the key given; built from ${builtFrom}`
          : `the manifest is signed by the key that came with it (${key}); built from ${builtFrom}`,
        isKeyGiven
          ? []
          : [
              "Only a key from elsewhere proves who signed: doctor --signing-key <file>, or compare the fingerprint.",
            ],
      );
      break;
    case "other_key":
      checks.failed("signature", `the manifest is signed by another key than the one given (${key})`, [
        "Either this is no release, or the key given is not that of this release.",
      ]);
      break;
    case "missing":
      checks.failed("signature", "the manifest has no signature (manifest.json.sig)", [INSTALL_AGAIN]);
      break;
    case "wrong":
      checks.failed("signature", `the manifest's signature does not fit it (${key})`, [INSTALL_AGAIN]);
      break;
  }
}

function files(checks: Checks, found: InstallationCheck, folder: string): void {
  const { changed, missing, extra, unreadable } = found;
  const problems = [
    ...changed.map((path) => `changed: ${path}`),
    ...missing.map((path) => `missing: ${path}`),
    ...extra.map((path) => `not of this version: ${path}`),
  ];
  if (problems.length > 0)
    checks.failed("files", `${problems.length} of the files in ${folder} are not as they were built`, [
      ...listed(problems),
      INSTALL_AGAIN,
    ]);
  else if (unreadable.length > 0)
    checks.warning(
      "files",
      `${unreadable.length} of ${found.files} files in ${folder} cannot be read by this account`,
      [...listed(unreadable), "Run doctor as the account that the agent runs under, or as root."],
    );
  else
    checks.ok(
      "files",
      `all ${found.files} files of version ${found.version} (${found.platform}) are as they were built`,
    );
}

/** The shipped Node may do what the agent may: whoever else can run it gains nothing by it, but need not. */
function runtime(checks: Checks): void {
  if (process.platform === "win32") return;
  const { mode } = statSync(process.execPath);
  if ((mode & 0o001) === 0)
    checks.ok("runtime", `${process.execPath} can be run by its owner and group only`);
  else
    checks.warning("runtime", `${process.execPath} can be run by every account`, [
      `chmod o-rwx ${process.execPath}`,
    ]);
}

function listed(names: readonly string[]): readonly string[] {
  const more = names.length - MAX_NAMES;
  return more > 0 ? [...names.slice(0, MAX_NAMES), `and ${more} more`] : names;
}
