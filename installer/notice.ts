// NOTICE: the licences of everything in a payload that is not Millrace's own.
import { readFile } from "node:fs/promises";
import type { BundledPackage } from "./bundled-packages.ts";
import { NODE_VERSION } from "./platforms.ts";

const RULE = "=".repeat(80);

export async function noticeText(
  packages: readonly BundledPackage[],
  nodeLicenseFile: string,
): Promise<string> {
  const seen = new Set<string>();
  const parts = packages.flatMap(({ name, version, license, licenseTexts }) => {
    const title = `${name} ${version} (${license})`;
    // A package may be in the bundle twice, in two places.
    if (seen.has(title)) return [];
    seen.add(title);
    const texts =
      licenseTexts.length > 0 ? licenseTexts : [`Its package carries no text; it names: ${license}`];
    return [[RULE, title, RULE, "", ...texts].join("\n")];
  });
  const node = [
    RULE,
    `Node.js ${NODE_VERSION}`,
    RULE,
    "",
    (await readFile(nodeLicenseFile, "utf8")).trim(),
  ].join("\n");
  const head =
    "Millrace is licensed under the Apache License 2.0 (see LICENSE). It carries the work of others:";
  return `${[head, ...parts, node].join("\n\n")}\n`;
}
