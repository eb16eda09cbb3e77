// Connections for administrators: make, list, change, disconnect, reconnect and delete them.
import { Type, type Static } from "typebox";
import { createConnection, workspaceById, type AdministrationDeps } from "#relay/core/administration.ts";
import { subjects } from "#relay/core/bus.ts";
import {
  changeConnection,
  deleteConnection,
  disconnectConnection,
  reconnectConnection,
} from "#relay/core/connections/connection-life.ts";
import { fingerprint } from "#relay/core/cursors.ts";
import type { ConnectionChanges } from "#relay/core/directory.ts";
import { Problem } from "#relay/core/problem.ts";
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
import { connectionView } from "./connection-routes.ts";
import type { HttpDeps, HttpServer } from "./http-types.ts";
import { cursorContext, pageOf } from "./paging.ts";
import { answers, nullable, ok, ref } from "./schemas.ts";

export const Customer = Type.String({ minLength: 1, maxLength: 200 });
export const Environment = Type.String({
  pattern: "^[a-z][a-z0-9_-]{0,49}$",
  description: "production if not given",
});
export const Labels = Type.Record(Type.String({ maxLength: 100 }), Type.String({ maxLength: 200 }), {
  maxProperties: 50,
});
export const Metadata = Type.Record(Type.String({ maxLength: 100 }), Type.String({ maxLength: 500 }), {
  maxProperties: 50,
  description: "Your own notes; the relay makes nothing of them",
});
export const WhenOfflineBody = Type.Union([Type.Literal("serve"), Type.Literal("refuse")], {
  description: "Stored reads while the plant is away: serve them with their age, or refuse them",
});
const CHANGE_PROBLEMS = [400, 401, 403, 404, 409, 413, 415, 503];

export function addConnectionAdminRoutes(
  app: HttpServer,
  deps: HttpDeps,
  administration: AdministrationDeps,
): void {
  addMaking(app, deps, administration);
  addChanging(app, deps);
  addEnding(app, deps);
}

function addMaking(app: HttpServer, deps: HttpDeps, administration: AdministrationDeps): void {
  const body = Type.Object(
    {
      workspace_id: WorkspaceParameter,
      name: Name,
      customer: Type.Optional(Customer),
      environment: Type.Optional(Environment),
      labels: Type.Optional(Labels),
      metadata: Type.Optional(Metadata),
      when_offline: Type.Optional(WhenOfflineBody),
      kind: Type.Optional(
        Type.Union([Type.Literal("agent"), Type.Literal("sandbox")], {
          description:
            "agent if not given. A sandbox lives in the relay: it is filled with sample data, and writes to it change nothing",
        }),
      ),
    },
    { additionalProperties: false },
  );
  const create = writes(
    "createConnection",
    "Make a connection",
    "Its name is what the agent's configuration binds by. It is `pending` until an agent serves it.",
    201,
    "Connection",
  );
  app.post("/admin/v1/connections", {
    schema: { ...create, body },
    config: { access: "admin" },
    handler: async (request, reply) => {
      const { workspace_id: wanted, when_offline: whenOffline, ...rest } = request.body;
      const workspaceId = administeredWorkspace(request, wanted);
      if (rest.kind === "sandbox" && deps.sandboxes === undefined) {
        throw new Problem("CONFLICT", "This relay has no sandboxes.");
      }
      const row = await createConnection(administration, { workspaceId, ...rest, whenOffline });
      if (row.kind === "sandbox") deps.sandboxes?.begin(row);
      deps.bus.publish(subjects.directory(workspaceId), { connectionId: row.id });
      return reply.code(201).send(connectionView(row));
    },
  });

  const list = lists(
    "adminListConnections",
    "List a workspace's connections",
    "In order of creation.",
    "Connection",
  );
  app.get("/admin/v1/connections", {
    schema: { ...list, querystring: OwnListing },
    config: { access: "admin" },
    handler: async (request) => {
      const workspaceId = administeredWorkspace(request, request.query.workspace_id);
      await workspaceById(deps.store.directory, workspaceId);
      const all = await deps.store.directory.connections({ workspaceId });
      const context = await cursorContext(deps.store, fingerprint(["admin-connections", workspaceId]));
      const { rows, nextCursor } = pageOf(all, ({ id }) => id, request.query, context);
      return { data: rows.map(connectionView), next_cursor: nextCursor };
    },
  });
}

