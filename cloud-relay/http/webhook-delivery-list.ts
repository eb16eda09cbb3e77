// The log of webhook deliveries as a list: its filters, and its pages by cursor or by number.
import { Type } from "typebox";
import { invalidRequest } from "#relay/core/administration.ts";
import { encodeCursor, fingerprint } from "#relay/core/cursors.ts";
import type { Problem } from "#relay/core/problem.ts";
import { revisionAt } from "#relay/core/revisions.ts";
import type { Scope } from "#relay/core/store.ts";
import type { DeliveryState } from "#relay/core/webhooks/delivery.ts";
import type { DeliveryQuery } from "#relay/core/webhooks/webhook-store.ts";
import { narrowedScope, readScope } from "./access.ts";
import type { HttpServer } from "./http-types.ts";
import { cursorContext, cursorPosition, DEFAULT_LIMIT } from "./paging.ts";
import {
  answers,
  CursorParameter,
  Limit,
  listOf,
  ok,
  PageMeta,
  PageParameter,
  PerPage,
  ref,
} from "./schemas.ts";
import type { WebhookDeps } from "./webhook-endpoint-routes.ts";
import { DELIVERY_STATES } from "./webhook-schemas.ts";
import { deliveryView } from "./webhook-views.ts";

const MAX_TYPES = 50;
/** Pages by number reach no further, and no more is counted: further on there is the cursor. */
const MAX_PAGED_DELIVERIES = 10_000;
const closed = { additionalProperties: false } as const;

const Created = Type.Optional(
  Type.String({ maxLength: 40, description: "A date (its UTC midnight) or a timestamp with its zone" }),
);
/** Filters of the list, and of what is sent again. */
export const deliveryFilters = {
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

type Filter = Partial<Record<Exclude<keyof typeof deliveryFilters, "status">, string>> & {
  readonly status?: number;
};

function idFilter(description: string) {
  return Type.Optional(Type.String({ minLength: 1, maxLength: 200, description }));
}

const DeliveryList = Type.Object(
  {
    ...(listOf(ref("WebhookDelivery"), "A page") as ReturnType<typeof Type.Object>).properties,
    meta: Type.Optional(
      Type.Object(PageMeta.properties, {
        description: `Of a list by pages. \`total\` is never above ${MAX_PAGED_DELIVERIES}: no more are counted`,
      }),
    ),
  },
  { description: "A page of deliveries; by page number it has `meta` too" },
);

export function addWebhookDeliveryList(app: HttpServer, deps: WebhookDeps): void {
  app.get("/v1/webhook-deliveries", {
    schema: {
      operationId: "listWebhookDeliveries",
      tags: ["Webhooks"],
      summary: "List deliveries",
      description:
        "Newest first: each event that was bound for an endpoint, and what became of it. With `page` and `per_page` the answer also has `meta`; what comes meanwhile moves the others to later pages.",
      querystring: Type.Object(
        { limit: Limit, cursor: CursorParameter, page: PageParameter, per_page: PerPage, ...deliveryFilters },
        closed,
      ),
      response: answers({ 200: ok("A page of deliveries", DeliveryList) }, [400, 401, 403, 404, 410]),
    },
    config: { access: "read" },
    handler: async (request, reply) => {
      const { limit, cursor, page, per_page: perPage, ...filter } = request.query;
      const isPaged = page !== undefined || perPage !== undefined;
      if (isPaged) refuseMixed(cursor, limit);
      const scope = await narrowedScope(deps.store.directory, readScope(request), filter.connection_id);
      const { workspaceId, connectionIds } = scope;
      const print = ["webhook-deliveries", workspaceId, connectionIds?.join(), JSON.stringify(filter)];
      const context = await cursorContext(deps.store, fingerprint(print));
      const afterId = cursorPosition(cursor, "page", context);
      const size = (isPaged ? perPage : limit) ?? DEFAULT_LIMIT;
      const query = deliveryQueryOf(filter, "#/query");
      const found = await deps.store.webhooks.deliveries(scope, {
        ...query,
        ...(afterId === undefined ? {} : { afterId }),
        skip: isPaged ? skipOf(page ?? 1, size) : 0,
        limit: size + 1,
      });
      const rows = found.slice(0, size);
      const last = rows.at(-1);
      const more = found.length > size && last !== undefined;
      reply.header("cache-control", "no-store");
      return {
        data: rows.map(deliveryView),
        next_cursor: more ? encodeCursor({ kind: "page", position: last.id, ...context }) : null,
        ...(isPaged ? { meta: await metaOf(deps, scope, query, { page: page ?? 1, size }) } : {}),
      };
    },
  });
}

async function metaOf(
  { store }: WebhookDeps,
  scope: Scope,
  query: Omit<DeliveryQuery, "limit">,
  { page, size }: { readonly page: number; readonly size: number },
) {
  const total = await store.webhooks.countDeliveries(scope, { ...query, limit: MAX_PAGED_DELIVERIES });
  return { current_page: page, last_page: Math.max(1, Math.ceil(total / size)), per_page: size, total };
}

/** @throws Problem INVALID_REQUEST */
function refuseMixed(cursor: string | undefined, limit: number | undefined): void {
  const pointer = "#/query/cursor";
  if (cursor !== undefined)
    throw wrong(pointer, "cannot be used with page and per_page; use one way to go through a list");
  if (limit !== undefined) throw wrong("#/query/limit", "is called per_page where pages are used");
}

/** @throws Problem INVALID_REQUEST for a page too deep */
function skipOf(page: number, size: number): number {
  if (page * size <= MAX_PAGED_DELIVERIES) return (page - 1) * size;
  const detail = `goes too far: pages reach to delivery ${MAX_PAGED_DELIVERIES} of the log (page × per_page). Filter, or go further by cursor: limit and next_cursor have no such end`;
  throw wrong("#/query/page", detail);
}

/** `at`: where the members stand, for what is wrong with them. @throws Problem INVALID_REQUEST */
export function deliveryQueryOf(filter: Filter, at: string): Omit<DeliveryQuery, "limit"> {
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
