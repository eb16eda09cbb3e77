// The change feed: JSON pages by cursor, or server-sent events from the same positions.
import type { ServerResponse } from "node:http";
import type { FastifyReply, FastifyRequest } from "fastify";
import { Type } from "typebox";
import { didYouMean } from "#common/runtime/nearest-match.ts";
import { invalidRequest } from "#relay/core/administration.ts";
import { cursorRevision, fingerprint } from "#relay/core/cursors.ts";
import { Problem } from "#relay/core/problem.ts";
import type { Scope } from "#relay/core/store.ts";
import { EVENT_TYPES, eventTypeOf } from "#relay/core/webhooks/event-types.ts";
import { narrowedScope, readScope } from "./access.ts";
import type { Authenticator } from "./authenticator.ts";
import type { SessionAuthenticator } from "./session-authenticator.ts";
import { streamEvents } from "./event-stream.ts";
import { eventCursor, eventText, type FeedContext } from "./event-text.ts";
import type { HttpDeps, HttpServer } from "./http-types.ts";
import { visibleEvents, type VisibleEvents } from "./visible-events.ts";
import { OpenAnswers, writeAndDrain } from "./long-answers.ts";
import { cursorContext, cursorPosition, DEFAULT_LIMIT } from "./paging.ts";
import { JSON_TYPE } from "./record-routes.ts";
import { answers, ConnectionParameter, Instant, Limit, nullable, ref } from "./schemas.ts";

/** Streams open at once, in this process and for one token. */
const MAX_STREAMS = 1_000;
const MAX_STREAMS_PER_TOKEN = 20;
const MAX_TYPES = 50;

export const EventSchema = Type.Object(
  {
    id: Type.String({ description: "Stable: the same event has the same id wherever it is delivered" }),
    type: Type.String({
      examples: ["purchase_order.updated", "sync.completed", "connection.offline", "gap.recorded"],
    }),
    position: Type.Integer({ description: "Only grows; of record events it is the record's revision" }),
    cursor: Type.String({ description: "Resumes right after this event" }),
    at: Instant,
    workspace_id: Type.String(),
    connection_id: nullable(Type.String()),
    entity: nullable(Type.String({ examples: ["purchase_order"] })),
    record_id: nullable(Type.String()),
    origin: nullable(Type.String({ description: "change, snapshot, reconcile, remap or backfill" })),
    data: Type.Record(Type.String(), Type.Unknown(), { description: "What belongs to the type" }),
  },
  { $id: "Event", description: "One event of the workspace's feed" },
);

const Query = Type.Object(
  {
    limit: Limit,
    cursor: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 1_000,
        description:
          "`next_cursor` or an event's `cursor`; `latest` for what comes from now on; without it, from the oldest event held",
      }),
    ),
    types: Type.Optional(
      Type.String({
        maxLength: 2_000,
        description: "Only these types, separated by commas",
        examples: ["purchase_order.updated,vendor.created"],
      }),
    ),
    connection_id: ConnectionParameter,
  },
  { additionalProperties: false },
);

const Headers = Type.Object({
  "last-event-id": Type.Optional(
    Type.String({
      maxLength: 1_000,
      description: "Of a stream: the id of the last event received; wins over `cursor`",
    }),
  ),
});

const DESCRIPTION = `Every change of the workspace, or of the connection that the token belongs to, in one order that only grows. The polling backup of webhooks: keep \`next_cursor\`, ask again, miss nothing.

With \`Accept: text/event-stream\` the answer is a live stream of server-sent events; each \`id\` is a cursor, and \`Last-Event-ID\` resumes right after it without loss or repeat. A comment line is sent every 15 s; the stream ends when the token is revoked or the relay stops, after an \`error\` event where there is something to say.

A token that sees some entities only is given the events of these, and those that are of no entity, such as a connection's state; a page of it may then hold fewer events than \`limit\`, and \`has_more\` says whether to go on.

Events are held for a stated time (30 days unless the operator says otherwise); an older cursor answers 410 CURSOR_EXPIRED: list the records again and go on with \`cursor=latest\` from before the listing.`;

