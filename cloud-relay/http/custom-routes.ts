// Records of entities beyond the model: which there are, their lists and single records, by the parts of all other entities.
import type { FastifyRequest } from "fastify";
import { Type, type Static } from "typebox";
import { ENTITIES, isEntity } from "#common/contract/model/entities.ts";
import { didYouMean } from "#common/runtime/nearest-match.ts";
import { Problem } from "#relay/core/problem.ts";
import type { ConnectionRow } from "#relay/core/store.ts";
import { narrowedScope, readScope, requireEntity, visibleEntity } from "./access.ts";
import type { HttpDeps, HttpServer } from "./http-types.ts";
import { CUSTOM_LIST_QUERY, CUSTOM_ONE_QUERY } from "./record-query.ts";
import { HISTORY_DESCRIPTION, historyPage, HistoryQuery } from "./history-routes.ts";
import { JSON_TYPE, LIST_DESCRIPTION, listSchema, sendList, type RecordRouteParts } from "./record-routes.ts";
import { answers, ConnectionParameter, Id, listOf, ok, ref } from "./schemas.ts";
import { ONE_DESCRIPTION, OneHeaders, sendOne } from "./single-record-routes.ts";

const TAGS = ["Custom entities"];
/** Entities that a refusal names. */
const MAX_NAMED = 30;

export const CustomEntitySchema = Type.Object(
  {
    entity: Type.String({ examples: ["tool"] }),
    path: Type.String({ description: "Of its list", examples: ["/v1/custom/tool"] }),
    connections: Type.Array(
      Type.Object({
        connection_id: Type.String(),
        table: Type.String({ description: "Where the connection has it from", examples: ["TOOL"] }),
        key: Type.Array(Type.String(), { description: "Columns of the key, in order" }),
        live: Type.Boolean({ description: "Whether source=live works" }),
        custom_fields: Type.Array(Type.String(), { description: "By the source's own names" }),
      }),
      { description: "Those that offer it" },
    ),
  },
  { $id: "CustomEntity", description: "An entity beyond the model, as the agents have described it" },
);
type CustomEntity = Static<typeof CustomEntitySchema>;

const Entity = Type.String({
  minLength: 1,
  maxLength: 100,
  description: "As GET /v1/custom and events name it",
  examples: ["tool"],
});

export function addCustomRoutes(app: HttpServer, deps: HttpDeps, parts: RecordRouteParts): void {
  addCustomEntities(app, deps);
  addCustomList(app, deps, parts);
  addCustomRecord(app, deps, parts);
  addCustomHistory(app, deps);
}

function addCustomEntities(app: HttpServer, deps: HttpDeps): void {
  const schema = {
    operationId: "listCustomEntities",
    tags: TAGS,
    summary: "Entities beyond the model",
    description:
      "Tables of the sources that connections read as entities of their own, as the agents last described them. By name.",
    querystring: Type.Object({ connection_id: ConnectionParameter }, { additionalProperties: false }),
    response: answers(
      { 200: ok("All that the token may see", Type.Object({ data: Type.Array(ref("CustomEntity")) })) },
      [400, 401, 403, 404],
    ),
  };
  app.get("/v1/custom", {
    schema,
    config: { access: "read", narrowsEntities: true },
    handler: async (request) => ({ data: await offered(deps, request, request.query.connection_id) }),
  });
}

function addCustomList(app: HttpServer, deps: HttpDeps, parts: RecordRouteParts): void {
  const schema = {
    operationId: "listCustomRecords",
    tags: TAGS,
    summary: "List records of an entity beyond the model",
    description: LIST_DESCRIPTION,
    params: Type.Object({ entity: Entity }),
    querystring: CUSTOM_LIST_QUERY,
    response: answers(
      { 200: ok("A page of its records", listSchema("CustomRecord")) },
      [400, 401, 403, 404, 410, 503],
      "records",
    ),
  };
  app.get("/v1/custom/:entity", {
    schema,
    config: { access: "read", narrowsEntities: true },
    handler: async (request, reply) => {
      const { entity } = request.params;
      await requireCustom(deps, request, entity);
      return sendList(deps, parts, entity, { request, reply });
    },
  });
}

