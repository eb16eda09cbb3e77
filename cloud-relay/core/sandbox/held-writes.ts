// Writes that wait at a sandbox's imagined plant: until somebody approves or rejects them, the time comes, or they are called off.
import { sleep, type Clock } from "#common/runtime/clock.ts";
import { subjects, type Bus } from "../bus.ts";
import type { OperationJournal } from "../operations/operation-journal.ts";
import type { OperationStore } from "../operations/operation-store.ts";
import { SandboxFailure } from "./command-failure.ts";

export interface HeldDeps {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly journal: OperationJournal;
  readonly operations: OperationStore;
}

/** Somebody at the imagined plant approves what nobody decided on. */
export const APPROVED_AFTER_MS = 20_000;
/** The window opens so long after a write came for it. */
const WINDOW_OPENS_AFTER_MS = 5_000;

interface Held {
  readonly connectionId: string;
  readonly decide: (isApproved: boolean) => void;
}

export class HeldWrites {
  readonly #deps: HeldDeps;
  readonly #held = new Map<string, Held>();

  constructor(deps: HeldDeps) {
    this.#deps = deps;
  }

  /** Commands of one connection that wait for approval, oldest first. */
  of(connectionId: string): readonly string[] {
    return [...this.#held].filter(([, held]) => held.connectionId === connectionId).map(([id]) => id);
  }

  /** False when the connection has no such write waiting. */
  decide(connectionId: string, id: string, isApproved: boolean): boolean {
    const held = this.#held.get(id);
    if (held?.connectionId !== connectionId) return false;
    held.decide(isApproved);
    return true;
  }

  /** Resolves when it may go on. @throws SandboxFailure REJECTED_AT_PLANT, CANCELLED, EXPIRED */
  async approval(id: string, connectionId: string, timeoutMs: number): Promise<void> {
    const over = new AbortController();
    let isApproved: boolean | undefined;
    const decide = (verdict: boolean): void => {
      isApproved = verdict;
      over.abort();
    };
    this.#held.set(id, { connectionId, decide });
    try {
      const detail =
        "Somebody at the plant must approve it. In a sandbox that is done by itself after 20 seconds.";
      await this.#deps.journal.waits(id, "held", detail);
      await this.#wait(id, Math.min(timeoutMs, APPROVED_AFTER_MS), over);
    } finally {
      this.#held.delete(id);
    }
    if (isApproved === false) throw new SandboxFailure("REJECTED_AT_PLANT", "Somebody at the plant said no.");
    if (isApproved === undefined && timeoutMs < APPROVED_AFTER_MS) throw expired();
  }

  /** @throws SandboxFailure CANCELLED, EXPIRED */
  async window(id: string, timeoutMs: number): Promise<void> {
    const detail = "It waits for its window. In a sandbox that opens after 5 seconds.";
    await this.#deps.journal.waits(id, "waiting_window", detail);
    await this.#wait(id, Math.min(timeoutMs, WINDOW_OPENS_AFTER_MS), new AbortController());
    if (timeoutMs < WINDOW_OPENS_AFTER_MS) throw expired();
  }

  /** Until the time or `over`; the caller may call it off meanwhile. */
  async #wait(id: string, waitMs: number, over: AbortController): Promise<void> {
    const { bus, clock, operations } = this.#deps;
    let isCancelled = false;
    const look = async (): Promise<void> => {
      const row = await operations.byId(id);
      if (row?.isCancelling !== true) return;
      isCancelled = true;
      over.abort();
    };
    const stop = bus.subscribe(subjects.operation(id), () => void look().catch(() => undefined));
    try {
      await look();
      await sleep(clock, waitMs, over.signal);
    } finally {
      stop();
    }
    if (isCancelled)
      throw new SandboxFailure(
        "CANCELLED",
        "It was cancelled before it began; nothing was written. Send it again if it is still wanted.",
      );
  }
}

function expired(): SandboxFailure {
  return new SandboxFailure(
    "EXPIRED",
    "Its time ended while it waited; nothing was written. Send it again, with a longer `ttl`.",
  );
}
