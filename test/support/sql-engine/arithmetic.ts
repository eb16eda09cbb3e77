// + - * / % and ||, with the result types that each dialect gives.
import { categoryOf } from "./comparison.ts";
import { optionsOf } from "./compare-compiled.ts";
import { convertValue, decimalOf } from "./convert.ts";
import { textOf } from "./convert-text.ts";
import { dateTimeText, offsetText, parseWallClock, plusNanos, type WallClock } from "./date-text.ts";
import {
  addDecimals,
  type Decimal,
  divideDecimals,
  formatDecimal,
  multiplyDecimals,
  negate,
  parseDecimal,
  rescale,
  trimmed,
  truncate,
} from "./decimal.ts";
import type { Run } from "./run.ts";
import type { Compiled, Env } from "./scope.ts";
import { DatabaseError, type DbType, type DbValue } from "./session.ts";

export function negative(operand: Compiled): Compiled {
  const { type, isNullable } = operand;
  return {
    type,
    isNullable,
    collationRank: 0,
    eval: (env) => {
      const value = operand.eval(env);
      if (value === null) return null;
      if (typeof value === "number" || typeof value === "bigint") return -value;
      return formatDecimal(negate(parseDecimal(String(value)) ?? { units: 0n, scale: 0 }));
    },
  };
}

export function arithmetic(op: string, left: Compiled, right: Compiled, run: Run): Compiled {
  const isOracle = run.host.dialect === "oracle";
  const [a, b] = [categoryOf(left.type), categoryOf(right.type)];
  if (op === "||" || (op === "+" && !isOracle && isTextual(left) && isTextual(right)))
    return concat(left, right, run);
  if (left.isInterval === true || right.isInterval === true) return moveBySeconds(op, left, right);
  if (a === "datetime" || a === "zoned" || b === "datetime" || b === "zoned")
    return moveByDays(op, left, right, run);
  if (op === "+" && !isOracle && a === "binary" && b === "binary") return joinBytes(left, right);
  return isOracle ? oracleNumbers(op, left, right) : tsqlNumbers(op, left, right);
}

function isTextual(side: Compiled): boolean {
  return categoryOf(side.type) === "text" || side.name === "$null";
}

function concat(left: Compiled, right: Compiled, run: Run): Compiled {
  const isOracle = run.host.dialect === "oracle";
  const options = optionsOf(run);
  const isNational = [left, right].some(({ type }) => type.kind === "nvarchar" || type.kind === "nchar");
  const lengths = [left, right].map(({ type }) => ("length" in type ? type.length : 40));
  const length = lengths.includes("max") ? "max" : (lengths[0] as number) + (lengths[1] as number);
  const collation = left.collationRank >= right.collationRank ? left : right;
  const type = {
    kind: isNational ? "nvarchar" : "varchar",
    length: isOracle || length === "max" ? length : Math.min(length, isNational ? 4000 : 8000),
    ...("collation" in collation.type && collation.type.collation !== undefined
      ? { collation: collation.type.collation }
      : {}),
  } as DbType;
  return {
    type,
    isNullable: left.isNullable || right.isNullable,
    collationRank: collation.collationRank,
    eval: (env) => {
      const [a, b] = [left.eval(env), right.eval(env)];
      if (isOracle) {
        const text =
          (a === null ? "" : textOf(a, left.type, options)) +
          (b === null ? "" : textOf(b, right.type, options));
        return text === "" ? null : text;
      }
      return a === null || b === null ? null : String(a) + String(b);
    },
  };
}

function joinBytes(left: Compiled, right: Compiled): Compiled {
  return {
    type: { kind: "varbinary", length: "max" },
    isNullable: true,
    collationRank: 0,
    eval: (env) => {
      const [a, b] = [left.eval(env), right.eval(env)];
      if (!(a instanceof Uint8Array) || !(b instanceof Uint8Array)) return null;
      return new Uint8Array([...a, ...b]);
    },
  };
}

