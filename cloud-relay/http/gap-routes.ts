// Gaps: every interval in which something was or may have been lost. And rejects: rows that could not become records.
import { Type, type Static } from "typebox";
import { GAP_REASONS } from "#common/contract/entry.ts";
import { encodeCursor, fingerprint } from "#relay/core/cursors.ts";
import { instantOf } from "#relay/core/revisions.ts";
import type { StoredGap, StoredReject } from "#relay/core/store.ts";
import { narrowedScope, readScope, visibleEntity } from "./access.ts";
import type { HttpDeps, HttpServer } from "./http-types.ts";
import { cursorContext, cursorPosition, DEFAULT_LIMIT, pageByInstant } from "./paging.ts";
import {
  answers,
  ConnectionParameter,
  CursorParameter,
  Instant,
  Limit,
  listOf,
  NullableInstant,
  nullable,
  ok,
  ref,
} from "./schemas.ts";

export const GapSchema = Type.Object(
  {
    id: Type.String(),
    connection_id: Type.String(),
    reason: Type.String({
      description: `One of: ${GAP_REASONS.join(", ")}. More may be added.`,
      examples: ["reconnect"],
    }),
    entity: nullable(Type.String({ description: "null: the whole connection" })),
    key: nullable(
      Type.String({ description: "The source's key of the record or point; null: all of the entity" }),
    ),
    from: NullableInstant,
    to: Instant,
    detail: Type.String(),
    recorded_at: Instant,
  },
  { $id: "Gap", description: "Something was or may have been lost in this interval" },
);
export type GapView = Static<typeof GapSchema>;

export const RejectSchema = Type.Object(
  {
    connection_id: Type.String(),
    entity: Type.String({ examples: ["purchase_order"] }),
    key: Type.String({ description: "The row's key in the source" }),
    code: Type.String({ examples: ["RECORD_TOO_LARGE"] }),
    detail: Type.String({ description: "Why the row could not become a record, and what to do" }),
    read_at: Instant,
  },
  {
    $id: "Reject",
    description: "A row of the source that could not become a record; it is sent again when it changes",
  },
);

const GapsQuery = Type.Object(
  {
    limit: Limit,
    cursor: CursorParameter,
    connection_id: ConnectionParameter,
    entity: Type.Optional(
      Type.String({ maxLength: 100, description: "Only this entity", examples: ["telemetry_point"] }),
    ),
  },
  { additionalProperties: false },
);
const RejectsQuery = Type.Object(
  { limit: Limit, connection_id: ConnectionParameter },
  { additionalProperties: false },
);

export function gapView(gap: StoredGap): GapView {
  return {
    id: gap.id,
    connection_id: gap.connectionId,
    reason: gap.reason,
    entity: gap.entity ?? null,
    key: gap.key ?? null,
    from: gap.from_ms === undefined ? null : instantOf(gap.from_ms),
    to: instantOf(gap.to_ms),
    detail: gap.detail,
    recorded_at: instantOf(gap.recordedAtMs),
  };
}

export function addGapRoutes(app: HttpServer, deps: HttpDeps): void {
  addGaps(app, deps);
  addRejects(app, deps);
}

function addGaps(app: HttpServer, deps: HttpDeps): void {
  const schema = {
    operationId: "listGaps",
    tags: ["Sync"],
    summary: "List gaps",
    description:
      "In the order in which they were recorded. No gap means: nothing was lost. A token that sees some entities only is given their gaps and those of whole connections.",
    querystring: GapsQuery,
    response: answers(
      { 200: ok("A page of gaps", listOf(ref("Gap"), "A page of gaps")) },
      [400, 401, 403, 404, 410],
    ),
  };
  app.get("/v1/gaps", {
    schema,
    config: { access: "read", narrowsEntities: true },
    handler: async (request) => {
      const { query } = request;
      const scope = await narrowedScope(deps.store.directory, readScope(request), query.connection_id);
      const context = await cursorContext(
        deps.store,
        fingerprint(["gaps", scope.workspaceId, query.connection_id, query.entity]),
      );
      const position = cursorPosition(query.cursor, "page", context);
      const filter = {
        ...(query.connection_id === undefined ? {} : { connectionId: query.connection_id }),
        ...(query.entity === undefined ? {} : { entity: query.entity }),
        afterMs: position === undefined ? 0 : Number(position),
      };
      const { rows, lastMs } = await pageByInstant(
        query.limit ?? DEFAULT_LIMIT,
        (limit) => deps.store.reader.gaps(scope, { ...filter, limit }),
        (gap) => gap.recordedAtMs,
      );
      const next =
        lastMs === undefined ? null : encodeCursor({ kind: "page", position: String(lastMs), ...context });
      // A gap of the whole connection concerns every entity.
      const seen = rows.filter(({ entity }) => entity === undefined || visibleEntity(request, entity));
      return { data: seen.map(gapView), next_cursor: next };
    },
  });
}

function addRejects(app: HttpServer, deps: HttpDeps): void {
  const schema = {
    operationId: "listRejects",
    tags: ["Sync"],
    summary: "List rejected rows",
    description:
      "Rows that could not become records, with the reason of each: at most `limit` of them, connection by connection. A row leaves the list when it is accepted or gone.",
    querystring: RejectsQuery,
    response: answers(
      { 200: ok("Rejected rows", listOf(ref("Reject"), "Rejected rows")) },
      [400, 401, 403, 404],
    ),
  };
  app.get("/v1/rejects", {
    schema,
    config: { access: "read", narrowsEntities: true },
    handler: async (request) => {
      const { query } = request;
      const scope = await narrowedScope(deps.store.directory, readScope(request), query.connection_id);
      const limit = query.limit ?? DEFAULT_LIMIT;
      const entities = request.principal?.entities;
      const rows: StoredReject[] = [];
      for (const { id } of await deps.store.directory.connections(scope)) {
        if (rows.length >= limit) break;
        rows.push(...(await deps.store.reader.rejects(scope, id, limit - rows.length, entities)));
      }
      return { data: rows.map(rejectView), next_cursor: null };
    },
  });
}

function rejectView(reject: StoredReject): Static<typeof RejectSchema> {
  return {
    connection_id: reject.connectionId,
    entity: reject.entity,
    key: reject.key,
    code: reject.code,
    detail: reject.detail,
    read_at: instantOf(reject.read_ms),
  };
}
