// The admin API: the same operations as the command line, for programs.
import { Type } from "typebox";
import { createToken, createWorkspace, findConnection } from "#relay/core/administration.ts";
import {
  invalidRequest,
  releaseAgent,
  revokeAgent,
  revokeToken,
  workspaceById,
} from "#relay/core/administration.ts";
import type { AdministrationDeps } from "#relay/core/administration.ts";
import { subjects } from "#relay/core/bus.ts";
import { fingerprint } from "#relay/core/cursors.ts";
import { createEnrollment } from "#relay/core/enrollment-codes.ts";
import { Problem } from "#relay/core/problem.ts";
import { revisionAt } from "#relay/core/revisions.ts";
import { administeredWorkspace, requireOperator } from "./access.ts";
import { enrollmentView, filterOf, TokenFilterBody, tokenView, workspaceView } from "./admin-schemas.ts";
import {
  described,
  Listing,
  lists,
  Name,
  OneParams,
  OwnListing,
  Owned,
  WorkspaceParameter,
  writes,
} from "./admin-shapes.ts";
import { agentView, visibleAgents } from "./agent-routes.ts";
import { OPERATOR_DIRECTORY } from "./authenticator.ts";
import { addConnectionAdminRoutes } from "./connection-admin-routes.ts";
import type { HttpDeps, HttpServer } from "./http-types.ts";
import { cursorContext, pageOf } from "./paging.ts";
import { answers, ok, ref } from "./schemas.ts";

export function addAdminRoutes(app: HttpServer, deps: HttpDeps): void {
  const administration: AdministrationDeps = {
    directory: deps.store.directory,
    entropy: deps.entropy,
    nowMs: () => deps.clock.nowMs(),
  };
  addWorkspaces(app, deps, administration);
  addConnectionAdminRoutes(app, deps, administration);
  addEnrollmentCodes(app, deps, administration);
  addTokens(app, deps, administration);
  addAgents(app, deps, administration);
}

function addWorkspaces(app: HttpServer, deps: HttpDeps, administration: AdministrationDeps): void {
  const body = Type.Object({ name: Name }, { additionalProperties: false });
  const create = writes("createWorkspace", "Make a workspace", "Only with an admin token.", 201, "Workspace");
  app.post("/admin/v1/workspaces", {
    schema: { ...create, body },
    config: { access: "admin" },
    handler: async (request, reply) => {
      requireOperator(request, "make workspaces");
      const row = await createWorkspace(administration, request.body.name);
      return reply.code(201).send(workspaceView(row));
    },
  });

  const list = lists("listWorkspaces", "List workspaces", "A workspace token sees its own.", "Workspace");
  app.get("/admin/v1/workspaces", {
    schema: { ...list, querystring: Listing },
    config: { access: "admin" },
    handler: async (request) => {
      const own = request.principal?.scope?.workspaceId;
      const all = (await deps.store.directory.workspaces()).filter(
        ({ id }) => own === undefined || own === id,
      );
      const context = await cursorContext(deps.store, fingerprint(["workspaces", own]));
      const { rows, nextCursor } = pageOf(all, ({ id }) => id, request.query, context);
      return { data: rows.map(workspaceView), next_cursor: nextCursor };
    },
  });
}

function addEnrollmentCodes(app: HttpServer, deps: HttpDeps, administration: AdministrationDeps): void {
  const body = Type.Object(
    {
      workspace_id: WorkspaceParameter,
      connections: Type.Array(Name, {
        minItems: 1,
        maxItems: 256,
        description: "Ids or names that the agent will serve",
      }),
      ttl_seconds: Type.Optional(Type.Integer({ description: "1800 if not given; 60 to 604800" })),
    },
    { additionalProperties: false },
  );
  const create = writes(
    "createEnrollmentCode",
    "Make an enrolment code",
    "For one agent, once. The code also carries the fingerprint of the relay's key, so that the agent knows whom it enrols with.",
    201,
    "EnrollmentCode",
  );
  app.post("/admin/v1/enrollment-codes", {
    schema: { ...create, body },
    config: { access: "admin" },
    handler: async (request, reply) => {
      const { workspace_id: wanted, connections, ttl_seconds: ttl } = request.body;
      const workspaceId = administeredWorkspace(request, wanted);
      const connectionIds: string[] = [];
      for (const name of connections) {
        connectionIds.push((await findConnection(deps.store.directory, workspaceId, name)).id);
      }
      const { code, row } = await createEnrollment(administration, {
        workspaceId,
        connectionIds,
        ttlMs: ttl === undefined ? undefined : ttl * 1000,
        relayPublicKey: deps.relayPublicKey,
      });
      return reply.code(201).header("cache-control", "no-store").send(enrollmentView(row, code));
    },
  });
}

