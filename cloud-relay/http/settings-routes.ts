// The settings of a connection: what the workspace wishes, what the agent made of it, what is in effect.
import { Type, type Static } from "typebox";
import { Compile } from "typebox/compile";
import { ConnectionSettingsDocument } from "#common/contract/settings.ts";
import { invalidRequest } from "#relay/core/administration.ts";
import { Problem } from "#relay/core/problem.ts";
import { desireSettings, type Wish } from "#relay/core/settings/desire-settings.ts";
import { mergePatch } from "#relay/core/settings/merge-patch.ts";
import type { DesiredDocument, SettingsState } from "#relay/core/settings/settings-store.ts";
import type { ConnectionRow } from "#relay/core/store.ts";
import { readScope } from "./access.ts";
import { connectionInScope, nullableInstant } from "./connection-routes.ts";
import type { HttpDeps, HttpServer } from "./http-types.ts";
import { issuesOf } from "./schema-issues.ts";
import { answers, Id, NullableInstant, nullable, ok, ref } from "./schemas.ts";

const document = Compile(ConnectionSettingsDocument);
const WRITE_PROBLEMS = [400, 401, 403, 404, 409, 412, 413, 415, 503];

export const SettingsDocumentSchema = Type.Object(ConnectionSettingsDocument.properties, {
  $id: "ConnectionSettings",
  additionalProperties: false,
  description:
    "What may be set from here, where the plant's own file allows it; a member that is absent is as the plant says",
});

export const SettingsSchema = Type.Object(
  {
    connection_id: Type.String(),
    state: Type.String({
      description:
        "default: nothing was ever desired; pending: the agent has not judged it yet; in_effect; refused: `problems` say why; reverted: the agent could not work with it and took it back. More may be added.",
      examples: ["in_effect"],
    }),
    desired: Type.Object({
      revision: Type.Integer({ minimum: 0, description: "Grows with every change; 0 before the first" }),
      document: ref("ConnectionSettings"),
      changed_at: NullableInstant,
      changed_by: nullable(Type.String({ description: "Id of the token" })),
    }),
    in_effect: Type.Object({
      revision: Type.Integer({ minimum: 0, description: "0: the plant's own file alone" }),
      document: nullable(ref("ConnectionSettings")),
    }),
    reported_at: NullableInstant,
    problems: Type.Array(
      Type.Object({
        pointer: Type.String({ description: "JSON pointer into the document" }),
        detail: Type.String(),
      }),
      { description: "What the plant has against the desired document" },
    ),
    allowed: nullable(
      Type.Array(Type.String(), {
        description: "Members that the plant lets the relay set; null until the agent has said so",
      }),
    ),
  },
  { $id: "Settings", description: "Desired and effective settings of one connection" },
);

const IfMatch = Type.Object({
  "if-match": Type.Optional(
    Type.String({
      maxLength: 100,
      description: "The ETag that was read: refused with 412 when it changed since",
    }),
  ),
});
const Params = Type.Object({ id: Id });
const None = Type.Object({}, { additionalProperties: false });
const described = (operationId: string, summary: string, description: string) => ({
  operationId,
  tags: ["Connections"],
  summary,
  description,
  params: Params,
  querystring: None,
});

