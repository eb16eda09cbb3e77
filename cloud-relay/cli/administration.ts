// What the administrative commands do: each opens the store, acts on it, and says what it did.
import { fingerprintOf } from "#common/contract/identity-key.ts";
import { ConfigError } from "#common/runtime/errors.ts";
import {
  agentById,
  createConnection,
  createToken,
  createWorkspace,
  findConnection,
  findWorkspace,
  releaseAgent,
  revokeAgent,
  revokeToken,
  type AdministrationDeps,
} from "#relay/core/administration.ts";
import { createEnrollment } from "#relay/core/enrollment-codes.ts";
import { Problem } from "#relay/core/problem.ts";
import { confirmDeletes } from "#relay/core/ingest/confirm-deletes.ts";
import type { AgentRow, TokenFilter, TokenKind } from "#relay/core/directory.ts";
import { enrollmentView, tokenView, workspaceView } from "../http/admin-schemas.ts";
import { agentView, visibleAgents } from "../http/agent-routes.ts";
import { connectionView } from "../http/connection-routes.ts";
import { AUDIT_ACTIONS } from "./audit.ts";
import {
  durationOf,
  labelsOf,
  table,
  type Action,
  type AdministrationContext,
  type CommandResult,
} from "./command-action.ts";
import type { FlagValues } from "./command-line.ts";
import { CONNECTION_ACTIONS } from "./connection-commands.ts";
import { filledSandbox } from "./sandbox-command.ts";
import { USER_ACTIONS } from "./user-commands.ts";

export const ACTIONS: Readonly<Record<string, Action>> = {
  "workspace create": workspaceCreate,
  "workspace list": workspaceList,
  "connection create": connectionCreate,
  "connection list": connectionList,
  "connection show": connectionShow,
  "connection confirm-deletes": connectionConfirmDeletes,
  ...CONNECTION_ACTIONS,
  "enrollment-code create": enrollmentCodeCreate,
  "token create": tokenCreate,
  "token list": tokenList,
  "token revoke": tokenRevoke,
  "agent list": agentList,
  "agent revoke": (context, values) => actOnAgent(context, values, revokeAgent, "revoked"),
  ...AUDIT_ACTIONS,
  ...USER_ACTIONS,
  "agent release": (context, values) => actOnAgent(context, values, releaseAgent, "released from quarantine"),
};

async function workspaceCreate(context: AdministrationContext, values: FlagValues): Promise<CommandResult> {
  const row = await createWorkspace(context, values.needed("name"));
  return { json: workspaceView(row), lines: [`workspace ${row.id} "${row.name}"`] };
}

async function workspaceList({ directory }: AdministrationContext): Promise<CommandResult> {
  const rows = await directory.workspaces();
  const views = rows.map(workspaceView);
  return {
    json: views,
    lines: table(
      ["ID", "NAME", "CREATED"],
      views.map((view) => [view.id, view.name, view.created_at]),
    ),
  };
}

async function connectionCreate(context: AdministrationContext, values: FlagValues): Promise<CommandResult> {
  const workspace = await findWorkspace(context.directory, values.needed("workspace"));
  const row = await createConnection(context, {
    workspaceId: workspace.id,
    name: values.needed("name"),
    customer: values.text("customer"),
    environment: values.text("environment"),
    labels: labelsOf(values.all("label")),
    ...(values.has("sandbox") ? { kind: "sandbox" } : {}),
  });
  if (row.kind === "sandbox") return filledSandbox(context, row);
  return {
    json: connectionView(row),
    lines: [
      `connection ${row.id} "${row.name}"`,
      `next: millrace-relay enrollment-code create --workspace ${workspace.id} --connection ${row.name}`,
    ],
  };
}

async function connectionList(
  { directory }: AdministrationContext,
  values: FlagValues,
): Promise<CommandResult> {
  const workspace = await findWorkspace(directory, values.needed("workspace"));
  const views = (await directory.connections({ workspaceId: workspace.id })).map(connectionView);
  const rows = views.map((view) => [
    view.id,
    view.name,
    view.status,
    view.system ?? "",
    view.last_sync_at ?? "never",
  ]);
  return { json: views, lines: table(["ID", "NAME", "STATUS", "SYSTEM", "LAST SYNC"], rows) };
}

async function connectionShow(
  { directory }: AdministrationContext,
  values: FlagValues,
): Promise<CommandResult> {
  const workspace = await findWorkspace(directory, values.needed("workspace"));
  const view = connectionView(await findConnection(directory, workspace.id, values.argument ?? ""));
  const shown = Object.entries(view).map(([name, value]) => [
    name,
    typeof value === "string" ? value : JSON.stringify(value),
  ]);
  return { json: view, lines: table(["FIELD", "VALUE"], shown) };
}

async function connectionConfirmDeletes(
  context: AdministrationContext,
  values: FlagValues,
): Promise<CommandResult> {
  const { store, directory } = context;
  const workspace = await findWorkspace(directory, values.needed("workspace"));
  const connection = await findConnection(directory, workspace.id, values.argument ?? "");
  const entity = values.text("entity");
  const confirmed = await confirmDeletes(store, connection, entity, context.nowMs());
  if (confirmed.length > 0)
    return {
      json: confirmed,
      lines: confirmed.map(({ entity: name, deleted }) => `${name}: ${deleted} records deleted`),
    };
  const of = entity === undefined ? "" : ` of ${entity}`;
  throw new Problem(
    "CONFLICT",
    `No delete${of} is held for connection "${connection.name}" here; see /v1/sync-status. What the agent holds is confirmed at the plant: millrace-agent confirm-deletes`,
  );
}

