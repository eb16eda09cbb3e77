// Reads one level of untrusted settings and collects what is wrong with it.
import type { Issue } from "#common/runtime/errors.ts";
import { didYouMean } from "#common/runtime/nearest-match.ts";

export class Check {
  readonly #path: string;
  readonly #issues: Issue[];
  readonly #members: Readonly<Record<string, unknown>>;

  constructor(value: unknown, path: string, issues: Issue[]) {
    this.#path = path;
    this.#issues = issues;
    const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
    if (!isObject && value !== undefined && value !== null) {
      issues.push({ path, message: "a mapping (name: value) is expected here" });
    }
    this.#members = isObject ? (value as Record<string, unknown>) : {};
  }

  issue(name: string, message: string): void {
    this.#issues.push({ path: this.#at(name), message });
  }

  has(name: string): boolean {
    return Object.hasOwn(this.#members, name);
  }

  raw(name: string): unknown {
    return this.#members[name];
  }

  known(names: readonly string[]): void {
    for (const name of Object.keys(this.#members)) {
      if (names.includes(name)) continue;
      this.issue(name, `is not known here${didYouMean(name, names)}`);
    }
  }

  text(name: string): string | undefined {
    const value = this.#members[name];
    if (value === undefined || value === null) return undefined;
    if (typeof value === "string" && value.trim() !== "") return value.trim();
    this.issue(name, "a text is expected");
    return undefined;
  }

  required(name: string, example: string): string {
    const value = this.text(name);
    if (value === undefined && (this.#members[name] ?? null) === null)
      this.issue(name, `is missing: ${example}`);
    return value ?? "";
  }

  /** One text or a list of them. */
  texts(name: string): readonly string[] {
    const value = this.#members[name];
    if (value === undefined || value === null) return [];
    const list: readonly unknown[] = Array.isArray(value) ? value : [value];
    if (!list.every((one): one is string => typeof one === "string" && one !== "")) {
      this.issue(name, "a text or a list of texts is expected");
      return [];
    }
    return list;
  }

  flag(name: string, otherwise: boolean): boolean {
    const value = this.#members[name];
    if (value === undefined || value === null) return otherwise;
    if (typeof value === "boolean") return value;
    this.issue(name, "true or false is expected");
    return otherwise;
  }

  number(name: string, otherwise: number, least: number, most: number): number {
    const value = this.#members[name];
    if (value === undefined || value === null) return otherwise;
    if (typeof value === "number" && value >= least && value <= most) return value;
    this.issue(name, `a number from ${least} to ${most} is expected, not ${JSON.stringify(value)}`);
    return otherwise;
  }

  integer(name: string, otherwise: number, least: number, most: number): number {
    const value = this.number(name, otherwise, least, most);
    if (!Number.isInteger(value)) this.issue(name, `a whole number is expected, not ${value}`);
    return value;
  }

  oneOf<Choice extends string>(name: string, choices: readonly Choice[], otherwise: Choice): Choice {
    const value = this.text(name);
    if (value === undefined) return otherwise;
    const found = choices.find((choice) => choice.toLowerCase() === value.toLowerCase());
    if (found === undefined) this.issue(name, `${JSON.stringify(value)} is not one of ${choices.join(", ")}`);
    return found ?? otherwise;
  }

  child(name: string): Check {
    return new Check(this.#members[name], this.#at(name), this.#issues);
  }

  children(name: string): readonly Check[] {
    const value = this.#members[name];
    if (value === undefined || value === null) return [];
    if (!Array.isArray(value)) {
      this.issue(name, "a list is expected");
      return [];
    }
    return value.map((one: unknown, index) => new Check(one, `${this.#at(name)}[${index}]`, this.#issues));
  }

  #at(name: string): string {
    return this.#path === "" ? name : `${this.#path}.${name}`;
  }
}
