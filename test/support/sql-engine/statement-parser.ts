// One text into its statements: T-SQL batches with variables and flow, Oracle statements and small PL/SQL blocks.
import type { Expression, ScriptStatement, Statement } from "./ast.ts";
import { parseDefinition, parseTableBody } from "./definition-parser.ts";
import { parseCondition, parseExpression } from "./expression-parser.ts";
import { parseQuery } from "./query-parser.ts";
import type { DbType } from "./session.ts";
import { TokenCursor } from "./token-cursor.ts";
import type { EngineDialect } from "./tokens.ts";
import { parseType } from "./type-parser.ts";
import { parseWrite } from "./write-parser.ts";

/** Texts remembered; connectors send few different ones. */
const MAX_REMEMBERED = 2000;
const remembered = new Map<string, readonly Statement[]>();

/** @throws DatabaseError with the text of what is not known */
export function parseStatements(text: string, dialect: EngineDialect): readonly Statement[] {
  const place = `${dialect} ${text}`;
  let statements = remembered.get(place);
  if (statements === undefined) {
    const cursor = new TokenCursor(text, dialect);
    statements = parseList(cursor, () => cursor.isAtEnd);
    if (remembered.size >= MAX_REMEMBERED) remembered.clear();
    remembered.set(place, statements);
  }
  return statements;
}

function parseList(cursor: TokenCursor, isEnd: () => boolean): readonly Statement[] {
  const statements: Statement[] = [];
  while (true) {
    while (cursor.take(";")) continue;
    if (isEnd()) return statements;
    statements.push(parseStatement(cursor));
  }
}

function parseStatement(cursor: TokenCursor): Statement {
  if (cursor.isOneOf("SELECT", "WITH", "(")) return { kind: "query", query: parseQuery(cursor) };
  const found =
    parseWrite(cursor) ??
    parseDefinition(cursor) ??
    (cursor.isOracle ? parseOracleScript(cursor) : parseTsqlScript(cursor));
  if (found === undefined) cursor.refuse("an unknown statement");
  return found;
}

function parseTransaction(cursor: TokenCursor): ScriptStatement | undefined {
  const skipName = (): void => {
    if (["word", "quoted", "parameter"].includes(cursor.peek().kind) && isTransactionName(cursor))
      cursor.next();
  };
  if (cursor.take("COMMIT")) {
    if (cursor.take("TRANSACTION") || cursor.take("TRAN")) skipName();
    else cursor.take("WORK");
    return { kind: "commit" };
  }
  if (cursor.take("ROLLBACK")) {
    if (cursor.take("TO")) {
      cursor.take("SAVEPOINT");
      return { kind: "rollback", savepoint: cursor.name() };
    }
    if (cursor.take("TRANSACTION") || cursor.take("TRAN")) skipName();
    else cursor.take("WORK");
    return { kind: "rollback" };
  }
  return undefined;
}

function isTransactionName(cursor: TokenCursor): boolean {
  const { key } = cursor.peek();
  return !/^(?:SELECT|INSERT|UPDATE|DELETE|SET|IF|ELSE|END|BEGIN|DECLARE|EXEC|COMMIT|ROLLBACK|PRINT|RETURN)$/.test(
    key,
  );
}

function parseTsqlScript(cursor: TokenCursor): Statement | undefined {
  const transaction = parseTransaction(cursor);
  if (transaction !== undefined) return transaction;
  if (cursor.take("SET")) return parseSet(cursor);
  if (cursor.take("DECLARE")) return parseDeclare(cursor);
  if (cursor.take("IF")) {
    const condition = parseCondition(cursor);
    const body = [parseStatement(cursor)];
    const at = cursor.position;
    while (cursor.take(";")) continue;
    if (cursor.take("ELSE")) return { kind: "if", condition, body, otherwise: [parseStatement(cursor)] };
    cursor.position = at;
    return { kind: "if", condition, body, otherwise: [] };
  }
  if (cursor.take("WHILE")) {
    return { kind: "while", condition: parseCondition(cursor), body: [parseStatement(cursor)] };
  }
  if (cursor.take("BEGIN")) return parseBegin(cursor);
  if (cursor.take("SAVE")) {
    if (!cursor.take("TRANSACTION")) cursor.expect("TRAN");
    return { kind: "savepoint", name: cursor.next().text };
  }
  if (cursor.take("EXEC") || cursor.take("EXECUTE")) return parseExec(cursor);
  if (cursor.take("THROW")) {
    const isBare = cursor.isAtEnd || cursor.is(";") || cursor.is("END");
    return { kind: "throw", args: isBare ? [] : cursor.list(() => parseExpression(cursor)), isRaise: false };
  }
  if (cursor.take("RAISERROR", "(")) {
    const args = cursor.list(() => parseExpression(cursor));
    cursor.expect(")");
    if (cursor.take("WITH")) cursor.list(() => cursor.next());
    return { kind: "throw", args, isRaise: true };
  }
  if (cursor.take("WAITFOR", "DELAY")) return { kind: "wait", delay: parseExpression(cursor) };
  if (cursor.take("USE")) return { kind: "use", name: cursor.name() };
  if (cursor.take("PRINT")) {
    parseExpression(cursor);
    return { kind: "empty" };
  }
  if (cursor.take("RETURN")) {
    if (!cursor.isAtEnd && !cursor.is(";") && !cursor.is("END")) parseExpression(cursor);
    return { kind: "return" };
  }
  return undefined;
}

