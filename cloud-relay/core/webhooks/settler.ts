// Writes down what attempts came to, those that end at the same time in one transaction.
import { sleep, type Clock } from "#common/runtime/clock.ts";
import { messageOf } from "#common/runtime/errors.ts";
import type { Logger } from "#common/runtime/logger.ts";
import { subjects, type Bus } from "../bus.ts";
import { StoreFullError } from "../store.ts";
import { exhaustedAlert, type Alert } from "./alerts.ts";
import type { DeliveryRow } from "./delivery.ts";
import type { EndpointRow } from "./endpoint.ts";
import type { SettledEndpoint, Settlement, Settling, WebhookStore } from "./webhook-store.ts";

/** An attempt that is over. */
export interface Ended {
  readonly endpoint: EndpointRow;
  readonly delivery: DeliveryRow;
  readonly settlement: Settlement;
  readonly settled: SettledEndpoint;
  readonly alerts: readonly Alert[];
}

export interface SettlerDeps {
  readonly webhooks: Pick<WebhookStore, "settle">;
  readonly bus: Bus;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Whether further attempts are under way, so that their outcomes may share a commit. */
  readonly isBusy: () => boolean;
}

interface Waiting {
  readonly ended: Ended;
  readonly resolve: () => void;
}

const MAX_GROUP = 500;
/** While more are under way, outcomes wait so long for each other: a commit costs more than all they write. */
const GATHER_MS = 5;
const RETRY_FIRST_MS = 500;
const RETRY_CAP_MS = 15_000;
/** After so many tries one attempt's outcome is let go: its delivery is still due, and will be made again. */
const GIVE_UP_AFTER = 5;

export class Settler {
  readonly #deps: SettlerDeps;
  #waiting: Waiting[] = [];
  #isWorking = false;
  #pending = 0;

  constructor(deps: SettlerDeps) {
    this.#deps = deps;
  }

  /** Outcomes that are not durable yet. */
  get pending(): number {
    return this.#pending;
  }

  /** Resolves when it is durable, or given up (logged); never rejects. */
  settle(ended: Ended): Promise<void> {
    this.#pending += 1;
    return new Promise((resolve) => {
      this.#waiting.push({ ended, resolve });
      if (!this.#isWorking) void this.#work();
    });
  }

  async #work(): Promise<void> {
    this.#isWorking = true;
    // What ends in this very turn goes along.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      if (this.#deps.isBusy() && this.#waiting.length < MAX_GROUP) await sleep(this.#deps.clock, GATHER_MS);
      const group = this.#waiting.splice(0, MAX_GROUP);
      await this.#write(group);
    }
    this.#isWorking = false;
  }

  async #write(group: readonly Waiting[]): Promise<void> {
    const { clock, logger } = this.#deps;
    for (let failures = 1; ; failures += 1) {
      try {
        await this.#commit(group.map(({ ended }) => ended));
        break;
      } catch (error) {
        logger.error(
          { outcomes: group.length },
          `webhooks: outcomes could not be stored: ${messageOf(error)}`,
        );
        // Where the disk is full nothing else would help; otherwise one of them may be what the store chokes on.
        const mayGiveUp = !(error instanceof StoreFullError);
        if (mayGiveUp && group.length > 1) {
          for (const one of group) await this.#write([one]);
          return;
        }
        if (mayGiveUp && failures >= GIVE_UP_AFTER) break;
        await sleep(clock, Math.min(RETRY_CAP_MS, RETRY_FIRST_MS * 2 ** Math.min(failures - 1, 10)));
      }
    }
    for (const { resolve } of group) {
      this.#pending -= 1;
      resolve();
    }
  }

  async #commit(group: readonly Ended[]): Promise<void> {
    const { webhooks, bus } = this.#deps;
    const settling = settlingOf(group);
    await webhooks.settle(settling);
    const told = [...settling.events, ...settling.endpoints.flatMap(({ events = [] }) => events)];
    for (const workspaceId of new Set(told.map((event) => event.workspaceId)))
      bus.publish(subjects.feed(workspaceId), 1);
  }
}

/** The newest health holds, of the newest round; that it is disabled in that round stays said. */
function newest(before: SettledEndpoint | undefined, { settled, alerts }: Ended): SettledEndpoint {
  const { round } = settled.health;
  if (before !== undefined && before.health.round > round) return before;
  const same = before?.health.round === round ? before : undefined;
  const disabled = settled.disabled ?? same?.disabled;
  const events = [...(same?.events ?? []), ...alerts];
  return { ...settled, events, ...(disabled === undefined ? {} : { disabled }) };
}

function settlingOf(group: readonly Ended[]): Settling {
  const endpoints = new Map<string, SettledEndpoint>();
  const exhausted = new Map<string, Ended[]>();
  const events: Alert[] = [];
  for (const ended of group) {
    const { settlement, settled } = ended;
    endpoints.set(settled.endpointId, newest(endpoints.get(settled.endpointId), ended));
    if (settlement.state !== "exhausted") continue;
    const known = exhausted.get(settled.endpointId);
    if (known === undefined) exhausted.set(settled.endpointId, [ended]);
    else known.push(ended);
  }
  for (const ended of exhausted.values()) {
    const [first] = ended;
    const deliveries = ended.map(({ delivery }) => delivery);
    const told = first && exhaustedAlert(first.endpoint, deliveries, first.settlement.attempt.atMs);
    if (told !== undefined) events.push(told);
  }
  return {
    settlements: group.map(({ settlement }) => settlement),
    endpoints: [...endpoints.values()],
    events,
  };
}
