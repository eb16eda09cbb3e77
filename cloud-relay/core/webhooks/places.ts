// Who may send how much at once: places in all, places per endpoint, and how fast. One that fails or is slow gets one place
// at a time, and all of those together no more than half of the places; one that nobody knows yet begins with one.

import { AttemptWindow } from "./breaker.ts";
import type { EndpointHealth } from "./endpoint.ts";

/** Attempts under way at once, in this process. */
const MAX_PLACES = 512;
/** Suspects begin as long as fewer of them are at it. */
const SUSPECT_PLACES = MAX_PLACES / 2;
/** New ones as well, and leave a quarter of all to those that are proven. */
const NEW_PLACES = MAX_PLACES / 4;
const UNPROVEN_PLACES = (MAX_PLACES * 3) / 4;
/** An answer that takes longer makes its endpoint one of the slow. */
export const SLOW_MS = 2_000;
/** Endpoints whose standing is remembered; the one that was not seen for longest goes first. */
const MAX_STANDINGS = 20_000;
/** A throttled endpoint gets at least so many deliveries a second, and is free again above the other. */
const PACE_FLOOR = 0.5;
const PACE_FREE = 100;
/** What a throttled endpoint is taken to have borne if its own pace is not known, deliveries a second. */
const PACE_GUESS = 20;
const PACE_GROWTH = 1.1;

/** `proven`: its last attempt was answered well and soon. `suspect`: it was not. */
export type Trust = "proven" | "new" | "suspect";

/** How an endpoint fares, as this process has seen it. */
export interface Standing {
  readonly endpointId: string;
  trust: Trust;
  /** Places that it may hold now; at most the endpoint's own limit. */
  width: number;
  taken: number;
  /** Deliveries a second after throttling; undefined: as many as it takes. */
  pace: number | undefined;
  /** Monotonic: no attempt begins before. */
  notBeforeMs: number;
  readonly window: AttemptWindow;
}

/** Held by one attempt. */
export interface Place {
  readonly standing: Standing;
  countsAs: Trust;
}

export class Places {
  readonly #standings = new Map<string, Standing>();
  readonly #taken: Record<Trust, number> = { proven: 0, new: 0, suspect: 0 };

  get taken(): number {
    return this.#taken.proven + this.#taken.new + this.#taken.suspect;
  }

  get takenBySuspects(): number {
    return this.#taken.suspect;
  }

  /** `health`: where it starts if nothing is remembered of it. */
  standing(endpointId: string, health: EndpointHealth, atOnce: number): Standing {
    const known = this.#standings.get(endpointId);
    if (known !== undefined) {
      this.#standings.delete(endpointId);
      this.#standings.set(endpointId, known);
      return known;
    }
    const trust = trustOf(health);
    const standing: Standing = {
      endpointId,
      trust,
      width: trust === "proven" ? atOnce : 1,
      taken: 0,
      pace: undefined,
      notBeforeMs: Number.NEGATIVE_INFINITY,
      window: new AttemptWindow(),
    };
    this.#standings.set(endpointId, standing);
    this.#forget();
    return standing;
  }

  /** Whether an endpoint of this kind may begin an attempt now. */
  hasRoom(trust: Trust): boolean {
    if (trust === "proven") return this.taken < MAX_PLACES;
    if (this.taken >= UNPROVEN_PLACES) return false;
    return trust === "new" ? this.#taken.new < NEW_PLACES : this.#taken.suspect < SUSPECT_PLACES;
  }

  /** Held until `free`. Also beyond the limits, for what somebody waits for. */
  take(standing: Standing): Place {
    this.#taken[standing.trust] += 1;
    standing.taken += 1;
    return { standing, countsAs: standing.trust };
  }

  /** The attempt takes long: its place is one of the suspects' from now on. */
  lasts(place: Place): void {
    this.#taken[place.countsAs] -= 1;
    this.#taken.suspect += 1;
    place.countsAs = "suspect";
    doubt(place.standing);
  }

  free({ standing, countsAs }: Place): void {
    this.#taken[countsAs] -= 1;
    standing.taken -= 1;
  }

  #forget(): void {
    if (this.#standings.size <= MAX_STANDINGS) return;
    for (const [id, { taken }] of this.#standings) {
      if (taken > 0) continue;
      this.#standings.delete(id);
      return;
    }
  }
}

export interface Conduct {
  readonly isFailure: boolean;
  readonly isThrottled: boolean;
  /** Until the answer was there. */
  readonly tookMs: number;
}

/** Draws the lesson of one attempt. */
export function learn(standing: Standing, conduct: Conduct, atOnce: number): void {
  const { isFailure, isThrottled, tookMs } = conduct;
  if (isThrottled) standing.pace = Math.max(PACE_FLOOR, (standing.pace ?? PACE_GUESS) / 2);
  if (isFailure || tookMs >= SLOW_MS) {
    doubt(standing);
    return;
  }
  standing.trust = "proven";
  standing.width = Math.min(atOnce, standing.width + 1);
  if (standing.pace === undefined) return;
  standing.pace *= PACE_GROWTH;
  if (standing.pace > PACE_FREE) standing.pace = undefined;
}

/** ms until its next attempt may begin, by its own limit and what throttling has left of it; 0: now. Counts one that begins now. */
export function paceWaitMs(standing: Standing, perSecond: number | undefined, monotonicMs: number): number {
  const pace = Math.min(perSecond ?? Number.POSITIVE_INFINITY, standing.pace ?? Number.POSITIVE_INFINITY);
  if (pace === Number.POSITIVE_INFINITY) return 0;
  const waitMs = standing.notBeforeMs - monotonicMs;
  if (waitMs > 0) return waitMs;
  // A late start does not make up for what was not sent: the receiver's limit holds for every second.
  standing.notBeforeMs = monotonicMs + 1_000 / pace;
  return 0;
}

function doubt(standing: Standing): void {
  standing.trust = "suspect";
  standing.width = 1;
}

function trustOf({ consecutiveFailures, lastSuccessAtMs }: EndpointHealth): Trust {
  if (consecutiveFailures > 0) return "suspect";
  return lastSuccessAtMs === undefined ? "new" : "proven";
}
