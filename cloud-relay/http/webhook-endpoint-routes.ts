// Webhook endpoints over the API: make, list, change, delete them, turn secrets over.
import type { FastifyRequest } from "fastify";
import { Type, type Static } from "typebox";
import { invalidRequest } from "#relay/core/administration.ts";
import { fingerprint } from "#relay/core/cursors.ts";
import { Problem } from "#relay/core/problem.ts";
import type { Scope } from "#relay/core/store.ts";
import type { EndpointSettings } from "#relay/core/webhooks/endpoint-check.ts";
import type { EndpointTransport } from "#relay/core/webhooks/endpoint.ts";
import type { WithSecret } from "#relay/core/webhooks/endpoints.ts";
import type { StoredEndpoint } from "#relay/core/webhooks/webhook-store.ts";
import type { Webhooks } from "#relay/core/webhooks/webhooks.ts";
import { narrowedScope, readScope } from "./access.ts";
import type { HttpDeps, HttpServer } from "./http-types.ts";
import { LISTENER_SCHEME } from "./listener-hub.ts";
import { cursorContext, pageOf } from "./paging.ts";
import { answers, ConnectionParameter, CursorParameter, Id, Limit, listOf, ok, ref } from "./schemas.ts";
import { endpointSettings, SecretBody, SignatureBody, TransportBody } from "./webhook-schemas.ts";
import { endpointView } from "./webhook-views.ts";

export type WebhookDeps = HttpDeps & { readonly webhooks: Webhooks };

/** What figures of an endpoint are about. */
const STATS_MS = 24 * 3_600_000;
const READ_PROBLEMS = [400, 401, 403, 404, 410];
export const WRITE_PROBLEMS = [400, 401, 403, 404, 409, 413, 415];
const Params = Type.Object({ id: Id });
const SecretId = Type.String({ minLength: 1, maxLength: 100, description: "From the endpoint's `secrets`" });
const NoQuery = Type.Object({}, { additionalProperties: false });
const closed = { additionalProperties: false } as const;
const Url = Type.String({
  minLength: 1,
  maxLength: 2_000,
  description: "https, at a public address; the operator can allow networks of their own",
  examples: ["https://example.com/millrace"],
});

const NewBody = Type.Object(
  {
    connection_id: Type.Optional(
      Type.String({ maxLength: 100, description: "Only its events; a connection's token has its own" }),
    ),
    transport: Type.Optional(TransportBody),
    url: Type.Optional(Url),
    ...endpointSettings,
    signature: Type.Optional(SignatureBody),
    secret: Type.Optional(SecretBody),
  },
  closed,
);
const ChangeBody = Type.Object(
  { url: Type.Optional(Url), ...endpointSettings },
  { ...closed, minProperties: 1 },
);

export function addWebhookEndpointRoutes(app: HttpServer, deps: WebhookDeps): void {
  addListing(app, deps);
  addMaking(app, deps);
  addSecrets(app, deps);
}

export function described(operationId: string, summary: string, description: string) {
  return { operationId, tags: ["Webhooks"], summary, description };
}

