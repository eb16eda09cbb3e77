// Sends commands where their connection lives: to its agent, or to the sandbox in the relay itself.
import type { CommandResult } from "#common/contract/messages.ts";
import type { CommandCall, CommandTarget } from "../commands/command-target.ts";

export class CommandRouter implements CommandTarget {
  readonly #agents: CommandTarget;
  readonly #sandboxes: CommandTarget;

  constructor(agents: CommandTarget, sandboxes: CommandTarget) {
    this.#agents = agents;
    this.#sandboxes = sandboxes;
  }

  ask(call: CommandCall): Promise<CommandResult> {
    return (call.connection.kind === "sandbox" ? this.#sandboxes : this.#agents).ask(call);
  }
}
