// The commands of one session of one agent: sends them as places become free, and settles each exactly once.
import type { CommandKind } from "#common/contract/commands.ts";
import type { CommandResult } from "#common/contract/messages.ts";
import type { Clock } from "#common/runtime/clock.ts";
import type { AgentPeer } from "../agents/agent-watcher.ts";
import { subjects, type Bus } from "../bus.ts";
import { CommandSlots } from "./command-slots.ts";

/** On the bus, `agent.<id>`: JSON. */
export interface AskRequest {
  readonly commandId: string;
  readonly connectionId: string;
  readonly kind: CommandKind;
  readonly body: object;
  readonly timeoutMs: number;
}

export type Undone = "AGENT_OFFLINE" | "OVERLOADED" | "SOURCE_TIMEOUT" | "CANCELLED";
export type AskAnswer = { readonly result: CommandResult } | { readonly undone: Undone };

export interface AgentCommandsDeps {
  readonly bus: Bus;
  readonly clock: Clock;
}

interface Asked {
  wasSent: boolean;
  readonly settle: (answer: AskAnswer) => void;
}

export class AgentCommands {
  readonly peer: AgentPeer;
  readonly #deps: AgentCommandsDeps;
  readonly #slots = new CommandSlots();
  readonly #asked = new Map<string, Asked>();
  readonly #stops: readonly (() => void)[];

  constructor(deps: AgentCommandsDeps, peer: AgentPeer) {
    this.#deps = deps;
    this.peer = peer;
    const { bus } = deps;
    this.#stops = [
      bus.respond(subjects.agent(peer.agentId), (message) => this.#ask(message as AskRequest)),
      bus.subscribe(subjects.cancelCommand(peer.agentId), (id) => this.#cancel(String(id))),
    ];
  }

  result(result: CommandResult): void {
    this.#asked.get(result.command_id)?.settle({ result });
  }

  /** The session is over: who waits is told. */
  close(): void {
    for (const stop of this.#stops) stop();
    // Settling lets the next in line start, which sends into a closed session: nothing.
    for (const { settle } of Array.from(this.#asked.values())) settle({ undone: "AGENT_OFFLINE" });
  }

  #ask(request: AskRequest): Promise<AskAnswer> {
    const { commandId: id, timeoutMs } = request;
    const { clock } = this.#deps;
    const deadlineMs = clock.monotonicMs() + timeoutMs;
    return new Promise((resolve) => {
      const asked: Asked = {
        wasSent: false,
        settle: (answer) => {
          if (!this.#asked.delete(id)) return;
          cancelTimer();
          resolve(answer);
          this.#slots.leave(id);
        },
      };
      const cancelTimer = clock.setTimer(timeoutMs, () => {
        if (asked.wasSent) this.peer.send({ type: "command_cancel", command_id: id });
        asked.settle({ undone: asked.wasSent ? "SOURCE_TIMEOUT" : "OVERLOADED" });
      });
      this.#asked.set(id, asked);
      const start = (): void => {
        asked.wasSent = true;
        const ttl_ms = Math.max(0, Math.ceil(deadlineMs - clock.monotonicMs()));
        const { connectionId: connection_id, kind, body } = request;
        this.peer.send({ type: "command", command_id: id, connection_id, kind, ttl_ms, body });
      };
      if (!this.#slots.enter(id, start)) asked.settle({ undone: "OVERLOADED" });
    });
  }

  #cancel(id: string): void {
    const asked = this.#asked.get(id);
    if (asked === undefined) return;
    if (asked.wasSent) this.peer.send({ type: "command_cancel", command_id: id });
    asked.settle({ undone: "CANCELLED" });
  }
}
