// The command line as a whole: finds the command, reads its arguments, turns failures into sentences and exit codes.
import { ConfigError, MillraceError, messageOf } from "#common/runtime/errors.ts";
import { didYouMean } from "#common/runtime/nearest-match.ts";
import { parseArguments } from "./arguments.ts";
import { auditCommand } from "./audit.ts";
import { egressCommand } from "./egress.ts";
import {
  approveCommand,
  commandsCommand,
  haltCommand,
  rejectCommand,
  unhaltCommand,
} from "./plant-commands.ts";
import { checkConfigCommand } from "./check-config.ts";
import { EXIT_FAILURE, EXIT_OK, EXIT_USAGE, type Command, type CommandContext } from "./command.ts";
import { discoverCommand } from "./discover.ts";
import { doctorCommand } from "./doctor.ts";
import { enrollCommand } from "./enroll.ts";
import { grantsCommand } from "./grants.ts";
import { commandHelp, overview, usageLine } from "./help.ts";
import {
  confirmDeletesCommand,
  pauseCommand,
  resumeCommand,
  resyncCommand,
  stopCommand,
  syncCommand,
} from "./operate.ts";
import { previewCommand } from "./preview.ts";
import { runCommand } from "./run.ts";
import { secretCommand } from "./secret.ts";
import { serviceCommand } from "./service.ts";
import { statusCommand } from "./status.ts";
import { supportBundleCommand } from "./support-bundle.ts";

export const COMMANDS: readonly Command[] = [
  enrollCommand,
  checkConfigCommand,
  discoverCommand,
  grantsCommand,
  previewCommand,
  doctorCommand,
  supportBundleCommand,
  secretCommand,
  runCommand,
  serviceCommand,
  statusCommand,
  syncCommand,
  resyncCommand,
  confirmDeletesCommand,
  pauseCommand,
  resumeCommand,
  commandsCommand,
  approveCommand,
  rejectCommand,
  haltCommand,
  unhaltCommand,
  auditCommand,
  egressCommand,
  stopCommand,
];

/** Returns the exit code; throws only for bugs. */
export async function runCommandLine(
  argv: readonly string[],
  version: string,
  context: CommandContext,
): Promise<number> {
  const [name, ...rest] = argv;
  if (name === "--version" || name === "version") {
    context.out(`${version}\n`);
    return EXIT_OK;
  }
  if (name === undefined || name === "--help" || name === "-h" || name === "help") {
    const asked = COMMANDS.find((command) => command.name === rest[0]);
    const text = asked === undefined ? overview(COMMANDS, version) : commandHelp(asked);
    (name === undefined ? context.err : context.out)(text);
    return name === undefined ? EXIT_USAGE : EXIT_OK;
  }
  const command = COMMANDS.find((each) => each.name === name);
  if (command === undefined) {
    const names = COMMANDS.map((each) => each.name);
    context.err(`unknown command "${name}"${didYouMean(name, names)}; millrace-agent --help lists them\n`);
    return EXIT_USAGE;
  }
  const parsed = parseArguments(command, rest);
  if (!parsed.ok) {
    for (const problem of parsed.problems) context.err(`${problem}\n`);
    context.err(`usage: ${usageLine(command)}\n`);
    return EXIT_USAGE;
  }
  if (parsed.wantsHelp) {
    context.out(commandHelp(command));
    return EXIT_OK;
  }
  try {
    return await command.run(parsed.args, context);
  } catch (error) {
    if (error instanceof ConfigError) {
      context.err(`${error.message}\n`);
      return EXIT_USAGE;
    }
    if (!(error instanceof MillraceError)) throw error;
    context.err(`${messageOf(error)}\n`);
    return EXIT_FAILURE;
  }
}
