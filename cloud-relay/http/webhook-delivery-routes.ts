// Webhook deliveries over the API: the log, one with its attempts, sending again, and erasing payloads.
import { Type } from "typebox";
import { invalidRequest } from "#relay/core/administration.ts";
import { subjects } from "#relay/core/bus.ts";
import { encodeCursor, fingerprint } from "#relay/core/cursors.ts";
import { Problem } from "#relay/core/problem.ts";
import { revisionAt } from "#relay/core/revisions.ts";
import type { Scope } from "#relay/core/store.ts";
import type { DeliveryRow, DeliveryState } from "#relay/core/webhooks/delivery.ts";
import type { DeliveryQuery } from "#relay/core/webhooks/webhook-store.ts";
import { narrowedScope, readScope } from "./access.ts";
import type { HttpServer } from "./http-types.ts";
import { cursorContext, cursorPosition, DEFAULT_LIMIT } from "./paging.ts";
import { answers, CursorParameter, Id, Limit, listOf, ok, ref } from "./schemas.ts";
import type { WebhookDeps } from "./webhook-endpoint-routes.ts";
import { DELIVERY_STATES } from "./webhook-schemas.ts";
import { attemptView, deliveryView } from "./webhook-views.ts";

/** Sent again by one request, at most. */
const MAX_RETRIED = 1_000;
const MAX_TYPES = 50;
const Params = Type.Object({ id: Id });
const NoQuery = Type.Object({}, { additionalProperties: false });
const closed = { additionalProperties: false } as const;
const WRITE_PROBLEMS = [400, 401, 403, 404, 409, 413, 415];

const Created = Type.Optional(
  Type.String({ maxLength: 40, description: "A date (its UTC midnight) or a timestamp with its zone" }),
);
/** Filters of the list, and of what is sent again. */
const filters = {
  endpoint_id: idFilter("Only of this endpoint"),
  connection_id: idFilter("Only events of this connection"),
  state: Type.Optional(
    Type.String({
      maxLength: 100,
      description: `Only these states, separated by commas: ${DELIVERY_STATES.join(", ")}`,
      examples: ["exhausted"],
    }),
  ),
  type: Type.Optional(
    Type.String({ maxLength: 2_000, description: "Only these event types, separated by commas" }),
  ),
  status: Type.Optional(
    Type.Integer({ minimum: 0, maximum: 599, description: "Of the newest try; 0: no answer came" }),
  ),
  event_id: idFilter("Only of this event: `webhook-id`"),
  record_id: idFilter("Only events of this record"),
  created_after: Created,
  created_before: Created,
};

type Filter = Partial<Record<Exclude<keyof typeof filters, "status">, string>> & { readonly status?: number };

function idFilter(description: string) {
  return Type.Optional(Type.String({ minLength: 1, maxLength: 200, description }));
}

export function addWebhookDeliveryRoutes(app: HttpServer, deps: WebhookDeps): void {
  addReading(app, deps);
  addRetrying(app, deps);
  addErasing(app, deps);
}

function described(operationId: string, summary: string, description: string) {
  return { operationId, tags: ["Webhooks"], summary, description };
}

function addReading(app: HttpServer, deps: WebhookDeps): void {
  app.get("/v1/webhook-deliveries", {
    schema: {
      ...described(
        "listWebhookDeliveries",
        "List deliveries",
        "Newest first: each event that was bound for an endpoint, and what became of it.",
      ),
      querystring: Type.Object({ limit: Limit, cursor: CursorParameter, ...filters }, closed),
      response: answers(
        { 200: ok("A page of deliveries", listOf(ref("WebhookDelivery"), "A page")) },
        [400, 401, 403, 404, 410],
      ),
    },
    config: { access: "read" },
    handler: async (request, reply) => {
      const { limit = DEFAULT_LIMIT, cursor, ...filter } = request.query;
      const scope = await narrowedScope(deps.store.directory, readScope(request), filter.connection_id);
      const print = [
        "webhook-deliveries",
        scope.workspaceId,
        scope.connectionIds?.join(),
        JSON.stringify(filter),
      ];
      const context = await cursorContext(deps.store, fingerprint(print));
      const afterId = cursorPosition(cursor, "page", context);
      const found = await deps.store.webhooks.deliveries(scope, {
        ...queryOf(filter, "#/query"),
        ...(afterId === undefined ? {} : { afterId }),
        limit: limit + 1,
      });
      const rows = found.slice(0, limit);
      const last = rows.at(-1);
      const more = found.length > limit && last !== undefined;
      reply.header("cache-control", "no-store");
      return {
        data: rows.map(deliveryView),
        next_cursor: more ? encodeCursor({ kind: "page", position: last.id, ...context }) : null,
      };
    },
  });

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
      body: Type.Object(filters, { ...closed, minProperties: 1 }),
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
      const query = { states: ["exhausted"] as const, ...queryOf(body, "#"), limit: MAX_RETRIED };
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

/** `at`: where the members stand, for what is wrong with them. @throws Problem INVALID_REQUEST */
function queryOf(filter: Filter, at: string): Omit<DeliveryQuery, "limit"> {
  const { state, type, created_after: after, created_before: before } = filter;
  return {
    ...(filter.endpoint_id === undefined ? {} : { endpointId: filter.endpoint_id }),
    ...(filter.connection_id === undefined ? {} : { connectionId: filter.connection_id }),
    ...(filter.event_id === undefined ? {} : { eventId: filter.event_id }),
    ...(filter.record_id === undefined ? {} : { recordId: filter.record_id }),
    ...(filter.status === undefined ? {} : { status: filter.status }),
    ...(state === undefined ? {} : { states: statesOf(state, `${at}/state`) }),
    ...(type === undefined ? {} : { types: typesOf(type, `${at}/type`) }),
    ...(after === undefined ? {} : { afterMs: instantMs(after, `${at}/created_after`) }),
    ...(before === undefined ? {} : { beforeMs: instantMs(before, `${at}/created_before`) }),
  };
}

function statesOf(text: string, pointer: string): readonly DeliveryState[] {
  const states = text.split(",").map((state) => state.trim());
  if (states.every(isState)) return states;
  throw wrong(pointer, `must be some of ${DELIVERY_STATES.join(", ")}, separated by commas`);
}

function isState(state: string): state is DeliveryState {
  return (DELIVERY_STATES as readonly string[]).includes(state);
}

function typesOf(text: string, pointer: string): readonly string[] {
  const types = text.split(",").map((type) => type.trim());
  if (types.length <= MAX_TYPES && types.every((type) => /^[a-z0-9_]+\.[a-z_]+$/.test(type))) return types;
  throw wrong(
    pointer,
    `must be at most ${MAX_TYPES} event types like purchase_order.updated, separated by commas`,
  );
}

function instantMs(text: string, pointer: string): number {
  const revision = revisionAt(text);
  if (revision !== undefined) return revision / 1_000;
  throw wrong(pointer, "must be a date (2026-03-02) or a timestamp with a zone (2026-03-02T08:15:00Z)");
}

function wrong(pointer: string, detail: string): Problem {
  return invalidRequest("The request is not valid", [{ pointer, detail }]);
}
