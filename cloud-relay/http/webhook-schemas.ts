// What webhook endpoints, deliveries and attempts look like over the API.
import { Type } from "typebox";
import type { Origin } from "#common/contract/entry.ts";
import type { DeliveryState } from "#relay/core/webhooks/delivery.ts";
import { ENDPOINT_LIMITS } from "#relay/core/webhooks/endpoint-check.ts";
import { Instant, nullable, NullableInstant, ref } from "./schemas.ts";

export const DELIVERY_STATES: readonly DeliveryState[] = ["pending", "delivered", "exhausted", "discarded"];
export const ORIGINS: readonly Origin[] = ["change", "snapshot", "reconcile", "remap", "backfill"];
const Count = Type.Integer({ minimum: 0 });
const Ms = nullable(Type.Number({ minimum: 0 }));

function oneOf<const Value extends string>(values: readonly Value[], description: string) {
  return Type.Unsafe<Value>(
    Type.Union(
      values.map((value) => Type.Literal(value)),
      { description },
    ),
  );
}

export const TransportBody = oneOf(
  ["http", "listener"],
  "http if not given; `listener`: without an address, for `millrace-relay listen`",
);
export const SignatureBody = oneOf(
  ["v1", "v1a"],
  "`v1`: HMAC-SHA-256 with a shared secret. `v1a`: Ed25519; the receiver needs the public key only",
);
export const SecretBody = Type.String({
  minLength: 10,
  maxLength: 200,
  description:
    "One of your own: `whsec_…` with 24 to 64 bytes in base64, or `whsk_…`; one is made if not given",
});
const Types = Type.Array(Type.String({ maxLength: 100 }), {
  minItems: 1,
  maxItems: ENDPOINT_LIMITS.types,
  description: "Event types, `purchase_order.*` for all of a kind, `*` for all",
  examples: [["purchase_order.*", "sync.failed"]],
});

/** Members that can be set; all optional here, so that making and changing share them. */
export const endpointSettings = {
  name: Type.Optional(Type.String({ minLength: 1, maxLength: ENDPOINT_LIMITS.nameChars })),
  types: Type.Optional(Types),
  origins: Type.Optional(
    Type.Array(oneOf(ORIGINS, "Why a record event came about"), {
      minItems: 1,
      maxItems: ORIGINS.length,
      description:
        "Record events of other origins are left out, so that a first reading or a new mapping is no storm; `change` alone if not given",
    }),
  ),
  echoes: Type.Optional(
    Type.Boolean({
      description: "Whether changes come that a write through this relay caused; true if not given",
    }),
  ),
  condition: Type.Optional(
    nullable(
      Type.String({
        minLength: 1,
        maxLength: ENDPOINT_LIMITS.conditionChars,
        description: "CEL over `event`, the payload: only events for which it is true are sent",
        examples: ["double(event.data.record.total_amount) >= 10000.0"],
      }),
    ),
  ),
  payload: Type.Optional(
    oneOf(
      ["full", "thin"],
      "`full`: with the record as it is now. `thin`: ids and a link; full if not given",
    ),
  ),
  ordering: Type.Optional(
    oneOf(
      ["none", "record"],
      "`record`: a record's next event waits until the one before is delivered or given up; none if not given",
    ),
  ),
  per_second: Type.Optional(
    nullable(
      Type.Integer({
        minimum: 1,
        maximum: ENDPOINT_LIMITS.perSecond,
        description: "Deliveries a second, at most; null: no limit of its own",
      }),
    ),
  ),
  at_once: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: ENDPOINT_LIMITS.atOnce,
      description: "Deliveries under way at once, at most; 4 if not given",
    }),
  ),
  headers: Type.Optional(
    Type.Record(Type.String({ maxLength: 100 }), Type.String({ maxLength: ENDPOINT_LIMITS.headerChars }), {
      maxProperties: ENDPOINT_LIMITS.headers,
      description: "Sent with every delivery; never shown again. All of them: those before are replaced",
    }),
  ),
};

