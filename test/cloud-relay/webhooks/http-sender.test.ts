// What a try comes to: answers, timings, kept connections, and every way in which receivers and networks fail.
import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { gzipSync } from "node:zlib";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { systemClock, type Clock } from "#common/runtime/clock.ts";
import { MAX_RESPONSE_BYTES } from "#relay/core/webhooks/delivery.ts";
import { Addresses } from "#relay/webhooks/addresses.ts";
import { HttpSender, type HttpSenderOptions } from "#relay/webhooks/http-sender.ts";
import { SendFailure } from "#relay/webhooks/send-failure.ts";
import { FakeClock } from "#test/support/fake-clock.ts";
import { authority, httpReceiver, httpsReceiver, rawReceiver } from "./receivers.ts";

function setUp(options: Partial<HttpSenderOptions> = {}) {
  const sender = new HttpSender({
    addresses: new Addresses({ allowHttp: true, allowNetworks: ["127.0.0.0/8"] }),
    clock: systemClock,
    ca: authority.certificatePem,
    ownOrigins: () => [],
    resolve: () => Promise.resolve(["127.0.0.1"]),
    ...options,
  });
  onTestFinished(() => sender[Symbol.asyncDispose]());
  const stop = new AbortController();
  const send = (url: string, body = "{}", endpointId = "whe_1") =>
    sender.send({ endpointId, url, headers: { "webhook-id": "evt_1" }, body }, stop.signal);
  return { sender, send, stop };
}

/** The system's clock, of which a test can let one kind of timer fire at once. */
function impatientClock(isDue: (delayMs: number) => boolean): Clock {
  const setTimer: Clock["setTimer"] = (delayMs, callback) =>
    systemClock.setTimer(isDue(delayMs) ? 50 : delayMs, callback);
  return { ...systemClock, setTimer };
}

