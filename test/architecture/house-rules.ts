// What every file keeps to: one purpose line, a size to take in, named exports, and words that belong here.
import { isProduct } from "./layers.ts";
import type { Finding, SourceModule, SourceTexts } from "./source-tree.ts";

const MAX_PRODUCT_LINES = 400;
/** Tools that ask for a default export. */
const DEFAULT_EXPORT_ALLOWED = new Set(["vitest.config.ts"]);
/** Not written by hand. */
const GENERATED = new Set(["package-lock.json"]);

/** The brackets keep this file from saying what it forbids. */
const FOREIGN_WORDS: readonly (readonly [RegExp, string])[] = [
  [/\.\.\/share[d]\b/, "a folder outside the repository"],
  [/(?<![\w.}])\/(?:wor[k]|hom[e]|roo[t])\/[a-z]/, "a path of one machine"],
  [/\bissu[e]s? #?\d+\b/i, "the number of an issue"],
  [
    /\b(?:A[I]|L[L]M)[ -](?:assist|agent|generat|helper|model)|\b(?:Clau[d]e|Copilo[t]|Chat[G]PT|Anthropi[c]|Open[A]I)\b/,
    "who or what wrote it",
  ],
  [/registry\.npmj[s]\.org|pypi[.]org|deb\.debia[n]\.org/, "a host of packages"],
];

export function checkPurposeLines(modules: readonly SourceModule[]): readonly Finding[] {
  return modules
    .filter(({ text }) => !/^(?:#![^\n]*\n)?\/\/ ?\S.{9,}/.test(text))
    .map(({ path }) => ({
      rule: "purpose line",
      where: path,
      what: "its first line does not say what it is for",
    }));
}

export function checkSizes(modules: readonly SourceModule[]): readonly Finding[] {
  return modules
    .map(({ path, text }) => ({ path, lines: text.split("\n").length - 1 }))
    .filter(({ path, lines }) => isProduct(path) && lines > MAX_PRODUCT_LINES)
    .map(({ path, lines }) => ({
      rule: "size",
      where: path,
      what: `${lines} lines; ${MAX_PRODUCT_LINES} at most`,
    }));
}

export function checkExports(modules: readonly SourceModule[]): readonly Finding[] {
  const findings: Finding[] = [];
  for (const { path, exports } of modules) {
    if (/(^|\/)index\.[jt]sx?$/.test(path))
      findings.push({ rule: "exports", where: path, what: "is a barrel; import from the file itself" });
    for (const { kind, line } of exports) {
      const where = `${path}:${line}`;
      if (kind === "default" && !DEFAULT_EXPORT_ALLOWED.has(path))
        findings.push({ rule: "exports", where, what: "default export; export by name" });
      if (kind === "re-export")
        findings.push({
          rule: "exports",
          where,
          what: "exports another file's; import from the file itself",
        });
    }
  }
  return findings;
}

export function checkWords(texts: SourceTexts): readonly Finding[] {
  const findings: Finding[] = [];
  for (const [path, text] of texts) {
    if (GENERATED.has(path)) continue;
    for (const [index, line] of text.split("\n").entries())
      for (const [pattern, what] of FOREIGN_WORDS)
        if (pattern.test(line))
          findings.push({ rule: "words", where: `${path}:${index + 1}`, what: `names ${what}` });
  }
  return findings;
}
