// The commands of one session of one agent: sends them as places become free, and settles each exactly once.
import type { CommandKind, WriteBody } from "#common/contract/commands.ts";
import type { CommandResult, CommandState } from "#common/contract/messages.ts";
import type { Clock } from "#common/runtime/clock.ts";
import type { AgentPeer } from "../agents/agent-watcher.ts";
import { subjects, type Bus } from "../bus.ts";
import type { OperationRow } from "../operations/operation.ts";
import type { Handover } from "./command-target.ts";
import { CommandSlots } from "./command-slots.ts";

/** On the bus, `agent.<id>`: JSON. */
export interface AskRequest {
  readonly type: "ask";
  readonly commandId: string;
  readonly connectionId: string;
  readonly kind: CommandKind;
  readonly body: object;
  readonly timeoutMs: number;
  readonly traceparent?: string | undefined;
}

/** An operation that is durable already: its result goes to the journal, not to whoever handed it over. */
export interface DeliverRequest {
  readonly type: "deliver";
  readonly id: string;
  readonly connectionId: string;
  readonly body: WriteBody;
  readonly expiresAtMs: number;
  /** It may wait until its source is open. */
  readonly mayQueue: boolean;
  readonly traceparent?: string | undefined;
}

export function requestOf(operation: OperationRow): DeliverRequest {
  const { id, connectionId, body, expiresAtMs, mayQueue, traceparent } = operation;
  return { type: "deliver", id, connectionId, body, expiresAtMs, mayQueue, traceparent };
}

export type Undone = "AGENT_OFFLINE" | "OVERLOADED" | "SOURCE_TIMEOUT" | "CANCELLED";
export type AskAnswer = { readonly result: CommandResult } | { readonly undone: Undone };
export type DeliverAnswer = { readonly handover: Handover };

/** What becomes of operations that were handed over. Rejections are the caller's: they are logged. */
export interface DeliveryNotes {
  /** Certainly not sent: the session ended first. */
  unsent(id: string): Promise<void>;
  /** Certainly not sent: its time ended first. */
  expired(id: string): Promise<void>;
  delivered(id: string): Promise<void>;
  cancelled(id: string): Promise<void>;
}

export interface AgentCommandsDeps {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly notes: DeliveryNotes;
  /** Operations of the connection wait. */
  readonly queued: (connectionId: string) => void;
  /** Called with what a note rejected with. */
  readonly failed: (error: unknown) => void;
}

interface Asked {
  wasSent: boolean;
  readonly settle: (answer: AskAnswer) => void;
}

interface Delivery {
  wasSent: boolean;
  /** It has its result, waits at the plant, or the session is over. */
  readonly done: Promise<void>;
  readonly settle: () => void;
}

/** A write that says nothing for this long gives its place to another; its result is still awaited. */
const WRITE_PLACE_MS = 120_000;
/** A write that is answered sooner is never shown as delivered. */
const DELIVERED_AFTER_MS = 250;

export class AgentCommands {
  readonly peer: AgentPeer;
  readonly #deps: AgentCommandsDeps;
  readonly #slots = new CommandSlots();
  readonly #asked = new Map<string, Asked>();
  readonly #deliveries = new Map<string, Delivery>();
  readonly #stops: readonly (() => void)[];
  /** Connections whose source was open in this session. */
  readonly #ready = new Set<string>();
  #isClosed = false;

