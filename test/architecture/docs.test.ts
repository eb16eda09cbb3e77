// The documents, held to the repository: links, commands, files, quoted messages, ways to every page.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { COMMANDS as AGENT_COMMANDS } from "#agent/commands/command-line.ts";
import { COMMANDS as RELAY_COMMANDS } from "#relay/cli/commands.ts";
import { parseOptions } from "#test/demo/options.ts";
import manifest from "../../package.json" with { type: "json" };
import {
  checkCommands,
  checkLinks,
  checkMessages,
  checkPaths,
  checkReachable,
  markdownOf,
  type Programs,
} from "./docs-rules.ts";
import { checkWords } from "./house-rules.ts";
import { readRepository, ROOT, type Finding, type SourceTexts } from "./source-tree.ts";

const texts = readRepository();
const scripts = new Set(Object.keys(manifest.scripts));
const sources = [...texts].flatMap(([path, text]) =>
  /^(?:agent|cloud-relay|common|test\/demo)\/.*\.ts$/.test(path) ? [text] : [],
);
const programs = programsOf();

const RULES: Readonly<Record<string, (texts: SourceTexts) => readonly Finding[]>> = {
  links: (texts) => checkLinks(markdownOf(texts), (path) => texts.has(path) || exists(path)),
  reachable: (texts) => checkReachable(markdownOf(texts), "README.md", "docs/"),
  paths: (texts) => checkPaths(markdownOf(texts), exists),
  commands: (texts) => checkCommands(markdownOf(texts), programs, scripts),
  messages: (texts) =>
    markdownOf(texts)
      .filter(({ path }) => path === "docs/troubleshooting.md")
      .flatMap((document) => checkMessages(document, sources)),
  words: (texts) => checkWords(new Map([...texts].filter(([path]) => path.endsWith(".md")))),
};

describe("the documents", () => {
  it("are seen: pages, links, code, messages", () => {
    const documents = markdownOf(texts);
    expect(documents.length).toBeGreaterThan(15);
    expect(documents.flatMap(({ links }) => links).length).toBeGreaterThan(60);
    expect(documents.flatMap(({ code }) => code).length).toBeGreaterThan(500);
    const troubleshooting = documents.find(({ path }) => path === "docs/troubleshooting.md");
    expect(troubleshooting?.firstCells.length).toBeGreaterThan(50);
  });

  for (const [name, check] of Object.entries(RULES))
    it(`keep to: ${name}`, () => {
      expect(shown(check(texts))).toEqual([]);
    });
});

describe("each rule bites on a planted mistake", () => {
  const planted: readonly (readonly [rule: string, path: string, text: string, found: RegExp])[] = [
    ["links", "README.md", "[a page](docs/none.md)", /docs\/none\.md/],
    ["links", "docs/x.md", "[a page](none.md)", /docs\/none\.md/],
    ["links", "docs/x.md", "# One\n\n[a part](#two)", /#two/],
    ["reachable", "docs/lonely.md", "# Lonely", /no link leads here/],
    ["paths", "docs/x.md", "`agent/core/none.ts`", /none\.ts/],
    ["commands", "docs/x.md", "`npm run nothing`", /no script nothing/],
    ["commands", "docs/x.md", "`millrace-agent explode`", /no command explode/],
    ["commands", "docs/x.md", "`npm run agent -- statuz --json`", /no command statuz/],
    ["commands", "docs/x.md", "`millrace-agent status --colour`", /no flag --colour/],
    ["commands", "docs/x.md", "`millrace-relay token mint --admin`", /no command token mint/],
    ["commands", "docs/x.md", "```sh\nmillrace-relay token create --root\n```", /no flag --root/],
    ["commands", "docs/x.md", "`npm start -- --porz 1`", /no flag --porz/],
    ["messages", "docs/troubleshooting.md", "| `the moon is full: … wait` | x |", /the moon is full/],
    ["messages", "docs/troubleshooting.md", "| `answered 407` and `agent started` | x |", /answered 407/],
    ["words", "docs/x.md", ["see ..", "shared"].join("/"), /outside/],
  ];

  it.each(planted)("%s: %s: %s", (rule, path, text, found) => {
    expect(judged(rule, path, text).join("\n")).toMatch(found);
  });

  const fine: readonly (readonly [rule: string, path: string, text: string])[] = [
    ["commands", "docs/x.md", "`npm ci && npm start`, `millrace-relay token`, `millrace-relay …`"],
    ["links", "docs/x.md", "# One & `two`\n\n[a part](#one--two) `[no](link.md)`"],
    ["links", "docs/x.md", "```\n[no](link.md)\n```\n[elsewhere](https://example.com/x)"],
    ["paths", "docs/x.md", "`agent/core/room/`, `agent/connectors/<type>/x.ts`, `agent/packs`"],
  ];

  it.each(fine)("and lets pass: %s: %s: %s", (rule, path, text) => {
    expect(judged(rule, path, text)).toEqual([]);
  });

  function judged(rule: string, path: string, text: string): readonly string[] {
    const check = RULES[rule];
    if (check === undefined) throw new Error(`no rule ${rule}`);
    return shown(check(new Map([[path, `${text}\n`]])));
  }
});

function exists(path: string): boolean {
  return existsSync(join(ROOT, path));
}

/** The real tables of commands, so that a page cannot name one that is gone. */
function programsOf(): Programs {
  const help = parseOptions(["--help"]);
  const demo =
    help.kind === "help" ? [...help.text.matchAll(/--([a-z-]+)/g)].map((match) => match[1] ?? "") : [];
  return new Map([
    [
      "millrace-agent",
      new Map(AGENT_COMMANDS.map(({ name, options }) => [name, new Set(Object.keys(options))])),
    ],
    [
      "millrace-relay",
      new Map(
        RELAY_COMMANDS.map(({ words, flags }) => [words.join(" "), new Set([...Object.keys(flags), "json"])]),
      ),
    ],
    ["npm start", new Map([["", new Set(demo)]])],
    ["npm bench", new Map([["", new Set(["quick", "json"])]])],
  ]);
}

function shown(findings: readonly Finding[]): readonly string[] {
  return findings.map(({ where, what }) => `${where}: ${what}`);
}
