// Reads plain values out of a pack's document and collects every problem with its place, instead of stopping at the first.
import { formatPath } from "#common/runtime/config-file.ts";
import type { Issue } from "#common/runtime/errors.ts";
import { didYouMean } from "#common/runtime/nearest-match.ts";
import { parseDuration } from "#common/runtime/units.ts";
import type { DocumentPath, SourcePosition } from "#common/runtime/yaml-document.ts";

/** Where a part of the document stands in its file, if that is known. */
export type Locate = (path: DocumentPath, part: "key" | "value") => SourcePosition | undefined;

export type PackObject = Readonly<Record<string, unknown>>;

export class PackReader {
  readonly issues: Issue[] = [];
  readonly #locate: Locate;

  constructor(locate: Locate) {
    this.#locate = locate;
  }

  /** Notes a problem; returns undefined, so that `return reader.problem(…)` reads well. */
  problem(path: DocumentPath, message: string, part: "key" | "value" = "value"): undefined {
    this.issues.push({ path: formatPath(path), message, ...this.#locate(path, part) });
    return undefined;
  }

  /** A mapping whose keys are all among `known`. */
  object(value: unknown, path: DocumentPath, known: readonly string[]): PackObject | undefined {
    const object = this.mapping(value, path);
    for (const key of Object.keys(object ?? {})) {
      if (known.includes(key)) continue;
      const hint = didYouMean(key, known) || `; known: ${known.join(", ")}`;
      this.problem([...path, key], `unknown key${hint}`, "key");
    }
    return object;
  }

  /** A mapping with keys of the author's choice. */
  mapping(value: unknown, path: DocumentPath): PackObject | undefined {
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as PackObject;
    return this.problem(path, `expected a mapping, not ${show(value)}`);
  }

  /** Text that is not empty; numbers count as what was written. */
  text(value: unknown, path: DocumentPath, what: string): string | undefined {
    if (typeof value === "number") return String(value);
    if (typeof value === "string" && value !== "") return value;
    if (value === undefined) return this.problem(path, `missing; expected ${what}`);
    return this.problem(path, `expected ${what}, not ${show(value)}`);
  }

  /** A list of texts, or one text. */
  texts(value: unknown, path: DocumentPath, what: string): readonly string[] {
    if (!Array.isArray(value)) {
      const one = this.text(value, path, `${what}, or a list of them`);
      return one === undefined ? [] : [one];
    }
    if (value.length === 0) this.problem(path, `expected at least one ${what}`);
    return value.flatMap((part: unknown, index) => this.text(part, [...path, index], what) ?? []);
  }

  flag(value: unknown, path: DocumentPath): boolean {
    if (value === undefined) return false;
    if (typeof value === "boolean") return value;
    this.problem(path, `expected true or false, not ${show(value)}`);
    return false;
  }

  /** Milliseconds of `30s`, `5m`, `1h`; `fallback` (ms) when it is not given. */
  duration(value: unknown, path: DocumentPath, fallback: number): number {
    if (value === undefined) return fallback;
    const ms = typeof value === "string" ? parseDuration(value) : undefined;
    if (ms !== undefined) return ms;
    this.problem(path, `expected a duration such as 30s, 5m or 1h, not ${show(value)}`);
    return fallback;
  }

  oneOf<Choice extends string>(
    value: unknown,
    path: DocumentPath,
    choices: readonly Choice[],
  ): Choice | undefined {
    const hit = choices.find((choice) => choice === value);
    if (hit !== undefined) return hit;
    const hint = typeof value === "string" ? didYouMean(value, choices) : "";
    const found = value === undefined ? "missing; " : "";
    const rest = value === undefined ? "" : `, not ${show(value)}`;
    return this.problem(path, `${found}expected one of ${choices.join(", ")}${rest}${hint}`);
  }
}

/** A value as it is quoted in messages: JSON text, bounded. */
export function show(value: unknown): string {
  if (value === undefined) return "nothing";
  const text = typeof value === "bigint" ? value.toString() : (JSON.stringify(value) ?? typeof value);
  return text.length > 100 ? `${text.slice(0, 100)}…` : text;
}
