// The repository's own files as the rules see them: paths from the root, texts, and what each module imports.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { posix } from "node:path";
import { fileURLToPath } from "node:url";
import { factsOf, type ImportFact, type ModuleFacts } from "./module-facts.ts";

/** Path from the root with `/` → text. */
export type SourceTexts = ReadonlyMap<string, string>;

export interface SourceModule extends ModuleFacts {
  readonly path: string;
  readonly text: string;
  /** Imports of the repository's own files, with the path from the root. */
  readonly inner: readonly (ImportFact & { readonly to: string })[];
  /** Packages, by the name to install; and Node's modules, as `node:fs/promises`. */
  readonly outer: readonly (ImportFact & { readonly to: string })[];
}

/** What a rule found. */
export interface Finding {
  readonly rule: string;
  /** `path:line`, or the path. */
  readonly where: string;
  readonly what: string;
}

const SKIPPED = new Set(["node_modules", ".git", ".millrace", "dist"]);
const TEXT = /\.(ts|mjs|js|tsx|json|yaml|yml|md|sh|css|html|svg)$|(^|\/)(run|LICENSE|\.npmrc|\.gitignore)$/;
const ALIASES: readonly (readonly [string, string])[] = [
  ["#common/", "common/"],
  ["#agent/", "agent/"],
  ["#relay/", "cloud-relay/"],
  ["#test/", "test/"],
];

export const ROOT = fileURLToPath(new URL("../../", import.meta.url));

export function readRepository(root = ROOT): SourceTexts {
  const texts = new Map<string, string>();
  const walk = (folder: string): void => {
    for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
      const path = posix.join(folder, entry.name);
      if (SKIPPED.has(entry.name)) continue;
      if (entry.isDirectory()) walk(path);
      else if (entry.isFile() && TEXT.test(path)) texts.set(path, readFileSync(join(root, path), "utf8"));
    }
  };
  walk("");
  return texts;
}

export function modulesOf(texts: SourceTexts): readonly SourceModule[] {
  return (
    [...texts]
      // Declarations are made by a tool, from a document that has its own checks.
      .filter(([path]) => /(?<!\.d)\.(ts|tsx|mjs|js)$/.test(path))
      .map(([path, text]) => moduleOf(path, text))
  );
}

function moduleOf(path: string, text: string): SourceModule {
  const facts = factsOf(text);
  const inner: (ImportFact & { to: string })[] = [];
  const outer: (ImportFact & { to: string })[] = [];
  for (const fact of facts.imports) {
    if (fact.specifier === undefined) continue;
    const to = resolveInner(path, fact.specifier);
    if (to === undefined) outer.push({ ...fact, to: packageOf(fact.specifier) });
    else inner.push({ ...fact, to });
  }
  return { path, text, ...facts, inner, outer };
}

function resolveInner(from: string, specifier: string): string | undefined {
  if (specifier.startsWith(".")) return posix.join(posix.dirname(from), specifier);
  const alias = ALIASES.find(([prefix]) => specifier.startsWith(prefix));
  return alias && alias[1] + specifier.slice(alias[0].length);
}

/** `typebox/compile` → `typebox`, `@scope/name/part` → `@scope/name`; Node's own modules stay as they are. */
function packageOf(specifier: string): string {
  if (specifier.startsWith("node:")) return specifier;
  const parts = specifier.split("/");
  return parts.slice(0, specifier.startsWith("@") ? 2 : 1).join("/");
}
