// How one unified field is turned back into the source's own columns: what a pack says, checked.
import type { TimestampFormat } from "../source/plan.ts";
import type { ChildWritePlan, WritePlan, WriteValue } from "../source/write.ts";
import type { WriteEncoding } from "./write-encoder.ts";

/** One operation: the connector's part, and how its values are made. */
export interface WriteDefinition {
  readonly plan: WritePlan;
  readonly encoding: WriteEncoding;
  readonly description?: string;
}

/** Reads only become writes where the pack says how; nothing is reversed by guessing. */
export type WriteConversion =
  | { readonly kind: "text"; readonly maxLength: number }
  /** Value of the model → the source's code. */
  | { readonly kind: "enum"; readonly codes: ReadonlyMap<string, string> }
  /** More than `decimals` places are refused, so that the source does not round. */
  | { readonly kind: "decimal"; readonly decimals: number | undefined; readonly impliedDecimals: number }
  | { readonly kind: "number" }
  | { readonly kind: "boolean"; readonly yes: WriteValue; readonly no: WriteValue }
  | ({ readonly kind: "instant" } & InstantStyle)
  | { readonly kind: "date"; readonly format: "iso" | "yyyymmdd" | "cyyddd" }
  /** The target's key values in order: where each goes, or what it must be. */
  | { readonly kind: "reference"; readonly key: readonly ReferencePart[] };

/** A slot; a constant; or the value of another slot, which is filled by the request or is the record's own key. */
export type ReferencePart = string | { readonly constant: string } | { readonly same: string };

export interface InstantStyle {
  readonly format: Exclude<TimestampFormat, "yyyymmdd" | "cyyddd">;
  /** Between date and time. */
  readonly separator: " " | "T";
  /** Digits of the second's fraction that the column keeps; undefined: all that are given. */
  readonly fraction: number | undefined;
}

export interface WriteField {
  /** Of the unified model, or an input of the pack's own. */
  readonly name: string;
  readonly isRequired: boolean;
  readonly description?: string;
  /** Columns or arguments that it fills: one, or those of a reference. */
  readonly slots: readonly string[];
  /** What a new record has that does not give it. */
  readonly fallback?: WriteValue;
  /** What null is written as. */
  readonly empty: WriteValue;
  readonly conversion: WriteConversion;
}

/** How the rows of one list are given, and where they go. */
export interface WriteRows {
  /** Of the unified model, as in the record. */
  readonly list: string;
  readonly plan: ChildWritePlan;
  readonly fields: readonly WriteField[];
  readonly customFields: readonly string[];
  /** What every row that is written gets, and what a new one gets beside it. */
  readonly fixed: ReadonlyMap<string, FixedInput>;
  readonly initial: ReadonlyMap<string, FixedInput>;
  /** What a removed row is set to. */
  readonly removal: ReadonlyMap<string, FixedInput>;
}

/** What a slot holds that no field fills. */
export type FixedInput =
  | { readonly from: "key"; readonly at: number }
  | { readonly from: "constant"; readonly value: WriteValue }
  | { readonly from: "now"; readonly style: InstantStyle }
  | { readonly from: "command" };
