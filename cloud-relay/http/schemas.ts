// The named schemas of the API: what the OpenAPI document calls components.
import { Type, type TSchema } from "typebox";
import {
  ENTITIES,
  ENTITY_NAMES,
  Presence,
  RecordEnvelope,
  type Entity,
} from "#common/contract/model/entities.ts";
import { CustomFields } from "#common/contract/model/fields.ts";
import { PROBLEM_KINDS, type ProblemCode } from "#relay/core/problem.ts";
import { CUSTOM_RECORD_EXAMPLE, RECORD_EXAMPLES } from "./examples.ts";
import { MAX_LIMIT } from "./paging.ts";

export const Instant = Type.String({ format: "date-time", examples: ["2026-03-02T08:15:00.000Z"] });
export const NullableInstant = nullable(Instant);
export const Id = Type.String({ minLength: 1, maxLength: 100 });

export function nullable<Schema extends TSchema>(schema: Schema) {
  return Type.Union([schema, Type.Null()]);
}

export const Limit = Type.Optional(
  Type.Integer({
    minimum: 1,
    maximum: MAX_LIMIT,
    description: "Items per page; 50 if not given",
    examples: [50],
  }),
);
export const PageParameter = Type.Optional(
  Type.Integer({
    minimum: 1,
    maximum: 10_000,
    description: "By pages instead of a cursor: which one, from 1",
    examples: [1],
  }),
);
export const PerPage = Type.Optional(
  Type.Integer({
    minimum: 1,
    maximum: MAX_LIMIT,
    description: "With `page`: items per page; 50 if not given",
  }),
);
export const PageMeta = Type.Object(
  {
    current_page: Type.Integer(),
    last_page: Type.Integer(),
    per_page: Type.Integer(),
    total: Type.Integer({ description: "All that meet the filters, now" }),
  },
  { description: "Of a list by pages" },
);
export const CursorParameter = Type.Optional(
  Type.String({
    minLength: 1,
    maxLength: 1_000,
    description: "`next_cursor` of the previous page, exactly as it was; repeat the other filters with it",
  }),
);
export const ConnectionParameter = Type.Optional(
  Type.String({ maxLength: 100, description: "Only this connection. Useful with a workspace token" }),
);

/** A reference to a named schema, as Fastify and the OpenAPI document resolve it. */
export function ref(name: string): TSchema {
  return { $ref: `${name}#` };
}

export function listOf(item: TSchema, description: string): TSchema {
  return Type.Object(
    {
      data: Type.Array(item),
      next_cursor: nullable(
        Type.String({ description: "Pass it as `cursor` for the next page; null at the end" }),
      ),
    },
    { description },
  );
}

export const ProblemSchema = Type.Object(
  {
    type: Type.String({
      description: "Names the kind of problem",
      examples: ["urn:millrace:problem:not-found"],
    }),
    title: Type.String({ examples: ["There is no such thing here"] }),
    status: Type.Integer({ examples: [404] }),
    detail: Type.String({ description: "What happened and what to do about it" }),
    code: Type.String({
      description: `For programs. One of: ${Object.keys(PROBLEM_KINDS).join(", ")}. More may be added.`,
      examples: ["NOT_FOUND"],
    }),
    error_type: Type.String({
      description: `One of: ${[...new Set(Object.values(PROBLEM_KINDS).map((kind) => kind.errorType))].join(", ")}. More may be added.`,
      examples: ["not_found_error"],
    }),
    request_id: Type.String({ description: "Also in the header X-Request-Id; name it to the operator" }),
    retryable: Type.Boolean({ description: "Whether the same request may succeed later without a change" }),
    errors: Type.Optional(
      Type.Array(
        Type.Object({
          pointer: Type.String({ description: "JSON pointer into the body, or #/query/<parameter>" }),
          detail: Type.String(),
        }),
      ),
    ),
    connection_status: Type.Optional(
      Type.Object({
        state: Type.String(),
        reason: Type.Optional(Type.String()),
        advice: Type.Optional(Type.String()),
      }),
    ),
    operation_id: Type.Optional(
      Type.String({ description: "Of a write: the operation; GET /v1/operations/{id} tells how it stands" }),
    ),
    source_code: Type.Optional(
      Type.String({ description: "The source's own code, such as the name of a constraint" }),
    ),
    current: Type.Optional(
      Type.Unknown({ description: "Of VERSION_CONFLICT and PRECONDITION_FAILED: the record as it stands" }),
    ),
  },
  { $id: "Problem", description: "RFC 9457 problem document" },
);

export const SampleSchema = Type.Object(
  {
    value: Type.Unknown({
      description: "Number, text, boolean, array or object; 64-bit integers as decimal text",
    }),
    quality: Type.String({
      description: "good, uncertain or bad: the two top bits of status_code",
      examples: ["good"],
    }),
    status_code: Type.Integer({ description: "OPC UA status code; 0 is good", examples: [0] }),
    source_timestamp: nullable(Instant),
    server_timestamp: nullable(Instant),
    backfilled: Type.Boolean({ description: "Read from the source's history after an outage" }),
  },
  { $id: "Sample", description: "One value of one telemetry point" },
);

