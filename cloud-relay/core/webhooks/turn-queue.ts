// Whose turn it is: a line for each kind, served one after the other as far as there is room for their kind.

export class TurnQueue<Item, Kind extends string> {
  readonly #kindOf: (item: Item) => Kind;
  readonly #kinds: readonly Kind[];
  readonly #lines = new Map<Kind, Line<Item>>();
  #turn = 0;

  constructor(kinds: readonly Kind[], kindOf: (item: Item) => Kind) {
    this.#kinds = kinds;
    this.#kindOf = kindOf;
  }

  push(item: Item): void {
    this.#line(this.#kindOf(item)).push(item);
  }

  /** The longest waiting one of the kind whose turn it is; of the next kind where that line is empty or has no room. */
  next(hasRoom: (kind: Kind) => boolean): Item | undefined {
    this.#turn += 1;
    for (let index = 0; index < this.#kinds.length; index += 1) {
      const kind = this.#kinds[(this.#turn + index) % this.#kinds.length];
      if (kind === undefined) break;
      const line = this.#line(kind);
      while (line.size > 0 && hasRoom(kind)) {
        const item = line.shift();
        if (item === undefined) break;
        if (this.#kindOf(item) === kind) return item;
        // It has become another kind while it waited.
        this.push(item);
      }
    }
    return undefined;
  }

  #line(kind: Kind): Line<Item> {
    const known = this.#lines.get(kind);
    if (known !== undefined) return known;
    const line = new Line<Item>();
    this.#lines.set(kind, line);
    return line;
  }
}

/** First in, first out, without moving the rest at every step. */
class Line<Item> {
  #items: (Item | undefined)[] = [];
  #head = 0;

  get size(): number {
    return this.#items.length - this.#head;
  }

  push(item: Item): void {
    this.#items.push(item);
  }

  shift(): Item | undefined {
    const item = this.#items[this.#head];
    this.#items[this.#head] = undefined;
    this.#head += 1;
    if (this.#head > 1_024 && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return item;
  }
}