function parseBegin(cursor: TokenCursor): Statement {
  if (cursor.take("TRANSACTION") || cursor.take("TRAN")) {
    const { kind, key } = cursor.peek();
    if ((kind === "word" || kind === "quoted") && isTransactionName(cursor) && key !== "") cursor.next();
    return { kind: "begin_transaction" };
  }
  if (cursor.take("TRY")) {
    const body = parseList(cursor, () => cursor.is("END", "TRY"));
    cursor.expect("END", "TRY");
    cursor.expect("BEGIN", "CATCH");
    const handler = parseList(cursor, () => cursor.is("END", "CATCH"));
    cursor.expect("END", "CATCH");
    return { kind: "try", body, handler };
  }
  const body = parseList(cursor, () => cursor.is("END"));
  cursor.expect("END");
  return { kind: "block", body };
}

function parseSet(cursor: TokenCursor): Statement {
  if (cursor.peek().kind === "parameter") {
    const name = cursor.next().text;
    if (cursor.take("+=")) {
      const left: Expression = { kind: "parameter", name };
      return {
        kind: "set_variable",
        name,
        value: { kind: "arithmetic", op: "+", left, right: parseExpression(cursor) },
      };
    }
    cursor.expect("=");
    return { kind: "set_variable", name, value: parseExpression(cursor) };
  }
  if (cursor.take("TRANSACTION", "ISOLATION", "LEVEL")) {
    const words = [cursor.name().toUpperCase()];
    if (words[0] === "READ" || words[0] === "REPEATABLE") words.push(cursor.name().toUpperCase());
    return { kind: "set_option", name: "ISOLATION", value: words.join(" ") };
  }
  if (cursor.take("IDENTITY_INSERT")) {
    cursor.path();
    return { kind: "set_option", name: "IDENTITY_INSERT", value: cursor.name().toUpperCase() };
  }
  const names = [...cursor.list(() => cursor.name().toUpperCase())];
  if (names[0] === "STATISTICS") names.push(cursor.name());
  const sign = cursor.take("-") ? "-" : "";
  const value = sign + cursor.next().text.toUpperCase();
  return { kind: "set_option", name: names.join(","), value };
}

function parseDeclare(cursor: TokenCursor): Statement {
  if (cursor.peek(1).key === "TABLE" || cursor.peek(2).key === "TABLE") {
    const name = cursor.next().text;
    cursor.take("AS");
    cursor.expect("TABLE");
    const { columns, primaryKey } = parseTableBody(cursor);
    return { kind: "declare_table", name, columns, primaryKey };
  }
  const variables = cursor.list((): { name: string; type: DbType; value: Expression | undefined } => {
    const name = cursor.next().text;
    cursor.take("AS");
    const type = parseType(cursor);
    return { name, type, value: cursor.take("=") ? parseExpression(cursor) : undefined };
  });
  return { kind: "declare", variables };
}

function parseExec(cursor: TokenCursor): Statement {
  let returnInto: string | undefined;
  if (cursor.peek().kind === "parameter" && cursor.peek(1).key === "=") {
    returnInto = cursor.next().text;
    cursor.expect("=");
  }
  if (cursor.take("(")) {
    // EXEC ('text'): dynamic SQL.
    const value = parseExpression(cursor);
    cursor.expect(")");
    const args = [{ name: undefined, value, isOutput: false }];
    return { kind: "exec", path: ["sp_executesql"], args, returnInto };
  }
  const path = cursor.path();
  const { kind } = cursor.peek();
  const hasArgs =
    ["string", "number", "parameter", "binary"].includes(kind) || cursor.isOneOf("NULL", "-", "DEFAULT");
  const args = hasArgs ? cursor.list(() => parseArgument(cursor)) : [];
  return { kind: "exec", path, args, returnInto };
}

