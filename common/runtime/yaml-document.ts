// YAML text as a value that remembers where in the file each part stands. The `yaml` library is passed in by the edge.
import type { Issue } from "./errors.ts";

export type DocumentPath = readonly (string | number)[];

export interface SourcePosition {
  /** From 1. */
  readonly line: number;
  readonly column: number;
}

export interface YamlDocument {
  readonly file: string;
  readonly value: unknown;
  /** Problems of the YAML itself; if there are any, `value` is not to be used. */
  readonly issues: readonly Issue[];
  /** Where the value at a path stands, or its key; the nearest enclosing part if it is not there. */
  position(path: DocumentPath, part: "key" | "value"): SourcePosition | undefined;
}

/** The slice of the `yaml` package that is used: `import { LineCounter, parseDocument } from "yaml"`. */
export interface YamlLibrary {
  readonly LineCounter: new () => YamlLineCounter;
  readonly parseDocument: (
    text: string,
    options: { lineCounter: YamlLineCounter; prettyErrors: false },
  ) => ParsedYaml;
}

interface YamlLineCounter {
  lineStarts: number[];
  addNewLine: (offset: number) => number;
  linePos: (offset: number) => { line: number; col: number };
}

interface ParsedYaml {
  readonly errors: readonly { readonly message: string; readonly pos: readonly [number, number] }[];
  readonly contents: unknown;
  toJS(options: { maxAliasCount: number }): unknown;
}

interface YamlNode {
  readonly range?: readonly [number, number, number] | null;
  readonly items?: readonly unknown[];
}

interface YamlPair {
  readonly key: YamlNode & { readonly value?: unknown };
  readonly value: unknown;
}

/** More aliases than this are an attack or an accident. */
const MAX_ALIASES = 100;

/** Never throws: whatever is wrong with the text is an issue with its place. */
export function readYamlDocument(yaml: YamlLibrary, text: string, file: string): YamlDocument {
  const lines = new yaml.LineCounter();
  const parsed = yaml.parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const place = (offset: number): SourcePosition => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  };
  const issues: Issue[] = parsed.errors.map((error) => ({
    path: "",
    file,
    ...place(error.pos[0]),
    message: `not valid YAML: ${error.message}`,
  }));
  let value: unknown;
  try {
    value = issues.length === 0 ? parsed.toJS({ maxAliasCount: MAX_ALIASES }) : undefined;
  } catch (error) {
    issues.push({ path: "", file, message: `not usable YAML: ${String(error)}` });
  }
  return {
    file,
    value,
    issues,
    position: (path, part) => {
      const offset = offsetOf(parsed.contents, path, part);
      return offset === undefined ? undefined : place(offset);
    },
  };
}

function offsetOf(root: unknown, path: DocumentPath, part: "key" | "value"): number | undefined {
  let node = root;
  let offset = startOf(root);
  for (const [depth, step] of path.entries()) {
    const isLast = depth === path.length - 1;
    const items = isNode(node) ? (node.items ?? []) : [];
    if (typeof step === "number") {
      node = items[step];
      offset = startOf(node) ?? offset;
      continue;
    }
    const pair = items.find((item): item is YamlPair => isPair(item) && String(item.key.value) === step);
    if (pair === undefined) return offset;
    const keyOffset = startOf(pair.key);
    node = pair.value;
    offset = (isLast && part === "key" ? keyOffset : (startOf(node) ?? keyOffset)) ?? offset;
  }
  return offset;
}

function startOf(node: unknown): number | undefined {
  return isNode(node) ? node.range?.[0] : undefined;
}

function isNode(node: unknown): node is YamlNode {
  return typeof node === "object" && node !== null;
}

function isPair(item: unknown): item is YamlPair {
  return isNode(item) && "key" in item && isNode(item.key);
}
