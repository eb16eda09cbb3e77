// Goes round the known records and checks them, a few at a time: damage must not wait for a look-up that never comes.
import { toKnownRecord } from "./room-rows.ts";
import type { RoomStatements } from "./room-statements.ts";

/** Records checked in one step. */
const STEP_RECORDS = 2_000;

export class KnownRounds {
  readonly #sql: Pick<RoomStatements, "knownAfter">;
  readonly #file: string;
  /** Up to here this round has come. */
  #checked: readonly [entity: number, key: string] = [0, ""];

  constructor(sql: Pick<RoomStatements, "knownAfter">, file: string) {
    this.#sql = sql;
    this.#file = file;
  }

  /** @throws StorageCorruptError */
  checkSome(): void {
    const rows = this.#sql.knownAfter.all(...this.#checked, STEP_RECORDS);
    for (const [key, hash, version, seen, crc, entity] of rows) {
      toKnownRecord([key, hash, version, seen, crc], entity, this.#file);
      this.#checked = [entity, key];
    }
    if (rows.length < STEP_RECORDS) this.#checked = [0, ""];
  }
}
