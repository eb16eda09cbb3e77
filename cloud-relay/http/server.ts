// The relay's HTTP server: one Fastify instance with every route, not yet listening.
import http from "node:http";
import https from "node:https";
import Fastify, { type FastifyServerOptions } from "fastify";
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import { Problem } from "#relay/core/problem.ts";
import { addAuthentication } from "./access.ts";
import { addAdminRoutes } from "./admin-routes.ts";
import { addAgentRoutes } from "./agent-routes.ts";
import { addAuditLogging } from "./audit-logging.ts";
import { addAuditRoutes } from "./audit-routes.ts";
import { Authenticator } from "./authenticator.ts";
import { addCommandRoutes } from "./command-routes.ts";
import { addCapabilityRoutes } from "./capability-routes.ts";
import { addConnectionRoutes } from "./connection-routes.ts";
import { addDashboardRoutes } from "./dashboard-routes.ts";
import { addEventRoutes } from "./event-routes.ts";
import { addGapRoutes } from "./gap-routes.ts";
import { FloodGate } from "./flood-gate.ts";
import type { HttpDeps, HttpServer } from "./http-types.ts";
import { addHealthRoutes } from "./health-routes.ts";
import { addLinkRoutes } from "./link-routes.ts";
import { addOpenApi } from "./openapi.ts";
import { OpenLines } from "./open-lines.ts";
import { addOverviewRoutes } from "./overview-routes.ts";
import { addProblemHandlers, answerClientError, frameworkErrorHandler } from "./problem-reply.ts";
import { addReadRoutes } from "./read-routes.ts";
import { addProtection } from "./protection.ts";
import { addReferenceRoutes } from "./reference-routes.ts";
import { addRequestLogging } from "./request-logging.ts";
import { addRequestRoutes } from "./request-routes.ts";
import { RequestIds } from "./request-ids.ts";
import { addSandboxRoutes } from "./sandbox-routes.ts";
import { SessionAuthenticator } from "./session-authenticator.ts";
import { addSessionRoutes } from "./session-routes.ts";
import { addSettingsRoutes } from "./settings-routes.ts";
import { addSyncControlRoutes } from "./sync-control-routes.ts";
import { addSyncRunRoutes } from "./sync-run-routes.ts";
import { addSyncStatusRoutes } from "./sync-status-routes.ts";
import { addSystemRoutes } from "./system-routes.ts";
import { addTelemetryRoutes } from "./telemetry-routes.ts";
import { addUserRoutes } from "./user-routes.ts";
import { addWebhookRoutes } from "./webhook-routes.ts";
import { validatorCompiler } from "./validation.ts";

const MAX_BODY_BYTES = 64 * 1024;
const MAX_URL_CHARS = 8 * 1024;
const MAX_HEADER_BYTES = 16 * 1024;
const MAX_PARAM_CHARS = 500;
/** A request's head and body must have arrived within these. */
const HEADERS_TIMEOUT_MS = 15_000;
const REQUEST_TIMEOUT_MS = 30_000;
/** Longer than the idle time of the usual load balancers (60 s), so that it is they who close. */
const KEEP_ALIVE_TIMEOUT_MS = 72_000;

const SECURITY_HEADERS = {
  "x-content-type-options": "nosniff",
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
  "referrer-policy": "no-referrer",
};
const STRICT_TRANSPORT = "max-age=31536000";

