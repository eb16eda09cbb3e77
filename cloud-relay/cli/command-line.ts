// Reading a command line against a table of commands: every mistake at once, with the nearest known word.
import { parseArgs } from "node:util";
import { ConfigError, MillraceError, type Issue } from "#common/runtime/errors.ts";
import { didYouMean } from "#common/runtime/nearest-match.ts";

export interface FlagSpec {
  /** What stands for the value in help texts, `<file>`; absent for a switch. */
  readonly value?: string;
  readonly help: string;
  readonly isRequired?: boolean;
  /** May be given several times. */
  readonly isMultiple?: boolean;
}

export interface CommandSpec {
  /** `["workspace", "create"]` */
  readonly words: readonly string[];
  readonly summary: string;
  /** Shown by --help below the flags. */
  readonly notes?: string;
  /** Name of the one argument without a flag, `<id>`. */
  readonly argument?: string;
  readonly flags: Readonly<Record<string, FlagSpec>>;
}

/** The values of one command's flags, by name. */
export class FlagValues {
  readonly argument: string | undefined;
  readonly #values: ReadonlyMap<string, readonly string[]>;

  constructor(values: ReadonlyMap<string, readonly string[]>, argument: string | undefined) {
    this.#values = values;
    this.argument = argument;
  }

  text(name: string): string | undefined {
    return this.#values.get(name)?.at(-1);
  }

  /** For required flags, which are known to be there. */
  needed(name: string): string {
    return this.text(name) ?? "";
  }

  all(name: string): readonly string[] {
    return this.#values.get(name) ?? [];
  }

  has(name: string): boolean {
    return this.#values.has(name);
  }

