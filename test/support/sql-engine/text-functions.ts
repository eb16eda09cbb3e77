// Functions on text and numbers that both dialects have, under the names of each.
import { convertTo, unify } from "./compile-expression.ts";
import { comparableBy, ruleFor } from "./compare-compiled.ts";
import { compare } from "./comparison.ts";
import { decimalOf } from "./convert.ts";
import { formatDecimal, rescale, trimmed, truncate } from "./decimal.ts";
import { type FunctionTable, INT, lenient, NUMBER, strict } from "./function-kit.ts";
import type { ScalarFunction } from "./run.ts";
import type { Compiled } from "./scope.ts";
import type { DbValue } from "./session.ts";

/** The first that is not null; of the strongest type, or of the first argument's (`ISNULL`). */
export function coalesce(isFirstType: boolean): ScalarFunction {
  return (args, _run, scope) => {
    const [first] = args;
    const items =
      isFirstType && first !== undefined && first.name !== "$null"
        ? args.map((arg) => (arg === first ? arg : convertTo(arg, first.type, scope)))
        : unify(args, scope);
    return {
      type: items[0]!.type,
      isNullable: items.every((item) => item.isNullable),
      collationRank: items[0]!.collationRank,
      eval: (env) => {
        for (const item of items) {
          const value = item.eval(env);
          if (value !== null) return value;
        }
        return null;
      },
    };
  };
}

const nullIf: ScalarFunction = (args, run): Compiled => {
  const [left, right] = args as readonly [Compiled, Compiled];
  const rule = ruleFor(left, right, run);
  const [a, b] = [comparableBy(left, rule, run), comparableBy(right, rule, run)];
  return {
    type: left.type,
    isNullable: true,
    collationRank: left.collationRank,
    eval: (env) => {
      const [one, other] = [a(env), b(env)];
      return one !== null && other !== null && compare(one, other) === 0 ? null : left.eval(env);
    },
  };
};

/** The argument that is greatest (1) or least (-1). */
export function extremeOf(sign: number): ScalarFunction {
  return (args, run, scope) => {
    const items = unify(args, scope);
    const rule = ruleFor(items[0]!, items.at(-1)!, run);
    const keys = items.map((item) => comparableBy(item, rule, run));
    return {
      type: items[0]!.type,
      isNullable: true,
      collationRank: items[0]!.collationRank,
      eval: (env) => {
        const values = keys.map((key) => key(env));
        if (values.includes(null)) return null;
        let best = 0;
        for (let at = 1; at < values.length; at += 1)
          if (compare(values[at]!, values[best]!) * sign > 0) best = at;
        return items[best]!.eval(env);
      },
    };
  };
}

function rounded(value: DbValue, places: DbValue, isCut: boolean): string {
  const decimal = decimalOf(value)!;
  const scale = Number(places);
  if (scale >= decimal.scale) return formatDecimal(decimal);
  if (scale >= 0) return formatDecimal(isCut ? truncate(decimal, scale) : rescale(decimal, scale));
  const unit = 10n ** BigInt(-scale);
  const moved = { units: decimal.units, scale: decimal.scale - scale };
  return formatDecimal({ units: (isCut ? truncate(moved, 0) : rescale(moved, 0)).units * unit, scale: 0 });
}

/** A number in the representation of another of the same type. */
export function like(sample: DbValue, text: string): DbValue {
  if (typeof sample === "number") return Number(text);
  return typeof sample === "bigint" ? BigInt(text) : text;
}

export function toWhole(value: DbValue, direction: "floor" | "ceil"): string {
  const decimal = decimalOf(value)!;
  const cut = truncate(decimal, 0);
  const isExact = trimmed(decimal).scale === 0;
  const isNegative = decimal.units < 0n;
  const step = isExact ? 0n : direction === "floor" ? (isNegative ? -1n : 0n) : isNegative ? 0n : 1n;
  return String(cut.units + step);
}

export const TEXT_FUNCTIONS: FunctionTable = {
  COALESCE: coalesce(false),
  NULLIF: nullIf,
  UPPER: strict("text", ([text]) => String(text).toUpperCase()),
  LOWER: strict("text", ([text]) => String(text).toLowerCase()),
  REPLACE: lenient("text", ([text, from, to], run) => {
    if (text === null || text === undefined) return null;
    const isOracle = run.host.dialect === "oracle";
    if (!isOracle && (from === null || to === null || to === undefined)) return null;
    if (from === null || from === "" || from === undefined) return String(text);
    const result = String(text).replaceAll(String(from), String(to ?? ""));
    return isOracle && result === "" ? null : result;
  }),
  ABS: strict("first", ([value]) => like(value!, formatDecimal(decimalOf(value!)!).replace(/^-/, ""))),
  SIGN: strict(INT, ([value]) => Math.sign(Number(value))),
  FLOOR: strict("first", ([value]) => like(value!, toWhole(value!, "floor"))),
  ROUND: strict("first", ([value, places, cut]) =>
    typeof value === "number"
      ? Number(rounded(value, places ?? 0, Number(cut ?? 0) !== 0))
      : like(value!, rounded(value!, places ?? 0, Number(cut ?? 0) !== 0)),
  ),
  ASCII: strict(INT, ([text]) => String(text).charCodeAt(0)),
  CONCAT: lenient("text", (args, run) => {
    const text = args.map((value) => (value === null ? "" : String(value))).join("");
    return text === "" && run.host.dialect === "oracle" ? null : text;
  }),
  POWER: strict(NUMBER, ([base, exponent]) => String(Number(base) ** Number(exponent))),
};
