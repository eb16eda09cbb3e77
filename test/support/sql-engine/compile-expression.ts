// Expressions made ready to be evaluated: types are settled once, values are computed per row.
import type { Expression } from "./ast.ts";
import { arithmetic, negative } from "./arithmetic.ts";
import { collationOf } from "./collation.ts";
import { compileAggregate, isAggregate } from "./aggregates.ts";
import { comparableBy, optionsOf, ruleFor } from "./compare-compiled.ts";
import { compare } from "./comparison.ts";
import { compileCondition } from "./compile-condition.ts";
import { convertValue } from "./convert.ts";
import { atOffset, dateTimeText, offsetOf, offsetText, parseWallClock, toUtc } from "./date-text.ts";
import { illegalLong, isLong } from "./long-rules.ts";
import { compileQuery } from "./select.ts";
import { type Compiled, type Env, type Scope, unknownColumn } from "./scope.ts";
import { DatabaseError, type DbType, type DbValue } from "./session.ts";
import { zoneOffsetMinutes } from "./time-zones.ts";
import { rowNumberIn } from "./window.ts";

/** @throws DatabaseError for unknown columns and functions, and types that do not go together */
export function compileExpression(expression: Expression, scope: Scope): Compiled {
  switch (expression.kind) {
    case "literal":
      return literal(expression.value, expression.type, scope);
    case "parameter":
      return parameter(expression.name, scope);
    case "column":
      return column(expression.path, scope);
    case "negative":
      return negative(compileExpression(expression.operand, scope));
    case "arithmetic":
      return arithmetic(
        expression.op,
        compileExpression(expression.left, scope),
        compileExpression(expression.right, scope),
        scope.run,
      );
    case "case":
      return compileCase(expression, scope);
    case "call":
      return compileCall(expression, scope);
    case "cast":
      return compileCast(expression, scope);
    case "subquery":
      return scalarSubquery(expression, scope);
    case "collate": {
      const operand = compileExpression(expression.operand, scope);
      const name = /^(?:DATABASE|CATALOG)_DEFAULT$/i.test(expression.collation)
        ? scope.run.host.collation
        : expression.collation;
      if (name !== undefined) collationOf(name);
      const type = { ...operand.type, collation: name } as DbType;
      const { column: _, ...rest } = operand;
      return { ...rest, type, collationRank: 2 };
    }
    case "at_zone":
      return atZone(expression, scope);
    default:
      throw new DatabaseError(102, "A list of values stands where one value is expected.");
  }
}

export function constant(value: DbValue, type: DbType): Compiled {
  return { type, isNullable: value === null, eval: () => value, collationRank: 0 };
}

function literal(value: DbValue, type: DbType, scope: Scope): Compiled {
  const isNull = value === null || (value === "" && scope.run.host.dialect === "oracle");
  if (!isNull) return constant(value, type);
  return { ...constant(null, value === null ? type : { kind: "varchar", length: 1 }), name: "$null" };
}

function parameter(name: string, scope: Scope): Compiled {
  const { variables, host } = scope.run;
  const variable = variables.get(host.dialect === "tsql" ? name.toLowerCase() : name);
  if (variable === undefined) {
    if (name.startsWith("@@")) return globalVariable(name, scope);
    throw host.dialect === "tsql"
      ? new DatabaseError(137, `Must declare the scalar variable "${name}".`, 15)
      : new DatabaseError(1008, "ORA-01008: not all variables bound");
  }
  const { type } = variable;
  if (host.dialect === "oracle") {
    return { ...constant(variable.value === "" ? null : variable.value, type), isNullable: true };
  }
  return { type, isNullable: true, eval: () => variable.value, collationRank: 0 };
}

function globalVariable(name: string, scope: Scope): Compiled {
  const found = scope.run.host.scalar([name.toUpperCase()]);
  if (found === undefined) throw new DatabaseError(137, `Must declare the scalar variable "${name}".`, 15);
  return found([], scope.run, scope);
}

function column(path: readonly string[], scope: Scope): Compiled {
  const resolved = scope.resolve(path);
  if (resolved === undefined) {
    const oracleName = scope.run.host.dialect === "oracle" ? oracleBareName(path, scope) : undefined;
    if (oracleName !== undefined) return oracleName;
    throw unknownColumn(path, scope);
  }
  const { depth, source, place } = resolved;
  const { type, isNullable, name } = resolved.column;
  if (isLong(type) && !scope.takesLong) throw illegalLong();
  const base = { type, isNullable, name, collationRank: 1 } as const;
  if (depth === 0) return { ...base, eval: (env) => env.rows[source]![place]!, column: { source, place } };
  if (depth === 1) return { ...base, eval: (env) => env.outer!.rows[source]![place]! };
  return {
    ...base,
    eval: (env) => {
      let at: Env = env;
      for (let step = 0; step < depth; step += 1) at = at.outer!;
      return at.rows[source]![place]!;
    },
  };
}

