// What has left the plant, as the agent keeps it: by day, connection and entity, with the fields that its records had.
import type { ConnectionDescription } from "#common/contract/description.ts";
import { protectedAs, UNPROTECTED, type ProtectedAs, type Protection } from "./mapping/protection.ts";
import type { EgressCount } from "./room/egress-tally.ts";

export interface EgressField {
  readonly field: string;
  /** Absent: it leaves as it is. */
  readonly as?: ProtectedAs;
}

export interface EgressEntry extends EgressCount {
  readonly connection: string;
  /** Of UTC, `2026-05-04`. */
  readonly day: string;
  readonly fields: readonly EgressField[];
}

/** Kept so long, days. */
export const EGRESS_DAYS = 400;

export interface EgressBook {
  /** Adds to what is there of the same day, connection, entity and fields. */
  add(entries: readonly EgressEntry[]): void;
  /** From this day on, oldest first. */
  since(day: string): readonly EgressEntry[];
}

/** What the records of an entity may have, by the connection's own description; undefined: nothing is known yet. */
export function egressFields(
  description: ConnectionDescription | undefined,
  entity: string,
  protection: Protection = UNPROTECTED,
): readonly EgressField[] {
  const described = description?.entities.find((one) => one.entity === entity);
  const fields = (described?.fields ?? []).map(({ name }): EgressField => {
    const as = protectedAs(protection, entity, name);
    return as === undefined ? { field: name } : { field: name, as };
  });
  const custom = (described?.custom_fields ?? []).map((name) => ({ field: `custom_fields.${name}` }));
  return [...fields, ...custom];
}
