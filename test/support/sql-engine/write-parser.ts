// INSERT, UPDATE, DELETE, MERGE.
import type {
  Assignment,
  Expression,
  MergeWhen,
  OutputClause,
  Query,
  Returning,
  WriteStatement,
} from "./ast.ts";
import { parseCondition, parseExpression } from "./expression-parser.ts";
import { parseFrom, parseHints, parseQuery, parseRow, parseSelectItem, parseTop } from "./query-parser.ts";
import type { TokenCursor } from "./token-cursor.ts";

/** Undefined if the statement at the cursor is no write. */
export function parseWrite(cursor: TokenCursor): WriteStatement | undefined {
  if (cursor.take("INSERT")) return parseInsert(cursor);
  if (cursor.take("UPDATE")) return parseUpdate(cursor);
  if (cursor.take("DELETE")) return parseDelete(cursor);
  return cursor.take("MERGE") ? parseMerge(cursor) : undefined;
}

function parseTarget(cursor: TokenCursor): readonly string[] {
  return cursor.peek().kind === "parameter" ? [cursor.next().text] : cursor.path();
}

function parseInsert(cursor: TokenCursor): WriteStatement {
  cursor.take("INTO");
  const table = parseTarget(cursor);
  parseHints(cursor);
  const columns =
    cursor.is("(") && !["SELECT", "WITH"].includes(cursor.peek(1).key) ? cursor.names() : undefined;
  const output = parseOutput(cursor);
  let query: Query | undefined;
  if (!cursor.take("DEFAULT", "VALUES")) query = insertQuery(cursor);
  return { kind: "insert", table, columns, query, output, ...parseReturning(cursor) };
}

function insertQuery(cursor: TokenCursor): Query {
  if (!cursor.take("VALUES")) return parseQuery(cursor);
  const rows = cursor.list(() => parseRow(cursor));
  return { ctes: [], body: { kind: "values", rows }, orderBy: [], offset: undefined, fetch: undefined };
}

function parseUpdate(cursor: TokenCursor): WriteStatement {
  const top = parseTop(cursor);
  const table = parseTarget(cursor);
  parseHints(cursor);
  const alias = cursor.is("SET") ? undefined : cursor.name();
  cursor.expect("SET");
  const assignments = cursor.list(() => parseAssignment(cursor));
  const output = parseOutput(cursor);
  const from = cursor.take("FROM") ? parseFrom(cursor) : undefined;
  const where = cursor.take("WHERE") ? parseCondition(cursor) : undefined;
  const base = { kind: "update", table, alias, assignments, from, where, top, output } as const;
  return { ...base, ...parseReturning(cursor) };
}

function parseAssignment(cursor: TokenCursor): Assignment {
  const column = cursor.peek().kind === "parameter" ? [cursor.next().text] : cursor.path();
  if (cursor.take("+=")) {
    const value: Expression = {
      kind: "arithmetic",
      op: "+",
      left: { kind: "column", path: column },
      right: parseExpression(cursor),
    };
    return { column, value };
  }
  cursor.expect("=");
  if (cursor.take("DEFAULT")) {
    return {
      column,
      value: { kind: "call", path: ["$DEFAULT"], args: [], isStar: false, isDistinct: false },
    };
  }
  return { column, value: parseExpression(cursor) };
}

function parseDelete(cursor: TokenCursor): WriteStatement {
  const top = parseTop(cursor);
  cursor.take("FROM");
  const table = parseTarget(cursor);
  parseHints(cursor);
  const { kind, key } = cursor.peek();
  const hasAlias = (kind === "word" || kind === "quoted") && !DELETE_WORDS.has(key);
  const alias = hasAlias ? cursor.name() : undefined;
  const output = parseOutput(cursor);
  const from = cursor.take("FROM") ? parseFrom(cursor) : undefined;
  const where = cursor.take("WHERE") ? parseCondition(cursor) : undefined;
  return { kind: "delete", table, alias, from, where, top, output, ...parseReturning(cursor) };
}

const DELETE_WORDS = new Set(
  (
    "OUTPUT FROM WHERE RETURNING SELECT INSERT UPDATE DELETE MERGE IF DECLARE SET COMMIT BEGIN END EXEC EXECUTE " +
    "ROLLBACK RETURN TRUNCATE DROP CREATE ALTER"
  ).split(" "),
);

function parseMerge(cursor: TokenCursor): WriteStatement {
  cursor.take("INTO");
  const table = parseTarget(cursor);
  parseHints(cursor);
  cursor.take("AS");
  const alias = cursor.is("USING") ? undefined : cursor.name();
  cursor.expect("USING");
  const using = parseFrom(cursor);
  cursor.expect("ON");
  const hasParentheses = cursor.isOracle && cursor.take("(");
  const on = parseCondition(cursor);
  if (hasParentheses) cursor.expect(")");
  const whens: MergeWhen[] = [];
  while (cursor.take("WHEN")) whens.push(parseWhen(cursor));
  return { kind: "merge", table, alias, using, on, whens, output: parseOutput(cursor) };
}

function parseWhen(cursor: TokenCursor): MergeWhen {
  const isNot = cursor.take("NOT");
  cursor.expect("MATCHED");
  let match: MergeWhen["match"] = isNot ? "not_matched" : "matched";
  if (isNot && cursor.take("BY")) {
    if (cursor.take("SOURCE")) match = "not_matched_by_source";
    else cursor.expect("TARGET");
  }
  const condition = cursor.take("AND") ? parseCondition(cursor) : undefined;
  cursor.expect("THEN");
  if (cursor.take("DELETE")) return { match, condition, action: { kind: "delete" } };
  if (cursor.take("UPDATE")) {
    cursor.expect("SET");
    const assignments = cursor.list(() => parseAssignment(cursor));
    const where = cursor.take("WHERE") ? parseCondition(cursor) : undefined;
    const deleteWhere = cursor.take("DELETE", "WHERE") ? parseCondition(cursor) : undefined;
    const action = {
      kind: "update",
      assignments,
      ...(deleteWhere === undefined ? {} : { deleteWhere }),
    } as const;
    return { match, condition: where ?? condition, action };
  }
  cursor.expect("INSERT");
  const columns = cursor.is("(") ? cursor.names() : undefined;
  cursor.expect("VALUES");
  const values = parseRow(cursor);
  const where = cursor.take("WHERE") ? parseCondition(cursor) : undefined;
  return {
    match,
    condition,
    action: { kind: "insert", columns, values, ...(where === undefined ? {} : { where }) },
  };
}

function parseOutput(cursor: TokenCursor): OutputClause | undefined {
  if (cursor.isOracle || !cursor.take("OUTPUT")) return undefined;
  const items = cursor.list(() => parseSelectItem(cursor));
  const into = cursor.take("INTO") ? cursor.next().text : undefined;
  if (into !== undefined && cursor.is("(")) cursor.names();
  return { items, into };
}

function parseReturning(cursor: TokenCursor): { returning?: Returning } {
  if (!cursor.isOracle || !(cursor.take("RETURNING") || cursor.take("RETURN"))) return {};
  const values = cursor.list(() => parseExpression(cursor));
  cursor.expect("INTO");
  return { returning: { values, into: cursor.list(() => cursor.next().text) } };
}