export function addSettingsRoutes(app: HttpServer, deps: HttpDeps): void {
  app.get("/v1/connections/:id/settings", {
    schema: {
      ...described(
        "getSettings",
        "Read a connection's settings",
        "With what the agent made of them. The ETag goes with changes as If-Match.",
      ),
      response: answers({ 200: ok("The settings", ref("Settings")) }, [400, 401, 403, 404]),
    },
    config: { access: "read" },
    handler: async (request, reply) => {
      const connection = await connectionInScope(deps, readScope(request), request.params.id);
      const view = await settingsView(deps, connection);
      return reply.header("etag", etagOf(view.desired.revision)).send(view);
    },
  });

  app.put("/v1/connections/:id/settings", {
    schema: {
      ...described(
        "replaceSettings",
        "Replace a connection's settings",
        "The whole document. The agent gets it at once, or when it comes back; the plant's own file decides member by member, and it takes effect without a restart.",
      ),
      headers: IfMatch,
      body: SettingsDocumentSchema,
      response: answers({ 200: ok("The settings", ref("Settings")) }, WRITE_PROBLEMS, "settings"),
    },
    config: { access: "write" },
    handler: async (request, reply) => {
      const connection = await connectionInScope(deps, readScope(request), request.params.id);
      const wish = { change: () => request.body, ifRevision: revisionOf(request.headers["if-match"]) };
      const view = await desire(deps, connection, { ...wish, by: request.principal?.tokenId ?? "" });
      return reply.header("etag", etagOf(view.desired.revision)).send(view);
    },
  });

  app.patch("/v1/connections/:id/settings", {
    schema: {
      ...described(
        "updateSettings",
        "Change a connection's settings",
        "JSON merge patch (RFC 7396): null removes a member, so that the plant's own file decides again. To set `initial_window_days` to null (all), replace the document.",
      ),
      headers: IfMatch,
      body: Type.Object({}, { additionalProperties: true, minProperties: 1, maxProperties: 20 }),
      response: answers({ 200: ok("The settings", ref("Settings")) }, WRITE_PROBLEMS, "settings"),
    },
    config: { access: "write" },
    handler: async (request, reply) => {
      const connection = await connectionInScope(deps, readScope(request), request.params.id);
      const wish: Wish = {
        change: (now) => checked(mergePatch(now, request.body)),
        ifRevision: revisionOf(request.headers["if-match"]),
        by: request.principal?.tokenId ?? "",
      };
      const view = await desire(deps, connection, wish);
      return reply.header("etag", etagOf(view.desired.revision)).send(view);
    },
  });
}

async function desire(deps: HttpDeps, connection: ConnectionRow, wish: Wish): Promise<View> {
  const { store, bus, clock } = deps;
  await desireSettings({ store, bus, nowMs: () => clock.nowMs() }, connection, wish);
  return settingsView(deps, connection);
}

/** @throws Problem INVALID_REQUEST with every member that is wrong */
function checked(merged: unknown): ConnectionSettingsDocument {
  if (document.Check(merged)) return merged;
  const issues = issuesOf(ConnectionSettingsDocument, document.Errors(merged), merged, "#");
  throw invalidRequest("The settings would not be valid", issues);
}

type View = Static<typeof SettingsSchema>;

async function settingsView({ store }: HttpDeps, connection: ConnectionRow): Promise<View> {
  const scope = { workspaceId: connection.workspaceId };
  const state = await store.settings.get(scope, connection.id);
  const { desired, reported, reportedAtMs } = state;
  const inEffect = reported?.in_effect ?? 0;
  const effective = inEffect === 0 ? undefined : await effectiveOf(store, connection, state, inEffect);
  return {
    connection_id: connection.id,
    state: stateOf(state),
    desired: {
      revision: desired?.revision ?? 0,
      document: desired?.document ?? {},
      changed_at: nullableInstant(desired?.atMs),
      changed_by: desired?.by ?? null,
    },
    in_effect: { revision: inEffect, document: effective?.document ?? null },
    reported_at: nullableInstant(reportedAtMs),
    problems: reported?.revision === desired?.revision ? (reported?.problems ?? []) : [],
    allowed: connection.description === undefined ? null : [...connection.description.settings_allowed],
  };
}

async function effectiveOf(
  store: HttpDeps["store"],
  { workspaceId, id }: ConnectionRow,
  { desired }: SettingsState,
  revision: number,
): Promise<DesiredDocument | undefined> {
  if (desired?.revision === revision) return desired;
  return store.settings.document({ workspaceId }, id, revision);
}

function stateOf({ desired, reported }: SettingsState): string {
  if (desired === undefined) return "default";
  if (reported === undefined || reported.revision < desired.revision) return "pending";
  return reported.state === "applied" ? "in_effect" : reported.state;
}

function etagOf(revision: number): string {
  return `"${revision}"`;
}

/** `*` and absence: whatever stands. @throws Problem INVALID_REQUEST */
function revisionOf(header: string | undefined): number | undefined {
  if (header === undefined || header.trim() === "*") return undefined;
  const match = /^"(\d{1,15})"$/.exec(header.trim());
  if (match !== null) return Number(match[1]);
  throw new Problem(
    "INVALID_REQUEST",
    'If-Match must be the ETag of the settings as they were read, such as "3".',
    {
      errors: [{ pointer: "#/header/if-match", detail: "is not an ETag of these settings" }],
    },
  );
}
