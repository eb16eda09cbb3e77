// What the demo writes: lines that stay, and on a terminal a block below them that is redrawn in place.

interface Output {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

export class Screen {
  readonly isTerminal: boolean;
  readonly #out: Output;
  #drawn: readonly string[] = [];

  constructor(out: Output) {
    this.#out = out;
    this.isTerminal = out.isTTY === true;
  }

  /** A line that stays, above the block. */
  say(text: string): void {
    const block = this.#drawn;
    this.#out.write(`${this.#erased()}${text}\n`);
    this.draw(block);
  }

  /** Replaces the block; nothing elsewhere than on a terminal. */
  draw(lines: readonly string[]): void {
    if (!this.isTerminal) return;
    const width = this.#out.columns ?? 80;
    const shown = lines.map((line) => (line.length < width ? line : `${line.slice(0, width - 2)}…`));
    const text = shown.length === 0 ? "" : `${shown.join("\n")}\n`;
    this.#out.write(`${this.#erased()}${text}`);
    this.#drawn = shown;
  }

  /** Cursor up over the block, then all below it is erased. */
  #erased(): string {
    const lines = this.#drawn.length;
    this.#drawn = [];
    return lines === 0 ? "" : `\u001B[${lines}A\u001B[J`;
  }
}
