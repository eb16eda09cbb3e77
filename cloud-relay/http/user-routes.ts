// The people of a workspace: who may sign in to the dashboard, and as what.
import { Type } from "typebox";
import { fingerprint } from "#relay/core/cursors.ts";
import { instantOf } from "#relay/core/revisions.ts";
import type { UserRow } from "#relay/core/users/user-store.ts";
import { MAX_PASSWORD_CHARS, MIN_PASSWORD_CHARS, ROLES } from "#relay/core/users/users.ts";
import { administeredWorkspace } from "./access.ts";
import {
  described,
  lists,
  Name,
  OneParams,
  OwnListing,
  Owned,
  WorkspaceParameter,
  writes,
} from "./admin-shapes.ts";
import type { HttpDeps, HttpServer } from "./http-types.ts";
import { cursorContext, pageOf } from "./paging.ts";
import { answers, Instant, NullableInstant, ok, ref } from "./schemas.ts";

const Role = Type.Union(
  ROLES.map((role) => Type.Literal(role)),
  {
    description: "viewer: reads; operator: also writes; admin: also administers the workspace",
    examples: ["viewer"],
  },
);
const Password = Type.String({ minLength: MIN_PASSWORD_CHARS, maxLength: MAX_PASSWORD_CHARS });
const Email = Type.String({ minLength: 3, maxLength: 256, examples: ["ada@example.com"] });

const userMembers = {
  id: Type.String(),
  workspace_id: Type.String(),
  email: Type.String(),
  name: Type.String(),
  role: Type.String({ description: "viewer, operator or admin. More may be added.", examples: ["viewer"] }),
  disabled: Type.Boolean(),
  created_at: Instant,
  last_sign_in_at: NullableInstant,
};
export const UserSchema = Type.Object(userMembers, {
  $id: "DashboardUser",
  description: "Somebody who may sign in to the dashboard",
});
export const NewUserSchema = Type.Object(
  {
    ...userMembers,
    password: Type.Optional(Type.String({ description: "Only where it was made up: shown this once" })),
  },
  { $id: "NewDashboardUser", description: "A user that was just made" },
);

export function userView(row: UserRow) {
  const { id, workspaceId, email, name, role, disabledAtMs, createdAtMs, lastSignInAtMs } = row;
  return {
    id,
    workspace_id: workspaceId,
    email,
    name,
    role,
    disabled: disabledAtMs !== undefined,
    created_at: instantOf(createdAtMs),
    last_sign_in_at: lastSignInAtMs === undefined ? null : instantOf(lastSignInAtMs),
  };
}

const Creation = Type.Object(
  {
    workspace_id: WorkspaceParameter,
    email: Email,
    name: Type.Optional(Name),
    role: Role,
    password: Type.Optional(Password),
  },
  { additionalProperties: false },
);
const Changes = Type.Object(
  {
    name: Type.Optional(Name),
    role: Type.Optional(Role),
    password: Type.Optional(Password),
    disabled: Type.Optional(Type.Boolean({ description: "Signed out at once, and not let in any more" })),
  },
  { additionalProperties: false, minProperties: 1 },
);

export function addUserRoutes(app: HttpServer, { store, users }: HttpDeps): void {
  app.post("/admin/v1/users", {
    schema: {
      ...writes(
        "createDashboardUser",
        "Make a user",
        "Without a password one is made up and shown once.",
        201,
        "NewDashboardUser",
      ),
      body: Creation,
    },
    config: { access: "admin" },
    handler: async (request, reply) => {
      const { workspace_id: wanted, ...input } = request.body;
      const workspaceId = administeredWorkspace(request, wanted);
      const { user, password } = await users.create({ ...input, workspaceId });
      const shown = password === undefined ? {} : { password };
      return reply
        .code(201)
        .header("cache-control", "no-store")
        .send({ ...userView(user), ...shown });
    },
  });

  app.get("/admin/v1/users", {
    schema: {
      ...lists("listDashboardUsers", "List a workspace's users", "Disabled ones included.", "DashboardUser"),
      querystring: OwnListing,
    },
    config: { access: "admin" },
    handler: async (request) => {
      const workspaceId = administeredWorkspace(request, request.query.workspace_id);
      const context = await cursorContext(store, fingerprint(["users", workspaceId]));
      const { rows, nextCursor } = pageOf(
        await users.list(workspaceId),
        ({ id }) => id,
        request.query,
        context,
      );
      return { data: rows.map(userView), next_cursor: nextCursor };
    },
  });

  app.patch("/admin/v1/users/:id", {
    schema: {
      ...described(
        "changeDashboardUser",
        "Change a user",
        "A new role, a new password or being disabled signs the user out everywhere.",
      ),
      params: OneParams,
      querystring: Owned,
      body: Changes,
      response: answers({ 200: ok("The user", ref("DashboardUser")) }, [400, 401, 403, 404, 409, 413, 415]),
    },
    config: { access: "admin" },
    handler: async (request) => {
      const workspaceId = administeredWorkspace(request, request.query.workspace_id);
      return userView(await users.change(workspaceId, request.params.id, request.body));
    },
  });

  app.delete("/admin/v1/users/:id", {
    schema: {
      ...described("deleteDashboardUser", "Delete a user", "Signed out at once."),
      params: OneParams,
      querystring: Owned,
      response: answers({ 204: { description: "Deleted", type: "null" } }, [400, 401, 403, 404, 409]),
    },
    config: { access: "admin" },
    handler: async (request, reply) => {
      await users.remove(administeredWorkspace(request, request.query.workspace_id), request.params.id);
      return reply.code(204).send();
    },
  });
}
