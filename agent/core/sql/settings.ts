// Reads a connector's settings: every problem at once, unknown names with the nearest known one.
import type { Issue, ParseResult } from "#common/runtime/errors.ts";
import { didYouMean } from "#common/runtime/nearest-match.ts";

export interface IntegerRange {
  readonly min: number;
  readonly max: number;
  readonly default: number;
}

/** Calls `read` with a reader that notes each problem and each name asked for; unasked names are unknown. */
export function checkSettings<T>(input: unknown, read: (settings: SettingsReader) => T): ParseResult<T> {
  if (typeof input !== "object" || input === null || Array.isArray(input)) {
    return { ok: false, issues: [{ path: "", message: "expected settings as name: value pairs" }] };
  }
  const issues: Issue[] = [];
  const reader = new SettingsReader(input as Record<string, unknown>, "", issues);
  const value = read(reader);
  reader.finish();
  return issues.length === 0 ? { ok: true, value } : { ok: false, issues };
}

export class SettingsReader {
  readonly #input: Readonly<Record<string, unknown>>;
  readonly #prefix: string;
  readonly #issues: Issue[];
  readonly #asked: string[] = [];

  constructor(input: Readonly<Record<string, unknown>>, prefix: string, issues: Issue[]) {
    this.#input = input;
    this.#prefix = prefix;
    this.#issues = issues;
  }

  /** Required, not empty. */
  text(name: string, what: string): string {
    const value = this.optionalText(name);
    if (value === undefined && !this.#has(name)) this.issue(name, `missing: ${what}`);
    return value ?? "";
  }

  optionalText(name: string): string | undefined {
    const value = this.#take(name);
    if (value === undefined) return undefined;
    if (typeof value === "string" && value !== "") return value;
    this.issue(name, `expected text that is not empty, got ${describe(value)}`);
    return undefined;
  }

  integer(name: string, range: IntegerRange): number {
    const value = this.#take(name);
    if (value === undefined) return range.default;
    if (typeof value === "number" && Number.isInteger(value) && value >= range.min && value <= range.max)
      return value;
    this.issue(name, `expected a whole number from ${range.min} to ${range.max}, got ${describe(value)}`);
    return range.default;
  }

  /** False if it is not given. */
  flag(name: string): boolean {
    const value = this.#take(name);
    if (value === undefined || typeof value === "boolean") return value ?? false;
    this.issue(name, `expected true or false, got ${describe(value)}`);
    return false;
  }

  oneOf<T extends string>(name: string, choices: readonly T[], fallback: T): T {
    const value = this.#take(name);
    if (value === undefined) return fallback;
    const choice = choices.find((candidate) => candidate === value);
    if (choice === undefined)
      this.issue(name, `expected one of ${choices.join(", ")}, got ${describe(value)}`);
    return choice ?? fallback;
  }

  /** A nested group; absent is empty. */
  group<T>(name: string, read: (settings: SettingsReader) => T): T {
    const value = this.#take(name) ?? {};
    const isGroup = typeof value === "object" && value !== null && !Array.isArray(value);
    if (!isGroup) this.issue(name, `expected name: value pairs, got ${describe(value)}`);
    const inner = new SettingsReader(
      isGroup ? (value as Record<string, unknown>) : {},
      this.#path(name),
      this.#issues,
    );
    const result = read(inner);
    inner.finish();
    return result;
  }

  issue(name: string, message: string): void {
    this.#issues.push({ path: this.#path(name), message });
  }

  finish(): void {
    for (const name of Object.keys(this.#input)) {
      if (this.#asked.includes(name)) continue;
      this.issue(name, `unknown setting${didYouMean(name, this.#asked)}`);
    }
  }

  #take(name: string): unknown {
    this.#asked.push(name);
    return this.#input[name] ?? undefined;
  }

  #has(name: string): boolean {
    return this.#input[name] !== undefined && this.#input[name] !== null;
  }

  #path(name: string): string {
    return this.#prefix === "" ? name : `${this.#prefix}.${name}`;
  }
}

function describe(value: unknown): string {
  return typeof value === "object" ? "a list or group" : (JSON.stringify(value) ?? "nothing");
}