function addCustomRecord(app: HttpServer, deps: HttpDeps, parts: RecordRouteParts): void {
  const schema = {
    operationId: "getCustomRecord",
    tags: TAGS,
    summary: "Get one record of an entity beyond the model",
    description: ONE_DESCRIPTION,
    params: Type.Object({ entity: Entity, id: Id }),
    querystring: CUSTOM_ONE_QUERY,
    headers: OneHeaders,
    response: answers(
      { 200: ok("The record", ref("CustomRecord")), 304: { description: "Not changed", type: "null" } },
      [400, 401, 403, 404, 429, 501, 502, 503, 504],
      "live",
    ),
  };
  app.get("/v1/custom/:entity/:id", {
    schema,
    config: { access: "read", narrowsEntities: true },
    handler: async (request, reply) => {
      const { entity } = request.params;
      await requireCustom(deps, request, entity);
      return sendOne(deps, parts, request.params, { request, reply });
    },
  });
}

function addCustomHistory(app: HttpServer, deps: HttpDeps): void {
  const schema = {
    operationId: "listCustomRecordVersions",
    tags: TAGS,
    summary: "History of one record of an entity beyond the model",
    description: HISTORY_DESCRIPTION,
    params: Type.Object({ entity: Entity, id: Id }),
    querystring: HistoryQuery,
    response: answers(
      { 200: ok("A page of versions", listOf(ref("RecordVersion"), "A page of versions")) },
      [400, 401, 403, 404, 410],
    ),
  };
  app.get("/v1/custom/:entity/:id/history", {
    schema,
    config: { access: "read", narrowsEntities: true },
    handler: async (request, reply) => {
      const { entity, id } = request.params;
      await requireCustom(deps, request, entity);
      const page = await historyPage(deps, readScope(request), entity, id, request.query);
      reply.header("cache-control", "no-store").type(JSON_TYPE);
      return reply.send(page);
    },
  });
}

/** @throws Problem INSUFFICIENT_SCOPE for a token of other entities, NOT_FOUND with what there is */
async function requireCustom(deps: HttpDeps, request: FastifyRequest, entity: string): Promise<void> {
  requireEntity(request, entity);
  if (isEntity(entity)) {
    const detail = `${entity} is an entity of the model: GET /v1/${ENTITIES[entity].path}.`;
    throw new Problem("NOT_FOUND", detail);
  }
  const known = (await offered(deps, request, undefined)).map(({ entity: name }) => name);
  if (known.includes(entity)) return;
  const hint = didYouMean(entity, known);
  const names = known.length === 0 ? "none" : known.slice(0, MAX_NAMED).join(", ");
  throw new Problem(
    "NOT_FOUND",
    `No connection that this token may see offers an entity ${entity}${hint}; offered: ${names}. GET /v1/custom tells more.`,
  );
}

async function offered(
  deps: HttpDeps,
  request: FastifyRequest,
  connectionId: string | undefined,
): Promise<readonly CustomEntity[]> {
  const { directory } = deps.store;
  const scope = await narrowedScope(directory, readScope(request), connectionId);
  const found = new Map<string, CustomEntity>();
  for (const connection of await directory.connections(scope)) addOffers(found, connection);
  return [...found.values()]
    .filter(({ entity }) => visibleEntity(request, entity))
    .toSorted((one, other) => (one.entity < other.entity ? -1 : 1));
}

function addOffers(found: Map<string, CustomEntity>, { id, description }: ConnectionRow): void {
  for (const { entity, table, key, live, custom_fields } of description?.entities ?? []) {
    if (isEntity(entity)) continue;
    const known = found.get(entity) ?? { entity, path: `/v1/custom/${entity}`, connections: [] };
    known.connections.push({
      connection_id: id,
      table,
      key: [...key],
      live,
      custom_fields: [...custom_fields],
    });
    found.set(entity, known);
  }
}
