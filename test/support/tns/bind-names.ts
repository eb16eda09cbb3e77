// Finds bind variables in a statement, in the order in which clients send their values.

export interface BindName {
  /** Without colon; upper case unless quoted, digits for positional ones. */
  readonly name: string;
  /** Stands after RETURNING … INTO, so it takes a value instead of giving one. */
  readonly isReturning: boolean;
}

// Literals and comments first, so that colons in them are passed over.
const TOKEN =
  /q'\[[\s\S]*?\]'|q'\{[\s\S]*?\}'|q'\([\s\S]*?\)'|q'<[\s\S]*?>'|q'([^[{(<])[\s\S]*?\1'|'[^']*'|--[^\n]*|\/\*[\s\S]*?\*\/|:\s*(?:"([^"]+)"|([A-Za-z][\w$#]*|\d+))|"[^"]*"|[A-Za-z_][\w$#]*/gi;

/** In SQL every mention counts; in PL/SQL every name counts once. */
export function bindNamesOf(sql: string, isPlSql: boolean): readonly BindName[] {
  const names: BindName[] = [];
  let words: "" | "returning" | "into" = "";
  for (const match of sql.matchAll(TOKEN)) {
    const [token, , quoted, plain] = match;
    const name = quoted ?? plain?.toUpperCase();
    if (name === undefined) {
      if (/^return(?:ing)?$/i.test(token)) words = "returning";
      else if (/^into$/i.test(token) && words === "returning") words = "into";
    } else if (!isPlSql || !names.some((known) => known.name === name)) {
      names.push({ name, isReturning: !isPlSql && words === "into" });
    }
  }
  return names;
}

/** The first word, past comments and brackets, in upper case. */
export function firstWordOf(sql: string): string {
  const match = /^(?:\s|\(|--[^\n]*\n|\/\*[\s\S]*?\*\/)*([A-Za-z]+)/.exec(sql);
  return match?.[1]?.toUpperCase() ?? "";
}
