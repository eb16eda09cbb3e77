// Who floods: refused early, late and at little cost, in the usual words; and a socket full of requests is taken in turn.
import { connect, type AddressInfo, type Socket } from "node:net";
import { expect, test, vi } from "vitest";
import { FakeClock } from "#test/support/fake-clock.ts";
import { relayFixture, type RelayFixture } from "./relay-fixture.ts";

const LIMITS = { connectionPerMinute: 2, workspacePerMinute: 1_000, workspaceAtOnce: 100 };
/** Refusals that go the whole way. */
const PLAIN = 20;

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Readonly<Record<string, unknown>>;
}

/** One keep-alive socket; answers in the order of the requests. */
class Line implements Disposable {
  readonly #socket: Socket;
  #text = "";
  #answers: Answer[] = [];

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (chunk: Buffer) => this.#take(chunk.toString("latin1")));
  }

  static async to(relay: RelayFixture): Promise<Line> {
    const { port } = relay.app.server.address() as AddressInfo;
    const socket = connect(port, "127.0.0.1");
    await new Promise((resolve) => socket.once("connect", resolve));
    return new Line(socket);
  }

  send(...requests: readonly { readonly token?: string; readonly path: string }[]): void {
    const texts = requests.map(({ token, path }) => {
      const who = token === undefined ? "" : `Authorization: Bearer ${token}\r\n`;
      return `GET ${path} HTTP/1.1\r\nHost: a\r\n${who}\r\n`;
    });
    this.#socket.write(texts.join(""));
  }

  get answers(): readonly Answer[] {
    return this.#answers;
  }

  got(count: number): Promise<readonly Answer[]> {
    const look = (): readonly Answer[] => {
      expect(this.#answers.length).toBeGreaterThanOrEqual(count);
      return this.#answers;
    };
    return vi.waitFor(look, { timeout: 30_000, interval: 5 });
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }

  #take(text: string): void {
    this.#text += text;
    for (;;) {
      const headEnd = this.#text.indexOf("\r\n\r\n");
      if (headEnd < 0) return;
      const [first = "", ...lines] = this.#text.slice(0, headEnd).split("\r\n");
      const headers = Object.fromEntries(
        lines.map((line) => [line.split(": ")[0]?.toLowerCase(), line.slice(line.indexOf(": ") + 2)]),
      ) as Record<string, string>;
      const end = headEnd + 4 + Number(headers["content-length"]);
      if (this.#text.length < end) return;
      const body = this.#text.slice(headEnd + 4, end);
      this.#text = this.#text.slice(end);
      this.#answers = [
        ...this.#answers,
        { status: Number(first.split(" ")[1]), headers, body: parsed(body) },
      ];
    }
  }
}

function parsed(text: string): Readonly<Record<string, unknown>> {
  return text.startsWith("{") ? (JSON.parse(text) as Readonly<Record<string, unknown>>) : {};
}

async function listening(options: Parameters<typeof relayFixture>[0]): Promise<RelayFixture> {
  const relay = await relayFixture(options);
  await relay.app.listen({ host: "127.0.0.1", port: 0 });
  return relay;
}

async function refusals(relay: RelayFixture): Promise<number> {
  const text = await relay.deps.metrics.text();
  return Number(/requests_refused_total\{by="connection"\} (\d+)/.exec(text)?.[1] ?? 0);
}

