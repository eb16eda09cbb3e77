// CREATE, ALTER, DROP, TRUNCATE, GRANT: enough to set a fixture up and to change it midway.
import type { ColumnSpec, DefinitionStatement, Expression } from "./ast.ts";
import { parseExpression } from "./expression-parser.ts";
import type { TokenCursor } from "./token-cursor.ts";
import { parseType } from "./type-parser.ts";

/** Undefined if the statement at the cursor defines nothing. */
export function parseDefinition(cursor: TokenCursor): DefinitionStatement | undefined {
  if (cursor.take("CREATE", "TABLE")) return parseCreateTable(cursor);
  if (cursor.is("CREATE", "MATERIALIZED", "VIEW", "LOG")) return parseViewLog(cursor);
  if (cursor.is("CREATE")) return parseCreateIndex(cursor);
  if (cursor.take("DROP", "TABLE")) {
    const ifExists = cursor.take("IF", "EXISTS");
    const table = cursor.path();
    if (cursor.take("PURGE")) return { kind: "drop_table", table, ifExists };
    cursor.take("CASCADE", "CONSTRAINTS");
    return { kind: "drop_table", table, ifExists };
  }
  if (cursor.take("TRUNCATE", "TABLE")) return { kind: "truncate", table: cursor.path() };
  if (cursor.take("ALTER", "TABLE")) return parseAlterTable(cursor);
  if (cursor.take("ALTER", "DATABASE")) return parseAlterDatabase(cursor);
  return cursor.isOneOf("GRANT", "REVOKE", "DENY") ? parsePermission(cursor) : undefined;
}

export interface TableBody {
  readonly columns: readonly ColumnSpec[];
  readonly primaryKey: readonly string[] | undefined;
  readonly uniques: readonly (readonly string[])[];
}

/** `(columns and constraints)`. */
export function parseTableBody(cursor: TokenCursor): TableBody {
  cursor.expect("(");
  const columns: ColumnSpec[] = [];
  const uniques: (readonly string[])[] = [];
  let primaryKey: readonly string[] | undefined;
  do {
    const constraint = parseConstraint(cursor);
    if (constraint === undefined) columns.push(parseColumn(cursor));
    else if (constraint.isPrimary) primaryKey = constraint.columns;
    else uniques.push(constraint.columns);
  } while (cursor.take(","));
  cursor.expect(")");
  const single = columns.filter((column) => column.isPrimaryKey).map((column) => column.name);
  for (const column of columns) if (column.isUnique) uniques.push([column.name]);
  return { columns, primaryKey: primaryKey ?? (single.length > 0 ? single : undefined), uniques };
}

function parseCreateTable(cursor: TokenCursor): DefinitionStatement {
  const table = cursor.path();
  const body = parseTableBody(cursor);
  const rowDependencies = cursor.take("ROWDEPENDENCIES");
  return { kind: "create_table", table, ...body, rowDependencies };
}

function parseConstraint(
  cursor: TokenCursor,
): { readonly isPrimary: boolean; readonly columns: readonly string[] } | undefined {
  return cursor.tryParse(() => {
    if (cursor.take("CONSTRAINT")) cursor.name();
    const isPrimary = cursor.take("PRIMARY", "KEY");
    if (!isPrimary) cursor.expect("UNIQUE");
    if (!cursor.take("CLUSTERED")) cursor.take("NONCLUSTERED");
    return { isPrimary, columns: indexColumns(cursor) };
  });
}

function indexColumns(cursor: TokenCursor): readonly string[] {
  cursor.expect("(");
  const columns = cursor.list(() => {
    const name = cursor.name();
    if (!cursor.take("ASC")) cursor.take("DESC");
    return name;
  });
  cursor.expect(")");
  return columns;
}

function parseColumn(cursor: TokenCursor): ColumnSpec {
  const name = cursor.name();
  const type = parseType(cursor);
  let isNullable = type.kind !== "rowversion";
  let isIdentity = false;
  let isPrimaryKey = false;
  let isUnique = false;
  let defaultValue: Expression | undefined;
  while (true) {
    if (cursor.take("NOT", "NULL")) isNullable = false;
    else if (cursor.take("NULL")) isNullable = true;
    else if (cursor.take("IDENTITY")) {
      isIdentity = true;
      if (cursor.take("(")) cursor.skipParentheses();
    } else if (cursor.take("GENERATED")) {
      if (!cursor.take("ALWAYS")) cursor.expect("BY", "DEFAULT");
      cursor.expect("AS", "IDENTITY");
      isIdentity = true;
    } else if (cursor.take("CONSTRAINT")) cursor.name();
    else if (cursor.take("PRIMARY", "KEY")) {
      isPrimaryKey = true;
      isNullable = false;
      if (!cursor.take("CLUSTERED")) cursor.take("NONCLUSTERED");
    } else if (cursor.take("UNIQUE")) isUnique = true;
    else if (cursor.take("DEFAULT")) defaultValue = parseExpression(cursor);
    else break;
  }
  if (isIdentity) isNullable = false;
  return { name, type, isNullable, isIdentity, isPrimaryKey, isUnique, defaultValue };
}

