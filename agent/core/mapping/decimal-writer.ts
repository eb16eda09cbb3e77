// Writes decimals: a column's, a difference's, a sum's; exact from end to end.
import type { SourceValue } from "../source/plan.ts";
import { badValue } from "./bad-value.ts";
import { plainDecimal, shiftDecimal, sumDecimals } from "./decimal.ts";
import type { FieldSpec, ValueSource } from "./field-spec.ts";
import { NO_ROWS, createGetter, isMatch, sourceName, type Writer } from "./field-writer.ts";

/** Plain decimal text of a value; null for null and empty. */
function decimalOf(value: SourceValue | undefined, name: string): string | null | undefined {
  if (value === undefined || value === null) return value;
  if (typeof value === "string" && value.trim() === "") return null;
  const text = typeof value === "boolean" || typeof value === "object" ? undefined : plainDecimal(value);
  if (text === undefined) throw badValue("BAD_DECIMAL", name, value, "decimal of at most 60 characters");
  return text;
}

const STORED_CURRENCY_DECIMALS = 2;

export function decimalWriter(spec: FieldSpec & { form: "decimal" }): Writer {
  const { source, impliedDecimals, currencyDecimals, isTextNothing = false } = spec;
  const get = createGetter(source);
  const name = sourceName(source);
  const getCurrency = currencyDecimals && createGetter(currencyDecimals);
  return (row, scope) => {
    const value = get(row, scope);
    if (isTextNothing && typeof value === "string" && plainDecimal(value) === undefined) return "null";
    const plain = decimalOf(value, name);
    if (plain === undefined || plain === null) return plain === null ? "null" : undefined;
    const currency = getCurrency?.(row, scope) ?? STORED_CURRENCY_DECIMALS;
    const places = impliedDecimals + Number(currency) - STORED_CURRENCY_DECIMALS;
    if (places === 0) return `"${plain}"`;
    const shifted = Number.isInteger(places) ? shiftDecimal(plain, places) : undefined;
    if (shifted === undefined) throw badValue("BAD_DECIMAL", name, value, "decimal of at most 60 characters");
    return `"${shifted}"`;
  };
}

export function arithmeticWriter({
  plus,
  minus,
  impliedDecimals,
}: FieldSpec & { form: "arithmetic" }): Writer {
  const readers = (sources: readonly ValueSource[]) =>
    sources.map((source) => ({ get: createGetter(source), name: sourceName(source) }));
  const added = readers(plus);
  const taken = readers(minus);
  const names = [...plus, ...minus].map(sourceName).join(", ");
  return (row, scope) => {
    const values = added.map(({ get, name }) => decimalOf(get(row, scope), name));
    const present = values.filter((value) => typeof value === "string");
    const less = taken.map(({ get, name }) => decimalOf(get(row, scope), name));
    const decisive = added.length > 0 ? values : less;
    if (!decisive.some((value) => typeof value === "string"))
      return decisive.includes(null) ? "null" : undefined;
    return totalJson(
      present,
      less.filter((value) => typeof value === "string"),
      names,
      impliedDecimals,
    );
  };
}

function totalJson(
  plus: readonly string[],
  minus: readonly string[],
  name: string,
  impliedDecimals: number,
): string {
  const sum = sumDecimals(plus, minus);
  const total = sum === undefined || impliedDecimals === 0 ? sum : shiftDecimal(sum, impliedDecimals);
  if (total === undefined) throw badValue("BAD_DECIMAL", name, plus, "sum of at most 60 characters");
  return `"${total}"`;
}

export function sumWriter(spec: FieldSpec & { form: "sum" }): Writer {
  const { over, column, match, impliedDecimals } = spec;
  const name = `${over}.${column}`;
  return (row, scope) => {
    const parts: string[] = [];
    for (const other of scope.related[over] ?? NO_ROWS) {
      if (!isMatch(other, row, match)) continue;
      const value = decimalOf(other[column], name);
      if (typeof value === "string") parts.push(value);
    }
    return totalJson(parts, [], name, impliedDecimals);
  };
}