test("a token that goes on beyond its quota gets the same refusal, late; it is counted, and not logged one by one", async () => {
  const clock = new FakeClock();
  await using relay = await listening({ limits: LIMITS, clock });
  const { connectionToken: token } = relay.acme;
  using line = await Line.to(relay);
  const ask = { token, path: "/v1/vendors" };
  line.send(...Array.from({ length: 2 + PLAIN }, () => ask));
  await line.got(2 + PLAIN);
  const timers = clock.pendingTimers;
  line.send(...Array.from({ length: 5 }, () => ask));
  for (let n = 1; n <= 5; n += 1) {
    await vi.waitFor(() => expect(clock.pendingTimers).toBe(timers + 1), { timeout: 30_000, interval: 5 });
    clock.advance(100);
    await line.got(2 + PLAIN + n);
  }
  const { answers } = line;
  expect(answers.slice(0, 2).map(({ status }) => status)).toEqual([200, 200]);
  const [plain, short] = [answers[2 + PLAIN - 1], answers[2 + PLAIN + 4]];
  expect([plain?.status, short?.status]).toEqual([429, 429]);
  expect(Object.keys(short?.headers ?? {}).toSorted()).toEqual(Object.keys(plain?.headers ?? {}).toSorted());
  const fixed = ["content-type", "cache-control", "ratelimit-policy", "content-security-policy"];
  for (const name of fixed) expect(short?.headers[name]).toBe(plain?.headers[name]);
  expect(short?.headers["retry-after"]).toMatch(/^\d+$/);
  const { request_id: id, detail, ...rest } = short?.body ?? {};
  expect(plain?.body).toMatchObject(rest);
  expect(detail).toContain("2 requests a minute");
  expect(id).toBe(short?.headers["x-request-id"]);
  expect(id).not.toBe(plain?.headers["x-request-id"]);
  expect(await refusals(relay)).toBe(PLAIN + 5);
  await relay.deps.requestLog.flush();
  expect(relay.deps.requestLog.notLogged).toBe(5);
});

test("meanwhile what is open to all stays so, and others are served", async () => {
  await using relay = await listening({ limits: LIMITS });
  const { connectionToken: token } = relay.acme;
  using flood = await Line.to(relay);
  flood.send(...Array.from({ length: 2 + PLAIN }, () => ({ token, path: "/v1/vendors" })));
  await flood.got(2 + PLAIN);
  using other = await Line.to(relay);
  other.send({ token, path: "/healthz" }, { token, path: "/metrics?x=1" });
  other.send({ token: relay.rival.connectionToken, path: "/v1/vendors" });
  expect((await other.got(3)).map(({ status }) => status)).toEqual([200, 200, 200]);
});

test("a refusal is believed for a second, and no longer than its window", async () => {
  const clock = new FakeClock();
  await using relay = await listening({ limits: LIMITS, clock });
  const { connectionToken: token } = relay.acme;
  using line = await Line.to(relay);
  const ask = { token, path: "/v1/vendors" };
  line.send(...Array.from({ length: 2 + PLAIN }, () => ask));
  await line.got(2 + PLAIN);
  const before = clock.pendingTimers;
  line.send(ask);
  await vi.waitFor(() => expect(clock.pendingTimers).toBe(before + 1), { timeout: 30_000 });
  expect(line.answers).toHaveLength(2 + PLAIN);
  clock.advance(100);
  await line.got(2 + PLAIN + 1);
  clock.advance(900);
  // The whole way again: at once.
  line.send(ask);
  expect((await line.got(2 + PLAIN + 2)).at(-1)?.status).toBe(429);
  clock.advance(59_000);
  line.send(ask);
  expect((await line.got(2 + PLAIN + 3)).at(-1)?.status).toBe(200);
});

test("requests that come before their predecessors are answered are taken one after the other, all of them", async () => {
  const limits = { connectionPerMinute: 1e6, workspacePerMinute: 1e6, workspaceAtOnce: 1 };
  await using relay = await listening({ limits });
  const { connectionToken: token } = relay.acme;
  using line = await Line.to(relay);
  const paths = Array.from({ length: 300 }, (_, n) => `/v1/vendors/${"0".repeat(24)}?n=${n}`);
  line.send(...paths.map((path) => ({ token, path })));
  const answers = await line.got(paths.length);
  // One request at once is allowed: two under way would be refused.
  expect(new Set(answers.map(({ status }) => status))).not.toContain(429);
  using gone = await Line.to(relay);
  gone.send(...paths.map((path) => ({ token, path })));
  gone[Symbol.dispose]();
  line.send({ token, path: "/v1/vendors" });
  await vi.waitFor(
    async () => {
      const had = line.answers.length;
      line.send({ token, path: "/v1/vendors" });
      expect((await line.got(had + 1)).at(-1)?.status).toBe(200);
    },
    { timeout: 30_000 },
  );
});
