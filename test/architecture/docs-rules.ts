// What every document keeps to: links that lead somewhere, commands and files that exist, messages that the code says.
import { posix } from "node:path";
import type { Finding, SourceTexts } from "./source-tree.ts";

interface Link {
  readonly line: number;
  /** Path from the root. */
  readonly to: string;
  readonly anchor: string | undefined;
}

interface Code {
  readonly line: number;
  readonly text: string;
}

export interface Markdown {
  readonly path: string;
  readonly links: readonly Link[];
  /** Fenced lines and inline spans. */
  readonly code: readonly Code[];
  /** As a reader's browser names the headings. */
  readonly anchors: ReadonlySet<string>;
  /** Cells of the first column of tables, by line. */
  readonly firstCells: readonly Code[];
}

/** What may stand behind a program's name, and which flags each of its commands takes. */
export type Programs = ReadonlyMap<string, ReadonlyMap<string, ReadonlySet<string>>>;

const LINK = /!?\[[^\]]*\]\(([^)\s]+)\)/g;
const SPAN = /(`+)(.+?)\1(?!`)/g;
const MIN_FRAGMENT_CHARS = 6;

export function markdownOf(texts: SourceTexts): readonly Markdown[] {
  return [...texts].filter(([path]) => path.endsWith(".md")).map(([path, text]) => parse(path, text));
}

function parse(path: string, text: string): Markdown {
  const links: Link[] = [];
  const code: Code[] = [];
  const anchors = new Set<string>();
  const firstCells: Code[] = [];
  let isFenced = false;
  for (const [index, content] of text.split("\n").entries()) {
    const line = index + 1;
    if (/^\s*```/.test(content)) isFenced = !isFenced;
    else if (isFenced) code.push({ line, text: content });
    else {
      for (const match of content.matchAll(SPAN)) code.push({ line, text: (match[2] ?? "").trim() });
      const heading = /^#+ (.+)$/.exec(content)?.[1];
      if (heading !== undefined) addAnchor(anchors, heading);
      const cell = /^\| (.+?) \|/.exec(content)?.[1];
      if (cell !== undefined) firstCells.push({ line, text: cell });
      for (const match of content.replaceAll(SPAN, "").matchAll(LINK)) {
        const target = match[1] ?? "";
        if (/^[a-z]+:/.test(target)) continue;
        const [file = "", anchor] = target.split("#");
        const to = file === "" ? path : posix.join(posix.dirname(path), decodeURIComponent(file));
        links.push({ line, to, anchor });
      }
    }
  }
  return { path, links, code, anchors, firstCells };
}

function addAnchor(anchors: Set<string>, heading: string): void {
  const slug = heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, "")
    .replaceAll(" ", "-");
  let name = slug;
  for (let count = 1; anchors.has(name); count += 1) name = `${slug}-${count}`;
  anchors.add(name);
}

/** `exists` takes a path from the root: of a file or a folder. */
export function checkLinks(
  documents: readonly Markdown[],
  exists: (path: string) => boolean,
): readonly Finding[] {
  const byPath = new Map(documents.map((document) => [document.path, document]));
  return documents.flatMap(({ path, links }) =>
    links.flatMap(({ line, to, anchor }) => {
      const where = `${path}:${line}`;
      if (!exists(to)) return [{ rule: "link", where, what: `leads to ${to}, which is not there` }];
      const isKnown = anchor === undefined || (byPath.get(to)?.anchors.has(anchor) ?? true);
      return isKnown ? [] : [{ rule: "link", where, what: `leads to #${anchor}, which ${to} does not have` }];
    }),
  );
}

/** Pages that nobody finds by following links from the first one. */
export function checkReachable(
  documents: readonly Markdown[],
  from: string,
  folder: string,
): readonly Finding[] {
  const byPath = new Map(documents.map((document) => [document.path, document]));
  const found = new Set<string>();
  const visit = (path: string): void => {
    if (found.has(path)) return;
    found.add(path);
    for (const { to } of byPath.get(path)?.links ?? []) visit(to);
  };
  visit(from);
  return documents
    .filter(({ path }) => path.startsWith(folder) && !found.has(path))
    .map(({ path }) => ({ rule: "reachable", where: path, what: `no link leads here from ${from}` }));
}

