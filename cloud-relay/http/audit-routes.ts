// The audit trail of a workspace, and whether it is whole.
import { Type, type Static } from "typebox";
import { verifyAudit, type AuditEntry } from "#relay/core/audit/audit-store.ts";
import { cursorRevision, encodeCursor, fingerprint } from "#relay/core/cursors.ts";
import { instantOf } from "#relay/core/revisions.ts";
import { auditedTrail } from "./access.ts";
import type { HttpDeps, HttpServer } from "./http-types.ts";
import { cursorContext, cursorPosition, DEFAULT_LIMIT } from "./paging.ts";
import { answers, CursorParameter, Instant, Limit, listOf, nullable, ok, ref } from "./schemas.ts";

export const AuditEntrySchema = Type.Object(
  {
    number: Type.Integer({ minimum: 1, description: "Counts the trail's entries" }),
    at: Instant,
    actor: Type.String({ description: "Id of the token, or `command line`" }),
    action: Type.String({ examples: ["createConnection"] }),
    request_id: nullable(Type.String()),
    target: Type.Record(Type.String(), Type.String(), { description: "What it was done to" }),
    members: Type.Array(Type.String(), { description: "What was given; the values are not kept" }),
    digest: nullable(Type.String({ description: "SHA-256 of what was asked, hex" })),
    hash: Type.String({ description: "SHA-256 over the entry before and this one, hex" }),
  },
  { $id: "AuditEntry", description: "One change that was asked for and granted" },
);

export const AuditVerdictSchema = Type.Object(
  {
    entries: Type.Integer({ minimum: 0 }),
    broken_at: nullable(
      Type.Integer({
        minimum: 1,
        description: "The first entry that is not as it was written; null: all are",
      }),
    ),
    head: Type.String({
      description: "Hash of the newest entry: keep it, and a trail that was cut off or made anew shows",
    }),
  },
  { $id: "AuditVerdict", description: "Whether an audit trail is whole" },
);

const WorkspaceParameter = Type.Optional(
  Type.String({ maxLength: 100, description: "With an admin token; without it, the relay's own trail" }),
);
const Query = Type.Object(
  { workspace_id: WorkspaceParameter, limit: Limit, cursor: CursorParameter },
  { additionalProperties: false },
);

export function addAuditRoutes(app: HttpServer, { store, entropy }: HttpDeps): void {
  const list = {
    operationId: "listAuditEntries",
    tags: ["Administration"],
    summary: "List the audit trail",
    description:
      "Newest first: every change that was asked for over the API or the command line, and granted.",
    querystring: Query,
    response: answers(
      { 200: ok("A page of entries", listOf(ref("AuditEntry"), "A page of entries")) },
      [400, 401, 403, 404, 410],
    ),
  };
  app.get("/admin/v1/audit", {
    schema: list,
    config: { access: "admin" },
    handler: async (request) => {
      const { query } = request;
      const trail = auditedTrail(request, query.workspace_id);
      const context = await cursorContext(store, fingerprint(["audit", trail]));
      const position = cursorPosition(query.cursor, "page", context);
      const limit = query.limit ?? DEFAULT_LIMIT;
      const below = position === undefined ? undefined : cursorRevision(position);
      const rows = await store.audit.list(trail, { below, limit: limit + 1 });
      const last = rows[limit - 1];
      const more = rows.length > limit && last !== undefined;
      return {
        data: rows.slice(0, limit).map(entryView),
        next_cursor: more ? encodeCursor({ kind: "page", position: String(last.number), ...context }) : null,
      };
    },
  });

  const verify = {
    operationId: "verifyAuditTrail",
    tags: ["Administration"],
    summary: "Verify the audit trail",
    description: "Goes over the whole trail and says whether every entry is as it was written.",
    querystring: Type.Object({ workspace_id: WorkspaceParameter }, { additionalProperties: false }),
    response: answers({ 200: ok("Verdict", ref("AuditVerdict")) }, [400, 401, 403, 404]),
  };
  app.get("/admin/v1/audit/verdict", {
    schema: verify,
    config: { access: "admin", load: "bulk" },
    handler: async (request) => {
      const trail = auditedTrail(request, request.query.workspace_id);
      const { entries, brokenAt, head } = await verifyAudit(store.audit, trail, entropy.sha256Hex);
      return { entries, broken_at: brokenAt ?? null, head };
    },
  });
}

function entryView(entry: AuditEntry): Static<typeof AuditEntrySchema> {
  const { number, atMs, actor, action, requestId, target, members, digest, hash } = entry;
  return {
    number,
    at: instantOf(atMs),
    actor,
    action,
    request_id: requestId ?? null,
    target: { ...target },
    members: [...members],
    digest: digest ?? null,
    hash,
  };
}
