// The layering and the house's rules, held on the real import graph; and each rule shown to bite.
import { describe, expect, it } from "vitest";
import { checkExports, checkPurposeLines, checkSizes, checkWords } from "./house-rules.ts";
import { checkCycles, checkLayers } from "./layers.ts";
import { modulesOf, readRepository, type Finding, type SourceTexts } from "./source-tree.ts";

const texts = readRepository();
const modules = modulesOf(texts);

const RULES: Readonly<Record<string, (texts: SourceTexts) => readonly Finding[]>> = {
  layers: (texts) => checkLayers(modulesOf(texts)),
  cycles: (texts) => checkCycles(modulesOf(texts)),
  exports: (texts) => checkExports(modulesOf(texts)),
  purpose: (texts) => checkPurposeLines(modulesOf(texts)),
  sizes: (texts) => checkSizes(modulesOf(texts)),
  words: checkWords,
};

describe("the repository", () => {
  it("is seen: its modules and what they import", () => {
    expect(modules.length).toBeGreaterThan(200);
    expect(modules.flatMap(({ inner }) => inner).length).toBeGreaterThan(1_000);
    const missing = modules.flatMap(({ path, inner }) =>
      inner.filter(({ to }) => !texts.has(to)).map(({ to, line }) => `${path}:${line} imports ${to}`),
    );
    expect(missing).toEqual([]);
  });

  for (const [name, check] of Object.entries(RULES))
    it(`keeps to: ${name}`, () => {
      expect(shown(check(texts))).toEqual([]);
    });
});

