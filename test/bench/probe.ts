// Measures how old a change is when the API answers with it: changes a row now and then, hears of it on the live feed,
// gets the record, and looks up in the room's own file when the row was read.
import { readdirSync } from "node:fs";
import { Agent, get, type IncomingMessage } from "node:http";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout } from "node:timers/promises";
import { BatchReader } from "#agent/outbox/batch-reader.ts";
import { batchCodec } from "#common/contract/batch.ts";
import { parseEntries } from "#common/contract/entry.ts";
import type { Stack } from "./stack.ts";

interface Heard {
  readonly eventId: string;
  readonly answeredMs: number;
}

interface FeedEvent {
  readonly id: string;
  readonly record_id: string | null;
  readonly origin: string | null;
}

export class Probe implements Disposable {
  readonly #stack: Stack;
  readonly #connection: string;
  readonly #agent = new Agent({ keepAlive: true });
  readonly #heard: Heard[] = [];
  #stream: IncomingMessage | undefined;

  constructor(stack: Stack, connection: string) {
    this.#stack = stack;
    this.#connection = connection;
  }

  /** Listens to the live feed of the connection from now on. */
  async listen(): Promise<void> {
    const id = this.#stack.connectionIds.get(this.#connection) ?? "";
    const path = `/v1/events?cursor=latest&connection_id=${id}`;
    const stream = await this.#ask(path, { accept: "text/event-stream" });
    this.#stream = stream;
    createInterface(stream).on("line", (line) => {
      // What does not come is missed by `run`.
      if (line.startsWith("data: ")) this.#take(JSON.parse(line.slice(6)) as FeedEvent).catch(() => {});
    });
  }

  /** Changes a row every `everyMs`; resolves with each change's age at the API's answer, ms since its row was read; Infinity for one that did not come. */
  async run(count: number, everyMs: number): Promise<readonly number[]> {
    const source = this.#stack.sources.get(this.#connection);
    const before = this.#heard.length;
    for (let at = 0; at < count; at += 1) {
      source?.touch(at, 1);
      // Not in step with the source's polls.
      await setTimeout(everyMs * (0.5 + Math.random()));
    }
    const endMs = Date.now() + 30_000;
    while (this.#heard.length - before < count && Date.now() < endMs) await setTimeout(50);
    const ages = this.#ages(this.#heard.slice(before, before + count));
    return [...ages, ...Array.from({ length: count - ages.length }, () => Number.POSITIVE_INFINITY)];
  }

  /** When each change that was heard was read from the source: its event's id says where it stands in the stream. */
  #ages(heard: readonly Heard[]): readonly number[] {
    using reader = BatchReader.open(roomFile(this.#stack, this.#connection));
    const reads = new Map<number, readonly number[]>();
    return heard.map(({ eventId, answeredMs }) => {
      const [, , seqText, indexText] = eventId.split("_");
      const seq = Number(seqText);
      const times = reads.get(seq) ?? readTimes(reader, seq);
      reads.set(seq, times);
      return answeredMs - (times[Number(indexText)] ?? Number.NaN);
    });
  }

  async #take(event: FeedEvent): Promise<void> {
    if (event.origin !== "change" || event.record_id === null) return;
    const answer = await this.#ask(`/v1/purchase-orders/${event.record_id}`, {});
    for await (const _ of answer);
    this.#heard.push({ eventId: event.id, answeredMs: Date.now() });
  }

  #ask(path: string, headers: Readonly<Record<string, string>>): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const authorization = `Bearer ${this.#stack.token}`;
      const options = { agent: this.#agent, headers: { ...headers, authorization } };
      const request = get(`${this.#stack.url}${path}`, options, (response) => {
        if (response.statusCode === 200) resolve(response);
        else reject(new TypeError(`${path} answered ${response.statusCode}`));
      });
      request.on("error", reject);
    });
  }

  [Symbol.dispose](): void {
    this.#stream?.destroy();
    this.#agent.destroy();
  }
}

/** The current file of a connection's room. */
export function roomFile(stack: Stack, connection: string): string {
  const dir = join(stack.dir, "agent", "rooms", stack.connectionIds.get(connection) ?? "");
  const name = readdirSync(dir).find((file) => /^[0-9a-f]{16}\.db$/.test(file));
  return join(dir, name ?? "");
}

/** `read_ms` of the entries of one batch. */
export function readTimes(reader: BatchReader, seq: number): readonly number[] {
  const [batch] = reader.read(seq, 1);
  if (batch?.seq !== seq) return [];
  const { body } = batchCodec.decode(batch.blob);
  return Array.from(parseEntries(body), ({ header }) => Number((header as { read_ms?: number }).read_ms));
}
