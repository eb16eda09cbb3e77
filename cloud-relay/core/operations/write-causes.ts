// Which write a change in a stream comes from: remembered from the result until the stream brings the same record.
import type { OperationRow } from "./operation.ts";

/** Part of the change's event. */
export interface WriteCause {
  readonly command_id: string;
  readonly idempotency_key?: string;
}

/** Looks whether this state of the record is what a write left behind. */
export type CauseOf = (recordId: string, text: string, version: string | undefined) => WriteCause | undefined;

interface Expected {
  readonly cause: WriteCause;
  readonly text: string;
  readonly version: string | undefined;
}

/** Writes whose change has not come; beyond it the oldest is forgotten, and its change has no cause. */
const MAX_EXPECTED = 10_000;

export class WriteCauses {
  readonly #expected = new Map<string, Expected>();

  /** `text` is the record as the result has it. A later write of the same record takes the place of an earlier one. */
  expect(row: OperationRow, recordId: string, text: string, version: string | undefined): void {
    const { id, idempotencyKey } = row;
    const cause = {
      command_id: id,
      ...(idempotencyKey === undefined ? {} : { idempotency_key: idempotencyKey }),
    };
    this.#expected.delete(recordId);
    this.#expected.set(recordId, { cause, text, version });
    if (this.#expected.size <= MAX_EXPECTED) return;
    const oldest = this.#expected.keys().next().value;
    if (oldest !== undefined) this.#expected.delete(oldest);
  }

  /** Undefined when the state is not what the write left: somebody else was there too. */
  readonly of: CauseOf = (recordId, text, version) => {
    if (this.#expected.size === 0) return undefined;
    const expected = this.#expected.get(recordId);
    if (expected === undefined) return undefined;
    const isSame =
      expected.version !== undefined && version !== undefined
        ? expected.version === version
        : expected.text === text;
    if (isSame) this.#expected.delete(recordId);
    return isSame ? expected.cause : undefined;
  };
}
