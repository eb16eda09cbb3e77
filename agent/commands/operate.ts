// The commands that ask a running agent to do something with one connection, and `stop`.
import type { OperateAction } from "#agent/core/control.ts";
import { CONFIG_OPTION, EXIT_OK, type Command } from "./command.ts";

function operateCommand(
  action: OperateAction,
  summary: string,
  details: string,
  done: string,
  takesEntity: boolean,
): Command {
  const name = action.replace("_", "-");
  const entity = {
    name: "entity",
    description: "One entity of it, e.g. purchase_order. Default: all.",
    isRequired: false,
  };
  return {
    name,
    summary,
    details,
    options: { config: CONFIG_OPTION },
    positionals: [
      { name: "connection", description: "Name of the connection.", isRequired: true },
      ...(takesEntity ? [entity] : []),
    ],
    examples: [`millrace-agent ${name} plant-erp${takesEntity ? " purchase_order" : ""}`],
    run: async (args, context) => {
      const { config } = context.loadConfig(args.text("config"));
      const [connection = "", entity] = args.positionals;
      const request = { command: action, connection };
      await context.askAgent(config.dataDir, entity === undefined ? request : { ...request, entity });
      context.out(`${connection}${entity === undefined ? "" : ` ${entity}`}: ${done}\n`);
      return EXIT_OK;
    },
  };
}

export const syncCommand = operateCommand(
  "sync",
  "Look for changes now.",
  "Asks the connection's source for changes at once, instead of at the next poll.",
  "looking for changes now.",
  true,
);

export const resyncCommand = operateCommand(
  "resync",
  "Read a connection, or one entity of it, anew.",
  "Reads everything again from the source. The relay compares: records that are the same make no event.",
  "will be read anew.",
  true,
);

export const confirmDeletesCommand = operateCommand(
  "confirm_deletes",
  "Let a held mass delete go ahead.",
  "When more of an entity's records vanish from the source in one pass than mass_delete_guard allows, their deletes are held and `status` says so. This confirms that they are meant.",
  "the held deletes go ahead.",
  true,
);

export const pauseCommand = operateCommand(
  "pause",
  "Stop reading a connection's source.",
  "Nothing is read until `resume`. What was read already is still delivered.",
  "paused; `millrace-agent resume` goes on.",
  false,
);

export const resumeCommand = operateCommand(
  "resume",
  "Go on reading a paused connection.",
  "Goes on where `pause` stopped; nothing that changed in between is lost.",
  "resumed.",
  false,
);

export const stopCommand: Command = {
  name: "stop",
  summary: "Stop the running agent.",
  details:
    "Asks the agent of this data folder to end cleanly. A service manager may start it again: then use its own tools.",
  options: { config: CONFIG_OPTION },
  positionals: [],
  examples: ["millrace-agent stop"],
  run: async (args, context) => {
    const { config } = context.loadConfig(args.text("config"));
    await context.askAgent(config.dataDir, { command: "stop" });
    context.out("The agent is stopping.\n");
    return EXIT_OK;
  },
};
