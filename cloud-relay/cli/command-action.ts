// What the commands' actions get and give, and how they read values and lay out answers.
import { ConfigError } from "#common/runtime/errors.ts";
import { parseDuration } from "#common/runtime/units.ts";
import type { AdministrationDeps } from "#relay/core/administration.ts";
import type { Store } from "#relay/core/store.ts";
import type { FlagValues } from "./command-line.ts";

export interface AdministrationContext extends AdministrationDeps {
  readonly store: Store;
  /** Opened only when a code is made. */
  relayPublicKey(): Promise<string>;
  /** How people reach the relay, as its settings say. */
  readonly publicUrl: string;
}

/** `json` for programs; `lines` for people; `secret` is printed alone on its line, so that it can be copied. */
export interface CommandResult {
  readonly json: unknown;
  readonly lines: readonly string[];
}

export type Action = (context: AdministrationContext, values: FlagValues) => Promise<CommandResult>;

export function durationOf(values: FlagValues, name: string): number | undefined {
  const text = values.text(name);
  if (text === undefined) return undefined;
  const ms = parseDuration(text);
  if (ms !== undefined) return ms;
  const message = `expected a duration such as 30m, 1h or 90d, not "${text}"`;
  throw new ConfigError("millrace-relay", [{ path: `--${name}`, message }]);
}

export function labelsOf(texts: readonly string[], flag = "label"): Readonly<Record<string, string>> {
  const issues = texts
    .filter((text) => !/^[^=\s]{1,100}=.{0,200}$/.test(text))
    .map((text) => ({ path: `--${flag}`, message: `expected key=value, not "${text}"` }));
  if (issues.length > 0) throw new ConfigError("millrace-relay", issues);
  return Object.fromEntries(
    texts.map((text) => [text.slice(0, text.indexOf("=")), text.slice(text.indexOf("=") + 1)]),
  );
}

export function table(head: readonly string[], rows: readonly (readonly string[])[]): readonly string[] {
  if (rows.length === 0) return ["none"];
  const all = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  return all.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd(),
  );
}
