// "Why is this value so?": the way of a record's version from its source to the feed, each step with its time.
import { Type } from "typebox";
import { ENTITIES, type Entity } from "#common/contract/model/entities.ts";
import { Problem } from "#relay/core/problem.ts";
import type { StoredVersion } from "#relay/core/records/record-reads.ts";
import { instantOf, revisionInstant } from "#relay/core/revisions.ts";
import type { ConnectionRow, Scope, StoredEvent } from "#relay/core/store.ts";
import { readScope } from "./access.ts";
import { runView } from "./history-routes.ts";
import type { HttpDeps, HttpServer } from "./http-types.ts";
import { JSON_TYPE } from "./record-routes.ts";
import { answers, Id, nullable, NullableInstant, ok, ref, schemaName } from "./schemas.ts";
import { missingRecord } from "./single-record-routes.ts";

/** `evt_<epoch>_<seq>_<index>`: of what came by a stream. */
const STREAM_EVENT = /^evt_([0-9a-f]{16})_(\d+)_(\d+)$/;

export const TraceSchema = Type.Object(
  {
    id: Type.String(),
    entity: Type.String(),
    revision: Type.Integer(),
    origin: Type.String({ description: "Why it came", examples: ["change"] }),
    source: Type.Object(
      {
        connection_id: Type.String(),
        connection: nullable(Type.String({ description: "The connection's name" })),
        system: nullable(Type.String()),
        table: nullable(Type.String()),
        remote_key: Type.Unknown(),
        remote_version: nullable(Type.String()),
        remote_updated_at: nullable(Type.String({ description: "When the source says it changed" })),
        read_at: NullableInstant,
        sync_run: nullable(ref("SyncRunRef")),
      },
      { description: "Where it was read, by the plant's clock" },
    ),
    mapping: Type.Object(
      {
        mapping_version: Type.String(),
        pack: nullable(Type.String({ description: "Where this mapping is the connection's today" })),
        is_current: nullable(Type.Boolean({ description: "Whether the connection maps like this today" })),
      },
      { description: "How its row became the record" },
    ),
    batch: nullable(
      Type.Object(
        {
          agent_id: nullable(Type.String({ description: "Who serves the connection today" })),
          epoch: Type.String(),
          seq: Type.Integer(),
          entry: Type.Integer({ description: "Its place among the batch's events" }),
        },
        { description: "What carried it to the relay; null once its event is no longer held" },
      ),
    ),
    commit: Type.Object(
      { at: Type.String({ format: "date-time" }), revision: Type.Integer(), content_hash: Type.String() },
      { description: "When it became durable in the relay" },
    ),
    event: nullable(
      Type.Object(
        {
          id: Type.String(),
          type: Type.String(),
          position: Type.Integer(),
          at: Type.String({ format: "date-time" }),
        },
        { description: "How the feed tells of it; null once it is no longer held" },
      ),
    ),
  },
  { $id: "RecordTrace", description: "The way of one version of a record from its source to the feed" },
);

const Query = Type.Object(
  {
    revision: Type.Optional(
      Type.Integer({ minimum: 1, description: "Of an earlier version; the one that holds if not given" }),
    ),
  },
  { additionalProperties: false },
);

export function addTrace(app: HttpServer, deps: HttpDeps, entity: Entity): void {
  const { path, title } = ENTITIES[entity];
  const schema = {
    operationId: `trace${schemaName(entity)}`,
    tags: [`${title}s`],
    summary: `Trace of one ${title.toLowerCase()}`,
    description:
      "Why is this value so? From the read at the source over mapping and batch to commit and event, each with its time. What is no longer held is null.",
    params: Type.Object({ id: Id }),
    querystring: Query,
    response: answers({ 200: ok("The way of a version", ref("RecordTrace")) }, [400, 401, 403, 404]),
  };
  app.get(`/v1/${path}/:id/trace`, {
    schema,
    config: { access: "read" },
    handler: async (request, reply) => {
      const scope = readScope(request);
      const { id } = request.params;
      const trace = await traceOf(deps, scope, entity, id, request.query.revision);
      reply.header("cache-control", "no-store").type(JSON_TYPE);
      return reply.send(JSON.stringify(trace));
    },
  });
}

async function traceOf(
  deps: HttpDeps,
  scope: Scope,
  entity: Entity,
  id: string,
  revision: number | undefined,
): Promise<object> {
  const { reader, directory } = deps.store;
  const newest = await reader.versions(scope, entity, id, { before: undefined, limit: 1 });
  if (newest === undefined) throw await missingRecord(deps, scope, entity, id);
  const { connectionId } = newest;
  const at = revision ?? newest.versions[0]?.revision ?? 0;
  const version = await reader.versionAt(scope, entity, id, at);
  if (version === undefined || version === "too_old" || version.revision !== at) {
    const detail = `The record has no version ${at}, or it is not held any more. GET …/${id}/history lists what is.`;
    throw new Problem("NOT_FOUND", detail, { errors: [{ pointer: "#/query/revision", detail }] });
  }
  const own = { workspaceId: scope.workspaceId, connectionIds: [connectionId] };
  const connection = await directory.connection(own, connectionId);
  const [next] = await reader.listEvents(own, version.revision - 1, 1);
  const event = next?.position === version.revision && next.recordId === id ? next : undefined;
  const { readAtMs } = version;
  const run =
    readAtMs === undefined ? undefined : await reader.syncRunAt(own, connectionId, entity, readAtMs);
  return {
    id,
    entity,
    revision: version.revision,
    origin: version.origin,
    source: {
      ...sourceOf(version, connectionId, connection),
      read_at: readAtMs === undefined ? null : instantOf(readAtMs),
      sync_run: run === undefined ? null : runView(run),
    },
    mapping: mappingOf(version, connection),
    batch: batchOf(event, connection),
    commit: {
      at: revisionInstant(version.revision),
      revision: version.revision,
      content_hash: version.hash,
    },
    event: event === undefined ? null : eventOf(event),
  };
}

function sourceOf(
  { text, version }: StoredVersion,
  connectionId: string,
  connection: ConnectionRow | undefined,
): object {
  const record = JSON.parse(text) as {
    readonly remote_key?: unknown;
    readonly remote_updated_at?: string | null;
    readonly source?: { readonly system?: string; readonly table?: string };
  };
  return {
    connection_id: connectionId,
    connection: connection?.name ?? null,
    system: record.source?.system ?? null,
    table: record.source?.table ?? null,
    remote_key: record.remote_key ?? null,
    remote_version: version ?? null,
    remote_updated_at: record.remote_updated_at ?? null,
  };
}

function mappingOf({ mappingVersion }: StoredVersion, connection: ConnectionRow | undefined): object {
  const description = connection?.description;
  const isCurrent = description === undefined ? null : description.mapping_version === mappingVersion;
  return {
    mapping_version: mappingVersion,
    pack: isCurrent === true ? (description?.pack ?? null) : null,
    is_current: isCurrent,
  };
}

function batchOf(event: StoredEvent | undefined, connection: ConnectionRow | undefined): object | null {
  const [, epoch, seq, entry] = STREAM_EVENT.exec(event?.id ?? "") ?? [];
  if (epoch === undefined) return null;
  return { agent_id: connection?.agentId ?? null, epoch, seq: Number(seq), entry: Number(entry) };
}

function eventOf({ id, type, position, atMs }: StoredEvent): object {
  return { id, type, position, at: instantOf(atMs) };
}
