// The commands by which people at the plant decide about the relay's writes: list, approve, reject, halt.
import { entryText } from "./command-list.ts";
import type { HaltedPart, JournalEntry } from "#agent/core/commands/journal.ts";
import type { ControlRequest } from "#agent/core/control.ts";
import { MillraceError } from "#common/runtime/errors.ts";
import { CONFIG_OPTION, EXIT_OK, type Command, type CommandContext } from "./command.ts";

const ID = {
  name: "id",
  description: "Id of the command, as `millrace-agent commands` shows it.",
  isRequired: true,
};

export const commandsCommand: Command = {
  name: "commands",
  summary: "List the relay's writes: what waits for approval, what is under way, what was done.",
  details:
    "Shows writes that are held for approval, wait for their hours, are under way, or are done and not yet confirmed by the relay; then the last ones that are settled. With the values that are to be written.",
  options: {
    connection: { type: "string", value: "<name>", description: "Only those of one connection." },
    json: { type: "boolean", description: "Print JSON." },
    config: CONFIG_OPTION,
  },
  positionals: [],
  examples: ["millrace-agent commands", "millrace-agent commands --connection plant-erp --json"],
  run: async (args, context) => {
    const { config } = context.loadConfig(args.text("config"));
    const all = (await context.askAgent(config.dataDir, { command: "commands" })) as readonly JournalEntry[];
    const connection = args.text("connection");
    const shown = connection === undefined ? all : all.filter((entry) => entry.connection === connection);
    if (args.has("json")) context.out(`${JSON.stringify(shown)}\n`);
    else context.out(shown.length === 0 ? "No commands.\n" : shown.map(entryText).join(""));
    return EXIT_OK;
  },
};

export const approveCommand: Command = {
  name: "approve",
  summary: "Let a held write go ahead.",
  details: "It is done at once, or in its hours where it has such. Your name goes into the audit trail.",
  options: { config: CONFIG_OPTION },
  positionals: [ID],
  examples: ["millrace-agent approve cmd_8hq2"],
  run: async (args, context) => {
    const { config } = context.loadConfig(args.text("config"));
    const [id = ""] = args.positionals;
    await context.askAgent(config.dataDir, { command: "approve", id, by: context.userName });
    context.out(`${id}: approved.\n`);
    return EXIT_OK;
  },
};

export const rejectCommand: Command = {
  name: "reject",
  summary: "Refuse a held write.",
  details:
    "Whoever asked for it is told, with the reason if you give one. Your name goes into the audit trail.",
  options: {
    reason: { type: "string", value: "<text>", description: "What whoever asked is told." },
    config: CONFIG_OPTION,
  },
  positionals: [ID],
  examples: ['millrace-agent reject cmd_8hq2 --reason "the line is running"'],
  run: async (args, context) => {
    const { config } = context.loadConfig(args.text("config"));
    const [id = ""] = args.positionals;
    const reason = args.text("reason");
    const request = { command: "reject", id, by: context.userName } as const;
    await context.askAgent(config.dataDir, reason === undefined ? request : { ...request, reason });
    context.out(`${id}: rejected.\n`);
    return EXIT_OK;
  },
};

function haltingCommand(command: "halt" | "unhalt", words: Pick<Command, "summary" | "details">): Command {
  return {
    name: command,
    ...words,
    options: { config: CONFIG_OPTION },
    positionals: [{ name: "what", description: "writes or egress", isRequired: true }],
    examples: [`millrace-agent ${command} writes`, `millrace-agent ${command} egress`],
    run: async (args, context) => {
      const [what] = args.positionals;
      if (what !== "writes" && what !== "egress")
        throw new MillraceError(`${command} what? millrace-agent ${command} writes, or ${command} egress`);
      const { config } = context.loadConfig(args.text("config"));
      const isNow = await haltNowOrLater(context, config.dataDir, {
        command,
        part: what,
        by: context.userName,
      });
      const done =
        command === "halt" ? `halted: millrace-agent unhalt ${what} allows it again.` : "allowed again.";
      context.out(
        `${what}: ${done}${isNow ? "" : " The agent does not run; it holds from its next start on."}\n`,
      );
      return EXIT_OK;
    },
  };
}

export const haltCommand = haltingCommand("halt", {
  summary: "Stop all writes of the relay, or everything that leaves the plant.",
  details:
    "`halt writes`: what waits is refused, what is at the source and not committed yet is called off, nothing new is taken. `halt egress`: the connection to the relay is closed and stays so; sources are read all the same, and the outbox keeps everything. In effect at once; a restart does not end it.",
});

export const unhaltCommand = haltingCommand("unhalt", {
  summary: "Allow again what `halt` has stopped.",
  details: "Writes are taken again, or the agent connects to the relay again and delivers what it has kept.",
});

type HaltRequest = Extract<ControlRequest, { readonly part: HaltedPart }>;

/** An agent that does not run finds it written down. False: it does not run. */
async function haltNowOrLater(
  context: CommandContext,
  dataDir: string,
  request: HaltRequest,
): Promise<boolean> {
  try {
    await context.askAgent(dataDir, request);
    return true;
  } catch (error) {
    if ((error as { isNotRunning?: boolean }).isNotRunning !== true) throw error;
  }
  using _lock = context.lockDataDir(dataDir);
  using database = context.openDatabase(dataDir);
  const { command, part, by } = request;
  const isHalted = command === "halt";
  const event = isHalted ? "halted" : "unhalted";
  database.journal.commit({
    halts: { [part]: isHalted },
    facts: [{ atMs: Date.now(), event, connection: "", detail: { part, by } }],
  });
  return false;
}
