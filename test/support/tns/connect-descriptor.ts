// What a client asks the listener for: reads the nested (NAME=value) text of a CONNECT.
import { ProtocolError } from "./protocol.ts";

type Node = string | ReadonlyMap<string, Node>;

export interface ConnectTarget {
  readonly serviceName: string | undefined;
  readonly sid: string | undefined;
  /** The client's program, as it says itself. */
  readonly program: string;
}

/** @throws ProtocolError */
export function readDescriptor(text: string): ConnectTarget {
  const parser = new Parser(text);
  const root = parser.list();
  const description = root.get("DESCRIPTION");
  const data = isMap(description) ? description.get("CONNECT_DATA") : undefined;
  if (!isMap(data)) throw new ProtocolError(`no CONNECT_DATA in ${text}`);
  const cid = data.get("CID");
  return {
    serviceName: leaf(data.get("SERVICE_NAME")),
    sid: leaf(data.get("SID")),
    program: (isMap(cid) ? leaf(cid.get("PROGRAM")) : undefined) ?? "",
  };
}

class Parser {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  /** `(A=…)(B=…)` up to a closing bracket or the end; of two with one name the first counts. */
  list(): ReadonlyMap<string, Node> {
    const entries = new Map<string, Node>();
    while (this.#peek() === "(") {
      this.#at += 1;
      const name = this.#until("=").toUpperCase();
      this.#at += 1;
      const value = this.#peek() === "(" ? this.list() : this.#until(")");
      this.#expect(")");
      if (!entries.has(name)) entries.set(name, value);
    }
    return entries;
  }

  #peek(): string | undefined {
    while (this.#text[this.#at]?.trim() === "") this.#at += 1;
    return this.#text[this.#at];
  }

  #until(end: string): string {
    const to = this.#text.indexOf(end, this.#at);
    if (to < 0) throw new ProtocolError(`no "${end}" after ${this.#text.slice(this.#at)}`);
    const part = this.#text.slice(this.#at, to).trim();
    this.#at = to;
    return part;
  }

  #expect(character: string): void {
    if (this.#peek() !== character)
      throw new ProtocolError(`"${character}" expected at ${this.#at} of ${this.#text}`);
    this.#at += 1;
  }
}

function isMap(node: Node | undefined): node is ReadonlyMap<string, Node> {
  return node !== undefined && typeof node !== "string";
}

function leaf(node: Node | undefined): string | undefined {
  return typeof node === "string" && node !== "" ? node : undefined;
}
