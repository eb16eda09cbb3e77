// The help texts, made from the commands themselves; docs/agent-cli.md is made from the same.
import type { Command } from "./command.ts";

const PROGRAM = "millrace-agent";
const WIDTH = 100;

/** The list of commands. */
export function overview(commands: readonly Command[], version: string): string {
  const width = Math.max(...commands.map(({ name }) => name.length)) + 2;
  return [
    `${PROGRAM} ${version}: reads a plant's systems and carries every change to a Millrace relay.`,
    "",
    `Usage: ${PROGRAM} <command> [options]`,
    "",
    "Commands:",
    ...commands.map(({ name, summary }) => `  ${name.padEnd(width)}${summary}`),
    "",
    `${PROGRAM} <command> --help tells more. ${PROGRAM} --version prints the version.`,
    "Exit codes: 0 done, 1 tried and failed, 2 wrong usage or configuration.",
    "",
  ].join("\n");
}

export function usageLine(command: Command): string {
  const positionals = command.positionals.map(({ name, isRequired }) =>
    isRequired ? `<${name}>` : `[${name}]`,
  );
  const options = Object.entries(command.options).map(([name, spec]) => {
    const text = spec.value === undefined ? `--${name}` : `--${name} ${spec.value}`;
    return spec.isRequired === true ? text : `[${text}]`;
  });
  return [PROGRAM, command.name, ...positionals, ...options].join(" ");
}

export function commandHelp(command: Command): string {
  const rows = [
    ...command.positionals.map(({ name, description }) => [`<${name}>`, description] as const),
    ...Object.entries(command.options).map(
      ([name, { value, description }]) =>
        [`--${name}${value === undefined ? "" : ` ${value}`}`, description] as const,
    ),
  ];
  const width = Math.max(0, ...rows.map(([left]) => left.length)) + 2;
  const lines = [usageLine(command), "", wrap(command.details, 0)];
  if (rows.length > 0)
    lines.push("", ...rows.map(([left, right]) => `  ${left.padEnd(width)}${wrap(right, width + 2)}`));
  if (command.examples.length > 0)
    lines.push("", "Examples:", ...command.examples.map((example) => `  ${example}`));
  return `${lines.join("\n")}\n`;
}

/** The page of docs/agent-cli.md that is made from the commands. */
export function commandReference(commands: readonly Command[]): string {
  return commands
    .map(
      (command) => `## ${command.name}\n\n${command.summary}\n\n\`\`\`text\n${commandHelp(command)}\`\`\`\n`,
    )
    .join("\n");
}

function wrap(text: string, indent: number): string {
  const lines: string[] = [];
  for (const paragraph of text.split("\n")) {
    let line = "";
    for (const word of paragraph.split(" ")) {
      if (line !== "" && indent + line.length + 1 + word.length > WIDTH) {
        lines.push(line);
        line = word;
      } else line = line === "" ? word : `${line} ${word}`;
    }
    lines.push(line);
  }
  return lines.join(`\n${" ".repeat(indent)}`);
}
