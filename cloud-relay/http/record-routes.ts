// Lists of every entity's records, from one factory over the model's list of entities.
import type { FastifyReply, FastifyRequest } from "fastify";
import { Type } from "typebox";
import { ENTITIES, type Entity } from "#common/contract/model/entities.ts";
import { cursorRevision, fingerprint } from "#relay/core/cursors.ts";
import type { ConnectionRow, Scope } from "#relay/core/store.ts";
import { narrowedScope, readScope } from "./access.ts";
import { freshnessMember, refuseIfAway, type RecentConnections } from "./freshness.ts";
import type { HttpDeps, HttpServer } from "./http-types.ts";
import { numberedPage } from "./numbered-page.ts";
import type { PageCache } from "./page-cache.ts";
import type { PageMarks } from "./page-marks.ts";
import { cursorContext, cursorPosition } from "./paging.ts";
import { nextCursor, recordPage, recordTexts, type PageRequest } from "./record-page.ts";
import { listText } from "#relay/core/records/record-text.ts";
import { listQuerySchema, readListQuery, type ListRequest, type QueryText } from "./record-query.ts";
import { answers, listOf, ok, PageMeta, ref, schemaName } from "./schemas.ts";

export const JSON_TYPE = "application/json; charset=utf-8";
/** May be kept by the caller alone, and only with a check of its ETag. */
export const REVALIDATE = "private, no-cache";
/** Do not make another list of a cursor's: they may change on the way, or are the way. */
const NOT_FILTERS = new Set(["limit", "cursor", "include", "fields", "expand", "page", "per_page"]);

/** What the routes of all entities share. */
export interface RecordRouteParts {
  readonly cache: PageCache;
  readonly marks: PageMarks;
  readonly recent: RecentConnections;
}

export const LIST_DESCRIPTION = `In the order in which they last changed (by \`revision\`). A walk along \`next_cursor\` never skips a record, whatever is written meanwhile; a record that changes during the walk comes again with its greater revision. All filters must hold.

With filters a page may have fewer items than \`limit\`, even none, and yet a \`next_cursor\`: a request looks through a bounded number of records. With \`page\` and \`per_page\` the answer also has \`meta\`; its \`next_cursor\` goes on without page numbers.`;

export function addRecordList(
  app: HttpServer,
  deps: HttpDeps,
  entity: Entity,
  parts: RecordRouteParts,
): void {
  const { path, title } = ENTITIES[entity];
  const many = `${title.toLowerCase()}s`;
  const schema = {
    operationId: `list${schemaName(entity)}s`,
    tags: [`${title}s`],
    summary: `List ${many}`,
    description: LIST_DESCRIPTION,
    querystring: listQuerySchema(entity),
    response: answers(
      { 200: ok(`A page of ${many}`, listSchema(schemaName(entity))) },
      [400, 401, 403, 404, 410, 503],
      "records",
    ),
  };
  app.get(`/v1/${path}`, {
    schema,
    config: { access: "read" },
    handler: async (request, reply) => sendList(deps, parts, entity, { request, reply }),
  });
}

/** One request and where its answer goes. */
export interface Exchange {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
}

/** A page of the entity's records, of the model or beyond it, as the request's query asks for it. */
export async function sendList(
  deps: HttpDeps,
  parts: RecordRouteParts,
  entity: string,
  { request, reply }: Exchange,
): Promise<FastifyReply> {
  const query = request.query as QueryText;
  const wanted = readListQuery(entity, query);
  const own = readScope(request);
  const scope = isNarrowed(query) ? await listScope(deps, own, query) : own;
  const isPlain = wanted.shape === undefined && saysNothing(parts.recent, scope);
  const members = isPlain ? "" : await connectionMembers(deps, parts.recent, scope, entity, wanted);
  reply.header("cache-control", REVALIDATE).type(JSON_TYPE);
  const list: ListPage = { request, entity, scope, wanted, members };
  if (wanted.page !== undefined) return reply.send(await byNumber(deps, parts, list, wanted.page));
  return reply.send(await byCursor(deps, parts, list, query));
}

/** `name`: of the items' schema. */
export function listSchema(name: string): ReturnType<typeof listOf> {
  const list = listOf(ref(name), "A page of records") as ReturnType<typeof Type.Object>;
  return Type.Object(
    {
      ...list.properties,
      meta: Type.Optional(PageMeta),
      freshness: Type.Optional(ref("Freshness")),
    },
    { description: "A page of records; by page number it has `meta` too" },
  );
}

