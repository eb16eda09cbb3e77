// Where every problem of the API can be had: a sandbox for the usual ones, and relays that are in trouble.
import { mkdtempSync, rmSync } from "node:fs";
import { connect, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createToken } from "#relay/core/administration.ts";
import type { HttpDeps, HttpServer } from "#relay/http/http-types.ts";
import { HttpMetrics } from "#relay/http/metrics.ts";
import { buildHttpServer } from "#relay/http/server.ts";
import { openConnections } from "#relay/store/sqlite/open-store.ts";
import { SqliteStore } from "#relay/store/sqlite/sqlite-store.ts";
import { commitRecords, entropy, relayFixture } from "#test/cloud-relay/http/relay-fixture.ts";
import { sandboxFixture, type SandboxFixture } from "#test/cloud-relay/http/sandbox-fixture.ts";
import { until } from "./until.ts";

export interface Refusal {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Readonly<Record<string, unknown>>;
}

export interface Asked {
  readonly method?: string;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** Instead of the sandbox's own; null: none. */
  readonly token?: string | null;
  /** Of another relay than the sandbox's. */
  readonly url?: string;
}

/** A relay that refuses for a reason of its own. */
export interface Troubled {
  readonly url: string;
  readonly token: string;
}

const QUOTA = { connectionPerMinute: 1, workspacePerMinute: 1, workspaceAtOnce: 100 };
/** Far more than the relay bears. */
const LATE_MS = 60_000;
const READY_MS = 60_000;

export class ErrorLab implements AsyncDisposable {
  readonly sandbox: SandboxFixture;
  /** May be asked once a minute. */
  readonly narrow: Troubled;
  /** Its store is gone. */
  readonly broken: Troubled;
  /** Its disk is full. */
  readonly full: Troubled;
  /** It is behind with its work. */
  readonly late: Troubled;
  /** Of a list of another relay. */
  readonly foreignCursor: string;
  /** A request whose head never ends, from the beginning on: the relay waits for it for a while. */
  readonly unfinished: Promise<Refusal>;
  readonly #owned: AsyncDisposableStack;

  private constructor(
    parts: Omit<ErrorLab, keyof AsyncDisposable | MethodNames>,
    owned: AsyncDisposableStack,
  ) {
    this.sandbox = parts.sandbox;
    this.narrow = parts.narrow;
    this.broken = parts.broken;
    this.full = parts.full;
    this.late = parts.late;
    this.foreignCursor = parts.foreignCursor;
    this.unfinished = parts.unfinished;
    this.#owned = owned;
  }

  static async open(): Promise<ErrorLab> {
    await using owned = new AsyncDisposableStack();
    const sandbox = owned.use(await sandboxFixture());
    // A relay that stops would wait for it.
    const over = new AbortController();
    owned.defer(() => over.abort());
    const head = "GET /v1/vendors HTTP/1.1\r\nHost: relay\r\n";
    const unfinished = exchange(sandbox.relay.port, head, over.signal);
    unfinished.catch(() => undefined);
    const spare = owned.use(await relayFixture());
    const seeds = ["a", "b"].map((key) => ({ entity: "vendor", key, fields: { code: key } }));
    await commitRecords(spare, spare.acme, seeds);
    const page = await spare.app.inject({
      url: "/v1/vendors?limit=1",
      headers: { authorization: `Bearer ${spare.acme.workspaceToken}` },
    });
    const parts = {
      sandbox,
      unfinished,
      foreignCursor: String(page.json().next_cursor),
      narrow: await served(owned, { ...spare.deps, limits: QUOTA }, spare.acme.connectionToken),
      late: await served(owned, { ...spare.deps, loopDelayMs: () => LATE_MS }, spare.acme.workspaceToken),
      broken: await withoutStore(owned),
      full: await withoutSpace(owned, spare.deps),
    };
    return new ErrorLab(parts, owned.move());
  }

