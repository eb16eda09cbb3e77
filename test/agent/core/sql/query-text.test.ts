// Parameters of named queries: found where they are parameters, bound in their order, and never in quotes or comments.
import { expect, test } from "vitest";
import { POSTGRES_DIALECT } from "#agent/connectors/postgres/connection.ts";
import { SQLITE_DIALECT } from "#agent/connectors/sqlite/connection.ts";
import type { SqlDialect, SqlStatement } from "#agent/core/sql/dialect.ts";
import { bindQuery } from "#agent/core/sql/query-text.ts";
import { ORACLE, SQL_SERVER } from "./dialects.ts";

const signal = new AbortController().signal;

function bind(
  dialect: SqlDialect,
  statement: string,
  given: Record<string, string> = { a: "1" },
): SqlStatement {
  const parameters = Object.entries(given).map(([name, value]) => ({ name, value }));
  return bindQuery(dialect, { statement, parameters, maxRows: 1, signal });
}

test.each([
  [SQLITE_DIALECT, "SELECT x FROM t WHERE x = :a OR y = :a", "SELECT x FROM t WHERE x = ? OR y = ?", 2],
  [POSTGRES_DIALECT, "SELECT :a::int, x::text FROM t", "SELECT $1::int, x::text FROM t", 1],
  [POSTGRES_DIALECT, "SELECT ':a', E'\\':a', $q$ :a ; $q$, :a", "SELECT ':a', E'\\':a', $q$ :a ; $q$, $1", 1],
  [POSTGRES_DIALECT, 'SELECT xs[1:2], ":a" FROM t -- :a\n', 'SELECT xs[1:2], ":a" FROM t -- :a', 0],
  [
    ORACLE,
    "SELECT q'[it's :a]', nq'!:a!' FROM t WHERE x=:a",
    "SELECT q'[it's :a]', nq'!:a!' FROM t WHERE x=:1",
    1,
  ],
  [SQL_SERVER, "SELECT [a:a], [b]]:a] FROM t WHERE x = :a", "SELECT [a:a], [b]]:a] FROM t WHERE x = @p1", 1],
  [SQL_SERVER, "SELECT [update] FROM t /* commit; */;", "SELECT [update] FROM t /* commit; */ ", 0],
  [
    SQL_SERVER,
    "WITH r AS (SELECT 'exec' AS x) SELECT x FROM r",
    "WITH r AS (SELECT 'exec' AS x) SELECT x FROM r",
    0,
  ],
])("%j: %s", (dialect, statement, text, count) => {
  const bound = bind(dialect, statement, count === 0 ? {} : { a: "1" });
  expect(bound).toEqual({ text, parameters: Array.from({ length: count }, () => "1") });
});

test.each([
  [SQL_SERVER, "SELECT 1 COMMIT TRANSACTION", "the word COMMIT"],
  [SQL_SERVER, "SELECT x INTO y FROM t", "the word INTO"],
  [SQL_SERVER, "SELECT 1 exec xp_cmdshell 'dir'", "the word EXEC"],
  [POSTGRES_DIALECT, "SELECT 1; COMMIT; DELETE FROM t", "one SELECT"],
  [POSTGRES_DIALECT, "BEGIN", "one SELECT"],
  [SQLITE_DIALECT, "", "one SELECT"],
  [SQLITE_DIALECT, "PRAGMA journal_mode = DELETE", "one SELECT"],
])("%j refuses %s", (dialect, statement, said) => {
  expect(() => bind(dialect, statement, {})).toThrow(said);
});

test("names what was not given, with the nearest, and what was given for nothing", () => {
  expect(() => bind(ORACLE, "SELECT :site FROM dual", { sitte: "x" })).toThrow(
    'wants the parameter site, which was not given (did you mean "sitte"?)',
  );
  expect(() => bind(ORACLE, "SELECT 1 FROM dual", { b: "1", c: "2" })).toThrow("has no parameter b, c");
});

test("yes and no are 1 and 0", () => {
  const parameters = [{ name: "on", value: true }];
  expect(
    bindQuery(ORACLE, { statement: "SELECT :on FROM dual", parameters, maxRows: 1, signal }),
  ).toMatchObject({
    parameters: [1],
  });
});
