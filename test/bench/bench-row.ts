// One line of the benchmark table, and what every benchmark is called with.

export interface BenchRow {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** Value divided by what the bare pipe did in the same run. */
  readonly ratio?: number;
  /** The ratio, or the value where there is none, is to be at least this. */
  readonly floor?: number;
  /** The value is to be at most this. */
  readonly ceiling?: number;
  readonly note?: string;
}

export interface BenchOptions {
  /** A tenth of the work or so: for a look, not for a figure. */
  readonly isQuick: boolean;
  /** One line about what is going on. */
  readonly say: (text: string) => void;
}

/** Undefined where nothing is demanded. */
export function isWithin({ value, ratio, floor, ceiling }: BenchRow): boolean | undefined {
  if (floor === undefined && ceiling === undefined) return undefined;
  return (floor === undefined || (ratio ?? value) >= floor) && (ceiling === undefined || value <= ceiling);
}
