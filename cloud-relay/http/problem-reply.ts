// Every error path of the server ends here and answers application/problem+json.
import { STATUS_CODES } from "node:http";
import type { Socket } from "node:net";
import type { FastifyError, FastifyReply, FastifyRequest } from "fastify";
import type { Logger } from "#common/runtime/logger.ts";
import { messageOf } from "#common/runtime/errors.ts";
import { didYouMean } from "#common/runtime/nearest-match.ts";
import { Problem, PROBLEM_KINDS, problemDocument, type ProblemCode } from "#relay/core/problem.ts";
import { StoreFullError } from "#relay/core/store.ts";
import type { HttpServer } from "./http-types.ts";

export const PROBLEM_TYPE = "application/problem+json; charset=utf-8";
/** A path longer than this is not compared with the known ones. */
const MAX_COMPARED_PATH = 200;

/** What Fastify and Node call it, and what we call it. */
const FOREIGN_CODES: Readonly<Record<string, readonly [ProblemCode, string]>> = {
  FST_ERR_CTP_INVALID_MEDIA_TYPE: [
    "UNSUPPORTED_MEDIA_TYPE",
    "Bodies must be JSON: send `Content-Type: application/json`.",
  ],
  FST_ERR_CTP_EMPTY_JSON_BODY: [
    "INVALID_REQUEST",
    "The body is empty, but its type says JSON. Send {} where nothing needs to be said.",
  ],
  FST_ERR_CTP_INVALID_JSON_BODY: [
    "INVALID_REQUEST",
    "The body is not valid JSON: look at its quotes, commas and brackets.",
  ],
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: [
    "INVALID_REQUEST",
    "The body's length is not what Content-Length says.",
  ],
  FST_ERR_BAD_URL: ["INVALID_REQUEST", "The address is not a valid path; check its percent-encoding."],
  FST_ERR_MAX_PARAM_LENGTH: [
    "URI_TOO_LONG",
    "A part of the address is too long: ids have at most 500 characters.",
  ],
  FST_ERR_HANDLER_TIMEOUT: ["OVERLOADED", "The relay did not finish in time. Try again."],
};

export function addProblemHandlers(app: HttpServer, logger: Logger): void {
  const routes = rememberRoutes(app);
  app.setErrorHandler((error: FastifyError, request, reply) => {
    sendProblem(reply, toProblem(error, request, logger), request.id);
  });
  app.setNotFoundHandler((request, reply) => {
    sendProblem(reply, noRoute(request, routes), request.id);
  });
}

/** For errors before routing (a path that cannot be decoded), where no hook has set the usual headers. */
export function frameworkErrorHandler(logger: Logger, headers: Readonly<Record<string, string>>) {
  return (error: FastifyError, request: FastifyRequest, reply: FastifyReply): void => {
    reply.headers(headers).header("x-request-id", request.id);
    sendProblem(reply, toProblem(error, request, logger), request.id);
  };
}

/** For what is not HTTP, comes too slowly, or has headers that are too large: there is no request yet, only a socket. */
export function answerClientError(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === "ECONNRESET" || !socket.writable) {
    socket.destroy();
    return;
  }
  const problem = clientProblem(error.code);
  const body = JSON.stringify(problemDocument(problem, "none"));
  const head = [
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}`,
    `Content-Type: ${PROBLEM_TYPE}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
    "Connection: close",
    ...(problem.code === "REQUEST_TIMEOUT" ? [`Retry-After: ${retryAfterOf(problem)}`] : []),
  ];
  socket.end(`${head.join("\r\n")}\r\n\r\n${body}`);
}

export function sendProblem(reply: FastifyReply, problem: Problem, requestId: string): void {
  const { headers } = problem.extras;
  const retryAfterSeconds = retryAfterOf(problem);
  if (headers !== undefined) reply.headers(headers);
  if (retryAfterSeconds !== undefined) reply.header("retry-after", String(retryAfterSeconds));
  if (problem.status === 401) {
    const error = problem.code === "AUTHENTICATION_REQUIRED" ? "" : ', error="invalid_token"';
    reply.header("www-authenticate", `Bearer realm="millrace"${error}`);
  }
  reply.header("cache-control", "no-store");
  void reply
    .code(problem.status)
    .type(PROBLEM_TYPE)
    .send(JSON.stringify(problemDocument(problem, requestId)));
}

