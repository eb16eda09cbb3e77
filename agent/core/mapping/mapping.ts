// What a compiled pack gives the pipeline: plans for the connector and a mapper from rows to unified records.
import type { Presence } from "#common/contract/model/entities.ts";
import type { Issue } from "#common/runtime/errors.ts";
import type { SourceRow } from "../source/connector.ts";
import type { KeyRule } from "../source/key-rules.ts";
import type { EntityPlan } from "../source/plan.ts";
import type { WritePlan } from "../source/write.ts";
import { UNPROTECTED, protectionPart, type FieldProtection } from "./protection.ts";
import type { EncodedWrite, WriteContext, WriteInput } from "./write-encoder.ts";

/** The outcome of mapping one row: JSON text ready to be hashed and sent, or the reason why the row cannot be a record. */
export type MappedRow =
  | {
      readonly ok: true;
      readonly record: string;
      readonly raw: string | undefined;
      readonly isDeleted: boolean;
    }
  | { readonly ok: false; readonly code: string; readonly detail: string };

/** What becomes of a row, also of one that the source has and cannot give out. */
export function mappedRow(row: SourceRow, map: (row: SourceRow) => MappedRow): MappedRow {
  if (row.unreadable === undefined) return map(row);
  return { ok: false, code: "UNREADABLE_ROW", detail: row.unreadable };
}

export interface MapperContext {
  /** UUID of the connection: namespace of record ids in references. */
  readonly connectionId: string;
  /** IANA zone of local wall-clock columns. */
  readonly timeZone: string;
  /** Whether the source's own row travels along. */
  readonly raw: boolean;
  /** Source columns (`TABLE.COLUMN`) and unified fields (`vendor.tax_id`) that must not leave the plant: neither in the record nor in raw. */
  readonly hidden: readonly string[];
  /** Fields that leave masked or under a pseudonym; absent: none. Columns that feed them are in no raw row and no custom field. */
  readonly protection?: FieldProtection | undefined;
  /** Key rules of every entity, so that references meet the keys that they point to. */
  readonly keyRules: (entity: string) => readonly KeyRule[];
}

/** `deleted`, or what the product does with rows that have served: they are not taken for deletes. */
export type Vanished = Presence & ("deleted" | "closed_by_source" | "archived");

/** What one field of a write takes; JSON, shown to callers before they write. */
export interface WritableField {
  readonly name: string;
  readonly isRequired: boolean;
  /** `list`: rows of a child, see `rows`. `any`: the record itself decides, in the source. */
  readonly type:
    | "text"
    | "decimal"
    | "integer"
    | "number"
    | "boolean"
    | "date"
    | "instant"
    | "enum"
    | "reference"
    | "list"
    | "any";
  readonly description?: string;
  /** Of enumerations: those that the source takes. */
  readonly values?: readonly string[];
  /** Characters. */
  readonly maxLength?: number;
  /** Places behind the point. */
  readonly decimals?: number;
  /** Exact decimals, both allowed. */
  readonly min?: string;
  readonly max?: string;
  /** Of references: how many values `remote_key` has. */
  readonly keyLength?: number;
  readonly rows?: WritableRows;
}

/** The rows of a list: those with a known key are changed, others are new, none goes unless it says `is_deleted: true`. */
export interface WritableRows {
  /** `isRequired`: of every row; what only a new one needs says so in its description. */
  readonly fields: readonly WritableField[];
  /** Fields that tell the rows apart. */
  readonly key: readonly string[];
  /** A new row need not give its key: it is numbered. */
  readonly isNumbered: boolean;
  readonly mayDelete: boolean;
  readonly maxRows: number;
  readonly customFields: readonly string[];
}

/** One operation that the pack allows. */
export interface CompiledWrite {
  readonly operation: string;
  readonly form: WritePlan["form"];
  readonly description?: string;
  /** What a caller may give. */
  readonly fields: readonly WritableField[];
  /** Columns that may be given under `custom_fields`. Absent: none. */
  readonly customFields?: readonly string[];
  /** `WriteRequest.values` for the connector, or every problem of the request. Never throws. */
  encode(input: WriteInput, context: WriteContext): EncodedWrite;
}

/** Where one field comes from: `PO.TOTALCOST`, several where it is put together, none for a constant. */
export interface FieldOrigin {
  readonly name: string;
  readonly sources: readonly string[];
}

export interface CompiledEntity {
  readonly plan: EntityPlan;
  /** Where this entity's records are made in a way of their own: another value re-reads it. Absent: the pack's. */
  readonly mappingVersion?: string;
  /** Absent: nothing. */
  readonly writes?: readonly CompiledWrite[];
  /** How often to poll and to compare all keys, ms. */
  readonly pollMs: number;
  readonly reconcileMs: number;
  /** What it means that a row is gone; absent: it was deleted. */
  readonly vanished?: Vanished;
  /** Every field that leaves the plant. Absent: the connector's own fields, by no columns. */
  describe?(hidden: readonly string[]): readonly FieldOrigin[];
  /** Built once the connector is open; called per row on the hot path. */
  mapper(context: MapperContext): (row: SourceRow) => MappedRow;
}

export interface CompiledPack {
  readonly name: string;
  /** The product it maps, e.g. "IBM Maximo". */
  readonly system: string;
  /** First 16 hex digits of SHA-256 over the pack's content: a changed mapping re-reads its entities. */
  readonly mappingVersion: string;
  /** Why nothing may be written to the product's tables, in words; undefined: the pack does not say. */
  readonly readOnly?: string | undefined;
  readonly entities: readonly CompiledEntity[];
  /** Unmapped enumeration codes seen so far, with counts; shown in preview and status. */
  unmappedCodes(): readonly {
    readonly entity: string;
    readonly field: string;
    readonly code: string;
    readonly count: number;
  }[];
}

/** What determines the text of an entity's records: another one reads it anew. */
export function mappingFingerprint(
  { plan, mappingVersion }: CompiledEntity,
  pack: CompiledPack,
  { raw, timeZone, hidden, protection }: Omit<MapperContext, "connectionId" | "keyRules">,
): string {
  const parts = protectionPart(protection ?? UNPROTECTED, plan.entity);
  return [mappingVersion ?? pack.mappingVersion, raw, timeZone, ...hidden, ...parts].join("|");
}

export type PackResult =
  | { readonly ok: true; readonly pack: CompiledPack }
  | { readonly ok: false; readonly issues: readonly Issue[] };
