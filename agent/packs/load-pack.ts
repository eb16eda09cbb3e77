// Loads a pack from a file, or one of the bundled packs by its name.
import { createHash } from "node:crypto";
import { readFileSync, readdirSync, statSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import * as yaml from "yaml";
import { compilePack } from "#agent/core/mapping/compile-pack.ts";
import { NO_INSTALLATION, type Installation } from "#agent/core/mapping/pack-settings.ts";
import type { PackResult } from "#agent/core/mapping/mapping.ts";
import { messageOf } from "#common/runtime/errors.ts";
import { didYouMean } from "#common/runtime/nearest-match.ts";
import { readYamlDocument, type YamlLibrary } from "#common/runtime/yaml-document.ts";

/** A larger file is no pack; bytes. */
const MAX_PACK_BYTES = 1024 * 1024;
/** Beside this file; an installed package has all its scripts in one folder, and the packs in one of their own. */
const BUNDLED = import.meta.filename.endsWith(".ts")
  ? import.meta.dirname
  : join(import.meta.dirname, "packs");

/** Names of the packs that come with Millrace, sorted. */
export function bundledPacks(): readonly string[] {
  return readdirSync(BUNDLED)
    .filter((file) => file.endsWith(".yaml"))
    .map((file) => basename(file, ".yaml"))
    .sort();
}

/**
 * @param pack a bundled pack's name (`demo-cmms`) or a file's path (anything with a `/`, `\` or `.yaml`)
 * @param installation which variant, with which settings; without it the pack as it stands, examples for its settings
 * @param directory what relative paths start from
 * Never throws: what is wrong with the file or its content comes as issues with file, line and column.
 */
export function loadPack(
  pack: string,
  installation: Installation = NO_INSTALLATION,
  directory: string = process.cwd(),
): PackResult {
  const isFile = /[/\\]|\.ya?ml$/i.test(pack);
  if (!isFile && !bundledPacks().includes(pack)) {
    const names = bundledPacks();
    const hint = didYouMean(pack, names) || `; bundled: ${names.join(", ")}; a file needs its path`;
    return failure(pack, `no pack of this name comes with Millrace${hint}`);
  }
  const file = isFile ? resolve(directory, pack) : join(BUNDLED, `${pack}.yaml`);
  try {
    const { size } = statSync(file);
    if (size > MAX_PACK_BYTES)
      return failure(file, `the file has ${size} bytes; a pack has at most ${MAX_PACK_BYTES}`);
    return readPack(readFileSync(file, "utf8"), file, installation);
  } catch (error) {
    return failure(file, `the pack cannot be read: ${messageOf(error)}`);
  }
}

/** Compiles a pack's YAML text; `file` is named in issues. Never throws. */
export function readPack(
  text: string,
  file: string,
  installation: Installation = NO_INSTALLATION,
): PackResult {
  const document = readYamlDocument(exactYaml, text, file);
  if (document.issues.length > 0) return { ok: false, issues: document.issues };
  const result = compilePack(document.value, {
    sha256: (content) => createHash("sha256").update(content).digest("hex"),
    locate: (path, part) => document.position(path, part),
    installation,
  });
  if (result.ok) return result;
  // What the connection says stands in the agent's file, not in the pack's.
  const placed = result.issues.map((issue) =>
    issue.path.startsWith("pack_settings")
      ? { path: issue.path, message: issue.message }
      : Object.assign({}, issue, { file }),
  );
  return { ok: false, issues: placed };
}

function failure(file: string, message: string): PackResult {
  return { ok: false, issues: [{ path: "", file, message }] };
}

/**
 * YAML reads the code `0010` as the number 10. Where a number is not written the way it prints, the text as written is
 * what the author meant.
 */
const exactYaml: YamlLibrary = {
  LineCounter: yaml.LineCounter,
  parseDocument: (text, options) => {
    const document = yaml.parseDocument(text, options);
    yaml.visit(document, {
      Scalar: (_key, node) => {
        const isNumber = typeof node.value === "number" || typeof node.value === "bigint";
        if (isNumber && node.source !== undefined && node.source !== String(node.value))
          node.value = node.source;
      },
    });
    return document;
  },
};
