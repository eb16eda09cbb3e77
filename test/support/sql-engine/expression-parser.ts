// Values and conditions.
import type { Condition, Expression, WindowSpec } from "./ast.ts";
import { parseOrderBy, parseQuery } from "./query-parser.ts";
import type { DbType } from "./session.ts";
import type { TokenCursor } from "./token-cursor.ts";
import { parseType } from "./type-parser.ts";

const COMPARISONS = ["=", "<>", "!=", "<", "<=", ">", ">="];
/** Functions that are written without parentheses. */
const BARE_FUNCTIONS = new Set([
  "CURRENT_TIMESTAMP",
  "SYSTEM_USER",
  "CURRENT_USER",
  "SESSION_USER",
  "SYSDATE",
  "SYSTIMESTAMP",
  "CURRENT_DATE",
  "LOCALTIMESTAMP",
  "USER",
  "UID",
  "DBTIMEZONE",
  "SESSIONTIMEZONE",
  "ROWNUM",
]);
/** Words that never begin a value. */
const NO_VALUES = new Set([
  "FROM",
  "WHERE",
  "ORDER",
  "GROUP",
  "HAVING",
  "UNION",
  "AND",
  "OR",
  "ON",
  "AS",
  "SELECT",
  "WHEN",
  "THEN",
  "ELSE",
  "END",
  "IN",
  "LIKE",
  "BETWEEN",
]);

export function parseCondition(cursor: TokenCursor): Condition {
  const items = [parseAnd(cursor)];
  while (cursor.take("OR")) items.push(parseAnd(cursor));
  return items.length === 1 ? items[0]! : { kind: "or", items };
}

function parseAnd(cursor: TokenCursor): Condition {
  const items = [parseNot(cursor)];
  while (cursor.take("AND")) items.push(parseNot(cursor));
  return items.length === 1 ? items[0]! : { kind: "and", items };
}

function parseNot(cursor: TokenCursor): Condition {
  if (cursor.take("NOT")) return { kind: "not", item: parseNot(cursor) };
  if (cursor.take("EXISTS")) {
    cursor.expect("(");
    const query = parseQuery(cursor);
    cursor.expect(")");
    return { kind: "exists", query };
  }
  if (cursor.is("(")) {
    const nested = cursor.tryParse(() => {
      cursor.expect("(");
      const condition = parseCondition(cursor);
      cursor.expect(")");
      return condition;
    });
    if (nested !== undefined) return nested;
  }
  return parsePredicate(cursor, parseExpression(cursor));
}

function parsePredicate(cursor: TokenCursor, left: Expression): Condition {
  for (const op of COMPARISONS) {
    if (!cursor.take(op)) continue;
    return { kind: "compare", op: op === "!=" ? "<>" : op, left, right: parseExpression(cursor) };
  }
  if (cursor.take("IS")) {
    const isNegated = cursor.take("NOT");
    cursor.expect("NULL");
    return { kind: "is_null", operand: left, isNegated };
  }
  const isNegated = cursor.take("NOT");
  if (cursor.take("BETWEEN")) {
    const low = parseExpression(cursor);
    cursor.expect("AND");
    return { kind: "between", operand: left, low, high: parseExpression(cursor), isNegated };
  }
  if (cursor.take("LIKE")) {
    const pattern = parseExpression(cursor);
    const escape = cursor.take("ESCAPE") ? parseExpression(cursor) : undefined;
    return { kind: "like", operand: left, pattern, escape, isNegated };
  }
  if (cursor.take("IN")) {
    cursor.expect("(");
    if (cursor.isOneOf("SELECT", "WITH")) {
      const query = parseQuery(cursor);
      cursor.expect(")");
      return { kind: "in_query", operand: left, query, isNegated };
    }
    const items = cursor.list(() => parseExpression(cursor));
    cursor.expect(")");
    return { kind: "in_list", operand: left, items, isNegated };
  }
  return cursor.refuse("expected a condition");
}

export function parseExpression(cursor: TokenCursor): Expression {
  let left = parseTerm(cursor);
  while (cursor.isOneOf("+", "-", "||", "&", "|", "^")) {
    const op = cursor.next().key;
    left = { kind: "arithmetic", op, left, right: parseTerm(cursor) };
  }
  return left;
}

function parseTerm(cursor: TokenCursor): Expression {
  let left = parseFactor(cursor);
  while (cursor.isOneOf("*", "/", "%")) {
    const op = cursor.next().key;
    left = { kind: "arithmetic", op, left, right: parseFactor(cursor) };
  }
  return left;
}

function parseFactor(cursor: TokenCursor): Expression {
  if (cursor.take("-")) return { kind: "negative", operand: parseFactor(cursor) };
  cursor.take("+");
  let value = parsePrimary(cursor);
  while (true) {
    if (cursor.take("COLLATE")) value = { kind: "collate", operand: value, collation: cursor.name() };
    else if (cursor.take("AT", "TIME", "ZONE")) {
      value = { kind: "at_zone", operand: value, zone: parsePrimary(cursor) };
    } else return value;
  }
}

