// A whole relay with one sandbox in it, and an integrator who has nothing but its token.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Client } from "openapi-fetch";
import { silentLogger } from "#common/runtime/logger.ts";
import { createToken, createWorkspace } from "#relay/core/administration.ts";
import { apiClient } from "#relay/client/api-client.ts";
import type { paths } from "#relay/client/api.d.ts";
import { startRelay, type Relay } from "#relay/compose.ts";
import { loadRelayConfig } from "#relay/config.ts";
import { until } from "#test/support/until.ts";
import { entropy } from "./relay-fixture.ts";

/** Filling takes a second, on a machine that has nothing else to do. */
const ONLINE_MS = 90_000;

export interface SandboxFixture extends AsyncDisposable {
  readonly relay: Relay;
  readonly client: Client<paths>;
  readonly connectionId: string;
  /** Of the sandbox, with the scopes read and write. */
  readonly token: string;
  /** Of its workspace, with the scope admin. */
  readonly adminToken: string;
  /** One request as it is, for what the client does not show. */
  request(method: string, path: string, body?: object, headers?: Record<string, string>): Promise<Response>;
}

export async function sandboxFixture(): Promise<SandboxFixture> {
  const dir = mkdtempSync(join(tmpdir(), "millrace-sandbox-"));
  const config = loadRelayConfig({ dataDir: join(dir, "data"), port: "0" }, {});
  const relay = await startRelay({ config, logger: silentLogger });
  const { directory } = relay.store;
  const administration = { directory, entropy, nowMs: () => Date.now() };
  const { id: workspaceId } = await createWorkspace(administration, "acme");
  const admin = await createToken(administration, { kind: "workspace", workspaceId, scopes: ["admin"] });
  const made = await send(relay.url, admin.token, "POST", "/admin/v1/connections", {
    name: "try",
    kind: "sandbox",
  });
  const { id: connectionId } = (await made.json()) as { readonly id: string };
  const isOnline = async (): Promise<boolean> => {
    const row = await directory.connection({ workspaceId }, connectionId);
    return row?.state === "online";
  };
  await until("the sandbox to be online", isOnline, ONLINE_MS);
  const scopes = ["read", "write"];
  const { token } = await createToken(administration, {
    kind: "connection",
    workspaceId,
    connectionId,
    scopes,
  });
  return {
    relay,
    client: apiClient({ url: relay.url, token, retries: 0 }),
    connectionId,
    token,
    adminToken: admin.token,
    request: (method, path, body, headers) => send(relay.url, token, method, path, body, headers),
    async [Symbol.asyncDispose]() {
      await relay[Symbol.asyncDispose]();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

function send(
  url: string,
  token: string,
  method: string,
  path: string,
  body?: object,
  headers: Record<string, string> = {},
): Promise<Response> {
  return fetch(`${url}${path}`, {
    method,
    headers: {
      authorization: `Bearer ${token}`,
      ...(body === undefined ? {} : { "content-type": "application/json" }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
}