export function addEventRoutes(
  app: HttpServer,
  deps: HttpDeps,
  authenticator: Authenticator,
  sessions: SessionAuthenticator,
): void {
  const open = new OpenAnswers({ perToken: MAX_STREAMS_PER_TOKEN, inAll: MAX_STREAMS });
  const schema = {
    operationId: "listEvents",
    tags: ["Events"],
    summary: "Change feed",
    description: DESCRIPTION,
    querystring: Query,
    headers: Headers,
    response: answers(
      {
        200: {
          description: "A page of events, or a stream of them",
          content: {
            "application/json": {
              schema: Type.Object({
                data: Type.Array(ref("Event")),
                next_cursor: Type.String({ description: "Always there: ask again with it, now or later" }),
                has_more: Type.Boolean({ description: "Whether more events are held already" }),
              }),
            },
            "text/event-stream": { schema: Type.String({ description: "data of each event: Event" }) },
          },
        },
      },
      [400, 401, 403, 404, 406, 410, 429],
      "stream",
    ),
  };
  app.get("/v1/events", {
    schema,
    config: { access: "read", narrowsEntities: true },
    handler: async (request, reply) => {
      const { query } = request;
      const wantsStream = acceptsStream(request.headers.accept);
      const scope = await narrowedScope(deps.store.directory, readScope(request), query.connection_id);
      const context = await cursorContext(deps.store, fingerprint(["feed", scope.workspaceId]));
      const visible = visibleEvents(request.principal?.entities, typesOf(query.types));
      const lastEventId = wantsStream ? request.headers["last-event-id"] || undefined : undefined;
      const after = await startOf(deps, scope, lastEventId ?? query.cursor, context);
      if (!wantsStream) return sendPage(deps, reply, { scope, after, visible, context, limit: query.limit });
      const release = open.admit(request.principal?.tokenId ?? "", tooMany);
      const reauthenticate = (): Promise<unknown> =>
        sessions.isSession(request)
          ? sessions.authenticate(request)
          : authenticator.authenticate(request.headers.authorization);
      await serveStream({ deps, reauthenticate, request, reply, scope, after, visible, context }).finally(
        release,
      );
      return reply;
    },
  });
}

interface FeedQuery {
  readonly scope: Scope;
  readonly after: number;
  readonly visible: VisibleEvents;
  readonly context: FeedContext;
}

async function sendPage(
  deps: HttpDeps,
  reply: FastifyReply,
  query: FeedQuery & { readonly limit: number | undefined },
): Promise<FastifyReply> {
  const { scope, after, visible, context } = query;
  const limit = query.limit ?? DEFAULT_LIMIT;
  // Asked for before the page is read: whatever is in scope up to there is in this page, if the page is the last.
  const { newest } = await deps.store.reader.feedBounds(scope.workspaceId);
  const found = await deps.store.reader.listEvents(scope, after, limit + 1, visible.types);
  const events = found.slice(0, limit);
  const reached = events.at(-1)?.position ?? after;
  const next = eventCursor(found.length > limit ? reached : Math.max(reached, newest), context);
  const seen = events.filter((event) => visible.sees(event));
  const data = seen.map((event) => eventText(event, context)).join(",");
  const text = `{"data":[${data}],"next_cursor":"${next}","has_more":${found.length > limit}}`;
  return reply.header("cache-control", "no-store").type(JSON_TYPE).send(text);
}

interface StreamRequest extends FeedQuery {
  readonly deps: HttpDeps;
  /** @throws Problem when the token or the session has ended */
  readonly reauthenticate: () => Promise<unknown>;
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
}

