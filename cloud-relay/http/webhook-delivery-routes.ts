// Webhook deliveries over the API: one with its attempts, sending again, and erasing payloads.
import { Type } from "typebox";
import { subjects } from "#relay/core/bus.ts";
import { Problem } from "#relay/core/problem.ts";
import type { Scope } from "#relay/core/store.ts";
import type { DeliveryRow } from "#relay/core/webhooks/delivery.ts";
import { narrowedScope, readScope } from "./access.ts";
import type { HttpServer } from "./http-types.ts";
import { answers, Id, ok, ref } from "./schemas.ts";
import { addWebhookDeliveryList, deliveryFilters, deliveryQueryOf } from "./webhook-delivery-list.ts";
import type { WebhookDeps } from "./webhook-endpoint-routes.ts";
import { attemptView, deliveryView } from "./webhook-views.ts";

/** Sent again by one request, at most. */
const MAX_RETRIED = 1_000;
const Params = Type.Object({ id: Id });
const NoQuery = Type.Object({}, { additionalProperties: false });
const closed = { additionalProperties: false } as const;
const WRITE_PROBLEMS = [400, 401, 403, 404, 409, 413, 415];

export function addWebhookDeliveryRoutes(app: HttpServer, deps: WebhookDeps): void {
  addWebhookDeliveryList(app, deps);
  addReading(app, deps);
  addRetrying(app, deps);
  addErasing(app, deps);
}

function described(operationId: string, summary: string, description: string) {
  return { operationId, tags: ["Webhooks"], summary, description };
}

function addReading(app: HttpServer, deps: WebhookDeps): void {
  app.get("/v1/webhook-deliveries/:id", {
    schema: {
      ...described(
        "getWebhookDelivery",
        "Get one delivery",
        "With what is sent, and every try with its answer.",
      ),
      params: Params,
      querystring: NoQuery,
      response: answers({ 200: ok("The delivery", ref("WebhookDeliveryDetail")) }, [400, 401, 403, 404]),
    },
    config: { access: "read" },
    handler: async (request, reply) => {
      const scope = readScope(request);
      const { id } = request.params;
      const row = await deps.store.webhooks.delivery(scope, id);
      if (row === undefined) throw new Problem("NOT_FOUND", `There is no delivery ${id} here.`);
      const [body, attempts] = await Promise.all([
        bodyOf(deps, scope, row),
        deps.store.webhooks.attempts(scope, id),
      ]);
      reply.header("cache-control", "no-store");
      return { ...deliveryView(row), body: body ?? null, attempt_log: attempts.map(attemptView) };
    },
  });
}

function addRetrying(app: HttpServer, deps: WebhookDeps): void {
  app.post("/v1/webhook-deliveries/:id/retry", {
    schema: {
      ...described(
        "retryWebhookDelivery",
        "Send a delivery again",
        "At once, whatever became of it, with the same `webhook-id`; if it fails, retries begin anew.",
      ),
      params: Params,
      querystring: NoQuery,
      response: answers({ 200: ok("What came of it", ref("WebhookSent")) }, [400, 401, 403, 404, 409]),
    },
    config: { access: "write" },
    handler: async (request) => {
      const { deliveryId, attempt } = await deps.webhooks.retryNow(readScope(request), request.params.id);
      return { delivery_id: deliveryId, attempt: attempt === undefined ? null : attemptView(attempt) };
    },
  });

  app.post("/v1/webhook-deliveries/retry", {
    schema: {
      ...described(
        "retryWebhookDeliveries",
        "Send deliveries again",
        "All that the filter names, those that were given up if it names no state; oldest first, at most 1000 at a time. Those whose payload is not kept any more, and those of disabled endpoints, are left.",
      ),
      querystring: NoQuery,
      body: Type.Object(deliveryFilters, { ...closed, minProperties: 1 }),
      response: answers(
        {
          200: ok(
            "How many are on their way",
            Type.Object({
              count: Type.Integer({ minimum: 0 }),
              has_more: Type.Boolean({ description: "Ask again with `created_after` or another filter" }),
            }),
          ),
        },
        WRITE_PROBLEMS,
      ),
    },
    config: { access: "write", load: "bulk" },
    handler: async (request) => {
      const { body } = request;
      const scope = await narrowedScope(deps.store.directory, readScope(request), body.connection_id);
      const query = { states: ["exhausted"] as const, ...deliveryQueryOf(body, "#"), limit: MAX_RETRIED };
      const { count, hasMore } = await deps.store.webhooks.retry(scope, query, "manual", deps.clock.nowMs());
      if (count > 0) deps.bus.publish(subjects.webhooksDue, 1);
      return { count, has_more: hasMore };
    },
  });
}

function addErasing(app: HttpServer, deps: WebhookDeps): void {
  app.post("/v1/webhook-deliveries/erase", {
    schema: {
      ...described(
        "eraseWebhookPayloads",
        "Erase payloads",
        "What was sent of a connection, a record or one event, and what receivers answered to it, is gone at once; that it was sent stays in the log. What still waits is not sent any more.",
      ),
      querystring: NoQuery,
      body: Type.Object(
        {
          connection_id: Type.Optional(Id),
          record_id: Type.Optional(Id),
          event_id: Type.Optional(Type.String({ minLength: 1, maxLength: 200 })),
        },
        { ...closed, minProperties: 1, maxProperties: 1 },
      ),
      response: answers(
        {
          200: ok("How many events' payloads are gone", Type.Object({ count: Type.Integer({ minimum: 0 }) })),
        },
        WRITE_PROBLEMS,
      ),
    },
    config: { access: "manage", load: "bulk" },
    handler: async (request) => {
      const { connection_id: connectionId, record_id: recordId, event_id: eventId } = request.body;
      const scope = await narrowedScope(deps.store.directory, readScope(request), connectionId);
      const count = await deps.store.webhooks.erase(scope, {
        ...(connectionId === undefined ? {} : { connectionId }),
        ...(recordId === undefined ? {} : { recordId }),
        ...(eventId === undefined ? {} : { eventId }),
      });
      return { count };
    },
  });
}

async function bodyOf({ store }: WebhookDeps, scope: Scope, row: DeliveryRow): Promise<string | undefined> {
  const [[message], endpoint] = await Promise.all([
    store.webhooks.messages(scope, [row.eventId]),
    store.webhooks.endpoint(scope, row.endpointId),
  ]);
  return endpoint?.row.payload === "thin"
    ? (message?.thin ?? message?.full)
    : (message?.full ?? message?.thin);
}
