// When two key values are the same key: the source's own rules, never SQLite's and never ours.

export interface KeyRule {
  /** The column's collation ignores case. */
  readonly ignoreCase: boolean;
  /** Only A to Z have a case (SQLite's NOCASE). */
  readonly isAsciiCase?: boolean;
  /** The column's collation ignores accents. */
  readonly ignoreAccents: boolean;
  /** Trailing blanks do not count (SQL Server's comparison, CHAR padding). */
  readonly ignoreTrailingBlanks: boolean;
  /** The empty string is null (Oracle). */
  readonly emptyIsNull: boolean;
}

export const EXACT_KEY: KeyRule = {
  ignoreCase: false,
  ignoreAccents: false,
  ignoreTrailingBlanks: false,
  emptyIsNull: false,
};

/** The canonical key: JSON array text, equal exactly when the source holds the keys equal. */
export function canonicalKey(values: readonly (string | null)[], rules: readonly KeyRule[]): string {
  return JSON.stringify(values.map((value, index) => canonicalValue(value, rules[index] ?? EXACT_KEY)));
}

function canonicalValue(value: string | null, rule: KeyRule): string | null {
  if (value === null) return null;
  let text = value;
  if (rule.ignoreTrailingBlanks) text = text.replace(/ +$/, "");
  if (rule.emptyIsNull && text === "") return null;
  if (rule.ignoreAccents) text = text.normalize("NFD").replaceAll(/\p{Mn}/gu, "");
  if (rule.ignoreCase) {
    text =
      rule.isAsciiCase === true
        ? text.replaceAll(/[a-z]+/g, (part) => part.toUpperCase())
        : text.toUpperCase();
  }
  return text;
}