/** `sequence.NEXTVAL`, PL/SQL variables and package functions without parentheses. */
function oracleBareName(path: readonly string[], scope: Scope): Compiled | undefined {
  const variable = path.length === 1 ? scope.run.variables.get(path[0]!) : undefined;
  if (variable !== undefined) {
    return { type: variable.type, isNullable: true, eval: () => variable.value, collationRank: 0 };
  }
  return scope.run.host.scalar(path)?.([], scope.run, scope);
}

function compileCase(expression: Expression & { kind: "case" }, scope: Scope): Compiled {
  const { operand, branches, otherwise } = expression;
  const whens = branches.map(({ when }) =>
    operand === undefined
      ? compileCondition(when as Parameters<typeof compileCondition>[0], scope)
      : compileCondition({ kind: "compare", op: "=", left: operand, right: when as Expression }, scope),
  );
  const thens = branches.map(({ result }) => compileExpression(result, scope));
  const last = otherwise === undefined ? undefined : compileExpression(otherwise, scope);
  const results = unify(last === undefined ? thens : [...thens, last], scope);
  const fallback = last === undefined ? undefined : results.at(-1)!;
  return {
    type: results[0]!.type,
    isNullable: fallback === undefined || results.some((result) => result.isNullable),
    collationRank: results[0]!.collationRank,
    eval: (env) => {
      for (const [at, when] of whens.entries()) if (when(env) === true) return results[at]!.eval(env);
      return fallback === undefined ? null : fallback.eval(env);
    },
  };
}

/** All of one type: the strongest of them. */
export function unify(items: readonly Compiled[], scope: Scope): readonly Compiled[] {
  const typed = items.filter((item) => item.name !== "$null");
  if (typed.length === 0) return items;
  const type = typed.map((item) => item.type).reduce(strongerType);
  return items.map((item) => (sameType(item.type, type) ? item : convertTo(item, type, scope)));
}

export function convertTo(item: Compiled, type: DbType, scope: Scope, style?: number): Compiled {
  const options = optionsOf(scope.run, true, style);
  const from = item.type;
  return {
    type,
    isNullable: item.isNullable,
    collationRank: item.collationRank,
    eval: (env) => convertValue(item.eval(env), from, type, options),
  };
}

function sameType(left: DbType, right: DbType): boolean {
  return left === right || JSON.stringify(left) === JSON.stringify(right);
}

const STRENGTH: readonly string[] = (
  "raw binary varbinary blob rowid char varchar nchar nvarchar long clob nclob uniqueidentifier rowversion bit int money decimal " +
  "number float time date smalldatetime datetime datetime2 oracle_date timestamp datetimeoffset xml sql_variant"
).split(" ");

function strongerType(left: DbType, right: DbType): DbType {
  if (left.kind === right.kind) return wider(left, right);
  const [weak, strong] =
    STRENGTH.indexOf(left.kind) < STRENGTH.indexOf(right.kind) ? [left, right] : [right, left];
  if ("length" in weak && "length" in strong && strong.length !== "max") {
    const length = weak.length === "max" ? "max" : Math.max(weak.length, strong.length);
    return { ...strong, length } as DbType;
  }
  if (strong.kind === "decimal" && weak.kind === "int") {
    const whole = Math.max(strong.precision - strong.scale, weak.bits === 64 ? 19 : 10);
    return { kind: "decimal", precision: Math.min(38, whole + strong.scale), scale: strong.scale };
  }
  return strong;
}

function wider(left: DbType, right: DbType): DbType {
  if (left.kind === "int" && right.kind === "int") return left.bits >= right.bits ? left : right;
  if (left.kind === "float" && right.kind === "float") return left.bits >= right.bits ? left : right;
  if (left.kind === "decimal" && right.kind === "decimal") {
    const scale = Math.max(left.scale, right.scale);
    const whole = Math.max(left.precision - left.scale, right.precision - right.scale);
    return { kind: "decimal", precision: Math.min(38, whole + scale), scale };
  }
  if ("length" in left && "length" in right) {
    const isMax = left.length === "max" || right.length === "max";
    const length = isMax ? "max" : Math.max(left.length, right.length);
    const kind = left.kind === "char" ? "varchar" : left.kind === "nchar" ? "nvarchar" : left.kind;
    return { ...left, kind: left.length === right.length ? left.kind : kind, length } as DbType;
  }
  if (left.kind === "number") return { kind: "number" };
  if ("scale" in left && "scale" in right && left.scale !== undefined && right.scale !== undefined) {
    return left.scale >= right.scale ? left : right;
  }
  return left;
}

