// The catalogue of event types: what each one says, an example of its data, and how a subscription names them.
import { ENTITIES, ENTITY_NAMES, isEntity, type Entity } from "#common/contract/model/entities.ts";

export interface EventTypeInfo {
  readonly type: string;
  /** Of record events. */
  readonly entity: Entity | undefined;
  /** One sentence, for catalogue and documents. */
  readonly description: string;
  /** `data` as such an event has it; of record events the record is added when it is sent. */
  readonly example: Readonly<Record<string, unknown>>;
}

/** About endpoints themselves; never sent to the endpoint that they speak of, but for `missed`, which goes to all. */
export const ALERT_TYPES = {
  failing: "webhook.endpoint_failing",
  recovered: "webhook.endpoint_recovered",
  disabled: "webhook.endpoint_disabled",
  exhausted: "webhook.delivery_exhausted",
  missed: "webhook.events_missed",
} as const;

const ENDPOINT = { endpoint_id: "whe_0198c2a46f007a3e9d512f6b1c9e0a11", name: "ERP bridge" };
const SYNC = {
  run: "20260302-081500",
  entity: "purchase_order",
  pass: "incremental",
  started_ms: 1772439300000,
  ended_ms: 1772439301240,
  read: 120,
  changed: 4,
  deleted: 0,
  rejected: 0,
};
const RECORD_VERBS = {
  created: { says: "is new", example: { remote_id: "4711" } },
  updated: {
    says: "has changed, or is not among its source's live rows any more without being deleted",
    example: { remote_id: "4711" },
  },
  deleted: { says: "is gone from its source", example: { presence: "deleted" } },
} as const;

const OTHER_TYPES: readonly EventTypeInfo[] = [
  plain("sync.completed", "A pass over one entity of a connection has ended well.", {
    ...SYNC,
    outcome: "ok",
  }),
  plain(
    "sync.failed",
    "A pass over one entity has failed, or what it would delete is held until somebody confirms it.",
    {
      ...SYNC,
      outcome: "failed",
      error: "the database did not answer within 30 s",
    },
  ),
  plain("connection.online", "Data flows again, or for the first time.", {
    status: "online",
    previous_status: "offline",
  }),
  plain("connection.offline", "The agent, or the system behind it, cannot be reached.", {
    status: "offline",
    previous_status: "online",
    reason: "the agent is not connected",
    advice: "Look whether the machine at the plant runs and reaches the relay.",
  }),
  plain(
    "connection.authentication_required",
    "The source refuses the agent's login: somebody at the plant must act.",
    {
      status: "reauthorization_required",
      previous_status: "online",
      reason: "login failed for user millrace",
      advice: "Set the password again in the agent's settings.",
    },
  ),
  plain("command.finished", "A write that was asked for is over, whatever its outcome.", {
    command_id: "op_0198c2a46f007a3e9d512f6b1c9e0a12",
    operation: "create",
    outcome: "succeeded",
  }),
  plain("gap.recorded", "Something was or may have been lost; it says from when until when, and why.", {
    gap_id: "gap_5d1f_120_3",
    reason: "queue_overflow",
    from_ms: 1772439300000,
    to_ms: 1772439360000,
    detail: "12 samples were dropped",
  }),
  plain("mapping.changed", "The agent reads the source by another mapping than before.", {
    mapping_version: "5f1d0c6a9be2d4c7",
    previous_mapping_version: "b0a44f8812ce90d1",
  }),
  plain("system.error", "The connection works, but not as it should.", {
    status: "degraded",
    previous_status: "online",
    reason: "work_order: the view MAXIMO.WORKORDER is not readable",
  }),
  plain(
    ALERT_TYPES.failing,
    "An endpoint has failed so often that deliveries to it pause between single tries.",
    {
      ...ENDPOINT,
      consecutive_failures: 10,
      failing_since: "2026-03-02T08:15:00.123Z",
      parked_until: "2026-03-02T08:20:00.123Z",
      last_error: "HTTP 500",
    },
  ),
  plain(ALERT_TYPES.recovered, "An endpoint that failed takes deliveries again.", {
    ...ENDPOINT,
    failing_since: "2026-03-02T08:15:00.123Z",
  }),
  plain(
    ALERT_TYPES.disabled,
    "The relay has disabled an endpoint; nothing is sent to it until somebody enables it.",
    {
      ...ENDPOINT,
      reason: "failing",
      detail: "Every delivery failed for 5 days.",
    },
  ),
  plain(
    ALERT_TYPES.exhausted,
    "Deliveries were given up after the last retry; they can be sent again by hand.",
    {
      ...ENDPOINT,
      count: 1,
      deliveries: [
        {
          delivery_id: "whd_0198c2a46f007a3e9d512f6b1c9e0a13",
          event_id: "evt_5d1f_120_3",
          type: "purchase_order.updated",
        },
      ],
    },
  ),
  plain(
    ALERT_TYPES.missed,
    "Events were removed by their age before they could be sent: the relay was behind, or stood still, for longer than it keeps them. Every endpoint is told, whatever its types and its condition.",
    {
      from: "2026-02-28T08:15:00.123Z",
      until: "2026-03-01T19:40:12.500Z",
      from_revision: 1772266500123000,
      until_revision: 1772394012500000,
      detail: "Read the records that changed since then: lists take modified_after.",
    },
  ),
];

