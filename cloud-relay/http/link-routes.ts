// Connection links: administrators make, list and revoke them; whoever has one sees its page.
import { Type, type Static } from "typebox";
import { ConnectionSettingsDocument } from "#common/contract/settings.ts";
import { invalidRequest, workspaceById } from "#relay/core/administration.ts";
import { subjects } from "#relay/core/bus.ts";
import { fingerprint } from "#relay/core/cursors.ts";
import { connectProgress } from "#relay/core/links/connect-steps.ts";
import { createLink, openLink, revokeLink, type LinkDeps } from "#relay/core/links/connection-link.ts";
import type { ConnectionLinkRow } from "#relay/core/links/link-store.ts";
import { agentFragment, SYSTEM_NAMES } from "#relay/core/links/systems.ts";
import { instantOf } from "#relay/core/revisions.ts";
import { administeredWorkspace } from "./access.ts";
import {
  described,
  lists,
  Name,
  OneParams,
  Owned,
  OwnListing,
  WorkspaceParameter,
  writes,
} from "./admin-shapes.ts";
import { Customer, Environment, Labels } from "./connection-admin-routes.ts";
import {
  CONNECT_POLICY,
  CONNECT_STYLE,
  CONNECT_STYLE_PATH,
  connectPage,
  deadLinkPage,
} from "./connect-page.ts";
import { nullableInstant } from "./connection-routes.ts";
import type { HttpDeps, HttpServer } from "./http-types.ts";
import { cursorContext, pageOf } from "./paging.ts";
import { answers, Instant, NullableInstant, nullable } from "./schemas.ts";

const linkMembers = {
  id: Type.String(),
  workspace_id: Type.String(),
  connection_id: Type.String(),
  system: nullable(
    Type.String({ description: "Name of the pack that the page explains", examples: ["maximo"] }),
  ),
  webhook_url: nullable(Type.String()),
  created_at: Instant,
  expires_at: Instant,
  revoked_at: NullableInstant,
};

export const ConnectionLinkSchema = Type.Object(linkMembers, {
  $id: "ConnectionLink",
  description: "A page that leads people at a plant through connecting it; without the address",
});
export const NewConnectionLinkSchema = Type.Object(
  {
    ...linkMembers,
    url: Type.String({
      description: "Shown once; only its hash is kept. Whoever has it can enrol one agent",
      examples: ["https://relay.example.com/connect/mrc_…"],
    }),
    webhook_endpoint_id: nullable(Type.String({ description: "Made of `webhook_url`" })),
    webhook_secret: nullable(Type.String({ description: "Of that endpoint; shown once" })),
  },
  { $id: "NewConnectionLink", description: "A link that was just made" },
);

const Body = Type.Object(
  {
    workspace_id: WorkspaceParameter,
    connection_id: Type.Optional(
      Type.String({
        maxLength: 100,
        description: "One that waits for an agent; a new one is made if not given",
      }),
    ),
    name: Type.Optional({
      ...Name,
      description: "Of the new connection; made of customer and system if not given",
    }),
    customer: Type.Optional(Customer),
    environment: Type.Optional(Environment),
    labels: Type.Optional(Labels),
    system: Type.Optional(
      Type.String({
        maxLength: 100,
        description: `One of: ${SYSTEM_NAMES.join(", ")}`,
        examples: ["maximo"],
      }),
    ),
    webhook_url: Type.Optional(
      Type.String({
        maxLength: 2_000,
        description: "https; becomes a webhook endpoint of the connection, for all of its events",
      }),
    ),
    settings: Type.Optional(ConnectionSettingsDocument),
    expires_in: Type.Optional(
      Type.Integer({ description: "Seconds, 300 to 604800; 86400 (a day) if not given" }),
    ),
  },
  { additionalProperties: false },
);

export function addLinkRoutes(app: HttpServer, deps: HttpDeps): void {
  addLinkAdministration(app, deps);
  addConnectPages(app, deps);
}