function addListing(app: HttpServer, deps: WebhookDeps): void {
  app.get("/v1/webhook-endpoints", {
    schema: {
      ...described("listWebhookEndpoints", "List endpoints", "In order of creation."),
      querystring: Type.Object(
        { limit: Limit, cursor: CursorParameter, connection_id: ConnectionParameter },
        closed,
      ),
      response: answers(
        { 200: ok("A page of endpoints", listOf(ref("WebhookEndpoint"), "A page")) },
        READ_PROBLEMS,
      ),
    },
    config: { access: "read" },
    handler: async (request, reply) => {
      const { query } = request;
      const scope = await narrowedScope(deps.store.directory, readScope(request), query.connection_id);
      const all = await deps.store.webhooks.endpoints(scope);
      const print = ["webhook-endpoints", scope.workspaceId, scope.connectionIds?.join()];
      const context = await cursorContext(deps.store, fingerprint(print));
      const { rows, nextCursor } = pageOf(all, ({ row }) => row.id, query, context);
      reply.header("cache-control", "no-store");
      return { data: await viewsOf(deps, scope, rows), next_cursor: nextCursor };
    },
  });

  app.get("/v1/webhook-endpoints/:id", {
    schema: {
      ...described("getWebhookEndpoint", "Get one endpoint", "With its health and the last day's figures."),
      params: Params,
      querystring: NoQuery,
      response: answers({ 200: ok("The endpoint", ref("WebhookEndpoint")) }, [400, 401, 403, 404]),
    },
    config: { access: "read" },
    handler: async (request, reply) => {
      const scope = readScope(request);
      reply.header("cache-control", "no-store");
      return viewOf(deps, scope, await deps.webhooks.endpoints.get(scope, request.params.id));
    },
  });
}

function addMaking(app: HttpServer, deps: WebhookDeps): void {
  app.post("/v1/webhook-endpoints", {
    schema: {
      ...described(
        "createWebhookEndpoint",
        "Make an endpoint",
        "It gets every event that it wants from now on. Its secret is in the answer, and never shown again.",
      ),
      body: NewBody,
      querystring: NoQuery,
      response: answers({ 201: ok("The new endpoint", ref("NewWebhookEndpoint")) }, WRITE_PROBLEMS),
    },
    config: { access: "manage" },
    handler: async (request, reply) => {
      const { connection_id: wanted, transport, url, signature, secret, ...rest } = request.body;
      const scope = readScope(request);
      const made = await deps.webhooks.endpoints.create({
        workspaceId: scope.workspaceId,
        connectionId: ownConnection(request, scope, wanted),
        url: addressOf(transport, url, scope),
        ...(transport === undefined ? {} : { transport }),
        signature,
        secret,
        ...settingsOf(rest),
      });
      reply.code(201).header("cache-control", "no-store");
      return withSecret(deps, scope, made);
    },
  });

  app.patch("/v1/webhook-endpoints/:id", {
    schema: {
      ...described("updateWebhookEndpoint", "Change an endpoint", "Members that are absent stay."),
      params: Params,
      querystring: NoQuery,
      body: ChangeBody,
      response: answers({ 200: ok("As it is now", ref("WebhookEndpoint")) }, WRITE_PROBLEMS),
    },
    config: { access: "manage" },
    handler: async (request) => {
      const { url, ...rest } = request.body;
      const scope = readScope(request);
      const settings = { ...(url === undefined ? {} : { url }), ...settingsOf(rest) };
      return viewOf(deps, scope, await deps.webhooks.endpoints.change(scope, request.params.id, settings));
    },
  });

  app.delete("/v1/webhook-endpoints/:id", {
    schema: {
      ...described(
        "deleteWebhookEndpoint",
        "Delete an endpoint",
        "What waits for it is discarded; the log of what was delivered stays as long as logs do.",
      ),
      params: Params,
      querystring: NoQuery,
      response: answers({ 204: { description: "Deleted", type: "null" } }, [400, 401, 403, 404]),
    },
    config: { access: "manage" },
    handler: async (request, reply) => {
      await deps.webhooks.endpoints.remove(readScope(request), request.params.id);
      return reply.code(204).send();
    },
  });
}

