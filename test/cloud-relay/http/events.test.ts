// The change feed, as pages and as a stream: nothing lost, nothing twice.
import { request as httpRequest, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { createToken, revokeToken } from "#relay/core/administration.ts";
import { subjects } from "#relay/core/bus.ts";
import { commitRecords, entropy, get, relayFixture, type RelayFixture } from "./relay-fixture.ts";

interface Received {
  readonly id: string;
  readonly type: string;
  readonly event: { readonly id: string; readonly position: number; readonly record_id: string };
}

let relay: RelayFixture;
let port: number;
beforeEach(async () => {
  relay = await relayFixture();
  await relay.app.listen({ host: "127.0.0.1", port: 0 });
  port = (relay.app.server.address() as AddressInfo).port;
});
afterEach(() => relay[Symbol.asyncDispose]());

const seed = (key: string) => ({ entity: "vendor", key, fields: { name: key } });

/** A client of the stream that keeps what it got; `close` cuts the line. */
class Stream implements Disposable {
  readonly received: Received[] = [];
  /** Blocks that are not events: retry, comments, errors. */
  readonly notes: string[] = [];
  status = 0;
  isOver = false;
  readonly #request: ReturnType<typeof httpRequest>;
  #response: IncomingMessage | undefined;
  #rest = "";

  constructor(query: string, token: string, lastEventId?: string) {
    const headers = {
      accept: "text/event-stream",
      authorization: `Bearer ${token}`,
      ...(lastEventId === undefined ? {} : { "last-event-id": lastEventId }),
    };
    const path = `/v1/events${query}`;
    this.#request = httpRequest({ host: "127.0.0.1", port, path, headers, agent: false }, (response) => {
      this.#response = response;
      this.status = response.statusCode ?? 0;
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => this.#take(chunk));
      response.on("close", () => (this.isOver = true));
    });
    this.#request.on("error", () => (this.isOver = true));
    this.#request.end();
  }

  pause(): void {
    this.#response?.pause();
  }

  resume(): void {
    this.#response?.resume();
  }

  [Symbol.dispose](): void {
    this.#request.destroy();
  }

  #take(chunk: string): void {
    const blocks = (this.#rest + chunk).split("\n\n");
    this.#rest = blocks.pop() ?? "";
    for (const block of blocks) {
      const lines = block.split("\n");
      const field = (name: string) =>
        lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2);
      const [id, type, data] = [field("id"), field("event"), field("data")];
      if (id === undefined || type === undefined || data === undefined) this.notes.push(block);
      else this.received.push({ id, type, event: JSON.parse(data) });
    }
  }
}

describe("the feed as pages", () => {
  test("every change once, in order; the last cursor picks up what comes later", async () => {
    const { acme } = relay;
    const first = await commitRecords(
      relay,
      acme,
      Array.from({ length: 25 }, (_, n) => seed(`v${n}`)),
    );
    const positions: number[] = [];
    let cursor = "";
    for (let hasMore = true; hasMore;) {
      const { body } = await get(
        relay,
        `/v1/events?limit=10${cursor && `&cursor=${cursor}`}`,
        acme.workspaceToken,
      );
      for (const event of body.data) positions.push(event.position);
      ({ next_cursor: cursor, has_more: hasMore } = body);
    }
    expect(positions).toEqual(first.map((record) => record.revision));
    expect((await get(relay, `/v1/events?cursor=${cursor}`, acme.workspaceToken)).body.data).toEqual([]);
    const [later] = await commitRecords(relay, acme, [seed("later")]);
    const { body } = await get(relay, `/v1/events?cursor=${cursor}`, acme.workspaceToken);
    expect(body.data).toHaveLength(1);
    expect(body.data[0]).toMatchObject({
      type: "vendor.created",
      workspace_id: acme.workspaceId,
      connection_id: acme.connectionId,
      entity: "vendor",
      record_id: later?.id,
      position: later?.revision,
      origin: "change",
      data: { revision: later?.revision },
    });
  });

  test("cursor=latest, types and connection_id", async () => {
    const { acme } = relay;
    const other = { workspaceId: acme.workspaceId, connectionId: acme.otherConnectionId };
    await commitRecords(relay, acme, [seed("old")]);
    const latest = await get(relay, "/v1/events?cursor=latest", acme.workspaceToken);
    expect(latest.body.data).toEqual([]);
    await commitRecords(relay, acme, [seed("mine"), { entity: "asset", key: "a", fields: {} }]);
    await commitRecords(relay, other, [seed("theirs")]);
    const from = `cursor=${latest.body.next_cursor}`;
    const types = async (query: string, token: string): Promise<string[]> =>
      (await get(relay, `/v1/events?${from}${query}`, token)).body.data.map(
        (event: { type: string }) => event.type,
      );
    expect(await types("", acme.workspaceToken)).toEqual([
      "vendor.created",
      "asset.created",
      "vendor.created",
    ]);
    expect(await types("", acme.connectionToken)).toEqual(["vendor.created", "asset.created"]);
    expect(await types("&types=asset.created", acme.workspaceToken)).toEqual(["asset.created"]);
    for (const [type, hint] of [
      ["purchase_order.create", 'did you mean "purchase_order.created"'],
      ["asset.exploded", "/v1/webhook-event-types"],
    ] as const) {
      const wrong = await get(relay, `/v1/events?types=asset.created,${type}`, acme.workspaceToken);
      const detail = expect.stringContaining(hint);
      expect([wrong.status, wrong.body.errors]).toEqual([400, [{ pointer: "#/query/types", detail }]]);
    }
    expect(await types(`&connection_id=${acme.otherConnectionId}`, acme.workspaceToken)).toEqual([
      "vendor.created",
    ]);
  });

  test("a cursor older than what is held answers 410; one that lost nothing goes on", async () => {
    const { acme } = relay;
    await commitRecords(relay, acme, [seed("one")]);
    const early = (await get(relay, "/v1/events?limit=1", acme.workspaceToken)).body.next_cursor;
    await commitRecords(relay, acme, [seed("two")]);
    const upToDate = (await get(relay, `/v1/events?cursor=${early}`, acme.workspaceToken)).body.next_cursor;
    while (await relay.store.prune({ eventsMs: Date.now() + 60_000, samplesMs: 0 }));
    const refused = await get(relay, `/v1/events?cursor=${early}`, acme.workspaceToken);
    expect([refused.status, refused.body.code]).toEqual([410, "CURSOR_EXPIRED"]);
    const quiet = await get(relay, `/v1/events?cursor=${upToDate}`, acme.workspaceToken);
    expect([quiet.status, quiet.body.data]).toEqual([200, []]);
    expect((await get(relay, "/v1/events", acme.workspaceToken)).status).toBe(200);
  });
});

