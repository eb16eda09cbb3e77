// A named query's text: its `:name` parameters become the dialect's placeholders, whatever stands in quotes or comments.
import type { QueryRequest } from "../source/query.ts";
import { ConnectorError } from "#common/runtime/errors.ts";
import { didYouMean } from "#common/runtime/nearest-match.ts";
import type { SqlDialect, SqlParameter, SqlStatement } from "./dialect.ts";

/**
 * What is left alone, then what counts. Quotes are doubled inside themselves in every dialect; PostgreSQL's `E''` also escapes by
 * backslash, its `$tag$` and Oracle's `q'[…]'` enclose anything.
 */
const TOKENS = new RegExp(
  [
    String.raw`--[^\n]*`,
    String.raw`/\*[\s\S]*?\*/`,
    String.raw`(?<![\w$])[eE]'(?:[^'\\]|\\[\s\S]|'')*'`,
    String.raw`(?<![\w$])[nN]?[qQ]'(?:\[[\s\S]*?\]|\([\s\S]*?\)|\{[\s\S]*?\}|<[\s\S]*?>|([^\s[({<])[\s\S]*?\1)'`,
    String.raw`'(?:[^']|'')*'`,
    String.raw`"(?:[^"]|"")*"`,
    String.raw`(?<![\w$])\$(\w*)\$[\s\S]*?\$\2\$`,
    String.raw`::`,
    String.raw`:(?<name>[A-Za-z_]\w*)`,
    String.raw`(?<end>;)`,
    String.raw`(?<word>[A-Za-z_][\w$#]*)`,
  ].join("|"),
  "g",
);
/** T-SQL's names in brackets; elsewhere brackets are arrays. */
const BRACKETS = /\[(?:[^\]]|\]\])*\]/.source;

/** Words that no SELECT of T-SQL has outside of quotes, and that begin or make another statement there. */
const NOT_READING = new Set(
  (
    "INSERT UPDATE DELETE MERGE INTO EXEC EXECUTE COMMIT ROLLBACK SAVE BEGIN DECLARE SET CREATE ALTER DROP TRUNCATE GRANT " +
    "REVOKE DENY BACKUP RESTORE SHUTDOWN KILL WAITFOR USE DBCC BULK RECONFIGURE PRINT RAISERROR THROW"
  ).split(" "),
);

/** @throws ConnectorError misconfigured for what is no single SELECT, bad_data for parameters that do not fit it */
export function bindQuery(dialect: SqlDialect, { statement, parameters }: QueryRequest): SqlStatement {
  const values = new Map(parameters.map(({ name, value }) => [name, plain(value)]));
  const used = new Set<string>();
  const bound: SqlParameter[] = [];
  const words: string[] = [];
  let endAt: number | undefined;
  const isTsql = dialect.limit === "top";
  const tokens = isTsql ? new RegExp(`${BRACKETS}|${TOKENS.source}`, "g") : TOKENS;
  const text = statement.trim().replaceAll(tokens, (token: string, ...rest: unknown[]) => {
    const { name, word, end } = rest.at(-1) as Record<"name" | "word" | "end", string | undefined>;
    if (endAt !== undefined && !/^(?:--|\/\*)/.test(token)) throw notOne();
    if (end !== undefined) endAt = bound.length;
    if (word !== undefined) words.push(word.toUpperCase());
    if (name === undefined) return end === undefined ? token : " ";
    if (!values.has(name)) throw unknownName(name, [...values.keys()]);
    used.add(name);
    bound.push(values.get(name)!);
    return dialect.placeholder(bound.length);
  });
  if (words[0] !== "SELECT" && words[0] !== "WITH") throw notOne();
  const writing = isTsql ? words.find((word) => NOT_READING.has(word)) : undefined;
  if (writing !== undefined)
    throw new ConnectorError(
      "misconfigured",
      `The named query has the word ${writing}, which no query that only reads has. Correct its statement; put a name that is spelled so into brackets.`,
    );
  const idle = [...values.keys()].filter((name) => !used.has(name));
  if (idle.length === 0) return { text, parameters: bound };
  throw new ConnectorError("bad_data", `The named query has no parameter ${idle.join(", ")}.`);
}

function plain(value: QueryRequest["parameters"][number]["value"]): SqlParameter {
  return typeof value === "boolean" ? Number(value) : value;
}

function notOne(): ConnectorError {
  return new ConnectorError(
    "misconfigured",
    "A named query is one SELECT (it may begin with WITH). Correct its statement in the agent's own file.",
  );
}

function unknownName(name: string, known: readonly string[]): ConnectorError {
  return new ConnectorError(
    "bad_data",
    `The named query wants the parameter ${name}, which was not given${didYouMean(name, known)}.`,
  );
}