const Changes = Type.Object(
  {
    customer: Type.Optional(nullable(Customer)),
    labels: Type.Optional(Labels),
    metadata: Type.Optional(Metadata),
    when_offline: Type.Optional(WhenOfflineBody),
    environment: Type.Optional(Type.String({ maxLength: 50, description: "Fixed: a change is refused" })),
  },
  { additionalProperties: false, minProperties: 1 },
);

function addChanging(app: HttpServer, deps: HttpDeps): void {
  const schema = {
    ...described(
      "updateConnection",
      "Change a connection",
      "Members that are absent stay. `labels` and `metadata` are replaced as a whole. Name and environment are fixed.",
    ),
    params: OneParams,
    querystring: Owned,
    body: Changes,
    response: answers({ 200: ok("As it is now", ref("Connection")) }, CHANGE_PROBLEMS),
  };
  app.patch("/admin/v1/connections/:id", {
    schema,
    config: { access: "admin" },
    handler: async (request) => {
      const workspaceId = administeredWorkspace(request, request.query.workspace_id);
      const { id } = request.params;
      const before = await deps.store.directory.connection({ workspaceId }, id);
      const { environment } = request.body;
      if (before !== undefined && environment !== undefined && environment !== before.environment) {
        throw new Problem(
          "CONFLICT",
          `A connection's environment is fixed, because its tokens and consumers rely on it; this one is ${before.environment}. Make another connection.`,
          { errors: [{ pointer: "#/environment", detail: "is fixed" }] },
        );
      }
      const changed = await changeConnection(lifeDeps(deps), workspaceId, id, changesOf(request.body));
      deps.bus.publish(subjects.directory(workspaceId), { connectionId: id });
      return connectionView(changed);
    },
  });
}

function changesOf(body: Static<typeof Changes>): ConnectionChanges {
  const { customer, labels, metadata, when_offline: whenOffline } = body;
  return {
    ...(customer !== undefined && { customer }),
    ...(labels && { labels }),
    ...(metadata && { metadata }),
    ...(whenOffline && { whenOffline }),
  };
}

function addEnding(app: HttpServer, deps: HttpDeps): void {
  const actions = [
    {
      name: "disconnect",
      act: disconnectConnection,
      summary: "Disconnect a connection",
      text: "Its tokens are dead at once, and its agent is refused. What it held can be read with a workspace's token until it is deleted.",
    },
    {
      name: "reconnect",
      act: reconnectConnection,
      summary: "Reconnect a connection",
      text: "Its agent is let in again and goes on where it stood. Tokens that died stay dead: make new ones.",
    },
  ] as const;
  for (const { name, act, summary, text } of actions) {
    const schema = {
      ...described(`${name}Connection`, summary, text),
      params: OneParams,
      querystring: Owned,
      response: answers({ 200: ok("The connection", ref("Connection")) }, CHANGE_PROBLEMS),
    };
    app.post(`/admin/v1/connections/:id/${name}`, {
      schema,
      config: { access: "admin" },
      handler: async (request) => {
        const workspaceId = administeredWorkspace(request, request.query.workspace_id);
        const { connection, events } = await act(lifeDeps(deps), workspaceId, request.params.id);
        deps.bus.publish(subjects.directory(workspaceId), { connectionId: connection.id });
        if (events > 0) deps.bus.publish(subjects.feed(workspaceId), events);
        if (name === "reconnect" && connection.kind === "sandbox") deps.sandboxes?.begin(connection);
        return connectionView(connection);
      },
    });
  }

  const remove = {
    ...described(
      "deleteConnection",
      "Delete a connection",
      "Only when it is disconnected. Nothing shows it or its records, events and samples from now on; they are removed from the store within the hour. What was read before is not called back.",
    ),
    params: OneParams,
    querystring: Owned,
    response: answers({ 204: { description: "Deleted", type: "null" } }, CHANGE_PROBLEMS),
  };
  app.delete("/admin/v1/connections/:id", {
    schema: remove,
    config: { access: "admin" },
    handler: async (request, reply) => {
      const workspaceId = administeredWorkspace(request, request.query.workspace_id);
      await deleteConnection(lifeDeps(deps), workspaceId, request.params.id);
      deps.bus.publish(subjects.directory(workspaceId), { connectionId: request.params.id });
      return reply.code(204).send();
    },
  });
}

function lifeDeps({ store, clock }: HttpDeps) {
  return { store, nowMs: () => clock.nowMs() };
}