/** Files and folders of the repository that code spans name. */
export function checkPaths(
  documents: readonly Markdown[],
  exists: (path: string) => boolean,
): readonly Finding[] {
  const NAMED = /(?<![\w./~<-])((?:agent|cloud-relay|common|test|docs)\/[\w./-]*\w)(\/?)(?![\w<*{…-])/g;
  return documents.flatMap(({ path, code }) =>
    code.flatMap(({ line, text }) =>
      [...text.matchAll(NAMED)]
        .map((match) => match[1] ?? "")
        .filter((named) => !exists(named))
        .map((named) => ({
          rule: "path",
          where: `${path}:${line}`,
          what: `names ${named}, which is not there`,
        })),
    ),
  );
}

/** Commands of the project's programs and scripts, and the flags given to them. */
export function checkCommands(
  documents: readonly Markdown[],
  programs: Programs,
  scripts: ReadonlySet<string>,
): readonly Finding[] {
  return documents.flatMap(({ path, code }) =>
    code.flatMap(({ line, text }) =>
      [...text.matchAll(/(?:^|[\s(;&|])(npm (?:run )?|millrace-(?:agent|relay) )([^;|&)]*)/g)].flatMap(
        (match) =>
          judge(match[1] ?? "", (match[2] ?? "").trim(), programs, scripts).map((what) => ({
            rule: "command",
            where: `${path}:${line}`,
            what,
          })),
      ),
    ),
  );
}

function judge(
  head: string,
  rest: string,
  programs: Programs,
  scripts: ReadonlySet<string>,
): readonly string[] {
  const words = rest.split(/\s+/).filter((word) => word !== "");
  if (head.startsWith("millrace-")) return judgeProgram(head.trim(), words, programs);
  const [script = "", dashes, ...args] = words;
  if (head === "npm ") {
    if (!["start", "test"].includes(script)) return [];
  } else if (!scripts.has(script)) return [`npm has no script ${script}`];
  if (dashes !== "--") return [];
  const program = script === "agent" || script === "relay" ? `millrace-${script}` : `npm ${script}`;
  return judgeProgram(program, args, programs);
}

function judgeProgram(program: string, words: readonly string[], programs: Programs): readonly string[] {
  const commands = programs.get(program);
  const [first = ""] = words;
  if (commands === undefined || /^(?:…|<.*|--help|--version|)$/.test(first)) return [];
  const known = [...commands.keys()]
    .filter((name) => name === "" || `${words.join(" ")} `.startsWith(`${name} `))
    .sort((left, right) => right.length - left.length)[0];
  // A group alone, `millrace-relay token`, is a way to speak of its commands.
  const isGroup = words.length === 1 && [...commands.keys()].some((name) => name.startsWith(`${first} `));
  if (known === undefined) return isGroup ? [] : [`${program} has no command ${words.slice(0, 2).join(" ")}`];
  const flags = commands.get(known);
  return words
    .filter((word) => word.startsWith("--") && word.length > 2)
    .map((word) => word.slice(2).replace(/[^a-z-].*$/, ""))
    .filter((flag) => flag !== "help" && flags?.has(flag) !== true)
    .map((flag) => `${program} ${known} has no flag --${flag}`);
}

/** The quoted messages of a page's tables, each piece of them between `…`, as some source says it. */
export function checkMessages(document: Markdown, sources: readonly string[]): readonly Finding[] {
  const said = sources.map((text) => text.replaceAll("\\`", "`"));
  return document.firstCells.flatMap(({ line, text }) =>
    [...text.matchAll(SPAN)]
      .flatMap((match) => (match[2] ?? "").split("…"))
      .map((piece) => piece.trim())
      .filter((piece) => piece.length >= MIN_FRAGMENT_CHARS && !said.some((source) => source.includes(piece)))
      .map((piece) => ({
        rule: "message",
        where: `${document.path}:${line}`,
        what: `no source says: ${piece}`,
      })),
  );
}
