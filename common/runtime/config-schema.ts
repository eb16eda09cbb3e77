// The vocabulary of configuration schemas: TypeBox, plus durations, sizes and secrets.
import { Type, type TUnsafe } from "typebox";

/** What a node of the schema is, beside JSON Schema's own words; read by config-file.ts and config-docs.ts. */
export type ConfigKind = "duration" | "size" | "secret";

export interface QuantityOptions {
  readonly description: string;
  /** As a person would write it, e.g. `30s`. */
  readonly default?: string;
  readonly minimum?: string;
  readonly maximum?: string;
  /** Says in words what holds when nothing is given, for defaults that are computed. */
  readonly defaultText?: string;
}

/** Written `250ms`, `30s`, `5m`, `1h`, `1d`; read as ms. */
export function Duration(options: QuantityOptions): TUnsafe<number> {
  return Type.Unsafe<number>({ kind: "duration", ...options });
}

/** Written `512KiB`, `64MiB`, `4GiB`; read as bytes. */
export function Size(options: QuantityOptions): TUnsafe<number> {
  return Type.Unsafe<number>({ kind: "size", ...options });
}

/** Text that never appears in a summary or a log; may be a reference like every other text. */
export function Secret(options: { readonly description: string }): TUnsafe<string> {
  return Type.Unsafe<string>({ kind: "secret", ...options });
}

/** The part of JSON Schema that configuration files use. */
export interface ConfigNode {
  readonly kind?: ConfigKind;
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly defaultText?: string;
  readonly properties?: Readonly<Record<string, ConfigNode>>;
  readonly required?: readonly string[];
  readonly patternProperties?: Readonly<Record<string, ConfigNode>>;
  readonly items?: ConfigNode;
  readonly anyOf?: readonly ConfigNode[];
  readonly const?: string | number | boolean;
  readonly minimum?: number | string;
  readonly maximum?: number | string;
  readonly exclusiveMinimum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly pattern?: string;
  /** Says in words what `pattern` wants. */
  readonly patternText?: string;
  readonly examples?: readonly unknown[];
}