function moveBySeconds(op: string, left: Compiled, right: Compiled): Compiled {
  const [time, interval] = right.isInterval === true ? [left, right] : [right, left];
  if (time.isInterval === true)
    return { ...left, eval: (env) => String(Number(left.eval(env)) + Number(right.eval(env))) };
  if (categoryOf(time.type) === "number") {
    return { ...interval, eval: (env) => String(Number(time.eval(env)) * Number(interval.eval(env))) };
  }
  return {
    type: time.type,
    isNullable: true,
    collationRank: 0,
    eval: (env) => moved(time.eval(env), interval.eval(env), op === "-" ? -1 : 1, time.type),
  };
}

function moved(value: DbValue, seconds: DbValue, sign: number, type: DbType): DbValue {
  if (value === null || seconds === null) return null;
  const clock = parseWallClock(String(value))!;
  const nanos = rescale(decimalOf(seconds)!, 9).units * BigInt(sign);
  const whole = nanos / 1_000_000_000n;
  return writeClock(
    plusNanos({ ...clock, seconds: clock.seconds + Number(whole) }, Number(nanos % 1_000_000_000n)),
    type,
  );
}

function writeClock(clock: WallClock, type: DbType): string {
  const digits =
    type.kind === "timestamp" || type.kind === "datetime2" ? type.scale : type.kind === "datetime" ? 3 : 0;
  const text = dateTimeText(clock, digits);
  return clock.offsetMinutes === undefined || type.kind !== "timestamp" || type.zone === "none"
    ? text
    : `${text} ${offsetText(clock.offsetMinutes)}`;
}

/** Dates move by days (and fractions of them), and give days when subtracted from each other. */
function moveByDays(op: string, left: Compiled, right: Compiled, run: Run): Compiled {
  const isDate = ({ type }: Compiled): boolean => ["datetime", "zoned"].includes(categoryOf(type));
  if (isDate(left) && isDate(right)) {
    if (op !== "-") throw new DatabaseError(30_081, "ORA-00975: date + date not allowed");
    return {
      type: { kind: "number" },
      isNullable: true,
      collationRank: 0,
      eval: (env) => {
        const [a, b] = [left.eval(env), right.eval(env)];
        if (a === null || b === null) return null;
        const [one, other] = [parseWallClock(String(a))!, parseWallClock(String(b))!];
        const seconds: Decimal = { units: BigInt(one.seconds - other.seconds), scale: 0 };
        return formatDecimal(trimmed(divideDecimals(seconds, { units: 86_400n, scale: 0 }, 38)!));
      },
    };
  }
  const [date, days] = isDate(left) ? [left, right] : [right, left];
  const type: DbType = run.host.dialect === "oracle" ? { kind: "oracle_date" } : date.type;
  return {
    type,
    isNullable: true,
    collationRank: 0,
    eval: (env) => {
      const [value, count] = [date.eval(env), days.eval(env)];
      if (value === null || count === null) return null;
      const amount = decimalOf(count);
      if (amount === undefined) throw new DatabaseError(1722, "ORA-01722: invalid number");
      const seconds = rescale(multiplyDecimals(amount, { units: 86_400n, scale: 0 }), 9);
      const whole =
        run.host.dialect === "oracle" ? formatDecimal(rescale(seconds, 0)) : formatDecimal(seconds);
      return moved(value, whole, op === "-" ? -1 : 1, type);
    },
  };
}

function decimals(left: Compiled, right: Compiled, env: Env): readonly [Decimal, Decimal] | undefined {
  const [a, b] = [left.eval(env), right.eval(env)];
  if (a === null || b === null) return undefined;
  const [one, other] = [decimalOf(a), decimalOf(b)];
  if (one === undefined || other === undefined) {
    throw new DatabaseError(
      8114,
      "Error converting a value to a number in arithmetic (ORA-01722: invalid number).",
    );
  }
  return [one, other];
}