function parsePrimary(cursor: TokenCursor): Expression {
  const token = cursor.peek();
  switch (token.kind) {
    case "number":
      cursor.next();
      return numberLiteral(cursor, token.text);
    case "string":
      cursor.next();
      return { kind: "literal", value: token.text, type: stringType(cursor, token.text, token.isNational) };
    case "binary": {
      cursor.next();
      const digits = token.text.length % 2 === 0 ? token.text : `0${token.text}`;
      const value = new Uint8Array(Buffer.from(digits, "hex"));
      return { kind: "literal", value, type: { kind: "varbinary", length: Math.max(1, value.length) } };
    }
    case "parameter":
      cursor.next();
      return { kind: "parameter", name: token.text };
    case "symbol":
      if (token.key === "(") return parseParentheses(cursor);
      if (token.key === "*") break;
      return cursor.refuse("expected a value");
    case "word":
    case "quoted":
      return parseNamed(cursor);
  }
  return cursor.refuse("expected a value");
}

function stringType(cursor: TokenCursor, text: string, isNational: boolean | undefined): DbType {
  const length = Math.max(1, text.length);
  if (cursor.isOracle) return { kind: isNational === true ? "nchar" : "char", length };
  return { kind: isNational === true ? "nvarchar" : "varchar", length };
}

function numberLiteral(cursor: TokenCursor, text: string): Expression {
  if (cursor.isOracle) return { kind: "literal", value: text, type: { kind: "number" } };
  if (/[eE]/.test(text)) return { kind: "literal", value: Number(text), type: { kind: "float", bits: 64 } };
  if (/^\d+$/.test(text)) {
    if (BigInt(text) <= 2147483647n) {
      return { kind: "literal", value: Number(text), type: { kind: "int", bits: 32 } };
    }
    return { kind: "literal", value: text, type: { kind: "decimal", precision: text.length, scale: 0 } };
  }
  const [whole = "", fraction = ""] = text.split(".");
  const precision = Math.max(1, whole.replace(/^0+/, "").length + fraction.length);
  return {
    kind: "literal",
    value: `${whole === "" ? "0" : whole}.${fraction}`.replace(/\.$/, ""),
    type: { kind: "decimal", precision, scale: fraction.length },
  };
}

function parseParentheses(cursor: TokenCursor): Expression {
  cursor.expect("(");
  if (cursor.isOneOf("SELECT", "WITH")) {
    const query = parseQuery(cursor);
    cursor.expect(")");
    return { kind: "subquery", query };
  }
  const items = cursor.list(() => parseExpression(cursor));
  cursor.expect(")");
  return items.length === 1 ? items[0]! : { kind: "row", items };
}

function parseNamed(cursor: TokenCursor): Expression {
  const { key, kind } = cursor.peek();
  const following = cursor.peek(1);
  if (kind === "word") {
    if (NO_VALUES.has(key)) cursor.refuse("expected a value");
    if (key === "NULL" && cursor.take("NULL"))
      return { kind: "literal", value: null, type: { kind: "int", bits: 32 } };
    if (key === "CASE") return parseCase(cursor);
    if (BARE_FUNCTIONS.has(key) && following.key !== "(" && following.key !== ".") {
      cursor.next();
      return { kind: "call", path: [key], args: [], isStar: false, isDistinct: false };
    }
    if (!cursor.isOracle && cursor.take("NEXT", "VALUE", "FOR")) {
      const name = cursor.path().join(".");
      const sequence: Expression = { kind: "literal", value: name, type: stringType(cursor, name, false) };
      return { kind: "call", path: ["NEXT VALUE FOR"], args: [sequence], isStar: false, isDistinct: false };
    }
    if (cursor.isOracle && following.kind === "string") {
      const literal = oracleLiteral(cursor);
      if (literal !== undefined) return literal;
    }
    if (following.key === "(") {
      const special = parseSpecialCall(cursor);
      if (special !== undefined) return special;
    }
  }
  const path = cursor.path();
  return cursor.is("(") ? parseCall(cursor, path) : { kind: "column", path };
}

