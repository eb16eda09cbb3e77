// The authentication hook, and what a principal may see: narrowing to a connection, administering a workspace.
import type { FastifyRequest, onRequestHookHandler } from "fastify";
import { ENTITIES, ENTITY_NAMES } from "#common/contract/model/entities.ts";
import { Problem } from "#relay/core/problem.ts";
import type { Directory } from "#relay/core/directory.ts";
import type { Scope } from "#relay/core/store.ts";
import type { Principal } from "#relay/core/tokens.ts";
import type { Authenticator } from "./authenticator.ts";
import type { Access, HttpServer } from "./http-types.ts";
import type { SessionAuthenticator } from "./session-authenticator.ts";

/** Refuses what the route's `config.access` does not allow, before anything else of the request is looked at. */
export function addAuthentication(
  app: HttpServer,
  authenticator: Authenticator,
  sessions: SessionAuthenticator,
): void {
  app.decorateRequest("principal", undefined);
  app.addHook("onRoute", (route) => {
    const access = route.config?.access;
    if (access === undefined) {
      throw new TypeError(`route ${String(route.method)} ${route.url} does not say who may call it`);
    }
    // A hook of the route's own: asking each request for its route's settings costs more than the check itself.
    if (access === "public") return;
    const rule = { access, entity: entityOf(route.url), narrows: route.config?.narrowsEntities === true };
    route.onRequest = [authentication(authenticator, sessions, rule), ...[route.onRequest ?? []].flat()];
  });
}

interface Rule {
  readonly access: Access;
  /** What the route's records are. */
  readonly entity: string | undefined;
  /** Whether it shows the token's own entities only. */
  readonly narrows: boolean;
}

const ENTITY_OF_PATH = new Map(ENTITY_NAMES.map((entity) => [ENTITIES[entity].path as string, entity]));

function entityOf(url: string): string | undefined {
  return ENTITY_OF_PATH.get(/^\/v1\/([^/:]+)/.exec(url)?.[1] ?? "");
}

function authentication(
  authenticator: Authenticator,
  sessions: SessionAuthenticator,
  rule: Rule,
): onRequestHookHandler {
  return (request, _reply, done) => {
    const header = request.headers.authorization;
    const known = authenticator.remembered(header);
    if (known !== undefined) return done(refusal(request, known, rule));
    const asked = sessions.isSession(request)
      ? sessions.authenticate(request)
      : authenticator.authenticate(header);
    settle(
      asked.then((principal) => refusal(request, principal, rule)),
      done,
    );
  };
}

/** The hook takes a callback, because the usual case above must not cost a turn of the event loop. */
function settle(outcome: Promise<Error | undefined>, done: (error?: Error) => void): void {
  // oxlint-disable-next-line promise/no-callback-in-promise -- Fastify's hook is a callback; `done` never throws
  outcome.then(done, done);
}

/** Whose data a read route may touch. */
export function readScope(request: FastifyRequest): Scope {
  const scope = request.principal?.scope;
  if (scope === undefined) throw new TypeError("a read route was reached without a scope");
  return scope;
}

/** The scope narrowed to one connection, if one was asked for. @throws Problem NOT_FOUND for one outside the scope */
export async function narrowedScope(
  directory: Directory,
  scope: Scope,
  connectionId: string | undefined,
): Promise<Scope> {
  if (connectionId === undefined) return scope;
  const connection = await directory.connection(scope, connectionId);
  if (connection !== undefined) return { workspaceId: scope.workspaceId, connectionIds: [connectionId] };
  const detail = `There is no connection ${connectionId} that this token may see. GET /v1/connections lists them.`;
  throw new Problem("NOT_FOUND", detail, { errors: [{ pointer: "#/query/connection_id", detail }] });
}