function compute(op: string, left: Decimal, right: Decimal, scale: number): Decimal {
  switch (op) {
    case "+":
      return addDecimals(left, right);
    case "-":
      return addDecimals(left, negate(right));
    case "*":
      return multiplyDecimals(left, right);
    case "/":
    case "%": {
      const quotient = divideDecimals(left, right, scale);
      if (quotient === undefined)
        throw new DatabaseError(8134, "Divide by zero error encountered (ORA-01476).");
      if (op === "/") return quotient;
      const whole = truncate(divideDecimals(left, right, 20)!, 0);
      return addDecimals(left, negate(multiplyDecimals(whole, right)));
    }
    case "&":
    case "|":
    case "^": {
      const [a, b] = [left.units, right.units];
      return { units: op === "&" ? a & b : op === "|" ? a | b : a ^ b, scale: 0 };
    }
    default:
      throw new DatabaseError(102, `The test engine does not know the operator ${op}.`);
  }
}

function oracleNumbers(op: string, left: Compiled, right: Compiled): Compiled {
  return {
    type: { kind: "number" },
    isNullable: left.isNullable || right.isNullable,
    collationRank: 0,
    eval: (env) => {
      const pair = decimals(left, right, env);
      if (pair === undefined) return null;
      return formatDecimal(trimmed(compute(op, pair[0], pair[1], 38)));
    },
  };
}

function tsqlNumbers(op: string, left: Compiled, right: Compiled): Compiled {
  const type = resultType(op, left.type, right.type);
  if (type.kind === "float") return floats(op, left, right, type);
  const scale = type.kind === "decimal" ? type.scale : type.kind === "money" ? 4 : 0;
  return {
    type,
    isNullable: true,
    collationRank: 0,
    eval: (env) => {
      const pair = decimals(left, right, env);
      if (pair === undefined) return null;
      let result: Decimal;
      if (type.kind === "int" && op === "/") {
        // Whole numbers divide without rounding.
        if (pair[1].units === 0n) throw new DatabaseError(8134, "Divide by zero error encountered.");
        result = { units: pair[0].units / pair[1].units, scale: 0 };
      } else result = compute(op, pair[0], pair[1], scale);
      const from: DbType = { kind: "decimal", precision: 38, scale };
      return convertValue(formatDecimal(result), from, type, { dialect: "tsql", mayCut: true });
    },
  };
}

function floats(op: string, left: Compiled, right: Compiled, type: DbType): Compiled {
  return {
    type,
    isNullable: true,
    collationRank: 0,
    eval: (env) => {
      const [a, b] = [left.eval(env), right.eval(env)];
      if (a === null || b === null) return null;
      const [one, other] = [Number(a), Number(b)];
      return op === "+" ? one + other : op === "-" ? one - other : op === "*" ? one * other : one / other;
    },
  };
}

function resultType(op: string, left: DbType, right: DbType): DbType {
  const kinds = new Set([left.kind, right.kind]);
  if (kinds.has("float")) return { kind: "float", bits: 64 };
  if (kinds.has("decimal")) return decimalResult(op, precisionOf(left), precisionOf(right));
  if (kinds.has("money")) return { kind: "money", bits: 64 };
  const bits = [left, right].map((type) =>
    type.kind === "int" ? type.bits : type.kind === "rowversion" ? 64 : 32,
  );
  return { kind: "int", bits: Math.max(32, ...bits) as 32 | 64 };
}

function precisionOf(type: DbType): readonly [number, number] {
  if (type.kind === "decimal") return [type.precision, type.scale];
  if (type.kind === "money") return [19, 4];
  return type.kind === "int" && type.bits === 64 ? [19, 0] : [10, 0];
}

function decimalResult(
  op: string,
  [p1, s1]: readonly [number, number],
  [p2, s2]: readonly [number, number],
): DbType {
  let scale: number;
  let whole: number;
  if (op === "*") {
    scale = s1 + s2;
    whole = p1 + p2 + 1 - scale;
  } else if (op === "/") {
    scale = Math.max(6, s1 + p2 + 1);
    whole = p1 - s1 + s2;
  } else {
    scale = Math.max(s1, s2);
    whole = Math.max(p1 - s1, p2 - s2) + 1;
  }
  if (whole + scale > 38) scale = Math.max(Math.min(scale, 6), 38 - whole);
  return { kind: "decimal", precision: 38, scale: Math.max(0, Math.min(scale, 38)) };
}