describe("each rule bites on a planted violation", () => {
  const PURPOSE = "// A planted file of this test.\n";
  const planted: readonly (readonly [rule: string, path: string, line: string, found: RegExp])[] = [
    ["layers", "agent/core/x.ts", 'import { readFileSync } from "node:fs";', /node:fs/],
    ["layers", "agent/core/x.ts", 'import { rename } from "node:fs/promises";', /node:fs\/promises/],
    ["layers", "agent/core/x.ts", 'import { Type } from "typebox";', /typebox/],
    ["layers", "agent/core/x.ts", 'import type { Database } from "better-sqlite3";', /better-sqlite3/],
    ["layers", "agent/core/x.ts", 'import { y } from "#agent/outbox/y.ts";', /outbox/],
    ["layers", "agent/core/x.ts", 'import { y } from "../platform/y.ts";', /platform/],
    ["layers", "cloud-relay/core/x.ts", 'const y = await import("node:crypto");', /node:crypto/],
    ["layers", "cloud-relay/core/x.ts", 'type Y = import("fastify").Y;', /fastify/],
    ["layers", "agent/core/x.ts", "const y = await import(`node:${name}`);", /not written out/],
    ["layers", "agent/core/x.ts", 'export { y } from "node:os";', /node:os/],
    ["layers", "agent/connectors/sqlite/x.ts", 'import { y } from "../postgres/y.ts";', /postgres/],
    ["layers", "agent/connectors/sqlite/x.ts", 'import { Client } from "pg";', /pg/],
    ["layers", "agent/connectors/sqlite/x.ts", 'import { y } from "#agent/uplink/y.ts";', /uplink/],
    ["layers", "agent/connectors/modbus/x.ts", "", /no layer/],
    ["layers", "agent/outbox/x.ts", 'import type { Y } from "#agent/uplink/y.ts";', /uplink/],
    ["layers", "agent/outbox/x.ts", 'import { y } from "#agent/compose.ts";', /compose/],
    ["layers", "agent/compose.ts", 'import { y } from "#relay/core/y.ts";', /cloud-relay/],
    ["layers", "cloud-relay/compose.ts", 'import { y } from "#agent/core/y.ts";', /agent\/core/],
    ["layers", "cloud-relay/http/x.ts", 'import { y } from "../gateway/y.ts";', /gateway/],
    ["layers", "cloud-relay/store/sqlite/x.ts", 'import { y } from "../memory/y.ts";', /memory/],
    ["layers", "cloud-relay/http/x.ts", 'import { y } from "#relay/compose.ts";', /compose/],
    ["layers", "cloud-relay/config.ts", 'import { y } from "./compose.ts";', /compose/],
    ["layers", "common/runtime/x.ts", 'import { y } from "node:fs";', /node:fs/],
    ["layers", "common/runtime/x.ts", 'import { y } from "../contract/y.ts";', /contract/],
    ["layers", "common/contract/x.ts", 'import { y } from "node:net";', /node:net/],
    ["layers", "common/contract/x.ts", 'import { y } from "#agent/core/y.ts";', /agent/],
    ["layers", "agent/main.ts", 'import { y } from "#test/support/y.ts";', /test/],
    ["exports", "agent/core/x.ts", "export default function run() {}", /default/],
    ["exports", "agent/core/x.ts", 'export * from "./y.ts";', /another file's/],
    ["exports", "agent/core/x.ts", 'export { y, type Z } from "./y.ts";', /another file's/],
    ["exports", "test/support/index.ts", "export const y = 1;", /barrel/],
    ["sizes", "agent/outbox/x.ts", "\n".repeat(399), /401 lines/],
    [
      "words",
      "docs/x.md",
      ["see ..", "share", "d/design.md"].join("/").replace("share/", "share"),
      /outside/,
    ],
    ["words", "agent/outbox/x.ts", ["// kept in ", "work", "main"].join("/"), /machine/],
    ["words", "agent/outbox/x.ts", ["// as asked in issue", "12"].join(" "), /issue/],
    ["words", "README.md", ["written by Copi", "lot"].join(""), /wrote/],
    ["words", ".ci/run", ["curl https://registry", "npmjs", "org/x"].join("."), /packages/],
  ];

  it.each(planted)("%s: %s: %s", (rule, path, line, found) => {
    const findings = RULES[rule]?.(new Map([[path, `${PURPOSE}${line}\n`]])) ?? [];
    expect(shown(findings).join("\n")).toMatch(found);
    expect(findings[0]?.where.startsWith(path)).toBe(true);
  });

  it("purpose: a file that begins with code, and one with a word that says nothing", () => {
    const check = (text: string): number => checkPurposeLines(modulesOf(new Map([["a.ts", text]]))).length;
    expect(check('import "x";\n')).toBe(1);
    expect(check("// x\n")).toBe(1);
    expect(check("#!/usr/bin/env node\nrun();\n")).toBe(1);
    expect(check("#!/usr/bin/env node\n// Says what it is for.\n")).toBe(0);
  });

  it("cycles: two folders that import each other, over a third one", () => {
    const circle = new Map([
      ["agent/outbox/a.ts", 'import { b } from "#agent/uplink/b.ts";'],
      ["agent/uplink/b.ts", 'import type { C } from "#agent/packs/c.ts";'],
      ["agent/packs/c.ts", 'const a = await import("../outbox/a.ts");'],
    ]);
    expect(shown(checkCycles(modulesOf(circle)))).toEqual([
      "agent/outbox: agent/outbox → agent/uplink → agent/packs → agent/outbox",
    ]);
  });

  it("is not fooled by comments, texts, patterns and templates", () => {
    const source = [
      '// import { a } from "node:fs";',
      '/* import "node:fs"; */',
      "const text = 'import \"node:fs\"';",
      'const pattern = /import "node:fs"/.test(text) || text / 2 / 3;',
      'const template = `import "node:fs" ${text.replace(/`"/g, "") + `import "node:os"`} import("node:fs")`;',
      'const quote = /["\']/; const meta = import.meta.url; other.import("node:fs");',
      'export const real = await import("node:net");',
    ].join("\n");
    const [module] = modulesOf(new Map([["agent/core/x.ts", source]]));
    expect(module?.outer.map(({ to, line }) => [to, line])).toEqual([["node:net", 7]]);
    expect(module?.exports).toEqual([{ name: "real", line: 7, kind: "const" }]);
  });
});

function shown(findings: readonly Finding[]): readonly string[] {
  return findings.map(({ where, what }) => `${where}: ${what}`);
}
