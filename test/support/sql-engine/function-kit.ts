// What tables of functions are made of: fixed types, nulls passed through, types taken from arguments.
import type { Run, ScalarFunction } from "./run.ts";
import type { Compiled } from "./scope.ts";
import type { DbType, DbValue } from "./session.ts";

export type FunctionTable = Readonly<Record<string, ScalarFunction>>;

export const INT: DbType = { kind: "int", bits: 32 };
export const BIGINT: DbType = { kind: "int", bits: 64 };
export const SYSNAME: DbType = { kind: "nvarchar", length: 128 };
export const NUMBER: DbType = { kind: "number" };

type Body = (args: readonly DbValue[], run: Run, types: readonly DbType[]) => DbValue;

/** Null when any argument is null. */
export function strict(type: DbType | "first" | "text", body: Body): ScalarFunction {
  return make(type, (args, run, types) => (args.includes(null) ? null : body(args, run, types)));
}

/** Sees its nulls. */
export function lenient(type: DbType | "first" | "text", body: Body): ScalarFunction {
  return make(type, body);
}

function make(type: DbType | "first" | "text", body: Body): ScalarFunction {
  return (args, run) => {
    const types = args.map((arg) => arg.type);
    return {
      type: type === "first" ? (types[0] ?? INT) : type === "text" ? textType(args) : type,
      isNullable: true,
      collationRank: args[0]?.collationRank ?? 0,
      eval: (env) => {
        const values = args.map((arg) => arg.eval(env));
        return body(values, run, types);
      },
    };
  };
}

/** As long as the longest text among the arguments may be, in the first one's collation. */
function textType(args: readonly Compiled[]): DbType {
  const [first] = args;
  const isNational = args.some(({ type }) => type.kind === "nvarchar" || type.kind === "nchar");
  const length = args.reduce<number | "max">((most, { type }) => {
    const own = "length" in type ? type.length : 40;
    return most === "max" || own === "max" ? "max" : Math.max(most, own);
  }, 1);
  const collation = first !== undefined && "collation" in first.type ? first.type.collation : undefined;
  const kind = isNational ? "nvarchar" : "varchar";
  return collation === undefined ? { kind, length } : { kind, length, collation };
}
