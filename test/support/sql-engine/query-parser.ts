// SELECT with everything that may hang on it.
import type {
  Expression,
  Flashback,
  FromItem,
  OrderItem,
  Query,
  QueryBody,
  Select,
  SelectItem,
} from "./ast.ts";
import { parseCondition, parseExpression } from "./expression-parser.ts";
import type { TokenCursor } from "./token-cursor.ts";

/** Words that end a table or a select item and so are no alias without AS. */
const RESERVED = new Set(
  (
    "FROM WHERE GROUP HAVING ORDER UNION EXCEPT INTERSECT MINUS INNER LEFT RIGHT FULL CROSS OUTER JOIN ON WITH AS " +
    "OFFSET FETCH FOR OPTION SET VALUES WHEN THEN USING OUTPUT INTO AND OR NOT IS IN BETWEEN LIKE SELECT INSERT " +
    "UPDATE DELETE MERGE IF ELSE BEGIN END DECLARE EXEC EXECUTE COMMIT ROLLBACK RETURN WHILE RETURNING VERSIONS " +
    "NATURAL CONNECT START APPLY CREATE ALTER DROP TRUNCATE GRANT REVOKE DENY PRINT THROW RAISERROR WAITFOR USE TRY " +
    "CATCH SAVE DEFAULT"
  ).split(" "),
);

export function parseQuery(cursor: TokenCursor): Query {
  const ctes: { name: string; columnNames: readonly string[] | undefined; query: Query }[] = [];
  if (cursor.take("WITH")) {
    do {
      const name = cursor.name();
      const columnNames = cursor.is("(") ? cursor.names() : undefined;
      cursor.expect("AS", "(");
      ctes.push({ name, columnNames, query: parseQuery(cursor) });
      cursor.expect(")");
    } while (cursor.take(","));
  }
  const body = parseBody(cursor);
  const orderBy = cursor.is("ORDER", "BY") ? parseOrderBy(cursor) : [];
  const offset = cursor.take("OFFSET") ? countThen(cursor, "ROW", "ROWS") : undefined;
  let fetch: Expression | undefined;
  if (cursor.take("FETCH")) {
    if (!cursor.take("FIRST")) cursor.expect("NEXT");
    fetch = cursor.isOneOf("ROW", "ROWS")
      ? { kind: "literal", value: "1", type: { kind: "number" } }
      : parseExpression(cursor);
    if (!cursor.take("ROWS")) cursor.expect("ROW");
    cursor.expect("ONLY");
  }
  const forUpdate = cursor.take("FOR", "UPDATE");
  if (forUpdate && cursor.take("OF")) cursor.list(() => cursor.path());
  const isImpatient = forUpdate && cursor.take("NOWAIT");
  const waitSeconds = forUpdate && cursor.take("WAIT") ? Number(cursor.next().text) : undefined;
  if (cursor.take("OPTION", "(")) cursor.skipParentheses();
  return {
    ctes,
    body,
    orderBy,
    offset,
    fetch,
    ...(forUpdate ? { forUpdate: isImpatient ? "nowait" : "wait" } : {}),
    ...(waitSeconds === undefined ? {} : { waitSeconds }),
  };
}

function countThen(cursor: TokenCursor, ...words: readonly string[]): Expression {
  const count = parseExpression(cursor);
  if (!cursor.isOneOf(...words)) cursor.refuse(`expected ${words.join(" or ")}`);
  cursor.next();
  return count;
}

function parseBody(cursor: TokenCursor): QueryBody {
  let left = parseSimple(cursor);
  while (cursor.isOneOf("UNION", "EXCEPT", "INTERSECT", "MINUS")) {
    const word = cursor.next().key;
    const op =
      word === "UNION"
        ? cursor.take("ALL")
          ? ("union all" as const)
          : ("union" as const)
        : word === "INTERSECT"
          ? ("intersect" as const)
          : ("except" as const);
    left = { kind: "union", op, left, right: parseSimple(cursor) };
  }
  return left;
}

function parseSimple(cursor: TokenCursor): QueryBody {
  if (cursor.take("(")) {
    const body = parseBody(cursor);
    cursor.expect(")");
    return body;
  }
  if (cursor.take("VALUES")) {
    return { kind: "values", rows: cursor.list(() => parseRow(cursor)) };
  }
  return parseSelect(cursor);
}

