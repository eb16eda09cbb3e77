// Named schemas of the admin API, and rows as it shows them.
import { Type, type Static } from "typebox";
import { instantOf } from "#relay/core/revisions.ts";
import type { EnrollmentCodeRow, TokenFilter, TokenRow, WorkspaceRow } from "#relay/core/directory.ts";
import { nullableInstant } from "./connection-routes.ts";
import { Instant, NullableInstant, nullable } from "./schemas.ts";

export const WorkspaceSchema = Type.Object(
  { id: Type.String(), name: Type.String({ examples: ["acme"] }), created_at: Instant },
  { $id: "Workspace", description: "A tenant of the relay" },
);

/** What of its workspace a token sees. */
export const TokenFilterBody = Type.Object(
  {
    connection_ids: Type.Optional(
      Type.Array(Type.String({ maxLength: 100 }), { minItems: 1, maxItems: 1_000 }),
    ),
    labels: Type.Optional(
      Type.Record(Type.String({ maxLength: 100 }), Type.String({ maxLength: 200 }), {
        maxProperties: 50,
        description: "Labels that a connection must have, with these values; also those that come later",
      }),
    ),
    entities: Type.Optional(
      Type.Array(Type.String({ maxLength: 100, examples: ["work_order"] }), { minItems: 1, maxItems: 100 }),
    ),
  },
  {
    additionalProperties: false,
    minProperties: 1,
    description:
      "For a workspace's token: it sees connections that fit every member, and these entities only",
  },
);

export function filterOf(body: Static<typeof TokenFilterBody> | undefined): TokenFilter | undefined {
  if (body === undefined) return undefined;
  const { connection_ids: connectionIds, labels, entities } = body;
  return {
    ...(connectionIds && { connectionIds }),
    ...(labels && { labels }),
    ...(entities && { entities }),
  };
}

function filterView({ connectionIds, labels, entities }: TokenFilter): Static<typeof TokenFilterBody> {
  return {
    ...(connectionIds && { connection_ids: [...connectionIds] }),
    ...(labels && { labels: { ...labels } }),
    ...(entities && { entities: [...entities] }),
  };
}

const tokenMembers = {
  id: Type.String(),
  kind: Type.String({ description: "workspace, connection or admin", examples: ["connection"] }),
  workspace_id: nullable(Type.String()),
  connection_id: nullable(Type.String()),
  name: Type.String(),
  hint: Type.String({ description: "The token's first characters", examples: ["mr_live_4f7K"] }),
  scopes: Type.Array(Type.String({ examples: ["read"] })),
  filter: nullable(TokenFilterBody),
  created_at: Instant,
  expires_at: NullableInstant,
  revoked_at: NullableInstant,
};

export const TokenSchema = Type.Object(tokenMembers, {
  $id: "Token",
  description: "A token, without its secret",
});
export const NewTokenSchema = Type.Object(
  { ...tokenMembers, token: Type.String({ description: "Shown once; only its hash is kept" }) },
  { $id: "NewToken", description: "A token that was just made" },
);

export const EnrollmentCodeSchema = Type.Object(
  {
    id: Type.String(),
    workspace_id: Type.String(),
    connection_ids: Type.Array(Type.String()),
    code: Type.String({
      description: "Shown once. At the plant: millrace-agent enroll",
      examples: ["mre_…"],
    }),
    created_at: Instant,
    expires_at: Instant,
  },
  { $id: "EnrollmentCode", description: "Enrols one agent, once" },
);

export const ADMIN_SCHEMAS = [WorkspaceSchema, TokenSchema, NewTokenSchema, EnrollmentCodeSchema];

export function workspaceView(row: WorkspaceRow): Static<typeof WorkspaceSchema> {
  return { id: row.id, name: row.name, created_at: instantOf(row.createdAtMs) };
}

export function tokenView(row: TokenRow): Static<typeof TokenSchema> {
  return {
    id: row.id,
    kind: row.kind,
    workspace_id: row.workspaceId ?? null,
    connection_id: row.connectionId ?? null,
    name: row.name,
    hint: row.hint,
    scopes: [...row.scopes],
    filter: row.filter === undefined ? null : filterView(row.filter),
    created_at: instantOf(row.createdAtMs),
    expires_at: nullableInstant(row.expiresAtMs),
    revoked_at: nullableInstant(row.revokedAtMs),
  };
}

export function enrollmentView(row: EnrollmentCodeRow, code: string): Static<typeof EnrollmentCodeSchema> {
  return {
    id: row.id,
    workspace_id: row.workspaceId,
    connection_ids: [...row.connectionIds],
    code,
    created_at: instantOf(row.createdAtMs),
    expires_at: instantOf(row.expiresAtMs),
  };
}
