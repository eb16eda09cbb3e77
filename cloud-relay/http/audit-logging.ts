// Puts every change that the API was asked for, and granted, into the audit trail.
import type { FastifyRequest } from "fastify";
import { redactText } from "#relay/core/requests/redaction.ts";
import { messageOf } from "#common/runtime/errors.ts";
import type { NewAuditEntry } from "#relay/core/audit/audit-store.ts";
import type { HttpDeps, HttpServer } from "./http-types.ts";

const MAX_MEMBERS = 100;
const MAX_NAME_CHARS = 200;

/** Every route that changes something, but those that only answer what the relay asked. */
export function addAuditLogging(app: HttpServer, deps: HttpDeps): void {
  app.addHook("onRoute", (route) => {
    const isRead = [route.method].flat().every((method) => method === "GET" || method === "HEAD");
    if (isRead || route.config?.access === "public" || route.config?.audited === false) return;
    const action = route.schema?.operationId ?? route.url;
    // Writes at a plant are durable as operations, which name who asked: their answers do not wait for the trail.
    const waits = route.config?.access !== "write";
    route.onSend = [route.onSend ?? []].flat().concat(async (request, reply, payload: unknown) => {
      if (reply.statusCode >= 400) return payload;
      const kept = keep(deps, entryOf(deps, request, action));
      if (waits) await kept;
      return payload;
    });
  });
}

/** What was done is done: the caller hears of it in any case. The operator hears that the trail has a hole. */
async function keep({ store, logger }: HttpDeps, entry: NewAuditEntry): Promise<void> {
  try {
    await store.audit.append(entry);
  } catch (error) {
    const { action, requestId } = entry;
    logger.error({ action, request: requestId }, `audit: an entry could not be kept: ${messageOf(error)}`);
  }
}

function entryOf({ clock, entropy }: HttpDeps, request: FastifyRequest, action: string): NewAuditEntry {
  const { principal, params, query, body } = request;
  const named = { ...(query as Record<string, unknown>), ...(params as Record<string, unknown>) };
  const target = Object.entries(named).flatMap(([name, value]) =>
    typeof value === "string" ? [[name, redactText(value).slice(0, MAX_NAME_CHARS)] as const] : [],
  );
  const members = typeof body === "object" && body !== null ? Object.keys(body) : [];
  return {
    workspaceId: principal?.scope?.workspaceId,
    atMs: clock.nowMs(),
    actor: principal?.tokenId ?? "unknown",
    action,
    requestId: request.id,
    target: Object.fromEntries(target),
    members: members.slice(0, MAX_MEMBERS).map((name) => name.slice(0, MAX_NAME_CHARS)),
    digest: body === undefined || body === null ? undefined : entropy.sha256Hex(JSON.stringify(body)),
  };
}