export function parseRow(cursor: TokenCursor): readonly Expression[] {
  cursor.expect("(");
  const items = cursor.list(() =>
    cursor.take("DEFAULT")
      ? ({ kind: "call", path: ["$DEFAULT"], args: [], isStar: false, isDistinct: false } as const)
      : parseExpression(cursor),
  );
  cursor.expect(")");
  return items;
}

function parseSelect(cursor: TokenCursor): Select {
  cursor.expect("SELECT");
  const isDistinct = cursor.take("DISTINCT");
  if (!isDistinct) cursor.take("ALL");
  const top = parseTop(cursor);
  const items = cursor.list(() => parseSelectItem(cursor));
  const into = cursor.take("INTO") ? cursor.path() : undefined;
  const from = cursor.take("FROM") ? parseFrom(cursor) : undefined;
  const where = cursor.take("WHERE") ? parseCondition(cursor) : undefined;
  const groupBy = cursor.take("GROUP", "BY") ? cursor.list(() => parseExpression(cursor)) : [];
  const having = cursor.take("HAVING") ? parseCondition(cursor) : undefined;
  return { kind: "select", isDistinct, top, items, into, from, where, groupBy, having };
}

export function parseTop(cursor: TokenCursor): Expression | undefined {
  if (cursor.isOracle || !cursor.take("TOP")) return undefined;
  if (!cursor.take("(")) {
    const token = cursor.next();
    return token.kind === "parameter"
      ? { kind: "parameter", name: token.text }
      : { kind: "literal", value: Number(token.text), type: { kind: "int", bits: 32 } };
  }
  const top = parseExpression(cursor);
  cursor.expect(")");
  return top;
}

export function parseSelectItem(cursor: TokenCursor): SelectItem {
  if (cursor.take("*")) return { kind: "star", table: undefined };
  const star = cursor.tryParse(() => {
    const parts = [cursor.name()];
    while (true) {
      cursor.expect(".");
      if (cursor.take("*")) return parts;
      parts.push(cursor.name());
    }
  });
  if (star !== undefined) return { kind: "star", table: star };
  const { kind, text } = cursor.peek();
  if (!cursor.isOracle && cursor.peek(1).key === "=") {
    cursor.position += 2;
    if (kind === "parameter") {
      return { kind: "assign", variable: text, expression: parseExpression(cursor) };
    }
    return { kind: "value", expression: parseExpression(cursor), alias: text };
  }
  const expression = parseExpression(cursor);
  return { kind: "value", expression, alias: parseAlias(cursor) };
}

function parseAlias(cursor: TokenCursor): string | undefined {
  if (cursor.take("AS")) {
    return cursor.peek().kind === "string" ? cursor.next().text : cursor.name();
  }
  const token = cursor.peek();
  if (token.kind === "quoted") return cursor.next().text;
  if (token.kind === "word" && !RESERVED.has(token.key)) return cursor.next().text;
  return undefined;
}

export function parseOrderBy(cursor: TokenCursor): readonly OrderItem[] {
  cursor.expect("ORDER", "BY");
  return cursor.list(() => {
    const expression = parseExpression(cursor);
    const isDescending = cursor.take("DESC");
    if (!isDescending) cursor.take("ASC");
    if (cursor.take("NULLS", "FIRST")) return { expression, isDescending, nulls: "first" as const };
    if (cursor.take("NULLS", "LAST")) return { expression, isDescending, nulls: "last" as const };
    return { expression, isDescending };
  });
}

export function parseFrom(cursor: TokenCursor): FromItem {
  let left = parseJoined(cursor);
  while (cursor.take(",")) {
    left = { kind: "join", type: "cross", left, right: parseJoined(cursor), on: undefined };
  }
  return left;
}

function parseJoined(cursor: TokenCursor): FromItem {
  let left = parseSource(cursor);
  while (true) {
    const type = joinType(cursor);
    if (type === undefined) return left;
    const right = parseSource(cursor);
    const needsOn = type === "inner" || type === "left" || type === "right" || type === "full";
    if (needsOn) cursor.expect("ON");
    left = { kind: "join", type, left, right, on: needsOn ? parseCondition(cursor) : undefined };
  }
}