/** Whatever may be tried again says when. */
function retryAfterOf({ code, extras }: Problem): number | undefined {
  const { retryAfterS }: { readonly retryAfterS?: number } = PROBLEM_KINDS[code];
  return extras.retryAfterSeconds ?? retryAfterS;
}

function toProblem(error: FastifyError, request: FastifyRequest, logger: Logger): Problem {
  if (error instanceof Problem) return error;
  if (error instanceof StoreFullError) {
    return new Problem(
      "STORE_FULL",
      "The relay's disk is full; nothing was written. Its operator must free space.",
      {
        retryAfterSeconds: 60,
      },
    );
  }
  if (error.code === "FST_ERR_CTP_BODY_TOO_LARGE") return tooLarge(request.routeOptions.bodyLimit);
  const known = FOREIGN_CODES[error.code];
  if (known !== undefined) return new Problem(...known);
  if (error instanceof SyntaxError && error.statusCode === 400) {
    return new Problem("INVALID_REQUEST", `The body is not valid JSON: ${messageOf(error)}.`);
  }
  if (error.statusCode !== undefined && error.statusCode >= 400 && error.statusCode < 500) {
    return new Problem("INVALID_REQUEST", `The request is not valid: ${messageOf(error)}.`);
  }
  logger.error({ requestId: request.id, route: request.routeOptions.url, err: error }, "request failed");
  return new Problem(
    "INTERNAL_ERROR",
    "The relay failed to answer. Try again; if it stays, give the operator the request id.",
  );
}

function tooLarge(bytes: number): Problem {
  const detail = `The body is larger than ${bytes / 1024} KiB, the most that this address takes. Send less at once.`;
  return new Problem("PAYLOAD_TOO_LARGE", detail);
}

function clientProblem(code: string | undefined): Problem {
  if (code === "HPE_HEADER_OVERFLOW")
    return new Problem(
      "HEADERS_TOO_LARGE",
      "The headers are larger than 16 KiB in all. Send fewer, or shorter ones.",
    );
  if (code === "ERR_HTTP_REQUEST_TIMEOUT")
    return new Problem(
      "REQUEST_TIMEOUT",
      "The request took too long to arrive: its head may take 15 s, all of it 30 s. Send it again.",
    );
  return new Problem("INVALID_REQUEST", "What was received is not a valid HTTP/1.1 request.");
}

interface KnownRoute {
  readonly pattern: RegExp;
  readonly url: string;
  readonly methods: Set<string>;
}

function rememberRoutes(app: HttpServer): ReadonlyMap<string, KnownRoute> {
  const routes = new Map<string, KnownRoute>();
  app.addHook("onRoute", ({ url, method }) => {
    const pattern = new RegExp(`^${url.replaceAll(/[.]/g, "\\.").replaceAll(/:[A-Za-z_]+/g, "[^/]+")}/?$`);
    const route = routes.get(url) ?? { pattern, url, methods: new Set() };
    for (const name of [method].flat()) route.methods.add(name);
    routes.set(url, route);
  });
  return routes;
}

function noRoute(request: FastifyRequest, routes: ReadonlyMap<string, KnownRoute>): Problem {
  const [path = ""] = request.url.split("?");
  const found = [...routes.values()].find((route) => route.pattern.test(path));
  if (found !== undefined && !found.methods.has(request.method)) {
    const allow = [...found.methods].join(", ");
    return new Problem("METHOD_NOT_ALLOWED", `${request.method} is not possible here; possible: ${allow}.`, {
      headers: { allow },
    });
  }
  const shown = path.slice(0, MAX_COMPARED_PATH);
  const hint = path.length > MAX_COMPARED_PATH ? "" : didYouMean(path, routes.keys());
  return new Problem(
    "ROUTE_NOT_FOUND",
    `There is nothing at ${shown}${hint}. GET /docs shows every address, GET /v1/openapi.json lists them for programs.`,
  );
}