function parseCreateIndex(cursor: TokenCursor): DefinitionStatement {
  cursor.expect("CREATE");
  const isUnique = cursor.take("UNIQUE");
  if (!cursor.take("CLUSTERED")) cursor.take("NONCLUSTERED");
  cursor.expect("INDEX");
  const name = cursor.path().at(-1)!;
  cursor.expect("ON");
  const table = cursor.path();
  const columns = indexColumns(cursor);
  if (cursor.take("INCLUDE")) cursor.names();
  return { kind: "create_index", name, table, columns, isUnique };
}

function parseViewLog(cursor: TokenCursor): DefinitionStatement {
  cursor.expect("CREATE", "MATERIALIZED", "VIEW", "LOG");
  cursor.expect("ON");
  const table = cursor.path();
  const options = new Set<string>();
  while (!cursor.isAtEnd && !cursor.is(";")) {
    const { key } = cursor.next();
    if (key !== "") options.add(key);
  }
  return { kind: "create_mview_log", table, options };
}

function parseAlterTable(cursor: TokenCursor): DefinitionStatement {
  const table = cursor.path();
  const done = (change: (DefinitionStatement & { kind: "alter_table" })["change"]): DefinitionStatement => ({
    kind: "alter_table",
    table,
    change,
  });
  if (cursor.take("DROP", "COLUMN")) return done({ kind: "drop", columns: cursor.list(() => cursor.name()) });
  if (cursor.take("DROP", "(")) {
    const columns = cursor.list(() => cursor.name());
    cursor.expect(")");
    return done({ kind: "drop", columns });
  }
  if (cursor.take("ALTER", "COLUMN")) return done({ kind: "retype", column: parseColumn(cursor) });
  if (cursor.take("MODIFY")) {
    const isWrapped = cursor.take("(");
    const column = parseColumn(cursor);
    if (isWrapped) cursor.expect(")");
    return done({ kind: "retype", column });
  }
  if (cursor.take("RENAME", "COLUMN")) {
    const from = cursor.name();
    cursor.expect("TO");
    return done({ kind: "rename", from, to: cursor.name() });
  }
  if (cursor.take("ADD")) {
    const isWrapped = cursor.take("(");
    const columns = cursor.list(() => parseColumn(cursor));
    if (isWrapped) cursor.expect(")");
    return done({ kind: "add", columns });
  }
  const isOn = cursor.take("ENABLE");
  if (!isOn) cursor.expect("DISABLE");
  cursor.expect("CHANGE_TRACKING");
  const options = cursor.take("WITH", "(") ? cursor.skipParentheses().toUpperCase() : "";
  return done({
    kind: "change_tracking",
    isOn,
    columnsUpdated: /TRACK_COLUMNS_UPDATED\s*=\s*ON/.test(options),
  });
}

function parseAlterDatabase(cursor: TokenCursor): DefinitionStatement {
  cursor.name();
  cursor.expect("SET");
  const option = cursor.name().toUpperCase();
  cursor.take("=");
  const isOn = cursor.take("ON");
  if (!isOn) cursor.expect("OFF");
  if (cursor.take("(")) cursor.skipParentheses();
  return { kind: "alter_database", option, isOn };
}

function parsePermission(cursor: TokenCursor): DefinitionStatement {
  const action = cursor.next().key.toLowerCase() as "grant" | "revoke" | "deny";
  const rights = cursor.list(() => {
    let right = cursor.next().key;
    while (cursor.peek().kind === "word" && !cursor.isOneOf("ON", "TO", "FROM"))
      right += ` ${cursor.next().key}`;
    if (cursor.take("(")) right += `(${cursor.skipParentheses().replaceAll(/\s/g, "")})`;
    return right;
  });
  let on: readonly string[] | undefined;
  if (cursor.take("ON")) {
    const isSchema = cursor.take("SCHEMA", ":");
    if (isSchema) cursor.expect(":");
    else if (cursor.take("OBJECT", ":")) cursor.expect(":");
    on = isSchema ? [cursor.name(), "*"] : cursor.path();
  }
  if (!cursor.take("TO")) cursor.expect("FROM");
  return { kind: "permission", action, rights, on, users: cursor.list(() => cursor.name()) };
}