interface ListPage {
  readonly request: FastifyRequest;
  readonly entity: string;
  readonly scope: Scope;
  readonly wanted: ListRequest;
  readonly members: string;
}

async function byCursor(
  deps: HttpDeps,
  { cache }: RecordRouteParts,
  { request, entity, scope, wanted, members }: ListPage,
  query: QueryText,
): Promise<Buffer | string> {
  const context = await cursorContext(deps.store, queryFingerprint(entity, readScope(request), query));
  const position = cursorPosition(query["cursor"] as string | undefined, "records", context);
  const afterRevision = position === undefined ? wanted.afterRevision : cursorRevision(position);
  const { filter, shape } = wanted;
  const page: PageRequest = {
    entity,
    scope,
    query: { ...wanted.query, afterRevision },
    context,
    url: request.url,
    filter,
    shape,
    entities: request.principal?.entities,
    members,
  };
  return recordPage(deps.store, cache, page);
}

async function byNumber(
  deps: HttpDeps,
  { marks }: RecordRouteParts,
  { request, entity, scope, wanted, members }: ListPage,
  page: number,
): Promise<string> {
  const { afterRevision, filter, shape } = wanted;
  const query = { ...wanted.query, afterRevision };
  const { page: _page, ...rest } = request.query as QueryText;
  const who = [request.principal?.tokenId, scope.workspaceId, entity];
  const walk = deps.entropy.sha256Hex(JSON.stringify([...who, scope.connectionIds, rest]));
  const found = await numberedPage(deps.store.reader, marks, { scope, query, filter, page, walk });
  const entities = request.principal?.entities;
  const texts = await recordTexts(deps.store, { entity, scope, shape, entities }, found.records);
  const print = queryFingerprint(entity, readScope(request), request.query as QueryText);
  const context = await cursorContext(deps.store, print);
  const last = found.remaining > 0 ? found.records.at(-1)?.revision : undefined;
  return listText(texts, nextCursor(last, context), `,"meta":${found.meta}${members}`);
}

function isNarrowed(query: QueryText): boolean {
  return (
    query["connection_id"] !== undefined || query["customer"] !== undefined || query["label"] !== undefined
  );
}

/** Whether a list of these connections need not say how current it is. */
function saysNothing(recent: RecentConnections, { connectionIds }: Scope): boolean {
  const [only] = connectionIds ?? [];
  return only === undefined || connectionIds?.length !== 1 || recent.isThere(only);
}

/** Narrowed to a connection, or to those of a customer or with a label. */
async function listScope(deps: HttpDeps, scope: Scope, query: QueryText): Promise<Scope> {
  const { connection_id: connectionId, customer, label } = query;
  const { directory } = deps.store;
  const narrowed =
    connectionId === undefined ? scope : await narrowedScope(directory, scope, String(connectionId));
  if (customer === undefined && label === undefined) return narrowed;
  const connections = await directory.connections(narrowed);
  const ids = connections.filter((each) => isOf(each, customer, label)).map(({ id }) => id);
  return { workspaceId: scope.workspaceId, connectionIds: ids };
}

function isOf(connection: ConnectionRow, customer: QueryText[string], label: QueryText[string]): boolean {
  if (customer !== undefined && connection.customer !== customer) return false;
  if (label === undefined) return true;
  const [name = "", ...value] = String(label).split(":");
  const own = Object.hasOwn(connection.labels, name) ? connection.labels[name] : undefined;
  return own !== undefined && (value.length === 0 || own === value.join(":"));
}

/** Of a list of one connection: how current it is. @throws Problem where that connection's stored records are refused now */
async function connectionMembers(
  deps: HttpDeps,
  recent: RecentConnections,
  scope: Scope,
  entity: string,
  { shape }: ListRequest,
): Promise<string> {
  const [id, ...others] = scope.connectionIds ?? [];
  if (id === undefined || others.length > 0) return "";
  const connection = await recent.of(scope, id);
  await refuseIfAway(deps.store, connection);
  return freshnessMember(deps, connection, entity, shape?.withFreshness === true);
}

/** What a cursor is bound to: all that makes it another list. */
function queryFingerprint(entity: string, scope: Scope, query: QueryText): string {
  const filters: (string | number | boolean | undefined)[] = [];
  for (const name of Object.keys(query).sort()) {
    if (!NOT_FILTERS.has(name)) filters.push(name, query[name]);
  }
  return fingerprint([entity, scope.workspaceId, ...(scope.connectionIds ?? []), ...filters]);
}