const Health = Type.Object(
  {
    breaker: Type.String({ description: "closed: it works; open: it pauses; half_open: single tries" }),
    consecutive_failures: Count,
    failing_since: NullableInstant,
    last_success_at: NullableInstant,
    last_failure_at: NullableInstant,
    parked_until: nullable(Type.String({ format: "date-time", description: "Nothing is sent before" })),
  },
  { description: "What its last attempts have shown" },
);

const Stats = Type.Object(
  {
    pending: Count,
    oldest_pending_at: NullableInstant,
    delivered: Count,
    exhausted: Count,
    attempts: Count,
    failed_attempts: Count,
  },
  { description: "What waits now, and what happened in the last 24 hours" },
);

export const WebhookSecretSchema = Type.Object(
  {
    id: Type.String(),
    kind: Type.String({ description: "v1 or v1a" }),
    public_key: nullable(Type.String({ description: "Of v1a: `whpk_…`" })),
    created_at: Instant,
    expires_at: nullable(
      Type.String({ format: "date-time", description: "Signs until then; null: the current one" }),
    ),
  },
  { $id: "WebhookSecret", description: "What signs deliveries, without the secret itself" },
);

const endpointMembers = {
  id: Type.String(),
  workspace_id: Type.String(),
  connection_id: nullable(Type.String({ description: "Only events of this connection; null: of all" })),
  name: Type.String(),
  transport: Type.String({
    description: "http, or listener: `millrace-relay listen` on a developer's machine",
  }),
  url: Type.String(),
  types: Type.Array(Type.String()),
  origins: Type.Array(Type.String()),
  echoes: Type.Boolean(),
  condition: nullable(Type.String()),
  payload: Type.String({ description: "full or thin" }),
  payload_version: Type.Integer({ minimum: 1 }),
  ordering: Type.String({ description: "none or record" }),
  per_second: nullable(Type.Integer({ minimum: 1 })),
  at_once: Type.Integer({ minimum: 1 }),
  headers: Type.Record(Type.String(), Type.String(), { description: "Names, with *** for each value" }),
  secrets: Type.Array(ref("WebhookSecret")),
  disabled: nullable(
    Type.Object({
      reason: Type.String({ description: "by_user, gone, failing, receiver_asked or listener_ended" }),
      detail: Type.String(),
      at: Instant,
    }),
  ),
  health: Health,
  stats: Stats,
  created_at: Instant,
  updated_at: Instant,
};

export const WebhookEndpointSchema = Type.Object(endpointMembers, {
  $id: "WebhookEndpoint",
  description: "A receiver of webhooks: where, what, in which form, and how it fares",
});
export const NewWebhookEndpointSchema = Type.Object(
  {
    ...endpointMembers,
    secret: Type.String({
      description: "Shown this once: what the receiver verifies with, or of v1a signs with",
    }),
    public_key: nullable(Type.String({ description: "Of v1a: what the receiver verifies with" })),
  },
  { $id: "NewWebhookEndpoint", description: "An endpoint and its new secret, which is shown once" },
);

export const WebhookAttemptSchema = Type.Object(
  {
    number: Type.Integer({ minimum: 1 }),
    trigger: Type.String({ description: "automatic, manual, test or recover" }),
    at: Instant,
    url: Type.String(),
    request_headers: Type.Record(Type.String(), Type.String(), {
      description: "As sent; your own ones masked",
    }),
    status: nullable(Type.Integer({ description: "null: no answer came, and `error` says why" })),
    error: nullable(
      Type.String({
        description:
          "blocked_address, dns_failed, connect_failed, tls_failed, timed_out, reset, bad_answer, redirected, or local_fault: the relay's own, not held against the endpoint",
      }),
    ),
    detail: nullable(Type.String()),
    response_headers: Type.Record(Type.String(), Type.String(), { description: "Those that say something" }),
    response_body: nullable(Type.String({ description: "Its first 16 KiB" })),
    remote_address: nullable(Type.String({ description: "Of public receivers" })),
    timings: Type.Object(
      { dns_ms: Ms, connect_ms: Ms, tls_ms: Ms, first_byte_ms: Ms, total_ms: Type.Number({ minimum: 0 }) },
      { description: "null: that phase was not reached, or the connection was open already" },
    ),
  },
  { $id: "WebhookAttempt", description: "One try to deliver" },
);