/** Every type of the model's entities and of the relay's own; custom entities have `created`, `updated` and `deleted` as well. */
export const EVENT_TYPES: readonly EventTypeInfo[] = [
  ...ENTITY_NAMES.flatMap((entity) =>
    Object.entries(RECORD_VERBS).map(([verb, { says, example }]) => ({
      type: `${entity}.${verb}`,
      entity,
      description: `${ENTITIES[entity].title}: a record ${says}.`,
      example,
    })),
  ),
  ...OTHER_TYPES,
];

const BY_TYPE = new Map(EVENT_TYPES.map((info) => [info.type, info]));
const RECORD_TYPE = /^([a-z][a-z0-9_]*)\.(created|updated|deleted)$/;

/** Of the catalogue, or of a custom entity's record events; undefined: there is no such type. */
export function eventTypeOf(type: string): Pick<EventTypeInfo, "type" | "example"> | undefined {
  const known = BY_TYPE.get(type);
  if (known !== undefined) return known;
  const [, , verb] = RECORD_TYPE.exec(type) ?? [];
  return verb === undefined
    ? undefined
    : { type, example: RECORD_VERBS[verb as keyof typeof RECORD_VERBS].example };
}

/** The entity that a record event's type speaks of, of the model or a custom one. */
export function entityOfType(type: string): string | undefined {
  return RECORD_TYPE.exec(type)?.[1];
}

/** Of events about webhook endpoints themselves. */
export const ALERT_PREFIX = "webhook.";

/**
 * `purchase_order.updated`, `purchase_order.*` or `*`. Alerts about endpoints are matched by their own names or `webhook.*` only:
 * where many endpoints want everything, many that fail at once would be a storm for all the others.
 */
export function matchesType(pattern: string, type: string): boolean {
  if (pattern === type) return true;
  if (pattern === "*") return !type.startsWith(ALERT_PREFIX);
  return pattern.endsWith(".*") && type.startsWith(pattern.slice(0, -1));
}

/** Whether a subscription's pattern can ever match; `customEntities`: those that connections of the workspace offer. */
export function isTypePattern(pattern: string, customEntities: ReadonlySet<string>): boolean {
  if (pattern === "*" || BY_TYPE.has(pattern)) return true;
  const [head = "", verb = "", ...rest] = pattern.split(".");
  if (rest.length > 0) return false;
  const isRecord = isEntity(head) || customEntities.has(head);
  if (verb === "*") return isRecord || OTHER_TYPES.some(({ type }) => type.startsWith(`${head}.`));
  return isRecord && Object.hasOwn(RECORD_VERBS, verb);
}

/** For hints. */
export function typePatterns(): readonly string[] {
  const groups = new Set(EVENT_TYPES.map(({ type }) => `${type.split(".")[0] ?? ""}.*`));
  return ["*", ...groups, ...BY_TYPE.keys()];
}

function plain(type: string, description: string, example: Readonly<Record<string, unknown>>): EventTypeInfo {
  return { type, entity: undefined, description, example };
}