/** The caller listens and closes. Event streams end by `deps.stopping`. */
export async function buildHttpServer(deps: HttpDeps): Promise<HttpServer> {
  const requestIds = new RequestIds(() => deps.clock.nowMs(), deps.entropy.randomBytes);
  const requestId = (header: string | string[] | undefined): string => requestIds.of(header);
  const gate = new FloodGate({ ...deps, headers: fixedHeaders(deps), requestId });
  const lines = new OpenLines(deps.clock);
  const app = createServer(deps, requestId, (handler) => nodeServer(deps, lines, gate.before(handler)));
  app.addHook("preClose", (done) => {
    lines.end();
    done();
  });
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(() => (data) => JSON.stringify(data));
  app.removeContentTypeParser("text/plain");
  addProblemHandlers(app, deps.logger);
  addHeaders(app, deps);
  deps.metrics.addTo(app, deps.clock);
  const { store, bus, clock, entropy } = deps;
  const authenticator = new Authenticator({
    directory: store.directory,
    bus,
    clock,
    sha256Hex: entropy.sha256Hex,
  });
  const sessions = new SessionAuthenticator({ users: deps.users, bus, clock, publicUrl: deps.publicUrl });
  app.addHook("onClose", () => {
    authenticator[Symbol.dispose]();
    sessions[Symbol.dispose]();
  });
  addAuthentication(app, authenticator, sessions);
  addProtection(app, deps, gate);
  addAuditLogging(app, deps);
  addRequestLogging(app, deps);
  await addOpenApi(app);
  addReadRoutes(app, deps);
  addCommandRoutes(app, deps);
  addTelemetryRoutes(app, deps);
  addEventRoutes(app, deps, authenticator, sessions);
  addConnectionRoutes(app, deps);
  addOverviewRoutes(app, deps);
  addHealthRoutes(app, deps);
  addCapabilityRoutes(app, deps);
  addSettingsRoutes(app, deps);
  addSandboxRoutes(app, deps);
  addLinkRoutes(app, deps);
  addAgentRoutes(app, deps);
  addSyncStatusRoutes(app, deps);
  addSyncRunRoutes(app, deps);
  addSyncControlRoutes(app, deps);
  addGapRoutes(app, deps);
  addAdminRoutes(app, deps);
  addUserRoutes(app, deps);
  addWebhookRoutes(app, deps, authenticator);
  addSessionRoutes(app, deps, sessions);
  addRequestRoutes(app, deps);
  addAuditRoutes(app, deps);
  addSystemRoutes(app, deps);
  addReferenceRoutes(app);
  await addDashboardRoutes(app, deps);
  await app.ready();
  return app;
}

function createServer(
  deps: HttpDeps,
  requestId: (header: string | string[] | undefined) => string,
  serverFactory: (handler: http.RequestListener) => http.Server,
): HttpServer {
  const options: FastifyServerOptions = {
    logger: false,
    bodyLimit: MAX_BODY_BYTES,
    forceCloseConnections: "idle",
    requestIdHeader: false,
    genReqId: (request) => requestId(request.headers["x-request-id"]),
    routerOptions: { maxParamLength: MAX_PARAM_CHARS, ignoreTrailingSlash: true },
    frameworkErrors: frameworkErrorHandler(deps.logger, fixedHeaders(deps)),
    clientErrorHandler: answerClientError,
    serverFactory,
  };
  return Fastify(options).withTypeProvider<TypeBoxTypeProvider>();
}

function nodeServer(deps: HttpDeps, lines: OpenLines, handler: http.RequestListener): http.Server {
  const limits = {
    maxHeaderSize: MAX_HEADER_BYTES,
    headersTimeout: HEADERS_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
  };
  const server =
    deps.tls === undefined
      ? http.createServer(limits, handler)
      : https.createServer({ ...limits, ...deps.tls, minVersion: "TLSv1.2" }, handler);
  lines.watch(server);
  return server;
}

function addHeaders(app: HttpServer, deps: HttpDeps): void {
  const fixed = fixedHeaders(deps);
  app.addHook("onRequest", (request, reply, done) => {
    reply.headers(fixed).header("x-request-id", request.id);
    if (request.url.length <= MAX_URL_CHARS) return done();
    done(
      new Problem(
        "URI_TOO_LONG",
        `The address has ${request.url.length} characters; ${MAX_URL_CHARS} are possible.`,
      ),
    );
  });
}

function fixedHeaders(deps: HttpDeps): Readonly<Record<string, string>> {
  return deps.tls === undefined
    ? SECURITY_HEADERS
    : { ...SECURITY_HEADERS, "strict-transport-security": STRICT_TRANSPORT };
}