/** The workspace that an admin route acts on. @throws Problem NOT_FOUND for a foreign one, INVALID_REQUEST when it must be named */
export function administeredWorkspace(request: FastifyRequest, wanted: string | undefined): string {
  const own = request.principal?.scope?.workspaceId;
  if (own === undefined) {
    if (wanted !== undefined) return wanted;
    const detail = "must be given with the operator's admin token";
    throw new Problem("INVALID_REQUEST", `workspace_id ${detail}.`, {
      errors: [{ pointer: request.method === "GET" ? "#/query/workspace_id" : "#/workspace_id", detail }],
    });
  }
  if (wanted !== undefined && wanted !== own) {
    throw new Problem("NOT_FOUND", `There is no workspace ${wanted} that this token may administer.`);
  }
  return own;
}

/** Whose audit trail: the relay's own (undefined) is for its operator. @throws Problem NOT_FOUND for a foreign workspace */
export function auditedTrail(request: FastifyRequest, wanted: string | undefined): string | undefined {
  const isOperator = request.principal?.scope === undefined;
  return isOperator ? wanted : administeredWorkspace(request, wanted);
}

/** For what no workspace may do. @throws Problem INSUFFICIENT_SCOPE */
export function requireOperator(request: FastifyRequest, what: string): void {
  if (request.principal?.kind === "admin") return;
  throw new Problem("INSUFFICIENT_SCOPE", `Only the operator's admin token (mr_admin_…) may ${what}.`);
}

/** Notes who asks; what speaks against it, if anything does. */
function refusal(request: FastifyRequest, principal: Principal, rule: Rule): Problem | undefined {
  request.principal = principal;
  const { access } = rule;
  if (access === "read" || access === "write") {
    if (principal.scope === undefined) {
      return forbidden("An admin token administers and reads no data. Use a workspace or connection token.");
    }
    if (!principal.scopes.includes(access)) return forbidden(lacking(access));
    return entityRefusal(request, principal, rule);
  }
  if (access === "manage") {
    if (principal.scope === undefined)
      return forbidden("An admin token belongs to no workspace. Use a workspace or connection token.");
    const needed = principal.kind === "connection" ? "write" : "admin";
    if (!principal.scopes.includes(needed)) return forbidden(lacking(needed));
    return entityRefusal(request, principal, rule);
  }
  if (principal.entities !== undefined || principal.isNarrowed) {
    return forbidden("A token that sees a part of the workspace only cannot administer.");
  }
  if (principal.kind === "connection") {
    return forbidden(
      "A connection's token cannot administer. Use an admin token, or a workspace token with the scope `admin`.",
    );
  }
  return principal.scopes.includes("admin") ? undefined : forbidden(lacking("admin"));
}

function lacking(scope: string): string {
  return `The token lacks the scope \`${scope}\`. Scopes are given when a token is made (\`millrace-relay token create --scope ${scope}\`).`;
}

function entityRefusal(
  request: FastifyRequest,
  { entities }: Principal,
  { entity, narrows }: Rule,
): Problem | undefined {
  if (entities === undefined || narrows) return undefined;
  const { expand } = request.query as { readonly expand?: unknown };
  if (expand !== undefined) {
    return forbidden(
      `The token sees ${entities.join(", ")} only; it cannot expand references to other records.`,
    );
  }
  if (entity !== undefined && entities.includes(entity)) return undefined;
  const what = entity === undefined ? "this address shows more" : `not ${entity}`;
  return forbidden(`The token sees ${entities.join(", ")} only; ${what}.`);
}

/** @throws Problem INSUFFICIENT_SCOPE when the caller's token sees other entities only */
export function requireEntity(request: FastifyRequest, entity: string): void {
  const entities = request.principal?.entities;
  if (entities === undefined || entities.includes(entity)) return;
  throw forbidden(`The token sees ${entities.join(", ")} only; not ${entity}.`);
}

/** For lists that leave out what the caller's token does not see. */
export function visibleEntity(request: FastifyRequest, entity: string): boolean {
  return request.principal?.entities?.includes(entity) ?? true;
}

function forbidden(detail: string): Problem {
  return new Problem("INSUFFICIENT_SCOPE", detail);
}
