// Commands for connections that are there, and for links that lead people at a plant through connecting one.
import { ConfigError } from "#common/runtime/errors.ts";
import { findConnection, findWorkspace } from "#relay/core/administration.ts";
import type { Bus } from "#relay/core/bus.ts";
import {
  changeConnection,
  deleteConnection,
  disconnectConnection,
  reconnectConnection,
  type ConnectionLifeDeps,
  type LifeOutcome,
} from "#relay/core/connections/connection-life.ts";
import type { ConnectionChanges } from "#relay/core/directory.ts";
import { createLink, revokeLink, type LinkDeps } from "#relay/core/links/connection-link.ts";
import type { ConnectionRow } from "#relay/core/store.ts";
import { connectionView } from "../http/connection-routes.ts";
import { linkView } from "../http/link-routes.ts";
import {
  durationOf,
  labelsOf,
  table,
  type Action,
  type AdministrationContext,
  type CommandResult,
} from "./command-action.ts";
import type { FlagValues } from "./command-line.ts";

export const CONNECTION_ACTIONS: Readonly<Record<string, Action>> = {
  "connection update": connectionUpdate,
  "connection disconnect": (context, values) =>
    end(context, values, disconnectConnection, "is disconnected; its tokens are dead"),
  "connection reconnect": (context, values) =>
    end(context, values, reconnectConnection, "is reconnected; make new tokens for it"),
  "connection delete": connectionDelete,
  "connection-link create": linkCreate,
  "connection-link list": linkList,
  "connection-link revoke": linkRevoke,
};

/** A running relay looks at the store by itself; there is nobody to tell in this process. */
const NOBODY: Bus = {
  publish: () => {},
  subscribe: () => () => {},
  request: () => Promise.reject(new TypeError("the command line asks nobody")),
  respond: () => () => {},
  [Symbol.asyncDispose]: () => Promise.resolve(),
};

async function connectionUpdate(context: AdministrationContext, values: FlagValues): Promise<CommandResult> {
  const connection = await wanted(context, values);
  const changed = await changeConnection(context, connection.workspaceId, connection.id, changesOf(values));
  return { json: connectionView(changed), lines: [`connection ${changed.id} "${changed.name}" is changed`] };
}

function changesOf(values: FlagValues): ConnectionChanges {
  const customer = values.text("customer");
  const whenOffline = values.text("when-offline");
  if (whenOffline !== undefined && whenOffline !== "serve" && whenOffline !== "refuse") {
    const message = `expected serve or refuse, not "${whenOffline}"`;
    throw new ConfigError("millrace-relay connection update", [{ path: "--when-offline", message }]);
  }
  return {
    ...(customer !== undefined && { customer: customer === "" ? null : customer }),
    ...(values.has("label") && { labels: labelsOf(values.all("label")) }),
    ...(values.has("metadata") && { metadata: labelsOf(values.all("metadata"), "metadata") }),
    ...(whenOffline !== undefined && { whenOffline }),
  };
}

async function end(
  context: AdministrationContext,
  values: FlagValues,
  act: (deps: ConnectionLifeDeps, workspaceId: string, id: string) => Promise<LifeOutcome>,
  done: string,
): Promise<CommandResult> {
  const { id, workspaceId } = await wanted(context, values);
  const { connection } = await act(context, workspaceId, id);
  return { json: connectionView(connection), lines: [`connection ${id} "${connection.name}" ${done}`] };
}

async function connectionDelete(context: AdministrationContext, values: FlagValues): Promise<CommandResult> {
  const { id, workspaceId, name } = await wanted(context, values);
  await deleteConnection(context, workspaceId, id);
  return {
    json: { id, deleted: true },
    lines: [`connection ${id} "${name}" is deleted; a running relay removes what it held within the hour`],
  };
}

async function linkCreate(context: AdministrationContext, values: FlagValues): Promise<CommandResult> {
  const workspace = await findWorkspace(context.directory, values.needed("workspace"));
  const bound = values.text("connection");
  const connection =
    bound === undefined ? undefined : await findConnection(context.directory, workspace.id, bound);
  const { token, row } = await createLink(await linkDeps(context), {
    workspaceId: workspace.id,
    connectionId: connection?.id,
    name: values.text("name"),
    customer: values.text("customer"),
    environment: values.text("environment"),
    labels: labelsOf(values.all("label")),
    system: values.text("system"),
    webhookUrl: values.text("webhook-url"),
    ttlMs: durationOf(values, "ttl"),
    by: "command line",
  });
  const url = `${context.publicUrl}/connect/${token}`;
  const view = { ...linkView(row), url };
  return {
    json: view,
    lines: [url, `for one agent, until ${view.expires_at}; it is not shown again`],
  };
}

async function linkList(context: AdministrationContext, values: FlagValues): Promise<CommandResult> {
  const workspace = await findWorkspace(context.directory, values.needed("workspace"));
  const views = (await context.store.links.list(workspace.id)).map(linkView);
  const rows = views.map((view) => [
    view.id,
    view.connection_id,
    view.system ?? "",
    view.revoked_at === null ? view.expires_at : `revoked ${view.revoked_at}`,
  ]);
  return { json: views, lines: table(["ID", "CONNECTION", "SYSTEM", "GOOD UNTIL"], rows) };
}

async function linkRevoke(context: AdministrationContext, values: FlagValues): Promise<CommandResult> {
  const workspace = await findWorkspace(context.directory, values.needed("workspace"));
  const id = values.argument ?? "";
  await revokeLink(context, workspace.id, id);
  return {
    json: { id, revoked: true },
    lines: [`connection link ${id} is revoked, with its enrolment code`],
  };
}

async function wanted({ directory }: AdministrationContext, values: FlagValues): Promise<ConnectionRow> {
  const workspace = await findWorkspace(directory, values.needed("workspace"));
  return findConnection(directory, workspace.id, values.argument ?? "");
}

async function linkDeps(context: AdministrationContext): Promise<LinkDeps> {
  const { store, directory, entropy } = context;
  const relayPublicKey = await context.relayPublicKey();
  return { store, directory, entropy, bus: NOBODY, relayPublicKey, nowMs: () => context.nowMs() };
}
