// Puts a statement together: text and parameters grow side by side, so that they cannot disagree.
import type { ColumnFacts, SqlDialect, SqlParameter, SqlStatement } from "./dialect.ts";

export class StatementWriter {
  readonly dialect: SqlDialect;
  #text = "";
  readonly #parameters: SqlParameter[] = [];

  constructor(dialect: SqlDialect) {
    this.dialect = dialect;
  }

  add(text: string): this {
    this.#text += text;
    return this;
  }

  column(column: ColumnFacts): this {
    return this.add(this.dialect.quoteIdentifier(column.name));
  }

  /** A placeholder for a value that is compared with `column`. */
  bind(value: SqlParameter, column: ColumnFacts | undefined): this {
    this.#parameters.push(value);
    const placeholder = this.dialect.placeholder(this.#parameters.length);
    return this.add(column?.parameter === undefined ? placeholder : column.parameter(placeholder));
  }

  /** Writes each item with `separator` between. */
  list<T>(items: readonly T[], separator: string, write: (item: T, index: number) => void): this {
    for (const [index, item] of items.entries()) {
      if (index > 0) this.add(separator);
      write(item, index);
    }
    return this;
  }

  done(): SqlStatement {
    return { text: this.#text, parameters: this.#parameters };
  }
}
