// The history of a record: every version that is held, with when, by which pass over the source, and what changed.
import { Type, type Static } from "typebox";
import { ENTITIES, type Entity } from "#common/contract/model/entities.ts";
import { cursorRevision, encodeCursor, fingerprint } from "#relay/core/cursors.ts";
import { fieldChanges } from "#relay/core/records/field-changes.ts";
import type { StoredVersion } from "#relay/core/records/record-reads.ts";
import { instantOf, revisionInstant } from "#relay/core/revisions.ts";
import type { Scope, SyncRun } from "#relay/core/store.ts";
import { readScope } from "./access.ts";
import type { HttpDeps, HttpServer } from "./http-types.ts";
import { cursorContext, cursorPosition } from "./paging.ts";
import { JSON_TYPE } from "./record-routes.ts";
import {
  answers,
  CursorParameter,
  Id,
  Instant,
  listOf,
  nullable,
  NullableInstant,
  ok,
  ref,
  schemaName,
} from "./schemas.ts";
import { missingRecord } from "./single-record-routes.ts";

const DEFAULT_VERSIONS = 20;
const MAX_VERSIONS = 100;

export const RunRefSchema = Type.Object(
  {
    run: Type.String(),
    pass: Type.String({ examples: ["incremental"] }),
    started_at: Instant,
    ended_at: NullableInstant,
  },
  { $id: "SyncRunRef", description: "The pass over the entity that read it" },
);

export const VersionSchema = Type.Object(
  {
    revision: Type.Integer(),
    at: Type.String({ format: "date-time", description: "When the relay committed it" }),
    until: nullable(
      Type.String({ format: "date-time", description: "When another took its place; null: it holds" }),
    ),
    read_at: nullable(
      Type.String({ format: "date-time", description: "When the agent read it, by the plant's clock" }),
    ),
    origin: Type.String({ examples: ["change"] }),
    presence: Type.String({ examples: ["present"] }),
    delete_reason: nullable(Type.String()),
    incarnation: Type.Integer(),
    remote_version: nullable(Type.String()),
    content_hash: Type.String(),
    mapping_version: Type.String(),
    sync_run: nullable(ref("SyncRunRef")),
    changes: nullable(
      Type.Array(
        Type.Object({
          field: Type.String({ examples: ["status", "lines.0.quantity"] }),
          from: Type.Optional(Type.Unknown({ description: "Absent: it was not there" })),
          to: Type.Optional(Type.Unknown({ description: "Absent: it is not there any more" })),
        }),
        { description: "Against the version before; null where that is not held, or there was none" },
      ),
    ),
    changes_cut: Type.Boolean({ description: "Whether more has changed than is listed" }),
    record: Type.Optional(
      Type.Unknown({ description: "With include=record: the record's own fields as they were" }),
    ),
  },
  { $id: "RecordVersion", description: "A record as it was for a while" },
);

export const HistoryQuery = Type.Object(
  {
    limit: Type.Optional(
      Type.Integer({ minimum: 1, maximum: MAX_VERSIONS, description: "Versions per page; 20 if not given" }),
    ),
    cursor: CursorParameter,
    include: Type.Optional(
      Type.Literal("record", { description: "`record`: the fields of each version, not only what changed" }),
    ),
  },
  { additionalProperties: false },
);

export const HISTORY_DESCRIPTION =
  "Every version that is held, newest first, the one that holds included. Earlier versions are held for a stated time (90 days unless the operator says otherwise) from when another took their place.";

export function addHistory(app: HttpServer, deps: HttpDeps, entity: Entity): void {
  const { path, title } = ENTITIES[entity];
  const schema = {
    operationId: `list${schemaName(entity)}Versions`,
    tags: [`${title}s`],
    summary: `History of one ${title.toLowerCase()}`,
    description: HISTORY_DESCRIPTION,
    params: Type.Object({ id: Id }),
    querystring: HistoryQuery,
    response: answers(
      { 200: ok("A page of versions", listOf(ref("RecordVersion"), "A page of versions")) },
      [400, 401, 403, 404, 410],
    ),
  };
  app.get(`/v1/${path}/:id/history`, {
    schema,
    config: { access: "read" },
    handler: async (request, reply) => {
      const page = await historyPage(deps, readScope(request), entity, request.params.id, request.query);
      reply.header("cache-control", "no-store").type(JSON_TYPE);
      return reply.send(page);
    },
  });
}

/** The answer's text. @throws Problem NOT_FOUND, INVALID_REQUEST, CURSOR_EXPIRED */
export async function historyPage(
  deps: HttpDeps,
  scope: Scope,
  entity: string,
  id: string,
  { limit = DEFAULT_VERSIONS, cursor, include }: Static<typeof HistoryQuery>,
): Promise<string> {
  const context = await cursorContext(deps.store, fingerprint(["history", scope.workspaceId, id]));
  const position = cursorPosition(cursor, "page", context);
  const before = position === undefined ? undefined : cursorRevision(position);
  const found = await deps.store.reader.versions(scope, entity, id, { before, limit: limit + 1 });
  if (found === undefined) throw await missingRecord(deps, scope, entity, id);
  const shown = found.versions.slice(0, limit);
  const runs = await runsOf(deps, scope, found.connectionId, entity, shown);
  const data = shown.map((version, index) => ({
    ...versionView(version, found.versions[index + 1], runs.get(version.revision)),
    ...(include === undefined ? {} : { record: JSON.parse(version.text) as object }),
  }));
  const last = shown.at(-1);
  const hasMore = last !== undefined && found.versions.length > limit;
  const next = hasMore ? encodeCursor({ kind: "page", position: String(last.revision), ...context }) : null;
  return JSON.stringify({ data, next_cursor: next });
}

async function runsOf(
  deps: HttpDeps,
  scope: Scope,
  connectionId: string,
  entity: string,
  versions: readonly StoredVersion[],
): Promise<ReadonlyMap<number, SyncRun>> {
  const runs = new Map<number, SyncRun>();
  for (const { revision, readAtMs } of versions) {
    if (readAtMs === undefined) continue;
    const run = await deps.store.reader.syncRunAt(scope, connectionId, entity, readAtMs);
    if (run !== undefined) runs.set(revision, run);
  }
  return runs;
}

function versionView(
  version: StoredVersion,
  before: StoredVersion | undefined,
  run: SyncRun | undefined,
): object {
  const { revision, until, readAtMs, origin, presence, deleteReason, incarnation } = version;
  const changed = before === undefined ? undefined : fieldChanges(before.text, version.text);
  return {
    revision,
    at: revisionInstant(revision),
    until: until === undefined ? null : revisionInstant(until),
    read_at: readAtMs === undefined ? null : instantOf(readAtMs),
    origin,
    presence,
    delete_reason: deleteReason ?? null,
    incarnation,
    remote_version: version.version ?? null,
    content_hash: version.hash,
    mapping_version: version.mappingVersion,
    sync_run: run === undefined ? null : runView(run),
    changes: changed?.changes ?? null,
    changes_cut: changed?.isCut ?? false,
  };
}

export function runView({ run, pass, started_ms: startedMs, ended_ms: endedMs }: SyncRun): object {
  return {
    run,
    pass,
    started_at: instantOf(startedMs),
    ended_at: endedMs === undefined ? null : instantOf(endedMs),
  };
}
