// Reads a command's arguments; whatever is unknown, missing or too much is a problem with the nearest match.
import { parseArgs } from "node:util";
import { didYouMean } from "#common/runtime/nearest-match.ts";
import type { Command, CommandArguments } from "./command.ts";

export type ParsedArguments =
  | { readonly ok: true; readonly args: CommandArguments; readonly wantsHelp: boolean }
  | { readonly ok: false; readonly problems: readonly string[] };

/** Never throws; every problem at once. */
export function parseArguments(command: Command, argv: readonly string[]): ParsedArguments {
  const options = { ...command.options, help: { type: "boolean" as const } };
  const types = Object.fromEntries(Object.entries(options).map(([name, { type }]) => [name, { type }]));
  const { tokens, positionals } = parseArgs({
    args: [...argv],
    options: { ...types, help: { type: "boolean", short: "h" } },
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const problems: string[] = [];
  const texts = new Map<string, string>();
  const flags = new Set<string>();
  for (const token of tokens) {
    if (token.kind !== "option") continue;
    const spec = Object.hasOwn(options, token.name) ? options[token.name as keyof typeof options] : undefined;
    if (spec === undefined) {
      const known = Object.keys(options).map((name) => `--${name}`);
      problems.push(`unknown option ${token.rawName}${didYouMean(token.rawName, known)}`);
    } else if (spec.type === "boolean") {
      if (token.value === undefined) flags.add(token.name);
      else problems.push(`--${token.name} takes no value`);
    } else if (token.value === undefined || token.value === "")
      problems.push(`--${token.name} needs a value`);
    else texts.set(token.name, token.value);
  }
  const wantsHelp = flags.has("help");
  if (wantsHelp) return { ok: true, args: argumentsOf(positionals, texts, flags), wantsHelp };
  for (const [index, positional] of command.positionals.entries())
    if (positional.isRequired && positionals[index] === undefined)
      problems.push(`<${positional.name}> is missing`);
  // After an unknown option there is no telling which words belonged to it.
  const extras = problems.length > 0 ? [] : positionals.slice(command.positionals.length);
  for (const extra of extras) problems.push(`unexpected argument "${extra}"`);
  for (const [name, spec] of Object.entries(command.options))
    if (spec.isRequired === true && !texts.has(name))
      problems.push(`--${name} ${spec.value ?? ""} is missing`);
  if (problems.length > 0) return { ok: false, problems };
  return { ok: true, args: argumentsOf(positionals, texts, flags), wantsHelp };
}

function argumentsOf(
  positionals: readonly string[],
  texts: ReadonlyMap<string, string>,
  flags: ReadonlySet<string>,
): CommandArguments {
  return { positionals, text: (option) => texts.get(option), has: (option) => flags.has(option) };
}
