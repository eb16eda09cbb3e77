// How sandboxes are made to be for a while: away, refused, slow, failing. Kept in memory; a restart heals them.
import type { Clock } from "#common/runtime/clock.ts";

export const SANDBOX_STATES = [
  "online",
  "agent_offline",
  "source_offline",
  "reauthorization_required",
  "degraded",
] as const;
export type SandboxState = (typeof SANDBOX_STATES)[number];

export interface Condition {
  readonly state: SandboxState;
  /** Before every answer. */
  readonly delayMs: number;
  /** Share of commands that fail as if the source did not answer; 0 to 1. */
  readonly errorRate: number;
  /** When it is over; undefined: it is the usual one. */
  readonly untilMs: number | undefined;
}

export const USUAL: Condition = { state: "online", delayMs: 0, errorRate: 0, untilMs: undefined };
/** Sandboxes that can be in a condition of their own at once; the oldest one heals beyond it. */
const MAX_CONDITIONS = 1_000;

export class SandboxConditions {
  readonly #clock: Clock;
  readonly #conditions = new Map<string, Condition>();
  readonly #healed: (connectionId: string) => void;

  /** `healed` is called when a condition's time is over. */
  constructor(clock: Clock, healed: (connectionId: string) => void) {
    this.#clock = clock;
    this.#healed = healed;
  }

  of(connectionId: string): Condition {
    const condition = this.#conditions.get(connectionId) ?? USUAL;
    const { untilMs } = condition;
    return untilMs !== undefined && untilMs <= this.#clock.nowMs() ? USUAL : condition;
  }

  set(connectionId: string, condition: Omit<Condition, "untilMs">, forMs: number): Condition {
    const own = { ...condition, untilMs: this.#clock.nowMs() + forMs };
    this.#conditions.delete(connectionId);
    this.#conditions.set(connectionId, own);
    this.#clock.setTimer(forMs, () => {
      if (this.#conditions.get(connectionId) === own) this.clear(connectionId);
    });
    const oldest = this.#conditions.keys().next().value;
    if (this.#conditions.size > MAX_CONDITIONS && oldest !== undefined) this.clear(oldest);
    return own;
  }

  clear(connectionId: string): void {
    if (this.#conditions.delete(connectionId)) this.#healed(connectionId);
  }
}
