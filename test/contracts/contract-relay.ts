// A whole relay with a sandbox, behind a proxy that gives each request the right token, and notes every answer.
import { mkdtempSync, rmSync } from "node:fs";
import {
  createServer,
  request as httpRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type RequestOptions,
  type ServerResponse,
} from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createHash, randomBytes } from "node:crypto";
import { silentLogger } from "#common/runtime/logger.ts";
import { createToken, createWorkspace } from "#relay/core/administration.ts";
import { startRelay } from "#relay/compose.ts";
import { loadRelayConfig } from "#relay/config.ts";
import { until } from "#test/support/until.ts";

export interface Answered {
  readonly method: string;
  /** With its parameters. */
  readonly url: string;
  readonly status: number;
  /** Of a problem. */
  readonly code: string | undefined;
}

export interface ContractRelay extends AsyncDisposable {
  /** Of the proxy. */
  readonly url: string;
  readonly workspaceId: string;
  readonly connectionId: string;
  /** Everything answered through the proxy so far. */
  readonly answered: Answered[];
  call(method: string, path: string, body?: object): Promise<Called>;
}

export interface Called {
  readonly status: number;
  readonly type: string;
  /** Parsed where it is JSON. */
  readonly body: unknown;
}

/** The generated tests are many. */
const LIMITS = { connectionPerMinute: 1e6, workspacePerMinute: 1e6, workspaceAtOnce: 1_000 };
/** Nothing leaves this machine. */
const WEBHOOKS = { allowHttp: true, allowNetworks: ["127.0.0.0/8"] };
const SHED_PAUSE_MS = 500;

export async function contractRelay(): Promise<ContractRelay> {
  const dir = mkdtempSync(join(tmpdir(), "millrace-contract-"));
  const config = loadRelayConfig({ dataDir: join(dir, "data"), port: "0" }, {});
  const relay = await startRelay({
    config: { ...config, limits: LIMITS, webhooks: WEBHOOKS },
    logger: silentLogger,
  });
  const { directory } = relay.store;
  const entropy = {
    randomBytes: (count: number) => randomBytes(count),
    sha256Hex: (text: string) => createHash("sha256").update(text).digest("hex"),
  };
  const administration = { directory, entropy, nowMs: () => Date.now() };
  const { id: workspaceId } = await createWorkspace(administration, "acme");
  const make = async (input: Parameters<typeof createToken>[1]): Promise<string> =>
    (await createToken(administration, input)).token;
  const tokens = {
    data: await make({ kind: "workspace", workspaceId, scopes: ["read", "write", "admin"] }),
    workspaceAdmin: await make({ kind: "workspace", workspaceId, scopes: ["admin"] }),
    operator: await make({ kind: "admin" }),
  };
  const answered: Answered[] = [];
  const proxy = createServer((from, to) => {
    pass(from, to, { target: relay.url, tokens, answered }).catch(() => to.destroy());
  });
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", () => resolve()));
  const url = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
  const call = (method: string, path: string, body?: object) => called(url, method, path, body);
  const made = await call("POST", "/admin/v1/connections", { name: "try", kind: "sandbox" });
  const { id: connectionId } = made.body as { readonly id: string };
  await until("the sandbox to be online", async () => {
    const row = await directory.connection({ workspaceId }, connectionId);
    return row?.state === "online";
  });
  return {
    url,
    workspaceId,
    connectionId,
    answered,
    call,
    async [Symbol.asyncDispose]() {
      proxy.closeAllConnections();
      await new Promise((resolve) => proxy.close(resolve));
      await relay[Symbol.asyncDispose]();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

interface Passing {
  readonly target: string;
  readonly tokens: { readonly data: string; readonly workspaceAdmin: string; readonly operator: string };
  readonly answered: Answered[];
}

async function pass(from: IncomingMessage, to: ServerResponse, passing: Passing): Promise<void> {
  const { target, tokens, answered } = passing;
  const { method = "GET", url = "/" } = from;
  const needed = url.startsWith("/admin/v1/workspaces") ? tokens.operator : tokens.workspaceAdmin;
  const token = url.startsWith("/admin/") ? needed : tokens.data;
  // A write that waits for somebody's approval is answered soon.
  const headers = { ...from.headers, authorization: `Bearer ${token}`, prefer: "wait=1" };
  const body = Buffer.concat(await from.toArray());
  let answer = await ask(`${target}${url}`, { method, headers }, body);
  // A busy machine sheds load; that is right, and not what is looked at here.
  while (answer.status === 503 && answer.body.includes('"OVERLOADED"')) {
    await new Promise((resolve) => setTimeout(resolve, SHED_PAUSE_MS));
    answer = await ask(`${target}${url}`, { method, headers }, body);
  }
  answered.push({ method, url, status: answer.status, code: codeOf(answer) });
  to.writeHead(answer.status, answer.headers).end(answer.body);
}

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

function codeOf({ headers, body }: Answer): string | undefined {
  if (headers["content-type"]?.startsWith("application/problem+json") !== true) return undefined;
  return (JSON.parse(body.toString()) as { readonly code?: string }).code;
}

function ask(url: string, options: RequestOptions, body: Buffer): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(url, options, (answer) => {
      const { statusCode: status = 0, headers } = answer;
      answer.toArray().then((chunks) => resolve({ status, headers, body: Buffer.concat(chunks) }), reject);
    });
    request.on("error", reject).end(body);
  });
}

async function called(url: string, method: string, path: string, body?: object): Promise<Called> {
  const answer = await fetch(`${url}${path}`, {
    method,
    ...(body === undefined
      ? {}
      : { body: JSON.stringify(body), headers: { "content-type": "application/json" } }),
  });
  const type = (answer.headers.get("content-type") ?? "").split(";")[0] ?? "";
  const text = await answer.text();
  return { status: answer.status, type, body: /[/+]json$/.test(type) ? JSON.parse(text) : text };
}