  /** Of the flags that were given. */
  names(): readonly string[] {
    return [...this.#values.keys()];
  }
}

/** Somebody asked for help, or said nothing: the text goes to standard output. */
export interface HelpWanted {
  readonly help: string;
}

/** The words do not name a command. */
export class UnknownCommandError extends MillraceError {
  override name = "UnknownCommandError";
}

const COMMON_FLAGS: Readonly<Record<string, FlagSpec>> = {
  json: { help: "print JSON for programs" },
  help: { help: "show this text" },
};

/** @throws UnknownCommandError, ConfigError with every mistake */
export function readCommandLine<Command extends CommandSpec>(
  program: string,
  commands: readonly Command[],
  args: readonly string[],
): HelpWanted | { readonly command: Command; readonly values: FlagValues } {
  const words = leadingWords(args);
  const command = commands.find((each) => each.words.every((word, index) => words[index] === word));
  if (command !== undefined) {
    const rest = args.slice(command.words.length);
    if (rest.includes("--help") || rest.includes("-h")) return { help: commandHelp(program, command) };
    return { command, values: readFlags(program, command, rest) };
  }
  const group = commands.filter((each) => each.words.length > 1 && each.words[0] === words[0]);
  const wantsHelp =
    args.includes("--help") || args.includes("-h") || words[0] === "help" || args.length === 0;
  if (wantsHelp) return { help: programHelp(program, group.length > 0 ? group : commands) };
  throw new UnknownCommandError(unknownCommand(program, commands, group, words));
}

function leadingWords(args: readonly string[]): readonly string[] {
  const end = args.findIndex((arg) => arg.startsWith("-"));
  return end < 0 ? args : args.slice(0, end);
}

function unknownCommand(
  program: string,
  commands: readonly CommandSpec[],
  group: readonly CommandSpec[],
  words: readonly string[],
): string {
  if (group.length > 0) {
    const known = group.map((each) => each.words[1] ?? "");
    const given = words[1];
    const what = given === undefined ? "needs one more word" : `has no "${given}"${didYouMean(given, known)}`;
    return `${program} ${words[0]} ${what}; known: ${known.join(", ")}`;
  }
  const known = [...new Set(commands.map((each) => each.words[0] ?? ""))];
  const given = words[0] ?? "";
  return `${program} has no command "${given}"${didYouMean(given, known)}; known: ${known.join(", ")}`;
}

function readFlags(program: string, command: CommandSpec, args: readonly string[]): FlagValues {
  const flags = { ...command.flags, ...COMMON_FLAGS };
  const { tokens } = parseArgs({
    args: [...args],
    options: Object.fromEntries(
      Object.entries(flags).map(([name, flag]) => [
        name,
        { type: flag.value === undefined ? "boolean" : "string" } as const,
      ]),
    ),
    strict: false,
    tokens: true,
    allowPositionals: true,
  });
  const issues: Issue[] = [];
  const values = new Map<string, readonly string[]>();
  const loose: string[] = [];
  let isAfterUnknown = false;
  for (const token of tokens) {
    // What follows a mistyped flag is taken for its value, not for a mistake of its own.
    if (token.kind === "positional" && !isAfterUnknown) loose.push(token.value);
    if (token.kind === "option") readFlag(token, flags, values, issues);
    isAfterUnknown = token.kind === "option" && !Object.hasOwn(flags, token.name);
  }
  for (const extra of loose.slice(command.argument === undefined ? 0 : 1)) {
    issues.push({ path: extra, message: "is one word too many" });
  }
  if (command.argument !== undefined && loose.length === 0) {
    issues.push({ path: command.argument, message: "is missing" });
  }
  for (const [name, flag] of Object.entries(flags)) {
    if (flag.isRequired === true && !values.has(name)) {
      issues.push({ path: `--${name}`, message: `is missing: ${flag.help}` });
    }
  }
  if (issues.length > 0) throw new ConfigError(`${program} ${command.words.join(" ")}`, issues);
  return new FlagValues(values, loose[0]);
}

interface OptionToken {
  readonly name: string;
  readonly rawName: string;
  readonly value?: string | undefined;
}

function readFlag(
  token: OptionToken,
  flags: Readonly<Record<string, FlagSpec>>,
  values: Map<string, readonly string[]>,
  issues: Issue[],
): void {
  const { name, rawName, value } = token;
  const flag = Object.hasOwn(flags, name) ? flags[name] : undefined;
  if (flag === undefined) {
    const known = Object.keys(flags).map((each) => `--${each}`);
    const hint = didYouMean(rawName, known) || `; known: ${known.join(", ")}`;
    issues.push({ path: rawName, message: `is not a flag of this command${hint}` });
  } else if (flag.value === undefined && value !== undefined) {
    issues.push({ path: rawName, message: "takes no value" });
  } else if (flag.value !== undefined && (value === undefined || value === "" || value.startsWith("--"))) {
    issues.push({ path: rawName, message: `needs a value: ${flag.help}` });
  } else if (flag.isMultiple !== true && values.has(name)) {
    issues.push({ path: rawName, message: "is given twice" });
  } else {
    values.set(name, [...(values.get(name) ?? []), value ?? ""]);
  }
}

export function programHelp(program: string, commands: readonly CommandSpec[]): string {
  const rows = commands.map((each): [string, string] => [usage(program, each, false), each.summary]);
  return `${columns(rows)}\n\nEvery command explains itself by --help and prints JSON by --json.\n`;
}

export function commandHelp(program: string, command: CommandSpec): string {
  const flags = Object.entries({ ...command.flags, ...COMMON_FLAGS });
  const rows = flags.map(([name, flag]): [string, string] => [
    `  --${name}${flag.value === undefined ? "" : ` ${flag.value}`}`,
    `${flag.help}${flag.isRequired === true ? " (needed)" : ""}`,
  ]);
  const notes = command.notes === undefined ? "" : `\n${command.notes}\n`;
  return `${command.summary}\n\n  ${usage(program, command, true)}\n\n${columns(rows)}\n${notes}`;
}

function usage(program: string, command: CommandSpec, withFlags: boolean): string {
  const needed = Object.entries(command.flags).filter(([, flag]) => flag.isRequired === true);
  const flags = withFlags ? needed.map(([name, { value = "" }]) => ` --${name} ${value}`).join("") : "";
  const argument = command.argument === undefined ? "" : ` ${command.argument}`;
  return `${program} ${command.words.join(" ")}${argument}${flags}${withFlags ? " [flags]" : ""}`;
}

function columns(rows: readonly (readonly [string, string])[]): string {
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `${left.padEnd(width)}  ${right}`).join("\n");
}
