// Watches over new settings for their first minutes: does everything that worked before still work?
import type { Clock } from "#common/runtime/clock.ts";

/** New settings have this long to show that relay and source are reached with them. */
export const TRIAL_MS = 2 * 60_000;
/** So many rows without a single record are verdict enough. */
const HOPELESS_ROWS = 200;

export interface SettingsTrialDeps {
  readonly clock: Clock;
  readonly isOnline: () => boolean;
  /** What worked before: only its loss counts. */
  readonly couldReach: boolean;
  readonly couldRead: boolean;
  /** The room runs with the new settings already, or will when it starts. */
  readonly isRestarted: boolean;
  readonly passed: () => void;
  readonly failed: (reason: string) => void;
}

export class SettingsTrial {
  readonly couldRead: boolean;
  readonly #deps: SettingsTrialDeps;
  readonly #cancel: () => void;
  #isRestarted: boolean;
  #isOpen = false;
  #wasReached = false;
  #accepted = 0;
  #rejected = 0;
  #lastWords = "";

  constructor(deps: SettingsTrialDeps) {
    this.#deps = deps;
    this.couldRead = deps.couldRead;
    this.#isRestarted = deps.isRestarted;
    this.#cancel = deps.clock.setTimer(TRIAL_MS, () => this.#judge());
  }

  end(): void {
    this.#cancel();
  }

  relayReached(): void {
    this.#wasReached = true;
  }

  sourceOpened(): void {
    if (this.#isRestarted) this.#isOpen = true;
  }

  mapped(accepted: number, rejected: number): void {
    if (!this.#isRestarted) return;
    this.#accepted += accepted;
    this.#rejected += rejected;
    if (this.#accepted === 0 && this.#rejected >= HOPELESS_ROWS) this.#fail(this.#rejects());
  }

  roomEnded(detail: string, isMisconfigured: boolean): void {
    if (this.#isRestarted) {
      this.#isOpen = false;
      this.#lastWords = detail;
      if (isMisconfigured && this.couldRead) this.#fail(`the connection cannot run with them: ${detail}`);
    }
    this.#isRestarted = true;
  }

  #judge(): void {
    const { couldReach, isOnline, passed } = this.#deps;
    const withinMinutes = `within ${TRIAL_MS / 60_000} minutes`;
    const words = this.#lastWords === "" ? "" : `; the last that was heard: ${this.#lastWords}`;
    if (this.couldRead && !this.#isOpen)
      this.#fail(`the source, which had been open, was not opened ${withinMinutes}${words}`);
    else if (couldReach && !this.#wasReached && !isOnline())
      this.#fail(`the relay, which had been there, was not reached ${withinMinutes}`);
    else if (this.#accepted === 0 && this.#rejected > 0) this.#fail(this.#rejects());
    else passed();
  }

  #rejects(): string {
    return `none of ${this.#rejected} rows became a record`;
  }

  #fail(reason: string): void {
    this.#cancel();
    this.#deps.failed(reason);
  }
}
