// A map with one open transaction: pending writes are seen by the transaction alone until they are committed.

export class OverlayMap<Value> {
  #committed: Map<string, Value>;
  readonly #pending = new Map<string, Value | undefined>();

  constructor(entries: Iterable<readonly [string, Value]> = []) {
    this.#committed = new Map(entries);
  }

  /** What everybody sees. */
  get committed(): ReadonlyMap<string, Value> {
    return this.#committed;
  }

  /** As the transaction sees it. */
  get(key: string): Value | undefined {
    return this.#pending.has(key) ? this.#pending.get(key) : this.#committed.get(key);
  }

  has(key: string): boolean {
    return this.get(key) !== undefined;
  }

  set(key: string, value: Value): void {
    this.#pending.set(key, value);
  }

  delete(key: string): void {
    this.#pending.set(key, undefined);
  }

  /** As the transaction sees it; committed values first. */
  *values(): Generator<Value> {
    for (const [key, value] of this.#committed) if (!this.#pending.has(key)) yield value;
    for (const value of this.#pending.values()) if (value !== undefined) yield value;
  }

  /** As the transaction sees it; committed values first. */
  *entries(): Generator<readonly [string, Value]> {
    for (const entry of this.#committed) if (!this.#pending.has(entry[0])) yield entry;
    for (const [key, value] of this.#pending) if (value !== undefined) yield [key, value];
  }

  commit(): void {
    for (const [key, value] of this.#pending) {
      if (value === undefined) this.#committed.delete(key);
      else this.#committed.set(key, value);
    }
    this.#pending.clear();
  }

  rollback(): void {
    this.#pending.clear();
  }
}
