// The demo's command line.
import { parseArgs } from "node:util";
import { didYouMean } from "#common/runtime/nearest-match.ts";

export interface DemoOptions {
  /** Undefined: where this data directory was served before, else 8080. 0: any free one. */
  readonly port: number | undefined;
  readonly dataDir: string;
  readonly isOnce: boolean;
  /** Changes a second in the plant's database. */
  readonly rate: number;
  /** Size of the plant; 1 is some 21,000 records. */
  readonly scale: number;
}

export type ParsedOptions =
  | { readonly kind: "run"; readonly options: DemoOptions }
  | { readonly kind: "help"; readonly text: string }
  | { readonly kind: "problems"; readonly problems: readonly string[] };

export const DEFAULT_PORT = 8080;
const MAX_RATE = 10_000;
const MAX_SCALE = 1_000;

const HELP = `npm start -- [--port <port>] [--data-dir <folder>] [--once] [--rate <n>] [--scale <n>]

Starts a relay, an agent and a demo plant on this machine, and shows how they are until Ctrl-C.
A second start goes on where the first one stopped.

  --port <port>        Port of the API on 127.0.0.1; 0 for any free one.
                       Default: the one of the last start, else ${DEFAULT_PORT}
  --data-dir <folder>  Where everything is kept. Default: .millrace
  --once               Stop when the first sync is complete and the API answers: exit code 0,
                       or 1 with the reason
  --rate <n>           Changes a second in the plant's database. Default: 5
  --scale <n>          Size of the plant; 1 is some 21,000 records. Counts at the first start. Default: 1
  --help               Show this
`;

const OPTIONS = {
  port: { type: "string" },
  "data-dir": { type: "string" },
  once: { type: "boolean" },
  rate: { type: "string" },
  scale: { type: "string" },
  help: { type: "boolean", short: "h" },
} as const;

/** Every problem at once. */
export function parseOptions(argv: readonly string[]): ParsedOptions {
  const { values, tokens } = parseArgs({ args: [...argv], options: OPTIONS, strict: false, tokens: true });
  const problems: string[] = [];
  for (const token of tokens) {
    if (token.kind === "positional") problems.push(`unexpected argument "${token.value}"`);
    if (token.kind !== "option") continue;
    if (!Object.hasOwn(OPTIONS, token.name)) {
      const known = Object.keys(OPTIONS).map((name) => `--${name}`);
      problems.push(`unknown option ${token.rawName}${didYouMean(token.rawName, known)}`);
    } else if (OPTIONS[token.name as keyof typeof OPTIONS].type === "boolean") {
      if (token.value !== undefined) problems.push(`--${token.name} takes no value`);
    } else if (token.value === undefined || token.value === "")
      problems.push(`--${token.name} needs a value`);
  }
  if (values["help"] === true) return { kind: "help", text: HELP };
  const text = (name: keyof typeof values): string | undefined =>
    typeof values[name] === "string" && values[name] !== "" ? values[name] : undefined;
  const number = (
    name: keyof typeof values,
    low: number,
    high: number,
    isWhole: boolean,
  ): number | undefined => {
    const given = text(name);
    if (given === undefined) return undefined;
    const value = /^\d+(\.\d+)?$/.test(given) ? Number(given) : Number.NaN;
    if (value >= low && value <= high && (!isWhole || Number.isInteger(value))) return value;
    problems.push(
      `--${name}: expected a ${isWhole ? "whole " : ""}number from ${low} to ${high}, not "${given}"`,
    );
    return undefined;
  };
  const options: DemoOptions = {
    port: number("port", 0, 65_535, true),
    dataDir: text("data-dir") ?? ".millrace",
    isOnce: values["once"] === true,
    rate: number("rate", 0, MAX_RATE, false) ?? 5,
    scale: number("scale", 0.001, MAX_SCALE, false) ?? 1,
  };
  return problems.length > 0 ? { kind: "problems", problems } : { kind: "run", options };
}