async function serveStream(stream: StreamRequest): Promise<void> {
  const { deps, reply, request, scope, context } = stream;
  const response = beginStream(reply);
  const gone = new AbortController();
  response.once("close", () => gone.abort());
  deps.metrics.eventStreams.inc();
  try {
    await streamEvents(
      {
        reader: deps.store.reader,
        bus: deps.bus,
        clock: deps.clock,
        signal: AbortSignal.any([gone.signal, deps.stopping]),
        write: (text) => writeAndDrain(response, text, gone.signal),
        check: async (position) => {
          await stream.reauthenticate();
          await checkHeld(deps, scope, position, context);
        },
      },
      stream,
    );
  } catch (error) {
    deps.logger.error({ requestId: request.id, err: error }, "event stream failed");
  } finally {
    deps.metrics.eventStreams.dec();
    response.end();
  }
}

/** From here on Fastify leaves the response to us. */
function beginStream(reply: FastifyReply): ServerResponse {
  const headers = reply.getHeaders();
  reply.hijack();
  reply.raw.writeHead(200, {
    ...(headers as Record<string, string>),
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-store, no-transform",
    "x-accel-buffering": "no",
  });
  reply.raw.flushHeaders();
  return reply.raw;
}

function tooMany(own: number): string {
  return `There are ${own} streams open with this token; ${MAX_STREAMS_PER_TOKEN} are possible. Close one, or poll by cursor.`;
}

async function startOf(
  deps: HttpDeps,
  scope: Scope,
  cursor: string | undefined,
  context: FeedContext,
): Promise<number> {
  const { oldest, newest } = await deps.store.reader.feedBounds(scope.workspaceId);
  if (cursor === undefined) return Math.max(0, oldest - 1);
  if (cursor === "latest") return newest;
  const position = cursorRevision(cursorPosition(cursor, "feed", context) ?? "");
  await checkHeld(deps, scope, position, context);
  return position;
}

/** A position is held as long as nothing after it was trimmed. @throws Problem CURSOR_EXPIRED */
async function checkHeld(
  deps: HttpDeps,
  scope: Scope,
  position: number,
  context: FeedContext,
): Promise<void> {
  const { oldest } = await deps.store.reader.feedBounds(scope.workspaceId);
  if (position + 1 >= oldest && (await deps.store.generation()) === context.generation) return;
  throw new Problem(
    "CURSOR_EXPIRED",
    "Events after this cursor are no longer held. Take `cursor=latest`, list the records once, and go on from that cursor; revisions tell what you already have.",
  );
}

function typesOf(text: string | undefined): readonly string[] | undefined {
  if (text === undefined) return undefined;
  const types = text.split(",").map((type) => type.trim());
  if (types.length <= MAX_TYPES && types.every((type) => /^[a-z_][a-z0-9_]*\.[a-z_]+$/.test(type))) {
    const names = EVENT_TYPES.map(({ type }) => type);
    for (const type of types) {
      if (eventTypeOf(type) !== undefined) continue;
      const hint = didYouMean(type, names) || `; GET /v1/webhook-event-types lists them`;
      const unknown = `there is no event type ${type.slice(0, 100)}${hint}`;
      throw invalidRequest("The request is not valid", [{ pointer: "#/query/types", detail: unknown }]);
    }
    return types;
  }
  const detail = `must be at most ${MAX_TYPES} event types like purchase_order.updated, separated by commas`;
  throw invalidRequest("The request is not valid", [{ pointer: "#/query/types", detail }]);
}

function acceptsStream(accept: string | undefined): boolean {
  if (accept === undefined) return false;
  const kinds = accept.split(",").map((kind) => kind.split(";")[0]?.trim().toLowerCase() ?? "");
  if (kinds.includes("text/event-stream")) return true;
  if (kinds.some((kind) => ["application/json", "application/*", "*/*", ""].includes(kind))) return false;
  throw new Problem("NOT_ACCEPTABLE", "The feed comes as application/json or text/event-stream.");
}
