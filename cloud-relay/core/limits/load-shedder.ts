// Which work an overloaded relay still takes: the more it is behind, the fewer classes.

/** In the order in which they are given up: bulk first, health last. */
export const LOAD_CLASSES = ["bulk", "read", "write", "health"] as const;
export type LoadClass = (typeof LOAD_CLASSES)[number];
type Shed = Exclude<LoadClass, "health">;

/** How late the event loop may be before a class is refused, ms (mean of a look). Health is never refused. */
export const SHED_AT_MS: Readonly<Record<Shed, number>> = { bulk: 200, read: 500, write: 1_000 };
/** A relay that is late for so many looks in a row is overloaded; before that, it is only busy. */
export const LOOKS_IN_A_ROW = 4;
/** A class comes back when the delay has fallen below this share of its threshold: no flapping around it. */
const BACK_AT = 0.5;

/** Fed from time to time with how late the event loop is. */
export class LoadShedder {
  readonly #late = new Map<LoadClass, number>();

  /** `delayMs`: how late the event loop was lately, on average. */
  look(delayMs: number): void {
    for (const [name, atMs] of Object.entries(SHED_AT_MS) as [Shed, number][]) {
      const before = this.#late.get(name) ?? 0;
      if (delayMs >= atMs) this.#late.set(name, before + 1);
      else if (delayMs < atMs * BACK_AT || before < LOOKS_IN_A_ROW) this.#late.set(name, 0);
    }
  }

  refuses(work: LoadClass): boolean {
    return (this.#late.get(work) ?? 0) >= LOOKS_IN_A_ROW;
  }
}
