// Stands for the plants behind a relay's HTTP side: answers commands as a test says, and remembers them.
import type { CommandResult } from "#common/contract/messages.ts";
import type { CommandCall, CommandTarget } from "#relay/core/commands/command-target.ts";

export type FakeAnswer = Partial<CommandResult> | Promise<Partial<CommandResult>>;

export class FakeCommands implements CommandTarget {
  readonly calls: CommandCall[] = [];
  /** What the plant does; it may throw a Problem. */
  answer: (call: CommandCall) => FakeAnswer = () => ({ outcome: "failed", code: "UNKNOWN_COMMAND" });

  async ask(call: CommandCall): Promise<CommandResult> {
    this.calls.push(call);
    const own = await this.answer(call);
    return { type: "command_result", command_id: call.commandId ?? "cmd_1", outcome: "succeeded", ...own };
  }
}
