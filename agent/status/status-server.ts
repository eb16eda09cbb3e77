// Serves the status page on this machine alone: what may be asked, by which name, and how much at once.
import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { SecurityEvents } from "#agent/core/security-events.ts";
import type { Clock } from "#common/runtime/clock.ts";
import { messageOf } from "#common/runtime/errors.ts";
import type { Logger } from "#common/runtime/logger.ts";
import { AgentMetrics } from "./metrics.ts";
import { PAGE_STYLE } from "./page-style.ts";
import { statusPage } from "./page.ts";
import { statusFacts, type StatusSource } from "./status-facts.ts";

const MAX_CONNECTIONS = 32;
const MAX_HEADER_BYTES = 8 * 1024;
const MAX_HEADERS = 50;
/** For a request to come in whole, and for a line to say nothing. */
const REQUEST_TIMEOUT_MS = 5_000;
const IDLE_MS = 5_000;
/** A port that is taken may become free. */
const LISTEN_AGAIN_MS = 30_000;

const STYLE_HASH = createHash("sha256").update(PAGE_STYLE).digest("base64");
const HEADERS = {
  "cache-control": "no-store",
  "content-security-policy": `default-src 'none'; style-src 'sha256-${STYLE_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
} as const;

/** A name of this machine that no name server gives out. */
const OWN_HOST = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d{1,5})?$/i;

export interface StatusServerDeps {
  readonly listen: { readonly host: string; readonly port: number };
  readonly source: StatusSource;
  readonly security: SecurityEvents;
  readonly logger: Logger;
  readonly clock: Clock;
}

interface Answer {
  readonly type: string;
  readonly body: string;
}

export class StatusServer implements AsyncDisposable {
  readonly #deps: StatusServerDeps;
  readonly #server: Server;
  readonly #metrics: AgentMetrics;
  #cancelRetry: () => void = () => {};
  #isClosed = false;

  constructor(deps: StatusServerDeps) {
    this.#deps = deps;
    this.#metrics = new AgentMetrics(deps.source, () => deps.clock.nowMs());
    const options = {
      maxHeaderSize: MAX_HEADER_BYTES,
      headersTimeout: REQUEST_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      keepAliveTimeout: IDLE_MS,
      connectionsCheckingInterval: 1_000,
    };
    this.#server = createServer(options, (request, response) => void this.#serve(request, response));
    this.#server.maxConnections = MAX_CONNECTIONS;
    this.#server.maxHeadersCount = MAX_HEADERS;
    this.#server.on("error", (error) => this.#failed(error));
    // It must not keep an agent alive that wants to end.
    this.#server.unref();
  }

  /** Undefined while it does not listen. */
  get port(): number | undefined {
    const address = this.#server.address();
    return typeof address === "object" ? address?.port : undefined;
  }

  /** Resolves when it listens, or could not: then it says so in the log, and tries again now and then. */
  async start(): Promise<void> {
    const { host, port } = this.#deps.listen;
    await new Promise<void>((resolve) => {
      const over = (): void => {
        this.#server.off("error", over);
        this.#server.off("listening", over);
        resolve();
      };
      this.#server.once("error", over);
      this.#server.once("listening", over);
      this.#server.listen({ host, port });
    });
    if (this.port !== undefined)
      this.#deps.logger.info({ port: this.port }, `status page: ${this.#address()}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    this.#cancelRetry();
    if (this.port === undefined) return;
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }

  #address(): string {
    const { host } = this.#deps.listen;
    return `http://${host.includes(":") ? `[${host}]` : host}:${this.port ?? this.#deps.listen.port}/`;
  }

  #failed(error: Error): void {
    if (this.port !== undefined) {
      this.#deps.logger.warn({}, `status page: ${messageOf(error)}`);
      return;
    }
    const isTaken = "code" in error && error.code === "EADDRINUSE";
    const advice = isTaken
      ? "another program has that port: end it, or choose another one in status_page.listen"
      : "check status_page.listen";
    this.#deps.logger.warn(
      { retry_ms: LISTEN_AGAIN_MS },
      `status page: listening at ${this.#address()} failed: ${messageOf(error)}; ${advice}. The agent goes on without it and tries again`,
    );
    if (!this.#isClosed)
      this.#cancelRetry = this.#deps.clock.setTimer(LISTEN_AGAIN_MS, () => void this.start());
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const refusal = this.#refusal(request);
      if (refusal !== undefined) return send(request, response, refusal.status, plain(refusal.text));
      const answer = await this.#answer(new URL(request.url ?? "/", "http://localhost"));
      if (answer === undefined)
        return send(request, response, 404, plain("There is /, /status.json and /metrics.\n"));
      send(request, response, 200, answer);
    } catch (error) {
      this.#deps.logger.warn({}, `status page: ${messageOf(error)}`);
      if (!response.headersSent)
        send(request, response, 500, plain("The status could not be shown; the agent's log says why.\n"));
    }
  }

  #refusal(request: IncomingMessage): { readonly status: number; readonly text: string } | undefined {
    const { host = "" } = request.headers;
    if (!OWN_HOST.test(host)) {
      this.#deps.security.note("foreign_host_refused", { host });
      return {
        status: 421,
        text: "This page is for this machine alone: ask for it by 127.0.0.1 or localhost.\n",
      };
    }
    if (request.method === "GET" || request.method === "HEAD") return undefined;
    return { status: 405, text: "Only GET and HEAD: nothing can be changed here.\n" };
  }

  async #answer({ pathname: path, searchParams }: URL): Promise<Answer | undefined> {
    const { source, clock } = this.#deps;
    if (path === "/metrics") return { type: this.#metrics.contentType, body: await this.#metrics.text() };
    if (path !== "/" && path !== "/status.json") return undefined;
    const facts = statusFacts(source, clock.nowMs());
    if (path === "/")
      return { type: "text/html; charset=utf-8", body: statusPage(facts, searchParams.has("still")) };
    return { type: "application/json; charset=utf-8", body: `${JSON.stringify(facts)}\n` };
  }
}

function plain(body: string): Answer {
  return { type: "text/plain; charset=utf-8", body };
}

function send(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  { type, body }: Answer,
): void {
  // A body that nobody reads must not hold the line.
  const isOver = status !== 200 ? { connection: "close" } : {};
  const allowed = status === 405 ? { allow: "GET, HEAD" } : {};
  const length = { "content-length": Buffer.byteLength(body) };
  response.writeHead(status, { ...HEADERS, "content-type": type, ...length, ...allowed, ...isOver });
  response.end(request.method === "HEAD" ? undefined : body);
}
