// Keeps one room within its budget: what may be read, and telemetry that gives way when nothing else helps.
import type { BatchCodec } from "#common/contract/batch.ts";
import { KEEP_ACKED_BELOW, SpaceGauge } from "./budget.ts";
import type { RoomBudget, RoomConfig } from "./messages.ts";
import type { Allowance } from "./room-runner.ts";
import type { RoomStore } from "./room-store.ts";
import { relieve } from "./telemetry-policy.ts";

export interface SpaceKeeperDeps {
  readonly policy: RoomConfig["telemetryPolicy"];
  readonly codec: BatchCodec;
  readonly nowMs: () => number;
}

/** Share of the outbox that telemetry gives way down to. */
const RELIEVE_TO = 0.9;

export class SpaceKeeper {
  readonly #deps: SpaceKeeperDeps;
  readonly #gauge = new SpaceGauge();
  budget: RoomBudget;

  constructor(deps: SpaceKeeperDeps, budget: RoomBudget) {
    this.#deps = deps;
    this.budget = budget;
  }

  allowance(store: RoomStore): Allowance {
    return this.#gauge.measure(store.usage(), this.budget);
  }

  /** Below this many bytes of outbox, acknowledged batches are kept for a relay that rewinds. */
  keepBelowBytes(): number {
    return this.budget.outboxBytes * KEEP_ACKED_BELOW;
  }

  /** After each commit: samples are thinned or dropped by the policy, each loss a gap. */
  afterCommit(store: RoomStore): void {
    const { policy, codec, nowMs } = this.#deps;
    if (this.allowance(store).telemetry !== "policy") return;
    const { outboxBytes } = store.usage();
    relieve(store, policy, outboxBytes - this.budget.outboxBytes * RELIEVE_TO, { codec, nowMs });
  }
}