function addSecrets(app: HttpServer, deps: WebhookDeps): void {
  app.post("/v1/webhook-endpoints/:id/secrets", {
    schema: {
      ...described(
        "rotateWebhookSecret",
        "Rotate the secret",
        "The new one signs from now on and is shown this once; the one before signs along for 24 hours, so that receivers can change over.",
      ),
      params: Params,
      querystring: NoQuery,
      body: Type.Object(
        {
          signature: Type.Optional(SignatureBody),
          secret: Type.Optional(SecretBody),
          expire_now: Type.Optional(
            Type.Boolean({ description: "A secret has leaked: those before sign nothing any more" }),
          ),
        },
        closed,
      ),
      response: answers(
        { 201: ok("The endpoint with its new secret", ref("NewWebhookEndpoint")) },
        WRITE_PROBLEMS,
      ),
    },
    config: { access: "manage" },
    handler: async (request, reply) => {
      const { signature: kind, secret, expire_now: expiresNow } = request.body;
      const scope = readScope(request);
      const options = {
        ...(kind === undefined ? {} : { kind }),
        ...(secret === undefined ? {} : { secret }),
        ...(expiresNow === undefined ? {} : { expiresNow }),
      };
      const made = await deps.webhooks.endpoints.rotate(scope, request.params.id, options);
      reply.code(201).header("cache-control", "no-store");
      return withSecret(deps, scope, made);
    },
  });

  app.delete("/v1/webhook-endpoints/:id/secrets/:signer_id", {
    schema: {
      ...described(
        "revokeWebhookSecret",
        "Revoke an old secret",
        "It signs nothing any more, from this instant.",
      ),
      params: Type.Object({ id: Id, signer_id: SecretId }),
      querystring: NoQuery,
      response: answers({ 200: ok("As it is now", ref("WebhookEndpoint")) }, [400, 401, 403, 404, 409]),
    },
    config: { access: "manage" },
    handler: async (request) => {
      const { id, signer_id: secretId } = request.params;
      const scope = readScope(request);
      return viewOf(deps, scope, await deps.webhooks.endpoints.revokeSecret(scope, id, secretId));
    },
  });
}

function addressOf(transport: EndpointTransport | undefined, url: string | undefined, scope: Scope): string {
  if (transport === "listener" && url === undefined) return `${LISTENER_SCHEME}${scope.workspaceId}`;
  if (transport !== "listener" && url !== undefined) return url;
  const detail =
    transport === "listener" ? "must be absent: whoever listens has no address" : "must be given";
  throw invalidRequest("The request is not valid", [{ pointer: "#/url", detail }]);
}

/** A connection's token makes endpoints of its own connection; a narrowed one of those that it sees. */
function ownConnection(
  request: FastifyRequest,
  scope: Scope,
  wanted: string | undefined,
): string | undefined {
  const own = scope.connectionIds;
  if (own === undefined) return wanted;
  if (wanted === undefined && request.principal?.kind === "connection") return own[0];
  if (wanted === undefined) {
    const detail = "must be given with a token that sees some connections of the workspace only";
    throw invalidRequest("The request is not valid", [{ pointer: "#/connection_id", detail }]);
  }
  if (own.includes(wanted)) return wanted;
  throw new Problem("NOT_FOUND", `There is no connection ${wanted} that this token may see.`);
}

function settingsOf({
  per_second: perSecond,
  at_once: atOnce,
  ...rest
}: Static<typeof ChangeBody>): EndpointSettings {
  return {
    ...rest,
    ...(perSecond === undefined ? {} : { perSecond }),
    ...(atOnce === undefined ? {} : { atOnce }),
  };
}

async function withSecret(deps: WebhookDeps, scope: Scope, made: WithSecret): Promise<object> {
  const { endpoint, secret, publicKey } = made;
  return { ...(await viewOf(deps, scope, endpoint)), secret, public_key: publicKey ?? null };
}

export async function viewOf(deps: WebhookDeps, scope: Scope, endpoint: StoredEndpoint) {
  const [view] = await viewsOf(deps, scope, [endpoint]);
  return view;
}

async function viewsOf({ store, clock }: WebhookDeps, scope: Scope, endpoints: readonly StoredEndpoint[]) {
  const stats = await store.webhooks.stats(scope, clock.nowMs() - STATS_MS);
  const byId = new Map(stats.map((each) => [each.endpointId, each]));
  return endpoints.map((endpoint) => endpointView(endpoint, byId.get(endpoint.row.id)));
}
