// Slows down who guesses passwords: failures of an address, and from a machine, within a sliding quarter of an hour.

const WINDOW_MS = 15 * 60_000;
const MAX_FAILURES_OF_USER = 10;
const MAX_FAILURES_FROM_PLACE = 50;
/** Names remembered at once; beyond it the oldest is forgotten. */
const MAX_NAMES = 10_000;

export class SignInGuard {
  readonly #failures = new Map<string, number[]>();

  /** How long to wait, ms; 0: it may be tried now. */
  waitMs(email: string, place: string, nowMs: number): number {
    return Math.max(
      this.#waitOf(`user ${email}`, MAX_FAILURES_OF_USER, nowMs),
      this.#waitOf(`place ${place}`, MAX_FAILURES_FROM_PLACE, nowMs),
    );
  }

  failed(email: string, place: string, nowMs: number): void {
    this.#note(`user ${email}`, nowMs);
    this.#note(`place ${place}`, nowMs);
  }

  succeeded(email: string): void {
    this.#failures.delete(`user ${email}`);
  }

  #waitOf(name: string, most: number, nowMs: number): number {
    const recent = this.#recent(name, nowMs);
    const first = recent.at(-most);
    return first === undefined ? 0 : first + WINDOW_MS - nowMs;
  }

  #note(name: string, nowMs: number): void {
    const recent = [...this.#recent(name, nowMs), nowMs].slice(-MAX_FAILURES_FROM_PLACE);
    this.#failures.delete(name);
    this.#failures.set(name, recent);
    if (this.#failures.size <= MAX_NAMES) return;
    const oldest = this.#failures.keys().next().value;
    if (oldest !== undefined) this.#failures.delete(oldest);
  }

  #recent(name: string, nowMs: number): readonly number[] {
    return (this.#failures.get(name) ?? []).filter((atMs) => atMs > nowMs - WINDOW_MS);
  }
}
