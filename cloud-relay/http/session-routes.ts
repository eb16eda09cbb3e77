// Signing in to the dashboard and out again.
import { Type } from "typebox";
import type { FastifyReply } from "fastify";
import { MAX_PASSWORD_CHARS, MIN_PASSWORD_CHARS, type SignedIn } from "#relay/core/users/users.ts";
import type { HttpDeps, HttpServer } from "./http-types.ts";
import { SESSION_COOKIE, type SessionAuthenticator } from "./session-authenticator.ts";
import { userView } from "./user-routes.ts";

interface SessionView {
  readonly user: ReturnType<typeof userView>;
  readonly workspace: { readonly id: string; readonly name: string };
  /** To be sent in the header x-csrf-token with whatever changes something. */
  readonly csrf_token: string;
  readonly expires_at: string;
}

const SignIn = Type.Object(
  {
    email: Type.String({ minLength: 1, maxLength: 320, examples: ["ada@example.com"] }),
    password: Type.String({ minLength: 1, maxLength: MAX_PASSWORD_CHARS }),
  },
  { additionalProperties: false },
);

const NewPassword = Type.Object(
  {
    current_password: Type.String({ minLength: 1, maxLength: MAX_PASSWORD_CHARS }),
    new_password: Type.String({ minLength: MIN_PASSWORD_CHARS, maxLength: MAX_PASSWORD_CHARS }),
  },
  { additionalProperties: false },
);

export function addSessionRoutes(app: HttpServer, deps: HttpDeps, sessions: SessionAuthenticator): void {
  const view = async ({ user, session }: SignedIn): Promise<SessionView> => {
    const workspace = await deps.store.directory.workspace(user.workspaceId);
    return {
      user: userView(user),
      workspace: { id: user.workspaceId, name: workspace?.name ?? "" },
      csrf_token: session.csrfToken,
      expires_at: new Date(session.expiresAtMs).toISOString(),
    };
  };
  // For the dashboard alone: programs use tokens, and the API's description is theirs.
  const hidden = { schema: { hide: true }, config: { access: "public" } } as const;

  app.post("/v1/session", {
    schema: { hide: true, body: SignIn },
    config: { access: "public" },
    handler: async (request, reply) => {
      sessions.checkOrigin(request);
      const { email, password } = request.body;
      const signedIn = await deps.users.signIn(email, password, request.ip);
      const seconds = Math.floor((signedIn.session.expiresAtMs - deps.clock.nowMs()) / 1_000);
      setCookie(reply, deps, signedIn.cookie, seconds);
      return view(signedIn);
    },
  });

  app.get("/v1/session", {
    ...hidden,
    handler: async (request, reply) => {
      reply.header("cache-control", "no-store");
      return view(await sessions.signedIn(request));
    },
  });

  app.delete("/v1/session", {
    ...hidden,
    handler: async (request, reply) => {
      await deps.users.signOut(await sessions.signedIn(request));
      setCookie(reply, deps, "", 0);
      return reply.code(204).send();
    },
  });

  app.post("/v1/session/password", {
    schema: { hide: true, body: NewPassword },
    config: { access: "public" },
    handler: async (request, reply) => {
      const { current_password: current, new_password: wanted } = request.body;
      await deps.users.changeOwnPassword(await sessions.signedIn(request), current, wanted, request.ip);
      setCookie(reply, deps, "", 0);
      return reply.code(204).send();
    },
  });
}

function setCookie(reply: FastifyReply, deps: HttpDeps, value: string, maxAgeS: number): void {
  const isSecure = deps.tls !== undefined || deps.publicUrl?.startsWith("https:") === true;
  const secure = isSecure ? "; Secure" : "";
  reply.header("cache-control", "no-store");
  reply.header(
    "set-cookie",
    `${SESSION_COOKIE}=${value}; Path=/; HttpOnly; SameSite=Strict; Max-Age=${maxAgeS}${secure}`,
  );
}
