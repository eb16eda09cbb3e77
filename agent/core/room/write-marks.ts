// What writes have left at the source: the change that brings it names its write, whether it comes before the write's answer or after.
import type { Cause } from "#common/contract/entry.ts";
import { sleep, type Clock } from "#common/runtime/clock.ts";

/** The record as a write left it. */
export interface WrittenState {
  /** Canonical. */
  readonly key: string;
  /** JSON text of the record; undefined: the write removed it. */
  readonly record: string | undefined;
}

export interface WriteMarksDeps {
  readonly clock: Clock;
  readonly hash: (text: string) => string;
}

interface UnderWay {
  readonly entity: string;
  /** Undefined: the write makes a new record. */
  readonly key: string | undefined;
  readonly ended: Promise<void>;
}

interface Mark {
  readonly cause: Cause;
  /** Of the record's text; undefined: it is gone. */
  readonly hash: string | undefined;
}

/** Writes that are remembered; beyond it the oldest is forgotten, and its change has no cause. */
const MAX_MARKS = 10_000;
/** Rows that a write has in hand wait so long for its end: it may hang at a lock, and others' changes must not. */
const MAX_HOLD_MS = 2_000;

export class WriteMarks {
  readonly #deps: WriteMarksDeps;
  readonly #underWay = new Set<UnderWay>();
  readonly #marks = new Map<string, Mark>();

  constructor(deps: WriteMarksDeps) {
    this.#deps = deps;
  }

  /** The write is being done; what it gives back is called with its end: what it left, undefined where nothing is known. */
  begin(entity: string, key: string | undefined, cause: Cause): (left: WrittenState | undefined) => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    const one = { entity, key, ended: promise };
    this.#underWay.add(one);
    return (left) => {
      if (left !== undefined) this.#mark(entity, left, cause);
      this.#underWay.delete(one);
      resolve();
    };
  }

  /**
   * Rows of these keys were read while writes may have had them in hand: resolves when it is known what those have left, or they
   * take too long. Undefined: there is nothing to wait for.
   */
  settled(entity: string, keys: () => readonly string[], signal: AbortSignal): Promise<void> | undefined {
    const here = [...this.#underWay].filter((one) => one.entity === entity);
    if (here.length === 0) return undefined;
    const read = new Set(keys());
    const mine = here.filter(({ key }) => (key === undefined ? read.size > 0 : read.has(key)));
    return mine.length === 0 ? undefined : this.#end(mine, signal);
  }

  /** The write that left this state; undefined when somebody else was there too. */
  causeOf(entity: string, key: string, record: string | undefined): Cause | undefined {
    if (this.#marks.size === 0) return undefined;
    const name = markName(entity, key);
    const mark = this.#marks.get(name);
    if (mark === undefined) return undefined;
    const hash = record === undefined ? undefined : this.#deps.hash(record);
    if (mark.hash === hash) return mark.cause;
    // The record has moved on: what comes back to the old state is another change.
    this.#marks.delete(name);
    return undefined;
  }

  /** A later write of the same record takes the place of an earlier one. */
  #mark(entity: string, { key, record }: WrittenState, cause: Cause): void {
    const name = markName(entity, key);
    this.#marks.delete(name);
    this.#marks.set(name, { cause, hash: record === undefined ? undefined : this.#deps.hash(record) });
    if (this.#marks.size <= MAX_MARKS) return;
    const oldest = this.#marks.keys().next().value;
    if (oldest !== undefined) this.#marks.delete(oldest);
  }

  async #end(writes: readonly UnderWay[], signal: AbortSignal): Promise<void> {
    const waiting = new AbortController();
    const limit = sleep(this.#deps.clock, MAX_HOLD_MS, AbortSignal.any([signal, waiting.signal]));
    await Promise.race([limit, Promise.all(writes.map(({ ended }) => ended))]);
    waiting.abort();
  }
}

function markName(entity: string, key: string): string {
  return `${entity} ${key}`;
}
