// What a workspace may ask of a connection's syncs, as far as the plant allows it: sync, re-sync, cancel, pause, resume, test.
import type { FastifyRequest } from "fastify";
import { Type, type Static } from "typebox";
import type { OperateBody } from "#common/contract/commands.ts";
import { problemOf } from "#relay/core/commands/command-problem.ts";
import { requireConnected, requireSource } from "#relay/core/connections/reachability.ts";
import { Problem } from "#relay/core/problem.ts";
import type { ConnectionRow } from "#relay/core/store.ts";
import { readScope, requireEntity } from "./access.ts";
import { connectionInScope } from "./connection-routes.ts";
import type { HttpDeps, HttpServer } from "./http-types.ts";
import { requireKnownEntity } from "./known-entity.ts";
import { answers, Id, nullable, ok, ref } from "./schemas.ts";
import { traceOf } from "./trace-context.ts";

/** The agent answers at once; what it begins goes on afterwards. */
const OPERATE_TIMEOUT_MS = 10_000;
/** Opening a source anew takes as long as its driver's own limits. */
const TEST_TIMEOUT_MS = 30_000;
const PROBLEMS = [400, 401, 403, 404, 409, 413, 415, 422, 429, 501, 502, 503, 504];

export const SyncRequestSchema = Type.Object(
  {
    connection_id: Type.String(),
    action: Type.String({ examples: ["sync"] }),
    entity: nullable(Type.String({ description: "null: all of them", examples: ["purchase_order"] })),
    follow: Type.String({
      description: "Where to see what becomes of it",
      examples: ["/v1/connections/0198f2c1-7a51-7c1e-9f6e-4a1b2c3d4e5f/syncs"],
    }),
  },
  { $id: "SyncRequest", description: "The agent has taken it" },
);

export const SourceTestSchema = Type.Object(
  {
    connection_id: Type.String(),
    reachable: Type.Boolean(),
    took_ms: nullable(Type.Number({ description: "To open the source anew, with login" })),
  },
  { $id: "SourceTest", description: "The source was opened anew and answered" },
);

type Action = OperateBody["action"];

interface Control {
  readonly path: string;
  readonly action: Action;
  readonly operationId: string;
  readonly summary: string;
  readonly text: string;
  readonly takesEntity: boolean;
}

const CONTROLS: readonly Control[] = [
  {
    path: "sync",
    action: "sync",
    operationId: "syncConnection",
    summary: "Read now",
    text: "Looks for changes at once instead of at the next scheduled time.",
    takesEntity: true,
  },
  {
    path: "resync",
    action: "resync",
    operationId: "resyncConnection",
    summary: "Read everything anew",
    text: "Reads all rows again and compares. Records that are the same make no event; what is gone is deleted, unless it is so much that somebody is asked.",
    takesEntity: true,
  },
  {
    path: "cancel",
    action: "cancel",
    operationId: "cancelSync",
    summary: "Cancel what is being read",
    text: "What was read stays; the next scheduled pass goes on. With nothing under way: 409 CONFLICT.",
    takesEntity: true,
  },
  {
    path: "pause",
    action: "pause",
    operationId: "pauseConnection",
    summary: "Pause",
    text: "Nothing is read until it is resumed. Live reads and writes go on.",
    takesEntity: false,
  },
  {
    path: "resume",
    action: "resume",
    operationId: "resumeConnection",
    summary: "Resume",
    text: "A pause that was made at the plant is ended only there.",
    takesEntity: false,
  },
];

export function addSyncControlRoutes(app: HttpServer, deps: HttpDeps): void {
  for (const control of CONTROLS) addControl(app, deps, control);
  const test = {
    operationId: "testConnection",
    tags: ["Sync"],
    summary: "Test whether the source answers",
    description: "The agent opens the source anew, with its login. Not more often than every few seconds.",
    params: Type.Object({ id: Id }),
    querystring: Type.Object({}, { additionalProperties: false }),
    response: answers({ 200: ok("It answers", ref("SourceTest")) }, PROBLEMS, "command"),
  };
  app.post("/v1/connections/:id/test", {
    schema: test,
    config: { access: "write", narrowsEntities: true },
    handler: async (request) => {
      const connection = await connectionInScope(deps, readScope(request), request.params.id);
      requireConnected(connection);
      const result = await asked(deps, connection, "test", {}, TEST_TIMEOUT_MS, request);
      const took = (result as { readonly took_ms?: unknown } | undefined)?.took_ms;
      return {
        connection_id: connection.id,
        reachable: true,
        took_ms: typeof took === "number" ? took : null,
      };
    },
  });
}

function addControl(app: HttpServer, deps: HttpDeps, control: Control): void {
  const { path, action, operationId, summary, text, takesEntity } = control;
  const entity = Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 100,
      description: "Only this one; all of them if not given",
      examples: ["purchase_order"],
    }),
  );
  const schema = {
    operationId,
    tags: ["Sync"],
    summary,
    description: `${text} The plant's own file decides whether the relay may ask for it (403 NOT_ALLOWED_BY_PLANT).`,
    params: Type.Object({ id: Id }),
    querystring: Type.Object(takesEntity ? { entity } : {}, { additionalProperties: false }),
    response: answers({ 202: ok("The agent has taken it", ref("SyncRequest")) }, PROBLEMS, "command"),
  };
  app.post(`/v1/connections/:id/${path}`, {
    schema,
    config: { access: "write", narrowsEntities: true },
    handler: async (request, reply) => {
      const { entity: only } = request.query as { readonly entity?: string };
      mayOperate(request, only);
      const connection = await connectionInScope(deps, readScope(request), request.params.id);
      if (only !== undefined) requireKnownEntity([connection], only);
      if (action === "sync" || action === "resync") requireSource(connection);
      else requireConnected(connection);
      const body: OperateBody = { action, ...(only !== undefined && { entity: only }) };
      await asked(deps, connection, "operate", body, OPERATE_TIMEOUT_MS, request);
      const taken: Static<typeof SyncRequestSchema> = {
        connection_id: connection.id,
        action,
        entity: only ?? null,
        follow: `/v1/connections/${connection.id}/syncs`,
      };
      return reply.code(202).send(taken);
    },
  });
}

/** @throws Problem INSUFFICIENT_SCOPE for a token that sees some entities and asks for all, or for another */
function mayOperate(request: Parameters<typeof requireEntity>[0], entity: string | undefined): void {
  if (entity !== undefined) return requireEntity(request, entity);
  const entities = request.principal?.entities;
  if (entities === undefined) return;
  throw new Problem(
    "INSUFFICIENT_SCOPE",
    `The token sees ${entities.join(", ")} only. Name one of them as \`entity\`.`,
  );
}

async function asked(
  deps: HttpDeps,
  connection: ConnectionRow,
  kind: "operate" | "test",
  body: object,
  timeoutMs: number,
  request: FastifyRequest,
): Promise<unknown> {
  const { signal } = request;
  const result = await deps.commands.ask({ connection, kind, body, timeoutMs, signal, ...traceOf(request) });
  if (result.outcome !== "succeeded") throw problemOf(result, connection);
  return result.result;
}