  async ask(path: string, asked: Asked = {}): Promise<Refusal> {
    const {
      method = "GET",
      body,
      headers = {},
      token = this.sandbox.token,
      url = this.sandbox.relay.url,
    } = asked;
    const response = await fetch(`${url}${path}`, {
      method,
      headers: {
        ...(token === null ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, body: text === "" ? {} : JSON.parse(text) };
  }

  /** The id of the first record of a list. */
  async idOf(list: string): Promise<string> {
    const { body } = await this.ask(`/v1/${list}`);
    const [first] = (body["data"] ?? []) as readonly { readonly id: string }[];
    if (first === undefined)
      throw new TypeError(`the sandbox has nothing in ${list}: ${JSON.stringify(body)}`);
    return first.id;
  }

  /** A write to a work order by its number. */
  async write(
    number: string,
    headers: Readonly<Record<string, string>> = {},
    body: object = { title: "x" },
  ): Promise<Refusal> {
    const id = await this.idOf(`work-orders?number=${number}`);
    return this.ask(`/v1/work-orders/${id}`, { method: "PATCH", body, headers });
  }

  /** What is asked while the sandbox is in a state. */
  async during(state: string, asking: () => Promise<Refusal>): Promise<Refusal> {
    const path = `/v1/connections/${this.sandbox.connectionId}/sandbox/state`;
    await this.ask(path, { method: "POST", body: { state } });
    try {
      return await asking();
    } finally {
      await this.ask(path, { method: "POST", body: { state: "online" } });
    }
  }

  /** A new token of the sandbox's connection, made through the API. */
  async token(more: object = {}): Promise<{ readonly id: string; readonly token: string }> {
    const { connectionId, adminToken } = this.sandbox;
    const body = { kind: "connection", connection_id: connectionId, scopes: ["read"], ...more };
    const made = await this.ask("/admin/v1/tokens", { method: "POST", token: adminToken, body });
    return made.body as unknown as { readonly id: string; readonly token: string };
  }

  /** Asks again until the answer has the code. */
  async untilRefused(code: string, asking: () => Promise<Refusal>): Promise<Refusal> {
    return until(
      `the answer ${code}`,
      async () => {
        const answer = await asking();
        return answer.body["code"] === code && answer;
      },
      READY_MS,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#owned.disposeAsync();
  }
}

type MethodNames = "ask" | "idOf" | "write" | "during" | "token" | "untilRefused";

/** What a relay answers to bytes that are no whole or no good request; the line is then closed. */
export function exchange(port: number, request: string, signal?: AbortSignal): Promise<Refusal> {
  return new Promise((done, reject) => {
    let text = "";
    const socket = connect(port, "127.0.0.1", () => socket.write(request));
    signal?.addEventListener("abort", () => socket.destroy(new TypeError("the answer never came")));
    socket.setEncoding("utf8");
    socket.on("data", (chunk: string) => (text += chunk));
    socket.on("error", reject);
    socket.on("close", () => {
      const [head = "", body = ""] = text.split("\r\n\r\n");
      const [first = "", ...lines] = head.split("\r\n");
      const headers = lines.map((line): [string, string] => {
        const [name = "", ...value] = line.split(": ");
        return [name, value.join(": ")];
      });
      done({
        status: Number(first.split(" ")[1]),
        headers: new Headers(headers),
        body: body === "" ? {} : JSON.parse(body),
      });
    });
  });
}

async function served(owned: AsyncDisposableStack, deps: HttpDeps, token: string): Promise<Troubled> {
  const app = await buildHttpServer({ ...deps, metrics: new HttpMetrics() });
  owned.defer(() => app.close());
  return { url: await listening(app), token };
}

async function listening(app: HttpServer): Promise<string> {
  await app.listen({ host: "127.0.0.1", port: 0 });
  return `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`;
}

async function withoutStore(owned: AsyncDisposableStack): Promise<Troubled> {
  const fixture = owned.use(await relayFixture());
  const url = await listening(fixture.app);
  await fixture.store[Symbol.asyncDispose]();
  return { url, token: fixture.acme.workspaceToken };
}

/** Its store may not become any larger. */
async function withoutSpace(owned: AsyncDisposableStack, deps: HttpDeps): Promise<Troubled> {
  const directory = mkdtempSync(join(tmpdir(), "millrace-full-"));
  owned.defer(() => rmSync(directory, { recursive: true, force: true }));
  const connections = openConnections({ path: join(directory, "relay.db") });
  const store = owned.use(new SqliteStore(connections));
  const administration = { directory: store.directory, entropy, nowMs: () => Date.now() };
  const { token } = await createToken(administration, { kind: "admin" });
  const own = await served(owned, { ...deps, store }, token);
  const pages = Number(connections.writer.pragma("page_count", { simple: true }));
  connections.writer.pragma(`max_page_count = ${pages}`);
  return own;
}
