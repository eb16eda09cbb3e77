// Who may ask one agent now and who waits: a few commands under way, some more in line, the rest refused.

/** Commands that one agent has under way at once. */
export const MAX_UNDER_WAY = 8;
/** Commands that wait for a place. */
export const MAX_WAITING = 32;

interface Waiting {
  readonly id: string;
  readonly start: () => void;
}

export class CommandSlots {
  readonly #underWay = new Set<string>();
  readonly #waiting: Waiting[] = [];

  /**
   * Calls `start` now or when there is a place. False: the line is full; nothing is kept. An id that is in already stays
   * where it is. Who is patient waits in any case: the caller bounds how many do.
   */
  enter(id: string, start: () => void, isPatient = false): boolean {
    if (this.#underWay.has(id) || this.#waiting.some((one) => one.id === id)) return true;
    if (this.#underWay.size < MAX_UNDER_WAY) {
      this.#underWay.add(id);
      start();
      return true;
    }
    if (this.#waiting.length >= MAX_WAITING && !isPatient) return false;
    this.#waiting.push({ id, start });
    return true;
  }

  /** Its place, under way or in line, is free. */
  leave(id: string): void {
    const at = this.#waiting.findIndex((one) => one.id === id);
    if (at >= 0) this.#waiting.splice(at, 1);
    if (!this.#underWay.delete(id)) return;
    const next = this.#waiting.shift();
    if (next === undefined) return;
    this.#underWay.add(next.id);
    next.start();
  }
}