async function enrollmentCodeCreate(
  context: AdministrationContext,
  values: FlagValues,
): Promise<CommandResult> {
  const workspace = await findWorkspace(context.directory, values.needed("workspace"));
  const names = values
    .all("connection")
    .flatMap((text) => text.split(","))
    .map((name) => name.trim());
  const connectionIds: string[] = [];
  for (const name of names.filter((name) => name !== "")) {
    connectionIds.push((await findConnection(context.directory, workspace.id, name)).id);
  }
  const relayPublicKey = await context.relayPublicKey();
  const { code, row } = await createEnrollment(context, {
    workspaceId: workspace.id,
    connectionIds,
    ttlMs: durationOf(values, "ttl"),
    relayPublicKey,
  });
  const view = { ...enrollmentView(row, code), relay_fingerprint: fingerprintOf(relayPublicKey) };
  return {
    json: view,
    lines: [code, `for one agent, once, until ${view.expires_at}; it is not shown again`],
  };
}

async function tokenCreate(context: AdministrationContext, values: FlagValues): Promise<CommandResult> {
  const kind = tokenKind(values);
  const workspace =
    kind === "admin" ? undefined : await findWorkspace(context.directory, values.needed("workspace"));
  const connection =
    kind === "connection" && workspace !== undefined
      ? await findConnection(context.directory, workspace.id, values.needed("connection"))
      : undefined;
  const lifeMs = durationOf(values, "expires");
  const { token, row } = await createToken(context, {
    kind,
    workspaceId: workspace?.id,
    connectionId: connection?.id,
    name: values.text("name"),
    scopes: values.has("scope") ? values.all("scope").flatMap((text) => text.split(",")) : undefined,
    expiresAtMs: lifeMs === undefined ? undefined : context.nowMs() + lifeMs,
    filter: workspace === undefined ? undefined : await filterOf(context, workspace.id, values),
  });
  const until = row.expiresAtMs === undefined ? "" : `, until ${new Date(row.expiresAtMs).toISOString()}`;
  const lines = [
    token,
    `${row.id}: ${kind} token, scopes ${row.scopes.join(" ")}${until}; it is not shown again`,
  ];
  return { json: { ...tokenView(row), token }, lines };
}

async function tokenList({ directory }: AdministrationContext, values: FlagValues): Promise<CommandResult> {
  const workspace = await findWorkspace(directory, values.needed("workspace"));
  const views = (await directory.tokens(workspace.id)).map(tokenView);
  const rows = views.map((view) => [
    view.id,
    `${view.hint}…`,
    view.kind,
    view.name,
    view.scopes.join(" "),
    view.revoked_at === null ? (view.expires_at ?? "for ever") : `revoked ${view.revoked_at}`,
  ]);
  return { json: views, lines: table(["ID", "TOKEN", "KIND", "NAME", "SCOPES", "GOOD UNTIL"], rows) };
}

async function tokenRevoke(context: AdministrationContext, values: FlagValues): Promise<CommandResult> {
  const id = values.argument ?? "";
  await revokeToken(context, undefined, id);
  return {
    json: { id, revoked: true },
    lines: [`token ${id} is revoked; a running relay refuses it within a second`],
  };
}

async function agentList({ directory }: AdministrationContext, values: FlagValues): Promise<CommandResult> {
  const workspace = await findWorkspace(directory, values.needed("workspace"));
  const views = await visibleAgents(directory, { workspaceId: workspace.id });
  const rows = views.map((view) => [
    view.id,
    view.name,
    view.status,
    view.version ?? "",
    view.last_seen_at ?? "never",
  ]);
  return { json: views, lines: table(["ID", "NAME", "STATUS", "VERSION", "LAST SEEN"], rows) };
}

async function actOnAgent(
  context: AdministrationContext,
  values: FlagValues,
  act: (context: AdministrationDeps, workspaceId: string, agentId: string) => Promise<AgentRow>,
  done: string,
): Promise<CommandResult> {
  const { directory } = context;
  const id = values.argument ?? "";
  const known = await directory.agentById(id);
  if (known === undefined)
    throw new Problem("NOT_FOUND", `There is no agent ${id}. millrace-relay agent list shows them.`);
  const row = await act(context, known.workspaceId, (await agentById(directory, known.workspaceId, id)).id);
  const connections = await directory.connectionsOfAgent(id);
  return {
    json: agentView(
      row,
      connections.map((connection) => connection.id),
    ),
    lines: [`agent ${id} is ${done}`],
  };
}

async function filterOf(
  { directory }: AdministrationContext,
  workspaceId: string,
  values: FlagValues,
): Promise<TokenFilter | undefined> {
  const connectionIds: string[] = [];
  for (const name of values.all("only-connection")) {
    connectionIds.push((await findConnection(directory, workspaceId, name)).id);
  }
  const labels = labelsOf(values.all("only-label"), "only-label");
  const entities = values.all("only-entity");
  const filter: TokenFilter = {
    ...(connectionIds.length > 0 && { connectionIds }),
    ...(Object.keys(labels).length > 0 && { labels }),
    ...(entities.length > 0 && { entities }),
  };
  return Object.keys(filter).length === 0 ? undefined : filter;
}

function tokenKind(values: FlagValues): TokenKind {
  const [admin, workspace, connection] = [
    values.has("admin"),
    values.has("workspace"),
    values.has("connection"),
  ];
  if (admin && !workspace && !connection) return "admin";
  if (!admin && workspace) return connection ? "connection" : "workspace";
  throw new ConfigError("millrace-relay token create", [
    { path: "--admin", message: "give --admin alone, or --workspace, or --workspace with --connection" },
  ]);
}
