// How one unified field is made of source columns: what a pack says, checked and ready to become code.
import type { TimestampFormat } from "../source/plan.ts";

/** The parent's own row, for children; a lookup's first row; or the row at hand. */
export type Scope = string | undefined;
export const PARENT: Scope = "parent";

/** Where a value comes from. `firstOf`: the first that is neither null nor empty. */
export type ValueSource =
  | { readonly column: string; readonly from: Scope; readonly match?: readonly MatchPair[] }
  | { readonly firstOf: readonly ValueSource[] };

/**
 * `zeros`: leading ones of a number written as text (`0000012345`); `blanks`: leading ones; `bits`: the words true and
 * false become 1 and 0.
 */
export type Strip = "zeros" | "blanks" | "bits";

/** A lookup's column equals the row's own. */
export interface MatchPair {
  readonly other: string;
  readonly own: string;
}

export type KeyPart = ValueSource | { readonly constant: string };

export type FieldSpec =
  | { readonly form: "constant"; readonly json: string }
  | {
      readonly form: "text";
      readonly sources: readonly ValueSource[];
      readonly separator: string;
      readonly maxLength: number;
      readonly strip: Strip | undefined;
    }
  | {
      readonly form: "decimal";
      readonly source: ValueSource;
      readonly impliedDecimals: number;
      /** How many decimals the amount's currency has, where the source stores all amounts as if they were two. */
      readonly currencyDecimals?: ValueSource;
      /** A text that is no number is nothing, not a mistake. */
      readonly isTextNothing?: boolean;
    }
  | {
      readonly form: "arithmetic";
      readonly plus: readonly ValueSource[];
      readonly minus: readonly ValueSource[];
      readonly impliedDecimals: number;
    }
  | {
      readonly form: "sum";
      readonly over: string;
      readonly column: string;
      /** Only rows whose column equals the row at hand's. */
      readonly match: readonly MatchPair[];
      readonly impliedDecimals: number;
    }
  | {
      readonly form: "instant";
      readonly source: ValueSource;
      readonly time: ValueSource | undefined;
      readonly format: TimestampFormat;
    }
  | { readonly form: "date"; readonly source: ValueSource; readonly format: TimestampFormat }
  | {
      readonly form: "boolean";
      readonly source: ValueSource;
      readonly trueValues: ReadonlySet<string> | undefined;
      readonly falseValues: ReadonlySet<string> | undefined;
      readonly invert: boolean;
      /** What nothing means; undefined: nothing. */
      readonly empty: boolean | undefined;
    }
  | { readonly form: "number"; readonly source: ValueSource }
  | {
      readonly form: "enum";
      readonly sources: readonly ValueSource[];
      readonly codes: ReadonlyMap<string, string>;
      /** Codes with `*` in them, tried in order after the exact ones. */
      readonly patterns: readonly { readonly test: RegExp; readonly value: string }[];
      /** Empty columns count: `X//` is the first of three flags. */
      readonly keepEmpty: boolean;
      /** For codes that are not listed; without it they become `unknown` and are counted. */
      readonly otherwise: string | undefined;
    }
  | {
      /** The first code, in the order of `codes`, that some row of a child or lookup has. */
      readonly form: "among";
      readonly over: string;
      readonly column: string;
      readonly codes: ReadonlyMap<string, string>;
      readonly otherwise: string | undefined;
    }
  | {
      /** A column of all rows of a child or lookup: a list of texts, or one text with blanks between. */
      readonly form: "each";
      readonly over: string;
      readonly column: string;
      readonly isList: boolean;
    }
  | {
      readonly form: "reference";
      readonly entity: string;
      readonly key: readonly KeyPart[];
      /** Key values that mean "no reference" (`0`). */
      readonly none: ReadonlySet<string>;
      readonly display: ValueSource | undefined;
    }
  | { readonly form: "object"; readonly members: Members }
  | { readonly form: "list"; readonly items: readonly FieldSpec[] }
  | { readonly form: "children"; readonly parts: readonly ChildPart[]; readonly maxItems: number };

/** Field name → how it is made, in the schema's order. */
export type Members = readonly (readonly [name: string, spec: FieldSpec])[];

/** The rows of one child table that become items of a list. */
export interface ChildPart {
  readonly child: string;
  readonly members: Members;
  readonly custom: CustomFieldsSpec | undefined;
}

export interface CustomFieldsSpec {
  /** Every column that nothing else uses. */
  readonly rest: boolean;
  readonly columns: readonly string[];
  readonly patterns: readonly RegExp[];
}

export interface ColumnUse {
  readonly column: string;
  readonly from: Scope;
}

/** Every column that a field reads, children's own fields left out. */
export function usesOf(spec: FieldSpec): readonly ColumnUse[] {
  switch (spec.form) {
    case "constant":
    case "children":
      return [];
    case "text":
    case "enum":
      return spec.sources.flatMap(usesOfSource);
    case "arithmetic":
      return [...spec.plus, ...spec.minus].flatMap(usesOfSource);
    case "among":
    case "each":
      return [{ column: spec.column, from: spec.over }];
    case "sum":
      return [
        { column: spec.column, from: spec.over },
        ...spec.match.flatMap(({ other, own }) => [
          { column: other, from: spec.over },
          { column: own, from: undefined },
        ]),
      ];
    case "decimal":
      return [spec.source, ...(spec.currencyDecimals === undefined ? [] : [spec.currencyDecimals])].flatMap(
        usesOfSource,
      );
    case "instant":
      return [spec.source, ...(spec.time === undefined ? [] : [spec.time])].flatMap(usesOfSource);
    case "reference":
      return [...spec.key, ...(spec.display === undefined ? [] : [spec.display])].flatMap(usesOfSource);
    case "object":
      return spec.members.flatMap(([, member]) => usesOf(member));
    case "list":
      return spec.items.flatMap(usesOf);
    default:
      return usesOfSource(spec.source);
  }
}

export function usesOfSource(source: KeyPart): readonly ColumnUse[] {
  if ("constant" in source) return [];
  if ("firstOf" in source) return source.firstOf.flatMap(usesOfSource);
  const { column, from, match = [] } = source;
  const pairs = match.flatMap(({ other, own }) => [
    { column: other, from },
    { column: own, from: undefined },
  ]);
  return [{ column, from }, ...pairs];
}