const Envelope = {
  id: Type.String({
    format: "uuid",
    description: "Stable; derived from connection, entity and the source's key",
  }),
  connection_id: Type.String({ format: "uuid" }),
  revision: Type.Integer({
    description: "Only grows, whatever restarts or is restored: apply what is greater than what you have",
  }),
  created_at: Instant,
  updated_at: Type.String({
    format: "date-time",
    description: "When this revision was committed by the relay",
  }),
  deleted_at: NullableInstant,
  presence: Presence,
  delete_reason: nullable(Type.String({ description: "tombstone, flag or reconcile" })),
  incarnation: Type.Integer({ description: "Grows when the source uses a number again after a delete" }),
  origin: Type.String({
    description: "Why the last change came: change, snapshot, reconcile, remap or backfill",
  }),
  remote_version: nullable(Type.String({ description: "The source's own version of the row" })),
  content_hash: Type.String({ description: "Equal content has an equal hash" }),
  mapping_version: Type.String({ description: "Which mapping made it" }),
};

const Freshness = Type.Optional(ref("Freshness"));
const Provenance = Type.Optional(
  nullable(
    Type.Object(
      {
        table: Type.String(),
        fields: Type.Record(
          Type.String(),
          Type.Object({ sources: Type.Array(Type.String()), protection: Type.Optional(Type.String()) }),
        ),
      },
      {
        description:
          "With include=provenance: the table and the columns that each field comes from; null where the plant has not told",
      },
    ),
  ),
);

const Raw = Type.Optional(
  Type.Unknown({ description: "The source's own row; with include=raw, where the plant releases it" }),
);

/** Component name of an entity: PurchaseOrder. */
export function schemaName(entity: Entity): string {
  return ENTITIES[entity].title.replaceAll(/(?:^| )(\w)/g, (_, letter: string) => letter.toUpperCase());
}

export function entityDescription(entity: Entity): string {
  return (ENTITIES[entity].schema as { description?: string }).description ?? ENTITIES[entity].title;
}

function recordSchema(entity: Entity): TSchema {
  const { schema } = ENTITIES[entity];
  const lastValue = entity === "telemetry_point" ? { last_value: nullable(ref("Sample")) } : {};
  return Type.Object(
    {
      ...Envelope,
      ...lastValue,
      ...RecordEnvelope.properties,
      ...schema.properties,
      raw: Raw,
      provenance: Provenance,
      freshness: Freshness,
    },
    { $id: schemaName(entity), description: entityDescription(entity), examples: [RECORD_EXAMPLES[entity]] },
  );
}

/** Of entities beyond the model: tables of a source that a connection reads as they are. */
const CustomRecordSchema = Type.Object(
  {
    ...Envelope,
    ...RecordEnvelope.properties,
    custom_fields: Type.Optional(CustomFields),
    raw: Raw,
    provenance: Provenance,
    freshness: Freshness,
  },
  {
    $id: "CustomRecord",
    description:
      "A record of an entity beyond the model: a table of the source, its columns in custom_fields by the source's own names",
    examples: [CUSTOM_RECORD_EXAMPLE],
  },
);

export const RECORD_SCHEMAS: readonly TSchema[] = [...ENTITY_NAMES.map(recordSchema), CustomRecordSchema];

/**
 * What a route does, as far as it decides which problems it can have. `plain`: answers from the relay alone; `records`: stored
 * records, which a connection may refuse while it is away; `live`: one record, also from its source; `command`: asks a plant for
 * something else than a write; `write`; `settings`; `stream`: goes on for long.
 */
type RouteKind = "plain" | "records" | "live" | "command" | "write" | "settings" | "stream";

const ALL_OF_PLANT: readonly RouteKind[] = ["live", "command", "write"];
const AWAY: readonly RouteKind[] = ["records", ...ALL_OF_PLANT];
/** Codes that only some kinds of routes answer; `[]`: none, because it is no route that answers so. */
const CODES_OF: Partial<Record<ProblemCode, readonly RouteKind[]>> = {
  CONNECTION_REAUTH_REQUIRED: AWAY,
  NOT_ALLOWED_BY_PLANT: [...ALL_OF_PLANT, "settings"],
  REJECTED_AT_PLANT: ["write"],
  RECORD_DELETED: ["live", "write"],
  ROUTE_NOT_FOUND: [],
  CANCELLED: ["command", "write"],
  IDEMPOTENCY_IN_PROGRESS: ["write"],
  VERSION_CONFLICT: ["write"],
  IDEMPOTENCY_KEY_REUSED: ["write"],
  TOO_MANY_STREAMS: ["stream"],
  UNKNOWN_OUTCOME: ["command", "write"],
  AGENT_OFFLINE: AWAY,
  SYSTEM_UNREACHABLE: AWAY,
  WRITES_HALTED: ["write"],
  EXPIRED: ["command", "write"],
};

/** Responses of a route: its own, and the problems that a route of its kind can answer with. */
export function answers(
  own: Readonly<Record<number, unknown>>,
  problems: readonly number[],
  kind: RouteKind = "plain",
): Record<string, unknown> {
  const result: Record<string, unknown> = { ...own };
  // Whoever has a token has quotas, and may meet a relay that sheds load.
  const general = problems.includes(401) ? [429, 503] : [];
  const takesCursor = problems.includes(410);
  for (const status of [...new Set([...problems, ...general, 500])].sort((a, b) => a - b)) {
    const codes = Object.entries(PROBLEM_KINDS).filter(
      ([code, problem]) =>
        problem.status === status &&
        (CODES_OF[code as ProblemCode]?.includes(kind) ?? true) &&
        (code !== "INVALID_CURSOR" || takesCursor),
    );
    result[status] = {
      description: codes.map(([code, { title }]) => `${code}: ${title}`).join(". "),
      content: { "application/problem+json": { schema: ref("Problem") } },
    };
  }
  return result;
}

export function ok(description: string, schema: TSchema): Record<string, unknown> {
  return { description, content: { "application/json": { schema } } };
}
