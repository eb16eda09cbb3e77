// One endpoint that this process holds: what of it is waiting, under way or not yet written down, and whether more may begin.
import type { DeliveryRow } from "./delivery.ts";
import type { EndpointHealth, EndpointRow } from "./endpoint.ts";
import type { Standing } from "./places.ts";
import type { StoredEndpoint } from "./webhook-store.ts";

/** Deliveries fetched ahead, per place of the endpoint, as long as it takes them. */
const AHEAD_PER_PLACE = 8;
/** Looks for what has fallen due meanwhile are no closer to each other. */
const LOOK_AGAIN_MS = 500;

export class Lane {
  readonly endpointId: string;
  readonly standing: Standing;
  row: EndpointRow;
  health: EndpointHealth;
  /** Monotonic: when the row was last read, and the lease taken or renewed. */
  readAtMs: number;
  leasedAtMs: number;
  /** Fetched, and not begun. */
  readonly waiting: DeliveryRow[] = [];
  /** Begun, and not yet durable: by delivery id, the record it is about. */
  readonly underWay = new Map<string, string | undefined>();
  isFetching = false;
  /** In line for a place, or waiting for its pace. */
  isQueued = false;
  /** The lease was lost, or the endpoint is gone: what is under way ends, nothing begins. */
  isClosed = false;
  #mayHaveMore = true;
  #fetchedAtMs = Number.NEGATIVE_INFINITY;

  constructor(stored: StoredEndpoint, standing: Standing, monotonicMs: number) {
    this.endpointId = stored.row.id;
    this.row = stored.row;
    this.health = stored.health;
    this.standing = standing;
    this.readAtMs = monotonicMs;
    this.leasedAtMs = monotonicMs;
  }

  /** Whether nothing may begin, whatever is due. */
  isShut(nowMs: number): boolean {
    return this.isClosed || this.row.disabled !== undefined || (this.health.parkedUntilMs ?? 0) > nowMs;
  }

  /** Whether a delivery that waits could begin if there is a place. */
  canBegin(nowMs: number): boolean {
    return this.waiting.length > 0 && this.standing.taken < this.#places && !this.isShut(nowMs);
  }

  /** Whether the store should be asked for more. */
  shouldFetch(nowMs: number, monotonicMs: number): boolean {
    if (this.isFetching || this.waiting.length > 0 || this.isShut(nowMs)) return false;
    if (this.standing.taken >= this.#places) return false;
    return this.#mayHaveMore || monotonicMs - this.#fetchedAtMs >= LOOK_AGAIN_MS;
  }

  /** Whether it can be given back: nothing under way, and nothing more to do for now. */
  isIdle(nowMs: number): boolean {
    if (this.isFetching || this.underWay.size > 0) return false;
    return this.isShut(nowMs) || (this.waiting.length === 0 && !this.#mayHaveMore);
  }

  /** A suspect is asked for one at a time: its next one may have to wait long. */
  get fetchLimit(): number {
    return this.standing.trust === "proven" ? this.#places * AHEAD_PER_PLACE : 1;
  }

  /** Deliveries were published, or one of an ordered endpoint is done: there may be more. */
  expectMore(): void {
    this.#mayHaveMore = true;
  }

  fetched(due: readonly DeliveryRow[], limit: number, monotonicMs: number): void {
    this.#fetchedAtMs = monotonicMs;
    this.#mayHaveMore = due.length >= limit;
    for (const one of due) if (this.#isFree(one)) this.waiting.push(one);
  }

  /** The next one, as under way. */
  begin(): DeliveryRow | undefined {
    const next = this.waiting.shift();
    if (next !== undefined) this.underWay.set(next.id, next.recordId);
    return next;
  }

  /** It is durable. In order, the record's next one may follow. */
  done(deliveryId: string): void {
    this.underWay.delete(deliveryId);
    if (this.row.ordering === "record") this.#mayHaveMore = true;
  }

  /** As it stands in the store; undefined: it is gone. Its health is the store's where somebody has changed the row. */
  refresh(stored: StoredEndpoint | undefined, monotonicMs: number): void {
    this.readAtMs = monotonicMs;
    if (stored === undefined) {
      this.isClosed = true;
      return;
    }
    if (stored.row.updatedAtMs !== this.row.updatedAtMs) this.health = stored.health;
    this.row = stored.row;
    this.standing.width = Math.min(this.standing.width, this.row.atOnce);
  }

  get #places(): number {
    return this.health.breaker === "open" ? 1 : this.standing.width;
  }

  #isFree({ id, recordId }: DeliveryRow): boolean {
    if (this.underWay.has(id)) return false;
    if (this.row.ordering !== "record" || recordId === undefined) return true;
    return ![...this.underWay.values()].includes(recordId);
  }
}
