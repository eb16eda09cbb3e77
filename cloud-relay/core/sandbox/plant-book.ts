// The records of an imagined plant while they are thought up: numbers, references, times.
import type { Entity } from "#common/contract/model/entities.ts";
import type { Ref } from "#common/contract/model/fields.ts";
import { Dice } from "./dice.ts";

export type RecordIdOf = (connectionId: string, entity: string, key: string) => string;

export interface PlantSeed {
  readonly connectionId: string;
  /** The plant's today: when the connection was made, ms. */
  readonly atMs: number;
  readonly recordId: RecordIdOf;
}

/** Fields of the unified model, without what every record has. */
export type Fields = Readonly<Record<string, unknown>>;

export interface SampleRecord {
  readonly entity: Entity;
  /** The one column of its key. */
  readonly number: string;
  readonly fields: Fields;
  readonly createdAtMs: number;
  readonly changedAtMs: number;
}

export const HOUR_MS = 3_600_000;
export const DAY_MS = 24 * HOUR_MS;

export class PlantBook {
  /** Midnight of the plant's today, UTC, ms. */
  readonly todayMs: number;
  readonly #seed: PlantSeed;
  readonly #dice: Dice;
  readonly #records = new Map<string, SampleRecord>();

  constructor(seed: PlantSeed) {
    this.#seed = seed;
    this.#dice = new Dice(seed.connectionId);
    this.todayMs = Math.floor(seed.atMs / DAY_MS) * DAY_MS;
  }

  dice(name: string): Dice {
    return this.#dice.fork(name);
  }

  /** A second record of the same number takes the place of the first. */
  add(record: SampleRecord): void {
    this.#records.set(`${record.entity}:${record.number}`, record);
  }

  ref(entity: Entity, number: string, display: string = number): Ref {
    return referenceTo(this.#seed, entity, number, display);
  }

  /** In the order in which they were added. */
  records(): readonly SampleRecord[] {
    return [...this.#records.values()];
  }

  /** An instant so many days before the plant's today (negative: after), at an hour of the day. */
  ago(days: number, hour = 8): number {
    return this.todayMs - days * DAY_MS + Math.round(hour * 60) * 60_000;
  }
}

export function referenceTo(
  { connectionId, recordId }: Pick<PlantSeed, "connectionId" | "recordId">,
  entity: string,
  number: string,
  display: string,
): Ref {
  return { id: recordId(connectionId, entity, keyOf(number)), remote_id: number, display };
}

/** The canonical key (entry.ts). */
export function keyOf(number: string): string {
  return JSON.stringify([number]);
}

/** The record or row with these members changed. */
export function having(row: Fields, changes: Fields): Fields {
  return { ...row, ...changes };
}

/** Rows of a list in a record; none where it has no such list. */
export function rowsOf(list: unknown): readonly Fields[] {
  return Array.isArray(list) ? (list as readonly Fields[]) : [];
}

export function instant(ms: number): string {
  return new Date(ms).toISOString();
}

export function day(ms: number): string {
  return instant(ms).slice(0, 10);
}