const deliveryMembers = {
  id: Type.String(),
  endpoint_id: Type.String(),
  event_id: Type.String({ description: "The header webhook-id: the same for every try, and for replays" }),
  type: Type.String(),
  connection_id: nullable(Type.String()),
  record_id: nullable(Type.String()),
  revision: Type.Integer({ description: "The event's position in the feed" }),
  state: Type.String({ description: "pending, delivered, exhausted (given up) or discarded" }),
  trigger: Type.String({ description: "automatic, manual, test or recover" }),
  attempts: Count,
  created_at: Instant,
  first_attempt_at: nullable(
    Type.String({ format: "date-time", description: "Of this round: it is given up 24 hours later" }),
  ),
  next_attempt_at: NullableInstant,
  finished_at: NullableInstant,
  last_status: nullable(Type.Integer()),
  last_error: nullable(Type.String()),
};

export const WebhookDeliverySchema = Type.Object(deliveryMembers, {
  $id: "WebhookDelivery",
  description: "One event bound for one endpoint",
});
export const WebhookDeliveryDetailSchema = Type.Object(
  {
    ...deliveryMembers,
    body: nullable(
      Type.String({ description: "What is sent, byte for byte: JSON text; null: it is not kept any more" }),
    ),
    attempt_log: Type.Array(ref("WebhookAttempt"), { description: "Oldest first" }),
  },
  { $id: "WebhookDeliveryDetail", description: "A delivery with what is sent and every try" },
);

export const WebhookSentSchema = Type.Object(
  {
    delivery_id: Type.String(),
    attempt: nullable(ref("WebhookAttempt")),
  },
  {
    $id: "WebhookSent",
    description: "What was sent at once, and what came of it; attempt null: it is under way already",
  },
);

export const WebhookEventTypeSchema = Type.Object(
  {
    type: Type.String({ examples: ["purchase_order.updated"] }),
    entity: nullable(Type.String()),
    description: Type.String(),
    schema: Type.Record(Type.String(), Type.Unknown(), { description: "JSON Schema of the payload" }),
    example: Type.Record(Type.String(), Type.Unknown(), { description: "A payload, in full form" }),
  },
  { $id: "WebhookEventType", description: "What can be subscribed to" },
);

export const WebhookPayloadSchema = Type.Object(
  {
    id: Type.String({ description: "The event's id, and the header webhook-id" }),
    type: Type.String(),
    timestamp: Type.String({ format: "date-time", description: "When it happened" }),
    workspace_id: Type.String(),
    connection_id: nullable(Type.String()),
    entity: nullable(Type.String()),
    record_id: nullable(Type.String()),
    revision: Type.Integer({ description: "The event's position: a greater one is newer" }),
    origin: nullable(
      Type.String({ description: "Of record events: change, snapshot, reconcile, remap or backfill" }),
    ),
    cause: nullable(
      Type.Record(Type.String(), Type.Unknown(), {
        description: "The write through this relay that it comes from, if it does",
      }),
    ),
    changed_fields: nullable(
      Type.Array(Type.String(), { description: "Names that differ from the state before; null: not known" }),
    ),
    data: Type.Record(Type.String(), Type.Unknown(), {
      description: "What belongs to the type; of record events in full form `record`, as its GET answers it",
    }),
    links: Type.Object({ record: nullable(Type.String({ description: "Path of the record in this API" })) }),
    test: Type.Optional(Type.Boolean({ description: "Nothing has happened: somebody tries the endpoint" })),
    truncated: Type.Optional(
      Type.Boolean({
        description: "The full form would be larger than 256 KiB: read the record by its link",
      }),
    ),
  },
  { $id: "WebhookPayload", description: "Body of a delivery, version 1" },
);

export const WEBHOOK_SCHEMAS = [
  WebhookSecretSchema,
  WebhookEndpointSchema,
  NewWebhookEndpointSchema,
  WebhookAttemptSchema,
  WebhookDeliverySchema,
  WebhookDeliveryDetailSchema,
  WebhookSentSchema,
  WebhookEventTypeSchema,
  WebhookPayloadSchema,
];