/** `DATE '…'`, `TIMESTAMP '…'`, `INTERVAL '…' DAY`. */
function oracleLiteral(cursor: TokenCursor): Expression | undefined {
  const { key } = cursor.peek();
  const text = cursor.peek(1).text;
  if (key === "DATE" || key === "TIMESTAMP") {
    cursor.position += 2;
    if (key === "DATE") return { kind: "literal", value: `${text} 00:00:00`, type: { kind: "oracle_date" } };
    const zone = /[+-]\d\d:\d\d$/.test(text) ? "offset" : "none";
    return { kind: "literal", value: text, type: { kind: "timestamp", scale: 9, zone } };
  }
  if (key !== "INTERVAL") return undefined;
  cursor.position += 2;
  const unit = cursor.next().key;
  const seconds = { SECOND: 1, MINUTE: 60, HOUR: 3600, DAY: 86_400 }[unit];
  if (seconds === undefined) cursor.refuse(`unknown interval unit ${unit}`);
  if (cursor.take("(")) cursor.skipParentheses();
  return intervalOf({ kind: "literal", value: String(Number(text) * seconds), type: { kind: "number" } });
}

function intervalOf(seconds: Expression): Expression {
  return { kind: "call", path: ["$SECONDS"], args: [seconds], isStar: false, isDistinct: false };
}

function parseCase(cursor: TokenCursor): Expression {
  cursor.expect("CASE");
  const operand = cursor.is("WHEN") ? undefined : parseExpression(cursor);
  const branches: { when: Condition | Expression; result: Expression }[] = [];
  while (cursor.take("WHEN")) {
    const when = operand === undefined ? parseCondition(cursor) : parseExpression(cursor);
    cursor.expect("THEN");
    branches.push({ when, result: parseExpression(cursor) });
  }
  const otherwise = cursor.take("ELSE") ? parseExpression(cursor) : undefined;
  cursor.expect("END");
  return { kind: "case", operand, branches, otherwise };
}

/** Calls whose arguments are no plain list. */
function parseSpecialCall(cursor: TokenCursor): Expression | undefined {
  const { key } = cursor.peek();
  if (key === "CAST" || key === "TRY_CAST") {
    cursor.position += 2;
    const operand = parseExpression(cursor);
    cursor.expect("AS");
    const type = parseType(cursor, 30);
    cursor.expect(")");
    return { kind: "cast", operand, type, style: undefined, isTry: key === "TRY_CAST" };
  }
  if ((key === "CONVERT" || key === "TRY_CONVERT") && !cursor.isOracle) {
    cursor.position += 2;
    const type = parseType(cursor, 30);
    cursor.expect(",");
    const operand = parseExpression(cursor);
    const style = cursor.take(",") ? parseExpression(cursor) : undefined;
    cursor.expect(")");
    return { kind: "cast", operand, type, style, isTry: key === "TRY_CONVERT" };
  }
  if (key === "IIF") {
    cursor.position += 2;
    const when = parseCondition(cursor);
    cursor.expect(",");
    const result = parseExpression(cursor);
    cursor.expect(",");
    const otherwise = parseExpression(cursor);
    cursor.expect(")");
    return { kind: "case", operand: undefined, branches: [{ when, result }], otherwise };
  }
  if (key === "EXTRACT") {
    cursor.position += 2;
    const part = cursor.name();
    cursor.expect("FROM");
    const operand = parseExpression(cursor);
    cursor.expect(")");
    const unit: Expression = { kind: "literal", value: part, type: { kind: "varchar", length: 20 } };
    return { kind: "call", path: ["EXTRACT"], args: [unit, operand], isStar: false, isDistinct: false };
  }
  if (key === "DATEADD" || key === "DATEDIFF" || key === "DATEPART" || key === "DATEDIFF_BIG") {
    cursor.position += 2;
    const unit: Expression = { kind: "literal", value: cursor.name(), type: { kind: "varchar", length: 20 } };
    cursor.expect(",");
    const args = cursor.list(() => parseExpression(cursor));
    cursor.expect(")");
    return { kind: "call", path: [key], args: [unit, ...args], isStar: false, isDistinct: false };
  }
  return undefined;
}

function parseCall(cursor: TokenCursor, path: readonly string[]): Expression {
  cursor.expect("(");
  let isStar = false;
  let isDistinct = false;
  let args: readonly Expression[] = [];
  if (cursor.take("*")) isStar = true;
  else if (!cursor.is(")")) {
    isDistinct = cursor.take("DISTINCT");
    args = cursor.list(() => {
      // Oracle's named arguments are taken in the order in which they stand.
      if (cursor.peek(1).key === "=>") cursor.position += 2;
      return parseExpression(cursor);
    });
  }
  cursor.expect(")");
  const over = cursor.take("OVER") ? parseWindow(cursor) : undefined;
  return { kind: "call", path, args, isStar, isDistinct, ...(over === undefined ? {} : { over }) };
}

function parseWindow(cursor: TokenCursor): WindowSpec {
  cursor.expect("(");
  const partitionBy = cursor.take("PARTITION", "BY") ? cursor.list(() => parseExpression(cursor)) : [];
  const orderBy = cursor.is("ORDER", "BY") ? parseOrderBy(cursor) : [];
  cursor.expect(")");
  return { partitionBy, orderBy };
}
