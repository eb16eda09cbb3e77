// Counts what a room hands out for the relay, by entity, until it is told to main.

export interface EgressCount {
  readonly entity: string;
  /** Records that were new or had changed. */
  readonly rows: number;
  /** Of the records' JSON, and of the source's own rows beside them; uncompressed. */
  readonly bytes: number;
  readonly rawBytes: number;
}

export class EgressTally {
  #counts = new Map<string, EgressCount>();

  add(entity: string, bytes: number, rawBytes: number): void {
    const known = this.#counts.get(entity);
    this.#counts.set(entity, {
      entity,
      rows: (known?.rows ?? 0) + 1,
      bytes: (known?.bytes ?? 0) + bytes,
      rawBytes: (known?.rawBytes ?? 0) + rawBytes,
    });
  }

  /** What was counted since the last call. */
  take(): readonly EgressCount[] {
    const counts = [...this.#counts.values()];
    this.#counts = new Map();
    return counts;
  }
}