  constructor(deps: AgentCommandsDeps, peer: AgentPeer) {
    this.#deps = deps;
    this.peer = peer;
    const { bus } = deps;
    this.#stops = [
      bus.respond(subjects.agent(peer.agentId), (message) =>
        this.#requested(message as AskRequest | DeliverRequest),
      ),
      bus.subscribe(subjects.cancelCommand(peer.agentId), (id) => this.#cancel(String(id))),
      bus.subscribe(subjects.queued(peer.agentId), (id) => deps.queued(String(id))),
    ];
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Its source is open. */
  ready(connectionId: string): void {
    this.#ready.add(connectionId);
  }

  isReady(connectionId: string): boolean {
    return this.#ready.has(connectionId) && !this.#isClosed;
  }

  result(result: CommandResult): void {
    this.#asked.get(result.command_id)?.settle({ result });
    this.#deliveries.get(result.command_id)?.settle();
  }

  /** What waits at the plant leaves its place to others. */
  state({ command_id: id, state }: CommandState): void {
    if (state !== "executing") this.#deliveries.get(id)?.settle();
  }

  /**
   * Sends an operation again that an earlier session may have sent, or one that waited for the agent. Resolves when the
   * next of its connection may follow.
   */
  again(request: DeliverRequest, mayHaveBeenSent: boolean): Promise<void> {
    return this.#deliver(request, mayHaveBeenSent, true)?.done ?? Promise.resolve();
  }

  /** The session is over: who waits is told. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const stop of this.#stops) stop();
    for (const { settle } of Array.from(this.#asked.values())) settle({ undone: "AGENT_OFFLINE" });
    for (const [id, { wasSent, settle }] of Array.from(this.#deliveries)) {
      if (!wasSent) this.#note(this.#deps.notes.unsent(id));
      settle();
    }
  }

  async #requested(request: AskRequest | DeliverRequest): Promise<AskAnswer | DeliverAnswer> {
    if (request.type === "ask") return this.#ask(request);
    if (request.mayQueue && !this.isReady(request.connectionId)) return { handover: "offline" };
    return { handover: this.#deliver(request, false, false) === undefined ? "overloaded" : "taken" };
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
        // Places that become free while the session ends are nobody's.
        if (this.#isClosed) return;
        asked.wasSent = true;
        const ttl_ms = Math.max(0, Math.ceil(deadlineMs - clock.monotonicMs()));
        this.#send(request, id, request.kind, ttl_ms);
      };
      if (!this.#slots.enter(id, start)) asked.settle({ undone: "OVERLOADED" });
    });
  }

  /** Undefined: the line is full. */
  #deliver(request: DeliverRequest, mayHaveBeenSent: boolean, isPatient: boolean): Delivery | undefined {
    const { id } = request;
    const known = this.#deliveries.get(id);
    if (known !== undefined) return known;
    const timers: (() => void)[] = [];
    const { promise: done, resolve } = Promise.withResolvers<void>();
    const delivery: Delivery = {
      wasSent: mayHaveBeenSent,
      done,
      settle: () => {
        if (!this.#deliveries.delete(id)) return;
        for (const cancel of timers) cancel();
        resolve();
        this.#slots.leave(id);
      },
    };
    this.#deliveries.set(id, delivery);
    const start = (): void => {
      if (this.#isClosed) return;
      const ttl_ms = Math.max(0, Math.floor(request.expiresAtMs - this.#deps.clock.nowMs()));
      if (ttl_ms === 0 && !delivery.wasSent) {
        this.#note(this.#deps.notes.expired(id));
        delivery.settle();
        return;
      }
      delivery.wasSent = true;
      this.#send(request, id, "write", ttl_ms);
      const { clock, notes } = this.#deps;
      timers.push(
        clock.setTimer(DELIVERED_AFTER_MS, () => this.#note(notes.delivered(id))),
        clock.setTimer(WRITE_PLACE_MS, () => delivery.settle()),
      );
    };
    if (this.#slots.enter(id, start, isPatient)) return delivery;
    delivery.settle();
    return undefined;
  }

  #send(request: AskRequest | DeliverRequest, id: string, kind: CommandKind, ttl_ms: number): void {
    const { connectionId: connection_id, body, traceparent } = request;
    const trace = traceparent === undefined ? {} : { traceparent };
    this.peer.send({ type: "command", command_id: id, connection_id, kind, ttl_ms, body, ...trace });
  }

  #cancel(id: string): void {
    const asked = this.#asked.get(id);
    const delivery = this.#deliveries.get(id);
    if (delivery?.wasSent === false) {
      this.#note(this.#deps.notes.cancelled(id));
      delivery.settle();
      return;
    }
    // Also what is not known here: it may wait at the plant.
    if (asked?.wasSent !== false) this.peer.send({ type: "command_cancel", command_id: id });
    asked?.settle({ undone: "CANCELLED" });
  }

  #note(noting: Promise<void>): void {
    noting.catch(this.#deps.failed);
  }
}