function addLinkAdministration(app: HttpServer, deps: HttpDeps): void {
  app.post("/admin/v1/connection-links", {
    schema: {
      ...writes(
        "createConnectionLink",
        "Make a connection link",
        "The connection is made at once, with whatever is given here; the link's page shows people at the plant the one command that enrols an agent for it, a fragment for its settings, and how far it has come.",
        201,
        "NewConnectionLink",
      ),
      body: Body,
    },
    config: { access: "admin" },
    handler: async (request, reply) => {
      const { workspace_id: wanted, connection_id: connectionId, ...rest } = request.body;
      const { webhook_url: webhookUrl, expires_in: expiresIn, settings, ...plain } = rest;
      const workspaceId = administeredWorkspace(request, wanted);
      checkWebhook(deps, webhookUrl);
      const { token, row } = await createLink(linkDeps(deps), {
        ...plain,
        workspaceId,
        connectionId,
        webhookUrl,
        settings,
        ttlMs: expiresIn === undefined ? undefined : expiresIn * 1000,
        by: request.principal?.tokenId ?? "",
      });
      deps.bus.publish(subjects.directory(workspaceId), { connectionId: row.connectionId });
      const base = deps.publicUrl ?? `${request.protocol}://${request.host}`;
      const webhook = await makeWebhook(deps, row);
      return reply
        .code(201)
        .header("cache-control", "no-store")
        .send({ ...linkView(row), url: `${base}/connect/${token}`, ...webhook });
    },
  });

  app.get("/admin/v1/connection-links", {
    schema: {
      ...lists(
        "listConnectionLinks",
        "List connection links",
        "Expired and revoked ones included.",
        "ConnectionLink",
      ),
      querystring: OwnListing,
    },
    config: { access: "admin" },
    handler: async (request) => {
      const workspaceId = administeredWorkspace(request, request.query.workspace_id);
      await workspaceById(deps.store.directory, workspaceId);
      const all = await deps.store.links.list(workspaceId);
      const context = await cursorContext(deps.store, fingerprint(["links", workspaceId]));
      const { rows, nextCursor } = pageOf(all, ({ id }) => id, request.query, context);
      return { data: rows.map(linkView), next_cursor: nextCursor };
    },
  });

  app.delete("/admin/v1/connection-links/:id", {
    schema: {
      ...described(
        "revokeConnectionLink",
        "Revoke a connection link",
        "With its enrolment code; the connection stays.",
      ),
      params: OneParams,
      querystring: Owned,
      response: answers({ 204: { description: "Revoked", type: "null" } }, [400, 401, 403, 404]),
    },
    config: { access: "admin" },
    handler: async (request, reply) => {
      const workspaceId = administeredWorkspace(request, request.query.workspace_id);
      await revokeLink(linkDeps(deps), workspaceId, request.params.id);
      return reply.code(204).send();
    },
  });
}

/** Before anything is made. @throws Problem INVALID_REQUEST */
function checkWebhook({ webhooks }: HttpDeps, url: string | undefined): void {
  const refusal = url === undefined ? undefined : webhooks?.endpoints.refusal(url);
  if (refusal === undefined) return;
  throw invalidRequest("The link cannot be made", [{ pointer: "#/webhook_url", detail: refusal }]);
}

async function makeWebhook(
  { webhooks }: HttpDeps,
  { workspaceId, connectionId, webhookUrl: url }: ConnectionLinkRow,
) {
  if (url === undefined || webhooks === undefined) return { webhook_endpoint_id: null, webhook_secret: null };
  const { endpoint, secret } = await webhooks.endpoints.create({ workspaceId, connectionId, url });
  return { webhook_endpoint_id: endpoint.row.id, webhook_secret: secret };
}

const page = (description: string) => ({ description, content: { "text/html": { schema: Type.String() } } });

function addConnectPages(app: HttpServer, deps: HttpDeps): void {
  app.get(CONNECT_STYLE_PATH, {
    schema: {
      operationId: "getConnectStyle",
      tags: ["System"],
      security: [],
      summary: "The stylesheet of connection links' pages",
      description: "The only thing that they load.",
      response: answers(
        { 200: { description: "CSS", content: { "text/css": { schema: Type.String() } } } },
        [],
      ),
    },
    config: { access: "public", load: "read" },
    handler: (_request, reply) =>
      reply
        .header("cache-control", "public, max-age=300")
        .type("text/css; charset=utf-8")
        .send(CONNECT_STYLE),
  });
  app.get("/connect/:link", {
    schema: {
      operationId: "getConnectPage",
      tags: ["System"],
      security: [],
      summary: "The page behind a connection link",
      description:
        "For people at the plant. The link is its own authorization; what cannot be used answers 404.",
      params: Type.Object({ link: Type.String({ maxLength: 100, description: "The link's own secret" }) }),
      response: {
        ...answers({ 200: page("What to do, and how far it is") }, []),
        404: page("The link cannot be used"),
      },
    },
    config: { access: "public", load: "read" },
    handler: async (request, reply) => {
      reply.type("text/html; charset=utf-8");
      reply.headers({ "content-security-policy": CONNECT_POLICY, "cache-control": "no-store" });
      const open = await openLink(linkDeps(deps), request.params.link);
      if (open === undefined) return reply.code(404).send(deadLinkPage());
      const { row, connection, code } = open;
      const { directory } = deps.store;
      const workspace = await directory.workspace(row.workspaceId);
      const agent =
        connection.agentId === undefined ? undefined : await directory.agentById(connection.agentId);
      const relayUrl = (deps.publicUrl ?? `${request.protocol}://${request.host}`).replace(/^http/, "ws");
      return reply.send(
        connectPage({
          workspace: workspace?.name ?? "",
          connection: connection.name,
          customer: connection.customer,
          expiresAt: instantOf(row.expiresAtMs),
          relayUrl,
          code: agent === undefined ? code : undefined,
          fragment: agentFragment(row.system, connection.name),
          progress: connectProgress(connection, agent?.isOnline),
        }),
      );
    },
  });
}

export function linkView(row: ConnectionLinkRow): Static<typeof ConnectionLinkSchema> {
  return {
    id: row.id,
    workspace_id: row.workspaceId,
    connection_id: row.connectionId,
    system: row.system ?? null,
    webhook_url: row.webhookUrl ?? null,
    created_at: instantOf(row.createdAtMs),
    expires_at: instantOf(row.expiresAtMs),
    revoked_at: nullableInstant(row.revokedAtMs),
  };
}

function linkDeps({ store, bus, clock, entropy, relayPublicKey }: HttpDeps): LinkDeps {
  const { directory } = store;
  return { store, directory, bus, entropy, relayPublicKey, nowMs: () => clock.nowMs() };
}
