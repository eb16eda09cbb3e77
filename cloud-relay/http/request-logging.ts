// Puts every request of a known caller into the request log, as it is answered.
import { Counter, type Registry } from "prom-client";
import type { FastifyRequest } from "fastify";
import { redactText, redactUrl, redactValue } from "#relay/core/requests/redaction.ts";
import { MAX_LOGGED_CHARS, type LoggedRequest } from "#relay/core/requests/request-store.ts";
import type { HttpDeps, HttpServer } from "./http-types.ts";
import { traceOf } from "./trace-context.ts";

/** Reads that went well are logged up to this many a second; writes and refusals always. */
const MAX_LOGGED_READS_PER_S = 200;
const MAX_HEADER_CHARS = 300;
const MAX_URL_CHARS = 2_000;
/** Version, trace id, parent id, flags (W3C Trace Context). */

export function addRequestLogging(app: HttpServer, { requestLog, clock, metrics }: HttpDeps): void {
  countMissing(requestLog, metrics.registry);
  const reads = new ReadShare();
  app.addHook("onRoute", (route) => {
    if (route.config?.access === "public") return;
    const template = route.url.replaceAll(/:(\w+)/g, "{$1}");
    route.onSend = [route.onSend ?? []].flat().concat((request, reply, payload, done) => {
      const { statusCode } = reply;
      const isWrite = request.method !== "GET" && request.method !== "HEAD";
      const isRefusal = statusCode >= 400;
      if (isWrite || isRefusal || reads.takes(clock.monotonicMs())) {
        const kept = isWrite || isRefusal ? bodiesOf(request, payload) : NO_BODIES;
        const atMs = clock.nowMs();
        const entry = entryOf(request, template, statusCode, kept);
        const durationMs = Math.max(0, clock.monotonicMs() - request.startedMs);
        if (entry !== undefined)
          requestLog.add({ ...entry, atMs, durationMs, sentBytes: bytesOf(payload), status: statusCode });
      } else requestLog.passedOver();
      done(null, payload);
    });
  });
}

function countMissing(requestLog: HttpDeps["requestLog"], registry: Registry): void {
  const missing = new Counter({
    name: "millrace_relay_requests_not_logged_total",
    help: "Requests served and not in the request log: reads beyond its share of a second, and what it could not write",
    labelNames: ["why"],
    registers: [registry],
    collect: () => {
      missing.reset();
      missing.inc({ why: "share" }, requestLog.notLogged);
      missing.inc({ why: "dropped" }, requestLog.dropped);
    },
  });
}

/** So many a second, by the clock's whole seconds. */
class ReadShare {
  #second = -1;
  #taken = 0;

  takes(nowMs: number): boolean {
    const second = Math.floor(nowMs / 1_000);
    if (second !== this.#second) {
      this.#second = second;
      this.#taken = 0;
    }
    this.#taken += 1;
    return this.#taken <= MAX_LOGGED_READS_PER_S;
  }
}

type Bodies = Pick<LoggedRequest, "requestBody" | "answerBody" | "code">;
const NO_BODIES: Bodies = { requestBody: undefined, answerBody: undefined, code: undefined };

function bodiesOf(request: FastifyRequest, payload: unknown): Bodies {
  const answer = typeof payload === "string" ? parsed(payload) : undefined;
  const code =
    typeof answer === "object" && answer !== null && "code" in answer ? String(answer.code) : undefined;
  return { requestBody: shown(request.body), answerBody: shown(answer), code };
}

/** Undefined for who is not known: there is no workspace whose log it could be. */
function entryOf(
  request: FastifyRequest,
  route: string,
  status: number,
  bodies: Bodies,
): Omit<LoggedRequest, "atMs" | "durationMs" | "sentBytes" | "status"> | undefined {
  const { principal, headers, method, url } = request;
  const workspaceId = principal?.scope?.workspaceId;
  if (principal === undefined || workspaceId === undefined) return undefined;
  const [own, ...others] = principal.scope?.connectionIds ?? [];
  const named = (request.query as { connection_id?: unknown } | undefined)?.connection_id;
  return {
    id: request.id,
    workspaceId,
    connectionId: own !== undefined && others.length === 0 ? own : textOf(named),
    tokenId: principal.tokenId,
    method,
    route,
    url: redactUrl(url).slice(0, MAX_URL_CHARS),
    remoteAddress: request.ip,
    userAgent: headers["user-agent"] && redactText(headers["user-agent"]).slice(0, MAX_HEADER_CHARS),
    traceparent: traceOf(request).traceparent,
    ...bodies,
    code: status >= 400 ? bodies.code : undefined,
  };
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value.slice(0, 100) : undefined;
}

function parsed(text: string): unknown {
  if (text.length > 4 * MAX_LOGGED_CHARS) return `${text.length} characters, too long to be kept`;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

function shown(value: unknown): string | undefined {
  if (value === undefined || value === null) return undefined;
  return JSON.stringify(redactValue(value)).slice(0, MAX_LOGGED_CHARS);
}

function bytesOf(payload: unknown): number {
  if (typeof payload === "string") return Buffer.byteLength(payload);
  return payload instanceof Uint8Array ? payload.length : 0;
}