function addTokens(app: HttpServer, deps: HttpDeps, administration: AdministrationDeps): void {
  const body = Type.Object(
    {
      kind: Type.Union([Type.Literal("workspace"), Type.Literal("connection"), Type.Literal("admin")]),
      workspace_id: WorkspaceParameter,
      connection_id: Type.Optional(
        Type.String({ maxLength: 100, description: "Needed for the kind connection" }),
      ),
      name: Type.Optional(Name),
      scopes: Type.Optional(
        Type.Array(Type.String({ maxLength: 50 }), { maxItems: 10, description: "read if not given" }),
      ),
      expires_at: Type.Optional(
        Type.String({ maxLength: 40, description: "Date or timestamp; never if not given" }),
      ),
      filter: Type.Optional(TokenFilterBody),
    },
    { additionalProperties: false },
  );
  const create = writes(
    "createToken",
    "Make a token",
    "It is shown once. Only an admin token can make admin tokens.",
    201,
    "NewToken",
  );
  app.post("/admin/v1/tokens", {
    schema: { ...create, body },
    config: { access: "admin" },
    handler: async (request, reply) => {
      const { kind, workspace_id: wanted, connection_id: connectionId, name, scopes } = request.body;
      if (kind === "admin") requireOperator(request, "make admin tokens");
      const workspaceId = kind === "admin" ? undefined : administeredWorkspace(request, wanted);
      const expiresAtMs = expiryOf(request.body.expires_at);
      const filter = filterOf(request.body.filter);
      const minted = await createToken(administration, {
        kind,
        workspaceId,
        connectionId,
        name,
        scopes,
        expiresAtMs,
        filter,
      });
      return reply
        .code(201)
        .header("cache-control", "no-store")
        .send({ ...tokenView(minted.row), token: minted.token });
    },
  });

  const list = lists(
    "listTokens",
    "List a workspace's tokens",
    "Without their secrets, revoked ones included.",
    "Token",
  );
  app.get("/admin/v1/tokens", {
    schema: { ...list, querystring: OwnListing },
    config: { access: "admin" },
    handler: async (request) => {
      const workspaceId = administeredWorkspace(request, request.query.workspace_id);
      await workspaceById(deps.store.directory, workspaceId);
      const all = await deps.store.directory.tokens(workspaceId);
      const context = await cursorContext(deps.store, fingerprint(["tokens", workspaceId]));
      const { rows, nextCursor } = pageOf(all, ({ id }) => id, request.query, context);
      return { data: rows.map(tokenView), next_cursor: nextCursor };
    },
  });

  const revoke = {
    ...described(
      "revokeToken",
      "Revoke a token",
      "At once, for every request that comes after; its event streams end within a second.",
    ),
    params: OneParams,
    querystring: Owned,
    response: answers({ 204: { description: "Revoked", type: "null" } }, [400, 401, 403, 404]),
  };
  app.delete("/admin/v1/tokens/:id", {
    schema: revoke,
    config: { access: "admin" },
    handler: async (request, reply) => {
      const wanted = request.query.workspace_id;
      const isOperator = request.principal?.kind === "admin";
      const workspaceId = isOperator ? wanted : administeredWorkspace(request, wanted);
      await revokeToken(administration, workspaceId, request.params.id);
      deps.bus.publish(subjects.directory(workspaceId ?? OPERATOR_DIRECTORY), { tokenId: request.params.id });
      return reply.code(204).send();
    },
  });
}

function addAgents(app: HttpServer, deps: HttpDeps, administration: AdministrationDeps): void {
  const list = lists(
    "adminListAgents",
    "List a workspace's agents",
    "Revoked and quarantined ones included.",
    "Agent",
  );
  app.get("/admin/v1/agents", {
    schema: { ...list, querystring: OwnListing },
    config: { access: "admin" },
    handler: async (request) => {
      const workspaceId = administeredWorkspace(request, request.query.workspace_id);
      await workspaceById(deps.store.directory, workspaceId);
      const all = await visibleAgents(deps.store.directory, { workspaceId });
      const context = await cursorContext(deps.store, fingerprint(["admin-agents", workspaceId]));
      const { rows, nextCursor } = pageOf(all, ({ id }) => id, request.query, context);
      return { data: rows, next_cursor: nextCursor };
    },
  });

  const actions = [
    {
      name: "revoke",
      act: revokeAgent,
      summary: "Revoke an agent",
      text: "Its key is refused from now on, for good.",
    },
    {
      name: "release",
      act: releaseAgent,
      summary: "Release an agent from quarantine",
      text: "After a clone was found and stopped.",
    },
  ] as const;
  for (const { name, act, summary, text } of actions) {
    const schema = {
      ...described(`${name}Agent`, summary, text),
      params: OneParams,
      querystring: Owned,
      response: answers({ 200: ok("The agent", ref("Agent")) }, [400, 401, 403, 404, 409]),
    };
    app.post(`/admin/v1/agents/:id/${name}`, {
      schema,
      config: { access: "admin" },
      handler: async (request) => {
        const workspaceId = await workspaceOfAgent(
          deps,
          request,
          request.query.workspace_id,
          request.params.id,
        );
        const row = await act(administration, workspaceId, request.params.id);
        deps.bus.publish(subjects.directory(workspaceId), { agentId: row.id });
        const connections = await deps.store.directory.connectionsOfAgent(row.id);
        return agentView(
          row,
          connections.map(({ id }) => id),
        );
      },
    });
  }
}

/** An operator need not name the agent's workspace. */
async function workspaceOfAgent(
  deps: HttpDeps,
  request: Parameters<typeof administeredWorkspace>[0],
  wanted: string | undefined,
  agentId: string,
): Promise<string> {
  if (request.principal?.kind !== "admin" || wanted !== undefined)
    return administeredWorkspace(request, wanted);
  const agent = await deps.store.directory.agentById(agentId);
  if (agent === undefined) throw new Problem("NOT_FOUND", `There is no agent ${agentId} here.`);
  return agent.workspaceId;
}

function expiryOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const revision = revisionAt(text);
  if (revision !== undefined) return Math.floor(revision / 1000);
  const detail = "must be a date (2027-01-31) or a timestamp with its zone (2027-01-31T12:00:00Z)";
  throw invalidRequest("The token cannot be made", [{ pointer: "#/expires_at", detail }]);
}