function failing(failure: SendFailure): Promise<never> {
  return Promise.reject(failure);
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

describe("an answer", () => {
  test("is given with its status, what it says, and how long each phase took", async () => {
    const received: unknown[] = [];
    await using receiver = await httpsReceiver(async (request, response) => {
      const body = await textOf(request);
      received.push([request.method, request.url, request.headers["webhook-id"], body]);
      response.writeHead(202, { "content-type": "text/plain", "retry-after": "7", "x-secret": "no" });
      response.end("thanks, ü");
    });
    const { send } = setUp();
    const result = await send(`${receiver.url}?key=1`, '{"ü":1}');
    expect(received).toEqual([["POST", "/hook?key=1", "evt_1", '{"ü":1}']]);
    expect(result).toMatchObject({ status: 202, error: undefined, detail: undefined, body: "thanks, ü" });
    expect(result.headers).toMatchObject({ "content-type": "text/plain", "retry-after": "7" });
    expect(result.headers).not.toHaveProperty("x-secret");
    const { timings } = result;
    expect(timings.dnsMs).toBeUndefined();
    for (const ms of [timings.connectMs, timings.tlsMs, timings.firstByteMs, timings.totalMs])
      expect(ms).toBeGreaterThan(0);
  });

  test.each([200, 204, 400, 404, 410, 429, 500, 503])(
    "of status %i is no error of the try",
    async (status) => {
      await using receiver = await httpReceiver((_request, response) => response.writeHead(status).end());
      expect(await setUp().send(receiver.url)).toMatchObject({ status, error: undefined });
    },
  );

  test("may be announced before", async () => {
    await using receiver = await httpReceiver((_request, response) => {
      response.writeEarlyHints({ link: "</a>; rel=preload" });
      response.end("late");
    });
    expect(await setUp().send(receiver.url)).toMatchObject({ status: 200, body: "late" });
  });
});

describe("connections", () => {
  test("are kept for the next delivery of the same endpoint, and not shared with another's", async () => {
    await using receiver = await httpsReceiver((_request, response) => response.end("ok"));
    const { send } = setUp();
    const first = await send(receiver.url);
    const second = await send(receiver.url);
    expect(receiver.accepted).toBe(1);
    expect(first.timings.tlsMs).toBeDefined();
    expect(second.timings).toMatchObject({ dnsMs: undefined, connectMs: undefined, tlsMs: undefined });
    await send(receiver.url, "{}", "whe_2");
    expect(receiver.accepted).toBe(2);
  });

  test("many at once are opened, few are kept", async () => {
    let held = 0;
    const waiting: (() => void)[] = [];
    await using receiver = await httpReceiver((_request, response) => {
      held += 1;
      waiting.push(() => response.end());
      if (held === 12) for (const answer of waiting) answer();
    });
    const { send } = setUp();
    const results = await Promise.all(Array.from({ length: 12 }, () => send(receiver.url)));
    expect(results.every(({ status }) => status === 200)).toBe(true);
    expect(receiver.accepted).toBe(12);
    // The next ones find four.
    held = 0;
    waiting.length = 0;
    await Promise.all(Array.from({ length: 12 }, () => send(receiver.url)));
    expect(receiver.accepted).toBe(20);
  });

  test("that were closed between two deliveries cost nothing: another one is opened", async () => {
    await using receiver = await rawReceiver((socket) => {
      let requests = 0;
      socket.on("data", () => {
        requests += 1;
        // Promises to stay, and closes at the second request.
        if (requests === 1) socket.write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
        else socket.destroy();
      });
    });
    const { send } = setUp();
    expect(await send(receiver.url)).toMatchObject({ status: 200 });
    expect(await send(receiver.url)).toMatchObject({ status: 200, error: undefined });
    expect(receiver.accepted).toBe(2);
  });

  test("are resolved anew after a minute", async () => {
    await using receiver = await httpReceiver((_request, response) => response.end());
    const clock = new FakeClock();
    const { send } = setUp({ clock });
    await send(receiver.url);
    clock.advance(59_000);
    await send(receiver.url);
    expect(receiver.accepted).toBe(1);
    clock.advance(2_000);
    await send(receiver.url);
    expect(receiver.accepted).toBe(2);
  });

  test("end with the sender, and what is under way is ours to answer for", async () => {
    await using receiver = await httpReceiver(() => {});
    const { sender, send } = setUp();
    const under = send(receiver.url);
    await vi.waitFor(() => expect(receiver.accepted).toBe(1), { timeout: 30_000 });
    await sender[Symbol.asyncDispose]();
    expect(await under).toMatchObject({ status: undefined, error: "local_fault" });
  });

  test("end when the caller gives up", async () => {
    await using receiver = await httpReceiver(() => {});
    const { send, stop } = setUp();
    const under = send(receiver.url);
    await vi.waitFor(() => expect(receiver.accepted).toBe(1), { timeout: 30_000 });
    stop.abort();
    expect(await under).toMatchObject({ error: "local_fault" });
  });
});

describe("a hostile receiver", () => {
  test("that never stops its body is cut, and its status counts", async () => {
    await using receiver = await httpReceiver((_request, response) => {
      response.writeHead(200);
      const fill = (): void => {
        while (!response.destroyed && response.write(Buffer.alloc(16_384, "x")));
        if (!response.destroyed) response.once("drain", fill);
      };
      fill();
    });
    // Only the number of bytes can end it: no time is too long.
    const { send } = setUp({ clock: new FakeClock() });
    const result = await send(receiver.url);
    expect(result).toMatchObject({ status: 200, error: undefined });
    expect(result.body).toHaveLength(MAX_RESPONSE_BYTES);
  });

  test("that drips its body is cut soon after its status", async () => {
    await using receiver = await rawReceiver((socket) => {
      socket.once("data", () => socket.write("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nslow"));
    });
    const { send } = setUp({ clock: impatientClock((ms) => ms === 2_000) });
    expect(await send(receiver.url)).toMatchObject({ status: 200, body: "slow" });
  });

  test("that drips its headers is given up", async () => {
    await using receiver = await rawReceiver((socket) => {
      socket.once("data", () => socket.write("HTTP/1.1 200 OK\r\nx-slow: "));
    });
    const { send } = setUp({ clock: impatientClock((ms) => ms === 10_000) });
    expect(await send(receiver.url)).toMatchObject({
      status: undefined,
      error: "timed_out",
      detail: "no answer within 10 s",
    });
  });

  test("that says nothing at all is given up", async () => {
    await using receiver = await rawReceiver(() => {});
    const { send } = setUp({ clock: impatientClock((ms) => ms === 10_000) });
    expect(await send(receiver.url)).toMatchObject({ status: undefined, error: "timed_out" });
  });

  test.each([
    ["endless headers", "HTTP/1.1 200 OK\r\n", "x-more: and more and more and more\r\n"],
    ["one endless header", "HTTP/1.1 200 OK\r\nx-long: ", "more and more and more and more "],
  ])("with %s is refused", async (_name, head, more) => {
    await using receiver = await rawReceiver((socket) => {
      socket.once("data", () => {
        socket.write(head);
        const fill = (): void => {
          while (!socket.destroyed && socket.write(more.repeat(100)));
          if (!socket.destroyed) socket.once("drain", fill);
        };
        fill();
      });
    });
    expect(await setUp().send(receiver.url)).toMatchObject({ status: undefined, error: "bad_answer" });
  });

  test("with a small answer that unpacks to a large one: it is not unpacked", async () => {
    const bomb = gzipSync(Buffer.alloc(10_000_000));
    await using receiver = await httpReceiver((_request, response) =>
      response.writeHead(200, { "content-encoding": "gzip" }).end(bomb),
    );
    const result = await setUp().send(receiver.url);
    expect(result).toMatchObject({ status: 200, body: `(${bomb.length} bytes, gzip, not unpacked)` });
  });

  test.each(["SSH-2.0-OpenSSH_9.2\r\n", "HTTP/1.1 twohundred OK\r\n\r\n", "HTTP/1.1 99999 OK\r\n\r\n"])(
    "that answers %j speaks no HTTP",
    async (text) => {
      await using receiver = await rawReceiver((socket) => void socket.once("data", () => socket.end(text)));
      expect(await setUp().send(receiver.url)).toMatchObject({ status: undefined, error: "bad_answer" });
    },
  );

  test("that closes instead of answering", async () => {
    await using receiver = await rawReceiver((socket) => void socket.once("data", () => socket.destroy()));
    expect(await setUp().send(receiver.url)).toMatchObject({ status: undefined, error: "reset" });
  });

  test("with a certificate that nobody vouches for, or of another name", async () => {
    await using receiver = await httpsReceiver((_request, response) => response.end());
    const unknown = new HttpSender({
      addresses: new Addresses({ allowHttp: false, allowNetworks: ["127.0.0.0/8"] }),
      clock: systemClock,
      ownOrigins: () => [],
      resolve: () => Promise.resolve(["127.0.0.1"]),
    });
    onTestFinished(() => unknown[Symbol.asyncDispose]());
    const request = { endpointId: "whe_1", url: receiver.url, headers: {}, body: "{}" };
    const refused = await unknown.send(request, new AbortController().signal);
    expect(refused).toMatchObject({ status: undefined, error: "tls_failed" });
    expect(refused.detail).toMatch(/certificate is not valid: .*authority/);
    const other = await setUp().send(`https://other.example:${receiver.port}/`);
    expect(other).toMatchObject({ error: "tls_failed" });
    expect(other.detail).toMatch(/belongs to another name/);
  });

  test("that speaks no TLS", async () => {
    await using receiver = await httpReceiver((_request, response) => response.end());
    const result = await setUp().send(receiver.url.replace("http:", "https:"));
    expect(result).toMatchObject({ status: undefined, error: "tls_failed" });
  });
});

describe("a connection that does not come about", () => {
  test("is the receiver's when nothing listens there; no address is told", async () => {
    const receiver = await rawReceiver(() => {});
    await receiver[Symbol.asyncDispose]();
    const result = await setUp().send(receiver.url);
    expect(result).toMatchObject({ status: undefined, error: "connect_failed" });
    expect(result.detail).not.toContain("127.0.0.1");
  });

  test("is the receiver's when it does not finish the handshake", async () => {
    await using receiver = await rawReceiver(() => {});
    const { send } = setUp({ clock: impatientClock((ms) => ms === 3_000) });
    const result = await send(receiver.url.replace("http:", "https:"));
    expect(result).toMatchObject({ status: undefined, error: "timed_out" });
    expect(result.detail).toMatch(/TLS handshake within 3 s/);
  });

  test.each([
    ["dns_failed", "the name does not exist"],
    ["local_fault", "the relay's name server does not answer"],
  ] as const)("%s is told as it is", async (error, detail) => {
    const { send } = setUp({ resolve: () => failing(new SendFailure(error, detail)) });
    expect(await send("https://nowhere.example/")).toMatchObject({ status: undefined, error, detail });
  });

  test("because a name has no address", async () => {
    const { send } = setUp({ resolve: () => Promise.resolve([]) });
    expect(await send("https://nowhere.example/")).toMatchObject({ error: "dns_failed" });
  });

  test("because the name takes for ever", async () => {
    const { send } = setUp({
      clock: impatientClock((ms) => ms === 6_000),
      resolve: async () => {
        await once(new EventTarget(), "never");
        return [];
      },
    });
    expect(await send("https://slow.example/")).toMatchObject({ error: "timed_out" });
  });
});
