// Connections kept for the next delivery: a few for each endpoint, a bounded number in all, none for long.
import type { Clock } from "#common/runtime/clock.ts";
import type { ReceiverLine } from "./receiver-line.ts";

const MAX_IDLE_PER_ENDPOINT = 4;
const MAX_IDLE = 512;
/** Then a name is resolved again: a receiver that moves is followed. */
const MAX_LINE_AGE_MS = 60_000;

export class IdleLines {
  readonly #clock: Clock;
  readonly #byKey = new Map<string, ReceiverLine[]>();
  /** Least recently used first. */
  readonly #keys = new Map<ReceiverLine, string>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The one used last, which is the least likely to be closed soon; undefined: open one. */
  take(key: string): ReceiverLine | undefined {
    for (;;) {
      const line = this.#byKey.get(key)?.at(-1);
      if (line === undefined) return undefined;
      this.#remove(line);
      if (line.isOpen && this.#isYoung(line)) return line;
      line.destroy();
    }
  }

  /** Keeps it, or closes it where too many are kept. */
  keep(key: string, line: ReceiverLine): void {
    const own = this.#byKey.get(key) ?? [];
    if (!line.isOpen || !this.#isYoung(line) || own.length >= MAX_IDLE_PER_ENDPOINT) return line.destroy();
    if (this.#keys.size >= MAX_IDLE) this.#closeOldest();
    this.#byKey.set(key, [...own, line]);
    this.#keys.set(line, key);
    line.onClose(() => this.#remove(line));
  }

  get size(): number {
    return this.#keys.size;
  }

  closeAll(): void {
    for (const line of this.#keys.keys()) line.destroy();
    this.#keys.clear();
    this.#byKey.clear();
  }

  #isYoung({ openedAtMs }: ReceiverLine): boolean {
    return this.#clock.monotonicMs() - openedAtMs < MAX_LINE_AGE_MS;
  }

  #closeOldest(): void {
    const [oldest] = this.#keys.keys();
    if (oldest === undefined) return;
    this.#remove(oldest);
    oldest.destroy();
  }

  #remove(line: ReceiverLine): void {
    const key = this.#keys.get(line);
    if (key === undefined) return;
    this.#keys.delete(line);
    const rest = (this.#byKey.get(key) ?? []).filter((other) => other !== line);
    if (rest.length === 0) this.#byKey.delete(key);
    else this.#byKey.set(key, rest);
  }
}
