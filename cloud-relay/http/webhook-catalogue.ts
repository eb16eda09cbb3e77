// What can be subscribed to, with a schema and an example of each payload: one catalogue for the API, the document and the pages.
import { ENTITIES } from "#common/contract/model/entities.ts";
import { EVENT_TYPES, type EventTypeInfo } from "#relay/core/webhooks/event-types.ts";
import { RECORD_EXAMPLES } from "./examples.ts";
import type { HttpServer } from "./http-types.ts";
import { answers, listOf, ok, ref, schemaName } from "./schemas.ts";

const EXAMPLE_AT = "2026-03-02T08:15:00.000Z";
const EXAMPLE_REVISION = 1_772_439_300_000_000;
const EXAMPLE_CONNECTION = "0198c2a4-6f00-7a3e-9d51-2f6b1c9e0a10";
const EXAMPLE_RECORD = "5b0f6a3e-8c1d-5e7f-9a2b-3c4d5e6f7a8b";

/** A payload of the type, in full form, as `JSON.parse` gives it. */
export function examplePayload({ type, entity, example }: EventTypeInfo): Record<string, unknown> {
  const record = entity === undefined ? undefined : RECORD_EXAMPLES[entity];
  const id = typeof record?.["id"] === "string" ? record["id"] : EXAMPLE_RECORD;
  const isUpdate = entity !== undefined && type.endsWith(".updated");
  return {
    id: "evt_5d1f_120_3",
    type,
    timestamp: EXAMPLE_AT,
    workspace_id: "ws_0198c2a46f007a3e9d512f6b1c9e0a01",
    connection_id: EXAMPLE_CONNECTION,
    entity: entity ?? null,
    record_id: entity === undefined ? null : id,
    revision: EXAMPLE_REVISION,
    origin: entity === undefined ? null : "change",
    cause: null,
    changed_fields: isUpdate ? ["status"] : null,
    data: record === undefined ? example : { ...example, record },
    links: { record: entity === undefined ? null : `/v1/${ENTITIES[entity].path}/${id}` },
  };
}

/** JSON Schema of the payload; references are to the API's document. */
export function payloadSchema({ type, entity }: EventTypeInfo): Record<string, unknown> {
  const record = entity === undefined ? {} : { record: { $ref: componentOf(schemaName(entity)) } };
  return {
    allOf: [{ $ref: componentOf("WebhookPayload") }],
    type: "object",
    properties: {
      type: { const: type },
      ...(entity === undefined ? {} : { data: { type: "object", properties: record } }),
    },
  };
}

/** OpenAPI 3.1's top-level `webhooks`: what receivers are sent. */
export function webhooksOfDocument(): Record<string, unknown> {
  return Object.fromEntries(EVENT_TYPES.map((info) => [info.type, { post: webhookOperation(info) }]));
}

function webhookOperation(info: EventTypeInfo): Record<string, unknown> {
  return {
    operationId: `on_${info.type.replaceAll(".", "_")}`,
    tags: ["Webhooks"],
    summary: info.type,
    description: info.description,
    security: [],
    requestBody: {
      required: true,
      content: { "application/json": { schema: payloadSchema(info) } },
    },
    responses: {
      "200": { description: "Any 2xx: it is delivered. Everything else is tried again." },
      "410": { description: "Nothing is there any more: the endpoint is disabled" },
      "429": { description: "Too much at once: it is sent more slowly" },
    },
  };
}

export function addWebhookCatalogueRoutes(app: HttpServer): void {
  const all = EVENT_TYPES.map((info) => ({
    type: info.type,
    entity: info.entity ?? null,
    description: info.description,
    schema: payloadSchema(info),
    example: examplePayload(info),
  }));
  app.get("/v1/webhook-event-types", {
    schema: {
      operationId: "listWebhookEventTypes",
      tags: ["Webhooks"],
      summary: "List event types",
      description:
        "What endpoints can ask for. Custom entities have `<entity>.created`, `.updated` and `.deleted` as well.",
      response: answers(
        { 200: ok("All of them, on one page", listOf(ref("WebhookEventType"), "All types")) },
        [400, 401, 403],
      ),
    },
    config: { access: "read" },
    handler: () => ({ data: all, next_cursor: null }),
  });
}

function componentOf(name: string): string {
  return `#/components/schemas/${name}`;
}