function compileCall(expression: Expression & { kind: "call" }, scope: Scope): Compiled {
  const { path, args, over } = expression;
  const name = path.at(-1)!.toUpperCase();
  if (over !== undefined) return rowNumberIn(name, over, scope);
  if (name === "ROWNUM" && scope.run.host.dialect === "oracle") {
    return {
      type: { kind: "number" },
      isNullable: false,
      collationRank: 0,
      eval: (env) => String(env.rowNumber),
    };
  }
  if (path.length === 1 && isAggregate(name)) return compileAggregate(name, expression, scope);
  const found = scope.run.host.scalar(path);
  if (found === undefined) {
    throw scope.run.host.dialect === "oracle"
      ? new DatabaseError(904, `ORA-00904: "${path.join('"."')}": invalid identifier`)
      : new DatabaseError(
          195,
          `'${path.join(".")}' is not a built-in function name that the test engine knows.`,
        );
  }
  return found(
    args.map((arg) => compileExpression(arg, scope)),
    scope.run,
    scope,
  );
}

function compileCast(expression: Expression & { kind: "cast" }, scope: Scope): Compiled {
  const operand = compileExpression(expression.operand, scope);
  const style = expression.style === undefined ? undefined : compileExpression(expression.style, scope);
  const collation =
    operand.collationRank > 0 && "collation" in operand.type && "length" in expression.type
      ? operand.type.collation
      : undefined;
  const type = collation === undefined ? expression.type : ({ collation, ...expression.type } as DbType);
  const from = operand.type;
  const options = optionsOf(scope.run);
  const styleOf = (env: Env): number | undefined => {
    const value = style?.eval(env);
    return value === undefined || value === null ? undefined : Number(value);
  };
  const convert = (env: Env): DbValue => {
    const value = operand.eval(env);
    const chosen = styleOf(env);
    return convertValue(value, from, type, chosen === undefined ? options : { ...options, style: chosen });
  };
  const isNullable = operand.isNullable || expression.isTry;
  const collationRank = operand.collationRank === 2 ? 2 : collation === undefined ? 0 : operand.collationRank;
  if (!expression.isTry) return { type, isNullable, collationRank, eval: convert };
  return {
    type,
    isNullable,
    collationRank,
    eval: (env) => {
      try {
        return convert(env);
      } catch (error) {
        if (error instanceof DatabaseError && error.number !== 529) return null;
        throw error;
      }
    },
  };
}

function scalarSubquery(expression: Expression & { kind: "subquery" }, scope: Scope): Compiled {
  const query = compileQuery(expression.query, scope.run, scope);
  const [first] = query.columns;
  if (first === undefined || query.columns.length !== 1) {
    throw new DatabaseError(116, "Only one expression can be specified in the select list of a subquery.");
  }
  return {
    type: first.type,
    isNullable: true,
    collationRank: 1,
    eval: (env) => {
      let value: DbValue | undefined;
      for (const row of query.rows(env)) {
        if (value !== undefined) {
          throw scope.run.host.dialect === "oracle"
            ? new DatabaseError(1427, "ORA-01427: single-row subquery returns more than one row")
            : new DatabaseError(512, "Subquery returned more than 1 value.");
        }
        value = row[0]!;
      }
      return value ?? null;
    },
  };
}

/** A zoned value on another zone's wall clock; one without zone becomes of that zone. */
function atZone(expression: Expression & { kind: "at_zone" }, scope: Scope): Compiled {
  const operand = compileExpression(expression.operand, scope);
  const zone = compileExpression(expression.zone, scope);
  const isOracle = scope.run.host.dialect === "oracle";
  const digits =
    "scale" in operand.type && operand.type.scale !== undefined ? operand.type.scale : isOracle ? 6 : 3;
  const isZoned =
    operand.type.kind === "datetimeoffset" ||
    (operand.type.kind === "timestamp" && operand.type.zone !== "none");
  return {
    type: isOracle
      ? { kind: "timestamp", scale: digits, zone: "offset" }
      : { kind: "datetimeoffset", scale: digits },
    isNullable: operand.isNullable,
    collationRank: 0,
    eval: (env) => {
      const value = operand.eval(env);
      const name = zone.eval(env);
      if (value === null || name === null) return null;
      const clock = parseWallClock(String(value))!;
      const fixed = /^[+-]/.test(String(name)) ? offsetOf(String(name)) : undefined;
      const offset = fixed ?? zoneOffsetMinutes(String(name), toUtc(clock).seconds * 1000, !isZoned);
      const moved = isZoned ? atOffset(toUtc(clock), offset) : clock;
      return `${dateTimeText(moved, digits)} ${offsetText(offset)}`;
    },
  };
}

/** -1, 0, 1 or undefined where one of them is null. */
export function comparer(left: Compiled, right: Compiled, scope: Scope): (env: Env) => number | undefined {
  const rule = ruleFor(left, right, scope.run);
  const a = comparableBy(left, rule, scope.run);
  const b = comparableBy(right, rule, scope.run);
  return (env) => {
    const one = a(env);
    if (one === null) return undefined;
    const other = b(env);
    return other === null ? undefined : compare(one, other);
  };
}