function joinType(cursor: TokenCursor): (FromItem & { kind: "join" })["type"] | undefined {
  if (cursor.take("CROSS", "JOIN")) return "cross";
  if (cursor.take("CROSS", "APPLY")) return "cross_apply";
  if (cursor.take("OUTER", "APPLY")) return "outer_apply";
  if (cursor.take("INNER", "JOIN") || cursor.take("JOIN")) return "inner";
  for (const side of ["LEFT", "RIGHT", "FULL"] as const) {
    if (cursor.take(side, "OUTER", "JOIN") || cursor.take(side, "JOIN")) {
      return side.toLowerCase() as "left" | "right" | "full";
    }
  }
  return undefined;
}

function parseSource(cursor: TokenCursor): FromItem {
  if (cursor.is("(")) return parseNestedSource(cursor);
  if (cursor.take("TABLE", "(")) {
    const item = parseSource(cursor);
    cursor.expect(")");
    return { ...item, alias: parseAlias(cursor) } as FromItem;
  }
  if (cursor.is("CHANGETABLE", "(")) return parseChangeTable(cursor);
  if (cursor.peek().kind === "parameter") {
    const path = [cursor.next().text];
    return { kind: "table", path, alias: parseAlias(cursor), hints: [], flashback: undefined };
  }
  const path = cursor.path();
  if (cursor.is("(")) {
    cursor.expect("(");
    const args = cursor.is(")")
      ? []
      : cursor.list(() => (cursor.take("DEFAULT") ? NULL : parseExpression(cursor)));
    cursor.expect(")");
    const alias = parseAlias(cursor);
    return { kind: "function", path, args, alias, columnNames: aliasColumns(cursor, alias) };
  }
  const flashback = cursor.isOracle ? parseFlashback(cursor) : undefined;
  const alias = parseAlias(cursor);
  return { kind: "table", path, alias, hints: parseHints(cursor), flashback };
}

const NULL: Expression = { kind: "literal", value: null, type: { kind: "int", bits: 32 } };

function parseNestedSource(cursor: TokenCursor): FromItem {
  cursor.expect("(");
  if (cursor.isOneOf("SELECT", "WITH", "VALUES")) {
    const query = parseQuery(cursor);
    cursor.expect(")");
    const alias = parseAlias(cursor);
    return { kind: "query", query, alias, columnNames: aliasColumns(cursor, alias) };
  }
  const item = parseFrom(cursor);
  cursor.expect(")");
  return item;
}

function aliasColumns(cursor: TokenCursor, alias: string | undefined): readonly string[] | undefined {
  return alias !== undefined && cursor.is("(") ? cursor.names() : undefined;
}

export function parseHints(cursor: TokenCursor): readonly string[] {
  if (!cursor.is("WITH", "(")) return [];
  cursor.expect("WITH", "(");
  return cursor
    .skipParentheses()
    .split(",")
    .map((hint) => hint.trim().toUpperCase());
}

function parseChangeTable(cursor: TokenCursor): FromItem {
  cursor.expect("CHANGETABLE", "(");
  const isVersion = cursor.take("VERSION");
  if (!isVersion) cursor.expect("CHANGES");
  const path = cursor.path();
  cursor.expect(",");
  let since: Expression | undefined;
  let keys: readonly Expression[] | undefined;
  if (isVersion) {
    cursor.names();
    cursor.expect(",");
    keys = parseRow(cursor);
  } else {
    since = parseExpression(cursor);
    if (cursor.take(",")) cursor.expect("FORCESEEK");
  }
  cursor.expect(")");
  return { kind: "changetable", path, since, keys, alias: parseAlias(cursor) };
}

function parseFlashback(cursor: TokenCursor): Flashback | undefined {
  if (cursor.take("AS", "OF")) {
    const by = flashbackUnit(cursor);
    return { kind: "as_of", by, from: parseExpression(cursor), to: undefined };
  }
  if (!cursor.take("VERSIONS")) return undefined;
  if (cursor.take("PERIOD")) cursor.refuse("VERSIONS PERIOD");
  cursor.expect("BETWEEN");
  const by = flashbackUnit(cursor);
  const from = cursor.take("MINVALUE") ? ("minvalue" as const) : parseExpression(cursor);
  cursor.expect("AND");
  const to = cursor.take("MAXVALUE") ? ("maxvalue" as const) : parseExpression(cursor);
  return { kind: "versions", by, from, to };
}

function flashbackUnit(cursor: TokenCursor): "SCN" | "TIMESTAMP" {
  if (cursor.take("SCN")) return "SCN";
  cursor.expect("TIMESTAMP");
  return "TIMESTAMP";
}
