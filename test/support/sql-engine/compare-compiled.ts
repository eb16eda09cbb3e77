// Comparisons between expressions of any types, as the dialect converts them first.
import {
  type Category,
  categoryOf,
  type Comparable,
  comparableOf,
  strongerCategory,
  type TextRule,
} from "./comparison.ts";
import { type ConvertOptions, convertValue, decimalOf } from "./convert.ts";
import type { Run } from "./run.ts";
import type { Compiled, Env } from "./scope.ts";
import { DatabaseError, type DbType, type DbValue } from "./session.ts";

export interface ComparisonRule {
  readonly category: Category;
  readonly text: TextRule;
}

export function ruleFor(left: Compiled, right: Compiled, run: Run): ComparisonRule {
  for (const { type } of [left, right]) refuseIncomparable(type.kind, run);
  const category = strongerCategory(categoryFor(left, right), categoryFor(right, left));
  return { category, text: textRuleFor(left, right, run) };
}

const LONG_TYPES: ReadonlySet<string> = new Set(["clob", "nclob", "blob", "long", "long_raw"]);

/** Long values can be read and measured, not compared, ordered or grouped. */
function refuseIncomparable(kind: DbType["kind"], run: Run): void {
  if (kind === "xml" && run.host.dialect === "tsql") {
    throw new DatabaseError(
      305,
      "The XML data type cannot be compared or sorted, except when using the IS NULL operator.",
    );
  }
  if (kind === "long" || kind === "long_raw")
    throw new DatabaseError(997, "ORA-00997: illegal use of LONG datatype");
  if (LONG_TYPES.has(kind)) {
    throw new DatabaseError(932, `ORA-00932: inconsistent datatypes: expected - got ${kind.toUpperCase()}`);
  }
}

/** An untyped NULL takes the other side's. */
function categoryFor(side: Compiled, other: Compiled): Category {
  return side.name === "$null" ? categoryOf(other.type) : categoryOf(side.type);
}

function textRuleFor(left: Compiled, right: Compiled, run: Run): TextRule {
  const { collation } = run.host;
  if (collation === undefined) {
    const isChar = ({ type }: Compiled): boolean => type.kind === "char" || type.kind === "nchar";
    return { kind: "binary", isPadded: isChar(left) && isChar(right) };
  }
  const [a, b] = [collationIn(left.type), collationIn(right.type)];
  if (left.collationRank === right.collationRank) {
    if (left.collationRank === 1 && (a ?? collation) !== (b ?? collation) && isText(left) && isText(right)) {
      throw new DatabaseError(
        468,
        `Cannot resolve the collation conflict between "${a ?? collation}" and "${b ?? collation}" in the comparison.`,
      );
    }
    return { kind: "collation", name: a ?? b ?? collation };
  }
  const winner = left.collationRank > right.collationRank ? a : b;
  return { kind: "collation", name: winner ?? collation };
}

function isText({ type }: Compiled): boolean {
  return categoryOf(type) === "text";
}

export function collationIn(type: DbType): string | undefined {
  return "collation" in type ? type.collation : undefined;
}

/** How values of one expression alone are ordered and grouped. */
export function ruleOf(expression: Compiled, run: Run): ComparisonRule {
  return ruleFor(expression, expression, run);
}

/** The expression's value as a comparable of the rule's category. @throws DatabaseError when it cannot become one */
export function comparableBy(expression: Compiled, rule: ComparisonRule, run: Run): (env: Env) => Comparable {
  const own = categoryOf(expression.type);
  const { category, text } = rule;
  if (own === category) return (env) => comparableOf(expression.eval(env), category, text);
  return (env) =>
    comparableOf(toCategory(expression.eval(env), expression.type, category, run), category, text);
}

export function optionsOf(run: Run, mayCut = true, style?: number): ConvertOptions {
  const { host } = run;
  return {
    dialect: host.dialect,
    collation: host.collation,
    mayCut,
    ...(style === undefined ? {} : { style }),
    ...(host.readDate === undefined
      ? {}
      : { readDate: (text: string, type: DbType) => host.readDate!(text, type, run) }),
    ...(host.writeDate === undefined
      ? {}
      : { writeDate: (value: string, type: DbType) => host.writeDate!(value, type, run) }),
  };
}

function toCategory(value: DbValue, from: DbType, category: Category, run: Run): DbValue {
  if (value === null) return null;
  const isOracle = run.host.dialect === "oracle";
  switch (category) {
    case "number":
      if (decimalOf(value) !== undefined) return value;
      throw isOracle
        ? new DatabaseError(1722, "ORA-01722: invalid number")
        : new DatabaseError(
            245,
            `Conversion failed when converting the ${from.kind} value '${String(value)}' to a number.`,
          );
    case "datetime":
    case "time":
    case "zoned": {
      const types: Record<string, DbType> = {
        datetime: isOracle ? { kind: "timestamp", scale: 9, zone: "none" } : { kind: "datetime2", scale: 7 },
        time: { kind: "time", scale: 7 },
        zoned: isOracle
          ? { kind: "timestamp", scale: 9, zone: "offset" }
          : { kind: "datetimeoffset", scale: 7 },
      };
      return convertValue(value, from, types[category]!, optionsOf(run));
    }
    case "guid":
      return convertValue(value, from, { kind: "uniqueidentifier" }, optionsOf(run));
    case "binary":
      return convertValue(
        value,
        from,
        isOracle ? { kind: "raw", length: 2000 } : { kind: "varbinary", length: "max" },
        optionsOf(run),
      );
    default:
      return value;
  }
}