describe("an event that is committed while a page is read", () => {
  /** Commits one more event after the store was asked for a page, and before the answer is made. */
  function commitDuringRead(): void {
    const { reader } = relay.store;
    const listEvents = reader.listEvents.bind(reader);
    vi.spyOn(reader, "listEvents").mockImplementationOnce(async (...args) => {
      const page = await listEvents(...args);
      await commitRecords(relay, relay.acme, [seed("in between")]);
      return page;
    });
  }

  test("is in the next page", async () => {
    const { acme } = relay;
    await commitRecords(relay, acme, [seed("first")]);
    commitDuringRead();
    const first = await get(relay, "/v1/events", acme.workspaceToken);
    const second = await get(relay, `/v1/events?cursor=${first.body.next_cursor}`, acme.workspaceToken);
    expect([first.body.data.length, second.body.data.length]).toEqual([1, 1]);
  });

  test("is in the stream", async () => {
    commitDuringRead();
    using stream = new Stream("", relay.acme.workspaceToken);
    await vi.waitFor(() => expect(stream.received).toHaveLength(1), 5_000);
  });
});

describe("the feed as a stream", () => {
  test("Last-Event-ID resumes without loss or repeat while others write", async () => {
    const { acme } = relay;
    const written: number[] = [];
    const writing = { isOver: false };
    const writer = (async () => {
      for (let n = 0; n < 60; n += 1) {
        const records = await commitRecords(
          relay,
          acme,
          Array.from({ length: 1 + (n % 7) }, (_, k) => seed(`w${n}.${k}`)),
        );
        written.push(...records.map((record) => record.revision));
      }
      writing.isOver = true;
    })();
    const positions: number[] = [];
    let lastId: string | undefined;
    for (let round = 0; !writing.isOver || positions.length < written.length; round += 1) {
      using stream = new Stream("", acme.workspaceToken, lastId);
      const wanted = Math.min(5 + round * 3, 40);
      await vi.waitFor(() => {
        const isEnough =
          stream.received.length >= wanted || positions.length + stream.received.length >= written.length;
        expect(isEnough && !(!writing.isOver && stream.received.length === 0)).toBe(true);
      }, 10_000);
      positions.push(...stream.received.map(({ event }) => event.position));
      lastId = stream.received.at(-1)?.id ?? lastId;
    }
    await writer;
    expect(positions).toEqual(written);
  });

  test("is woken by the bus, and looks by itself when no wake-up comes", async () => {
    const { acme } = relay;
    using stream = new Stream("?cursor=latest", acme.connectionToken);
    await vi.waitFor(() => expect(stream.notes).toContain("retry: 2000"));
    await commitRecords(relay, acme, [seed("woken")]);
    await vi.waitFor(() => expect(stream.received).toHaveLength(1));
    const silent = { ...relay, bus: { publish: () => {} } } as unknown as RelayFixture;
    await commitRecords(silent, acme, [seed("unannounced")]);
    await vi.waitFor(() => expect(stream.received).toHaveLength(2), 5_000);
  });

  test("sees neither another workspace nor another connection", async () => {
    const { acme, rival } = relay;
    using stream = new Stream("", acme.connectionToken);
    await commitRecords(relay, rival, [seed("canary-rival")]);
    await commitRecords(relay, { ...acme, connectionId: acme.otherConnectionId }, [seed("canary-other")]);
    const [own] = await commitRecords(relay, acme, [seed("own")]);
    await vi.waitFor(() => expect(stream.received).toHaveLength(1));
    expect(stream.received[0]?.event.record_id).toBe(own?.id);
    expect(JSON.stringify(stream.received)).not.toContain(rival.workspaceId);
  });

  test("ends within a second when its token is revoked, and says why", async () => {
    const { acme, store } = relay;
    const administration = { directory: store.directory, entropy, nowMs: () => Date.now() };
    const { token, row } = await createToken(administration, {
      kind: "workspace",
      workspaceId: acme.workspaceId,
    });
    using stream = new Stream("", token);
    await vi.waitFor(() => expect(stream.notes).toContain("retry: 2000"));
    await revokeToken(administration, undefined, row.id);
    await vi.waitFor(() => expect(stream.isOver).toBe(true), 5_000);
    expect(stream.notes.at(-1)).toContain('event: error\ndata: {"code":"TOKEN_REVOKED"');
  });

  test("ends when the relay stops", async () => {
    using stream = new Stream("", relay.acme.workspaceToken);
    await vi.waitFor(() => expect(stream.notes).toContain("retry: 2000"));
    relay.stop.abort();
    await vi.waitFor(() => expect(stream.isOver).toBe(true));
    expect((await get(relay, "/readyz")).status).toBe(503);
  });

  test("a client that is gone leaves nothing behind", async () => {
    const gauge = async (): Promise<number> =>
      (await relay.deps.metrics.eventStreams.get()).values[0]?.value ?? 0;
    {
      using stream = new Stream("", relay.acme.workspaceToken);
      await vi.waitFor(() => expect(stream.notes).toContain("retry: 2000"));
      expect(await gauge()).toBe(1);
    }
    await vi.waitFor(async () => expect(await gauge()).toBe(0), 5_000);
  });

  test("a client that does not read is not read ahead for", async () => {
    const { acme, store } = relay;
    using stream = new Stream("?cursor=latest", acme.workspaceToken);
    await vi.waitFor(() => expect(stream.notes).toContain("retry: 2000"));
    stream.pause();
    const reads = vi.spyOn(store.reader, "listEvents");
    const total = 40_000;
    for (let n = 0; n < total; n += 2_000) {
      await commitRecords(
        relay,
        acme,
        Array.from({ length: 2_000 }, (_, k) => seed(`bulk${n + k}`)),
      );
    }
    const stalled = async (): Promise<number> => {
      const before = reads.mock.calls.length;
      relay.bus.publish(subjects.feed(acme.workspaceId), {});
      await new Promise(setImmediate);
      return reads.mock.calls.length - before;
    };
    await vi.waitFor(async () => expect(await stalled()).toBe(0), 5_000);
    // Pages of 200: without waiting for the client there would have been 200 reads.
    expect(reads.mock.calls.length).toBeLessThan(total / 200);
    stream.resume();
    await vi.waitFor(() => expect(stream.received.length).toBe(total), 20_000);
  });

  test("too many streams of one token are refused, and a free place is usable again", async () => {
    const streams = Array.from({ length: 20 }, () => new Stream("", relay.acme.workspaceToken));
    await vi.waitFor(() => expect(streams.every((stream) => stream.status === 200)).toBe(true));
    using refused = new Stream("", relay.acme.workspaceToken);
    await vi.waitFor(() => expect(refused.status).toBe(429));
    using other = new Stream("", relay.acme.connectionToken);
    await vi.waitFor(() => expect(other.status).toBe(200));
    for (const stream of streams) stream[Symbol.dispose]();
    await vi.waitFor(async () => {
      using again = new Stream("", relay.acme.workspaceToken);
      await vi.waitFor(() => expect(again.status).not.toBe(0));
      expect(again.status).toBe(200);
    }, 5_000);
  });

  test("an expired cursor is refused before the stream begins", async () => {
    const { acme } = relay;
    await commitRecords(relay, acme, [seed("one")]);
    const { body } = await get(relay, "/v1/events", acme.workspaceToken);
    await relay.store.renewGeneration();
    using stream = new Stream("", acme.workspaceToken, body.next_cursor);
    await vi.waitFor(() => expect(stream.status).toBe(410));
  });
});
