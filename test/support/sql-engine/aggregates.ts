// COUNT, MIN, MAX, SUM, AVG and the two that join text.
import type { Expression } from "./ast.ts";
import { comparableBy, ruleOf } from "./compare-compiled.ts";
import { type Comparable, comparableText, compare } from "./comparison.ts";
import { compileExpression } from "./compile-expression.ts";
import { decimalOf } from "./convert.ts";
import { addDecimals, type Decimal, divideDecimals, formatDecimal, rescale, trimmed } from "./decimal.ts";
import type { Run } from "./run.ts";
import type { AggregateCall, Compiled, Env, Scope } from "./scope.ts";
import { DatabaseError, type DbType, type DbValue } from "./session.ts";

const NAMES = new Set(["COUNT", "COUNT_BIG", "MIN", "MAX", "SUM", "AVG", "STRING_AGG", "LISTAGG"]);

export function isAggregate(name: string): boolean {
  return NAMES.has(name);
}

/** The call is put on the scope's list; what is compiled only looks its result up. */
export function compileAggregate(name: string, call: Expression & { kind: "call" }, scope: Scope): Compiled {
  const list = scope.aggregates;
  if (list === undefined) {
    throw scope.run.host.dialect === "oracle"
      ? new DatabaseError(934, "ORA-00934: group function is not allowed here")
      : new DatabaseError(147, "An aggregate may not appear here.");
  }
  scope.aggregates = undefined;
  const [first, second] = call.args;
  const argument = first === undefined ? undefined : compileExpression(first, scope);
  const separator = second === undefined ? undefined : compileExpression(second, scope);
  scope.aggregates = list;
  const at = list.push({ name, argument, separator, isDistinct: call.isDistinct }) - 1;
  const isOracle = scope.run.host.dialect === "oracle";
  const isCount = name === "COUNT" || name === "COUNT_BIG";
  return {
    type: resultType(name, argument, isOracle),
    isNullable: !isCount,
    collationRank: argument?.collationRank ?? 0,
    eval: (env) => env.aggregates[at]!,
  };
}

function resultType(name: string, argument: Compiled | undefined, isOracle: boolean): DbType {
  if (name === "COUNT" || name === "COUNT_BIG") {
    return isOracle ? { kind: "number" } : { kind: "int", bits: name === "COUNT" ? 32 : 64 };
  }
  const type = argument!.type;
  if (name === "STRING_AGG" || name === "LISTAGG")
    return { kind: "nvarchar", length: isOracle ? 4000 : "max" };
  if (name === "MIN" || name === "MAX") return type;
  if (isOracle) return { kind: "number" };
  if (type.kind === "int") return type.bits === 64 ? type : { kind: "int", bits: 32 };
  return type.kind === "decimal"
    ? { kind: "decimal", precision: 38, scale: name === "AVG" ? Math.max(6, type.scale) : type.scale }
    : type;
}

export interface AggregateState {
  add(env: Env): void;
  result(): DbValue;
}

export function startAggregate(call: AggregateCall, run: Run): AggregateState {
  const { name, argument, isDistinct } = call;
  if (argument === undefined) return countedAs(name, run);
  const comparable = comparableBy(argument, ruleOf(argument, run), run);
  const seen = isDistinct ? new Set<string>() : undefined;
  const state = stateOf(call, argument, comparable, run);
  if (name === "STRING_AGG" || name === "LISTAGG") return state;
  return {
    add: (env) => {
      const key = comparable(env);
      if (key === null) return;
      if (seen !== undefined) {
        const text = comparableText([key]);
        if (seen.has(text)) return;
        seen.add(text);
      }
      state.add(env);
    },
    result: () => state.result(),
  };
}

function countedAs(name: string, run: Run): AggregateState {
  let count = 0;
  const result = (): DbValue =>
    run.host.dialect === "oracle" ? String(count) : name === "COUNT_BIG" ? BigInt(count) : count;
  return { add: () => void (count += 1), result };
}

function stateOf(
  { name, separator }: AggregateCall,
  argument: Compiled,
  comparable: (env: Env) => Comparable,
  run: Run,
): AggregateState {
  switch (name) {
    case "COUNT":
    case "COUNT_BIG":
      return countedAs(name, run);
    case "MIN":
    case "MAX":
      return extreme(name === "MIN" ? -1 : 1, argument, comparable);
    case "SUM":
    case "AVG":
      return total(name, argument, run);
    default: {
      const parts: string[] = [];
      let between = "";
      return {
        add: (env) => {
          const value = argument.eval(env);
          if (value !== null) parts.push(String(value));
          between = String(separator?.eval(env) ?? "");
        },
        result: () => (parts.length === 0 ? null : parts.join(between)),
      };
    }
  }
}

function extreme(sign: number, argument: Compiled, comparable: (env: Env) => Comparable): AggregateState {
  let best: Comparable = null;
  let value: DbValue = null;
  return {
    add: (env) => {
      const key = comparable(env);
      if (best !== null && compare(key, best) * sign <= 0) return;
      best = key;
      value = argument.eval(env);
    },
    result: () => value,
  };
}

function total(name: string, argument: Compiled, run: Run): AggregateState {
  let sum: Decimal | undefined;
  let float = 0;
  let count = 0;
  const { type } = argument;
  return {
    add: (env) => {
      const value = argument.eval(env);
      count += 1;
      if (type.kind === "float") float += Number(value);
      else sum = addDecimals(sum ?? { units: 0n, scale: 0 }, decimalOf(value) ?? { units: 0n, scale: 0 });
    },
    result: () => {
      if (count === 0) return null;
      if (type.kind === "float") return name === "SUM" ? float : float / count;
      const whole: Decimal = { units: BigInt(count), scale: 0 };
      if (type.kind === "int") {
        const result = name === "SUM" ? sum!.units : sum!.units / whole.units;
        return type.bits === 64 ? result : Number(result);
      }
      const scale = type.kind === "decimal" ? Math.max(6, type.scale) : 38;
      const result = name === "SUM" ? sum! : divideDecimals(sum!, whole, scale)!;
      if (run.host.dialect === "oracle") return formatDecimal(trimmed(result));
      return formatDecimal(type.kind === "money" ? rescale(result, 4) : result);
    },
  };
}