function parseArgument(cursor: TokenCursor): {
  name: string | undefined;
  value: Expression;
  isOutput: boolean;
} {
  let name: string | undefined;
  if (cursor.peek().kind === "parameter" && cursor.peek(1).key === "=") {
    name = cursor.next().text;
    cursor.expect("=");
  }
  const value = parseExpression(cursor);
  const isOutput = cursor.take("OUTPUT") || cursor.take("OUT");
  return { name, value, isOutput };
}

function parseOracleScript(cursor: TokenCursor): Statement | undefined {
  const transaction = parseTransaction(cursor);
  if (transaction !== undefined) return transaction;
  if (cursor.take("SAVEPOINT")) return { kind: "savepoint", name: cursor.name() };
  if (cursor.take("SET", "TRANSACTION")) {
    const from = cursor.peek().at;
    while (!cursor.isAtEnd && !cursor.is(";")) cursor.next();
    const value = cursor.text.slice(from, cursor.peek().at).trim().toUpperCase();
    return { kind: "set_option", name: "TRANSACTION", value };
  }
  if (cursor.take("ALTER", "SESSION")) {
    if (cursor.take("ENABLE") || cursor.take("DISABLE")) {
      while (!cursor.isAtEnd) cursor.next();
      return { kind: "empty" };
    }
    cursor.expect("SET");
    const items: ScriptStatement[] = [];
    while (cursor.peek().kind === "word") {
      const name = cursor.name();
      cursor.expect("=");
      items.push({ kind: "set_option", name, value: cursor.next().text });
    }
    return { kind: "block", body: items };
  }
  if (cursor.take("LOCK", "TABLE")) {
    const name = cursor.path().join(".");
    while (!cursor.isAtEnd && !cursor.is(";")) cursor.next();
    return { kind: "set_option", name: "LOCK", value: name };
  }
  if (cursor.take("CALL")) return parseCallStatement(cursor);
  if (cursor.take("NULL")) return { kind: "empty" };
  if (cursor.take("IF")) return parseOracleIf(cursor);
  if (cursor.take("DECLARE")) return parseOracleDeclare(cursor);
  if (cursor.take("BEGIN")) {
    const body = parseList(cursor, () => cursor.is("END") || cursor.is("EXCEPTION"));
    if (cursor.is("EXCEPTION")) cursor.refuse("an exception handler");
    cursor.expect("END");
    return { kind: "block", body };
  }
  if (cursor.peek().kind === "parameter" && cursor.peek(1).key === ":=") {
    const name = cursor.next().text;
    cursor.expect(":=");
    return { kind: "set_variable", name, value: parseExpression(cursor) };
  }
  if (cursor.peek().kind === "word" && cursor.peek(1).key === ":=") {
    const name = cursor.name();
    cursor.expect(":=");
    return { kind: "set_variable", name, value: parseExpression(cursor) };
  }
  const { kind } = cursor.peek();
  const isCall = (kind === "word" || kind === "quoted") && ["(", ".", ";"].includes(cursor.peek(1).key);
  return isCall ? parseCallStatement(cursor) : undefined;
}

function parseOracleIf(cursor: TokenCursor): Statement {
  const condition = parseCondition(cursor);
  cursor.expect("THEN");
  const body = parseList(cursor, () => cursor.is("ELSE") || cursor.is("END"));
  const otherwise = cursor.take("ELSE") ? parseList(cursor, () => cursor.is("END")) : [];
  cursor.expect("END", "IF");
  return { kind: "if", condition, body, otherwise };
}

function parseOracleDeclare(cursor: TokenCursor): Statement {
  const variables: { name: string; type: DbType; value: Expression | undefined }[] = [];
  while (!cursor.is("BEGIN")) {
    const name = cursor.name();
    const type = parseType(cursor);
    const value = cursor.take(":=") ? parseExpression(cursor) : undefined;
    cursor.expect(";");
    variables.push({ name, type, value });
  }
  return { kind: "block", body: [{ kind: "declare", variables }, parseStatement(cursor)] };
}

function parseCallStatement(cursor: TokenCursor): Statement {
  const path = cursor.path();
  const args: { name: string | undefined; value: Expression; isOutput: boolean }[] = [];
  if (cursor.take("(") && !cursor.take(")")) {
    do {
      let name: string | undefined;
      if (cursor.peek(1).key === "=>") {
        name = cursor.name();
        cursor.expect("=>");
      }
      const value = parseExpression(cursor);
      args.push({ name, value, isOutput: value.kind === "parameter" });
    } while (cursor.take(","));
    cursor.expect(")");
  }
  return { kind: "exec", path, args, returnInto: undefined };
}
