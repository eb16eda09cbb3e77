// The npm packages of which something is in a bundle: names, versions, licences, and who takes whom.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import type { Metafile } from "esbuild";
import { BuildError } from "./build-error.ts";
import { ROOT } from "./source-commit.ts";

export interface BundledPackage {
  /** From the root: `node_modules/pg`. */
  readonly folder: string;
  readonly name: string;
  readonly version: string;
  /** SPDX expression, as the package says it. */
  readonly license: string;
  /** The texts of its licence and notice files, in their names' order; its word alone where it ships none. */
  readonly licenseTexts: readonly string[];
  /** npm's integrity of the archive it came in: `sha512-…` in base64; undefined where the lock file has none. */
  readonly integrity: string | undefined;
  /** Folders of the packages that it imports in this bundle, sorted. */
  readonly takes: readonly string[];
}

/** Packages that name no licence, by what their texts say. */
const BY_THEIR_TEXTS: Readonly<Record<string, string>> = { dequeue: "BSD-2-Clause", precond: "MIT" };
/** What the sources themselves import has this place in `takes`. */
const OWN = "";

/**
 * By the files that ended up in the output, not by what was looked at.
 * @returns the packages, sorted by folder, and those that the product's own sources import
 * @throws BuildError for a package that says no version or licence
 */
export function bundledPackages({ inputs, outputs }: Metafile): {
  readonly packages: readonly BundledPackage[];
  readonly direct: readonly string[];
} {
  const used = new Set(Object.values(outputs).flatMap((output) => Object.keys(output.inputs)));
  const takes = new Map<string, Set<string>>();
  for (const path of used) {
    const from = folderOf(path);
    const taken = takes.get(from) ?? new Set();
    takes.set(from, taken);
    for (const { path: target } of inputs[path]?.imports ?? []) {
      const to = folderOf(target);
      if (used.has(target) && to !== from && to !== OWN) taken.add(to);
    }
  }
  const integrities = lockedIntegrities();
  const packages = [...takes.keys()]
    .filter((folder) => folder !== OWN)
    .sort()
    .map((folder) => readPackage(folder, [...(takes.get(folder) ?? [])].sort(), integrities[folder]));
  return { packages, direct: [...(takes.get(OWN) ?? [])].sort() };
}

/** The innermost package; some have a bare package.json for a part of them, which is none. */
function folderOf(path: string): string {
  return /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0] ?? OWN;
}

function readPackage(
  folder: string,
  takes: readonly string[],
  integrity: string | undefined,
): BundledPackage {
  const said: unknown = JSON.parse(readFileSync(join(ROOT, folder, "package.json"), "utf8"));
  const member = (name: string): string | undefined => {
    const value: unknown = Reflect.get(Object(said), name);
    return typeof value === "string" && value !== "" ? value : undefined;
  };
  const [name, version] = [member("name"), member("version")];
  const license = member("license") ?? (name === undefined ? undefined : BY_THEIR_TEXTS[name]);
  if (name === undefined || version === undefined || license === undefined)
    throw new BuildError(
      `${folder}/package.json says no name, version or licence: look before it is shipped`,
    );
  return { folder, name, version, license, licenseTexts: licenseTexts(folder), integrity, takes };
}

function licenseTexts(folder: string): readonly string[] {
  return readdirSync(join(ROOT, folder))
    .filter((file) => /^(licen[cs]e|copying|notice)/i.test(basename(file)))
    .sort()
    .map((file) =>
      readFileSync(join(ROOT, folder, file), "utf8")
        .replaceAll("\r\n", "\n")
        .trim(),
    );
}

function lockedIntegrities(): Readonly<Record<string, string | undefined>> {
  const file = join(ROOT, "package-lock.json");
  if (!existsSync(file)) return {};
  const { packages } = JSON.parse(readFileSync(file, "utf8")) as {
    packages: Record<string, { integrity?: string }>;
  };
  return Object.fromEntries(Object.entries(packages).map(([folder, { integrity }]) => [folder, integrity]));
}
