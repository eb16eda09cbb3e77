// Stands for the plants behind a relay's HTTP side: answers commands as a test says, and remembers them.
import type { CommandResult } from "#common/contract/messages.ts";
import { recordId } from "#common/contract/record-id.ts";
import type { Clock } from "#common/runtime/clock.ts";
import { silentLogger } from "#common/runtime/logger.ts";
import type { Bus } from "#relay/core/bus.ts";
import type {
  CommandCall,
  CommandTarget,
  Handover,
  OperationCarrier,
} from "#relay/core/commands/command-target.ts";
import { OperationJournal } from "#relay/core/operations/operation-journal.ts";
import { Operations } from "#relay/core/operations/operations.ts";
import type { OperationRow } from "#relay/core/operations/operation.ts";
import { Problem } from "#relay/core/problem.ts";
import type { Store } from "#relay/core/store.ts";

export type FakeAnswer = Partial<CommandResult> | Promise<Partial<CommandResult>>;

class FakeCommands implements CommandTarget {
  readonly calls: CommandCall[] = [];
  /** What the plant does; it may throw a Problem. */
  answer: (call: CommandCall) => FakeAnswer = () => ({ outcome: "failed", code: "UNKNOWN_COMMAND" });

  async ask(call: CommandCall): Promise<CommandResult> {
    this.calls.push(call);
    const own = await this.answer(call);
    return { type: "command_result", command_id: call.commandId ?? "cmd_1", outcome: "succeeded", ...own };
  }
}

export interface FakePlants {
  readonly commands: FakeCommands;
  readonly carrier: FakeCarrier;
  readonly journal: OperationJournal;
  readonly operations: Operations;
}

/** What stands between a relay's HTTP side and plants, over the relay's own store. */
export function fakePlants(store: Store, bus: Bus, clock: Clock): FakePlants {
  const commands = new FakeCommands();
  const journal = new OperationJournal({ store, bus, clock, recordId });
  const carrier = new FakeCarrier(commands, journal, store);
  const logger = silentLogger;
  const operations = new Operations({ store, journal, carrier, commands, bus, clock, logger });
  return { commands, carrier, journal, operations };
}

/** Carries operations to the same plants. A Problem AGENT_OFFLINE or OVERLOADED that `answer` throws is what becomes of the handover. */
class FakeCarrier implements OperationCarrier {
  readonly calledOff: string[] = [];
  readonly #commands: FakeCommands;
  readonly #journal: OperationJournal;
  readonly #store: Store;

  constructor(commands: FakeCommands, journal: OperationJournal, store: Store) {
    this.#commands = commands;
    this.#journal = journal;
    this.#store = store;
  }

  async deliver(operation: OperationRow, agentId: string): Promise<Handover> {
    const { workspaceId, connectionId, body, id: commandId } = operation;
    const connection = await this.#store.directory.connection({ workspaceId }, connectionId);
    if (connection === undefined) return "offline";
    const asked = this.#commands.ask({ connection, kind: "write", body, timeoutMs: 1_000, commandId });
    try {
      // A plant that does not answer yet keeps nobody.
      const answer = await Promise.race([asked, soon()]);
      if (answer === undefined) void asked.then(async (late) => this.#journal.result(agentId, late));
      else await this.#journal.result(agentId, answer);
      return "taken";
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      return error.code === "OVERLOADED" ? "overloaded" : "offline";
    }
  }

  callOff(operationId: string): void {
    this.calledOff.push(operationId);
  }

  queued(): void {}
}

function soon(): Promise<undefined> {
  return new Promise((resolve) => {
    setImmediate(() => resolve(undefined));
  });
}
