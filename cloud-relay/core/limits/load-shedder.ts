// Which work an overloaded relay still takes: the more it is behind, the fewer classes.

/** In the order in which they are given up: bulk first, health last. */
export const LOAD_CLASSES = ["bulk", "read", "write", "health"] as const;
export type LoadClass = (typeof LOAD_CLASSES)[number];

/** How late the event loop may be before a class is refused, ms (mean of the last look). Health is never refused. */
export const SHED_AT_MS: Readonly<Record<Exclude<LoadClass, "health">, number>> = {
  bulk: 200,
  read: 500,
  write: 1_000,
};
/** A class comes back when the delay has fallen below this share of its threshold: no flapping around it. */
const BACK_AT = 0.5;

/** Fed from time to time with how late the event loop is. */
export class LoadShedder {
  readonly #shed = new Set<LoadClass>();

  /** `delayMs`: how late the event loop was lately, on average. */
  look(delayMs: number): void {
    for (const [name, atMs] of Object.entries(SHED_AT_MS) as [Exclude<LoadClass, "health">, number][]) {
      if (delayMs >= atMs) this.#shed.add(name);
      else if (delayMs < atMs * BACK_AT) this.#shed.delete(name);
    }
  }

  refuses(work: LoadClass): boolean {
    return this.#shed.has(work);
  }
}
