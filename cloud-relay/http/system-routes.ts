// For those who run the relay: liveness, readiness, metrics and the API's own description.
import { Type } from "typebox";
import { Problem } from "#relay/core/problem.ts";
import { openApiDocument } from "./openapi-document.ts";
import type { HttpDeps, HttpServer } from "./http-types.ts";
import { answers, ok } from "./schemas.ts";

const Status = Type.Object({ status: Type.String({ examples: ["ok"] }) });

export function addSystemRoutes(app: HttpServer, deps: HttpDeps): void {
  const health = {
    operationId: "getHealth",
    tags: ["System"],
    summary: "Liveness",
    description: "200 as long as the process answers. Needs no token.",
    security: [],
    response: answers({ 200: ok("The process answers", Status) }, []),
  };
  app.get("/healthz", { schema: health, config: { access: "public" }, handler: () => ({ status: "ok" }) });

  const ready = {
    operationId: "getReadiness",
    tags: ["System"],
    summary: "Readiness",
    description:
      "200 when the store can serve; 503 while the relay stops or the store cannot. Needs no token.",
    security: [],
    response: answers({ 200: ok("Ready for traffic", Status) }, [503]),
  };
  app.get("/readyz", {
    schema: ready,
    config: { access: "public" },
    handler: async () => {
      if (deps.stopping.aborted) throw notReady("The relay is stopping.");
      try {
        await deps.store.check();
      } catch (error) {
        deps.logger.warn({ err: error }, "store check failed");
        throw notReady("The relay's store cannot serve. Its log says why.");
      }
      return { status: "ready" };
    },
  });

  const metrics = {
    operationId: "getMetrics",
    tags: ["System"],
    summary: "Metrics",
    description: "Prometheus text. No label names a tenant. Needs no token.",
    security: [],
    response: answers(
      { 200: { description: "Metrics", content: { "text/plain": { schema: Type.String() } } } },
      [],
    ),
  };
  app.get("/metrics", {
    schema: metrics,
    config: { access: "public" },
    handler: async (_request, reply) => {
      const { metrics } = deps;
      return reply.type(metrics.registry.contentType).send(await metrics.text());
    },
  });

  const openapi = {
    operationId: "getOpenApi",
    tags: ["System"],
    summary: "This document",
    description: "OpenAPI 3.1 description of every address. Needs no token.",
    security: [],
    response: answers({ 200: ok("OpenAPI 3.1", Type.Record(Type.String(), Type.Unknown())) }, []),
  };
  app.get("/v1/openapi.json", {
    schema: openapi,
    config: { access: "public" },
    handler: () => openApiDocument(app),
  });
}

function notReady(detail: string): Problem {
  return new Problem("OVERLOADED", detail, { retryAfterSeconds: 5 });
}
