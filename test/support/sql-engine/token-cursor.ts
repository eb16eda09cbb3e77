// Walks over the tokens of one text; knows how to refuse.
import { DatabaseError } from "./session.ts";
import { type EngineDialect, type Token, tokenize } from "./tokens.ts";

export class TokenCursor {
  readonly text: string;
  readonly dialect: EngineDialect;
  readonly #tokens: readonly Token[];
  #at = 0;

  constructor(text: string, dialect: EngineDialect) {
    this.text = text;
    this.dialect = dialect;
    this.#tokens = tokenize(text, dialect);
  }

  get isOracle(): boolean {
    return this.dialect === "oracle";
  }

  get position(): number {
    return this.#at;
  }

  set position(at: number) {
    this.#at = at;
  }

  get isAtEnd(): boolean {
    return this.peek().kind === "end";
  }

  peek(ahead = 0): Token {
    return this.#tokens[Math.min(this.#at + ahead, this.#tokens.length - 1)]!;
  }

  next(): Token {
    const token = this.peek();
    this.#at += 1;
    return token;
  }

  /** Whether the next bare words or symbols are these. */
  is(...keys: readonly string[]): boolean {
    return keys.every((key, index) => this.peek(index).key === key);
  }

  isOneOf(...keys: readonly string[]): boolean {
    const { key } = this.peek();
    return key !== "" && keys.includes(key);
  }

  /** Takes them if they are next. */
  take(...keys: readonly string[]): boolean {
    if (!this.is(...keys)) return false;
    this.#at += keys.length;
    return true;
  }

  expect(...keys: readonly string[]): void {
    if (!this.take(...keys)) this.refuse(`expected ${keys.join(" ")}`);
  }

  /** @throws DatabaseError always, with the whole text: nothing is guessed */
  refuse(why: string): never {
    const token = this.peek();
    const near = token.kind === "end" ? "the end" : `'${this.text.slice(token.at, token.at + 30)}'`;
    throw new DatabaseError(
      this.isOracle ? 900 : 102,
      `The test engine does not know this statement (${why}, near ${near}): ${this.text}`,
      15,
    );
  }

  /** Runs `attempt`; if it refuses, goes back and gives undefined. */
  tryParse<T>(attempt: () => T): T | undefined {
    const at = this.#at;
    try {
      return attempt();
    } catch (error) {
      if (!(error instanceof DatabaseError)) throw error;
      this.#at = at;
      return undefined;
    }
  }

  name(): string {
    const token = this.peek();
    if (token.kind !== "word" && token.kind !== "quoted") this.refuse("expected a name");
    return this.next().text;
  }

  /** `a.b.c`; T-SQL's `a..b` leaves an empty part. */
  path(): readonly string[] {
    const parts = [this.name()];
    while (this.take(".")) parts.push(this.is(".") ? "" : this.name());
    return parts;
  }

  names(): readonly string[] {
    this.expect("(");
    const names = [this.name()];
    while (this.take(",")) names.push(this.name());
    this.expect(")");
    return names;
  }

  list<T>(parse: () => T): readonly T[] {
    const items = [parse()];
    while (this.take(",")) items.push(parse());
    return items;
  }

  /** Text of the tokens until the parenthesis that closes the one just taken; takes it too. */
  skipParentheses(): string {
    const from = this.peek().at;
    for (let depth = 1; depth > 0;) {
      const token = this.next();
      if (token.kind === "end") this.refuse("a parenthesis is not closed");
      if (token.key === "(") depth += 1;
      if (token.key === ")") depth -= 1;
      if (depth === 0) return this.text.slice(from, token.at);
    }
    return "";
  }
}
