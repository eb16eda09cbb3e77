// Who may not see what: every operation of the OpenAPI document against every wrong caller. A new route without an
// entry in OPERATIONS fails.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createToken, revokeToken } from "#relay/core/administration.ts";
import {
  commitRecords,
  entropy,
  relayFixture,
  send,
  type JsonAnswer,
  type RelayFixture,
} from "./relay-fixture.ts";
import { OPERATIONS, PUBLIC } from "./isolation-operations.ts";
import { addAgent, CANARY, plantVictim, stateOf, type Victim } from "./isolation-victim.ts";

interface Documented {
  readonly name: string;
  readonly security: readonly Readonly<Record<string, readonly string[]>>[];
}

const relay: RelayFixture = await relayFixture();
const victim: Victim = await plantVictim(relay);
/** What was planted last: the victim itself is never changed. */
let latest = victim;
const operations = documented(relay);
/** 409: an agent that is not in quarantine cannot be released, and this is no sandbox; let in all the same. */
const LET_IN: readonly number[] = [200, 201, 202, 204, 409];

let expired = "";
let revoked = "";
/** Workspace tokens by their scopes, and narrowed ones. */
const own = { write: "", onlyWrite: "", elsewhere: "", vendors: "" };
const rivals = { write: "", connectionWrite: "" };
/** Of the victim's connection, and of another one of its workspace. */
const connections = { write: "", otherWrite: "" };
beforeAll(async () => {
  const { acme, store } = relay;
  let nowMs = Date.now() - 60_000;
  const administration = { directory: store.directory, entropy, nowMs: () => nowMs };
  const all = ["read", "write"];
  const mine = { kind: "workspace" as const, workspaceId: acme.workspaceId };
  const admin = { ...mine, scopes: [...all, "admin"] };
  expired = (await createToken(administration, { ...admin, expiresAtMs: nowMs + 1_000 })).token;
  nowMs = Date.now();
  const minted = await createToken(administration, admin);
  await revokeToken(administration, undefined, minted.row.id);
  revoked = minted.token;
  const make = async (input: Parameters<typeof createToken>[1]) =>
    (await createToken(administration, input)).token;
  own.write = await make({ ...mine, scopes: all });
  own.onlyWrite = await make({ ...mine, scopes: ["write"] });
  own.elsewhere = await make({ ...mine, scopes: all, filter: { labels: { site: "elsewhere" } } });
  own.vendors = await make({ ...mine, scopes: all, filter: { entities: ["vendor"] } });
  rivals.write = await make({ ...mine, workspaceId: relay.rival.workspaceId, scopes: all });
  const ofConnection = (workspaceId: string, connectionId: string) =>
    make({ kind: "connection", workspaceId, connectionId, scopes: all });
  connections.write = await ofConnection(acme.workspaceId, acme.connectionId);
  connections.otherWrite = await ofConnection(acme.workspaceId, acme.otherConnectionId);
  rivals.connectionWrite = await ofConnection(relay.rival.workspaceId, relay.rival.connectionId);
  relay.plants.commands.answer = ({ kind }) => ({
    outcome: "succeeded",
    result:
      kind === "query"
        ? { columns: [], rows: [], is_truncated: false }
        : { key: `["${CANARY}"]`, is_repeat: false, is_pending: false, is_dry: false },
  });
});
afterAll(() => relay[Symbol.asyncDispose]());

test("every operation has an entry, and every entry is an operation", () => {
  const known = [...Object.keys(OPERATIONS), ...PUBLIC].toSorted();
  expect(operations.map(({ name }) => name).toSorted()).toEqual(known);
});

describe.each(operations.filter(({ name }) => PUBLIC.has(name)))("$name", ({ name, security }) => {
  test("is public by intent and shows nothing of a tenant", async () => {
    expect(security).toEqual([]);
    const answer = await send(relay, "GET", name.slice(4).replace("{page}", "problems"));
    // A link that nobody made.
    const status = name.includes("{link}") ? 404 : 200;
    expect([answer.status, leaksOf(answer)]).toEqual([status, []]);
  });
});

describe.each(operations.filter(({ name }) => !PUBLIC.has(name)))("$name", ({ name, security }) => {
  const operation = OPERATIONS[name];
  const [scheme = "", [scope] = []] = Object.entries(security[0] ?? {})[0] ?? [];
  const isAdmin = scheme === "admin";
  const isWrite = scope === "write";
  /** Workspaces need the scope admin for it, connections write. */
  const isManaged = scope === "manage";
  const call = (token: string | undefined) =>
    send(relay, method(name), operation?.url(victim) ?? "", token, operation?.body?.(victim));

  test("says which token it wants", () => {
    // What changes something is never for a token that reads; pass-through queries are read only.
    const reads = method(name) === "GET" || name === "POST /v1/queries/{name}";
    const data = { data: [isManaged ? "manage" : reads ? "read" : "write"] };
    expect(security).toEqual([name.includes(" /admin/") ? { admin: [] } : data]);
  });

  test.each([
    ["no token", () => undefined, "AUTHENTICATION_REQUIRED"],
    ["garbage", () => "garbage", "AUTHENTICATION_FAILED"],
    ["an expired token", () => expired, "TOKEN_EXPIRED"],
    ["a revoked token", () => revoked, "TOKEN_REVOKED"],
  ])("%s: 401", async (_name, token, code) => {
    expect(await refusal(() => call(token()))).toEqual({ status: 401, code, leaks: [] });
  });

  test("the wrong kind or scope: 403", async () => {
    const { acme, adminToken } = relay;
    const readers = [acme.workspaceToken, acme.connectionToken];
    const stranger = [...readers, own.write, own.elsewhere, own.vendors];
    const wrong = isAdmin
      ? stranger
      : isManaged
        ? [...stranger, adminToken]
        : [acme.workspaceAdminToken, adminToken, ...(isWrite ? readers : [own.onlyWrite])];
    for (const token of wrong) {
      expect(await refusal(() => call(token))).toEqual({
        status: 403,
        code: "INSUFFICIENT_SCOPE",
        leaks: [],
      });
    }
  });

  test("another tenant's token, or one for other connections, finds nothing of the victim's", async () => {
    const { rival } = relay;
    const readers = [rival.workspaceToken, rival.connectionToken, rivals.write, own.elsewhere];
    const dataTokens = isWrite ? [rivals.write, own.elsewhere] : readers;
    const managers = [rival.workspaceAdminToken, rivals.connectionWrite, connections.otherWrite];
    const tokens = isAdmin ? [rival.workspaceAdminToken] : isManaged ? managers : dataTokens;
    for (const token of tokens) {
      const { status, leaks } = await refusal(() => call(token));
      expect({ status, leaks }).toEqual({ status: operation?.foreign, leaks: [] });
    }
  });

  test("the rightful token is let in, so that the refusals above mean something", async () => {
    const { acme, adminToken } = relay;
    const operator = name === "POST /admin/v1/workspaces" ? adminToken : acme.workspaceAdminToken;
    const dataTokens = isWrite ? [own.write] : [acme.workspaceToken, acme.connectionToken];
    const managers = [acme.workspaceAdminToken, connections.write];
    for (const token of isAdmin ? [operator] : isManaged ? managers : dataTokens) {
      if (method(name) !== "GET") latest = await plantVictim(relay);
      const answer = await send(
        relay,
        method(name),
        operation?.url(latest) ?? "",
        token,
        operation?.body?.(latest),
      );
      expect(LET_IN).toContain(answer.status);
    }
  });
});

describe("a token for vendors", () => {
  const ofData = operations.filter(({ name }) => !PUBLIC.has(name) && !name.includes(" /admin/"));
  test.each(ofData)("$name: is shown nothing else, or refused", async ({ name }) => {
    const operation = OPERATIONS[name];
    const isRefused = operation?.narrowed !== undefined;
    if (!isRefused && method(name) !== "GET") latest = await plantVictim(relay);
    const before = JSON.stringify(await stateOf(relay, latest));
    const [url, body] = [operation?.url(latest) ?? "", operation?.body?.(latest)];
    const { status, text } = await send(relay, method(name), url, own.vendors, body);
    const wrong = Object.keys(latest.recordIds).filter(
      (entity) => entity !== "vendor" && text.includes(latest.recordIds[entity] ?? ""),
    );
    if (isRefused && JSON.stringify(await stateOf(relay, latest)) !== before) wrong.push("the store changed");
    expect({ isRefused: status === 403, isLetIn: LET_IN.includes(status), wrong }).toEqual({
      isRefused,
      isLetIn: !isRefused,
      wrong: [],
    });
  });
});

describe("lists without any parameter", () => {
  const whole = operations.filter(({ name }) => /^GET \/(v1|admin)\//.test(name) && !name.includes("{"));
  test.each(whole.filter(({ name }) => !PUBLIC.has(name)))("$name: no stranger's", async ({ name }) => {
    const { rival } = relay;
    const data = [rival.workspaceToken, rival.connectionToken, own.elsewhere];
    for (const token of name.includes(" /admin/") ? [rival.workspaceAdminToken] : data) {
      const answer = await send(relay, "GET", name.slice("GET ".length), token);
      const ids = [victim.workspaceId, victim.connectionId, ...Object.values(victim.recordIds)];
      expect([answer.status, [CANARY, ...ids].filter((text) => answer.text.includes(text))]).toEqual([
        200,
        [],
      ]);
    }
  });
});

test("a connection's token sees its own connection only, also within its workspace", async () => {
  const { acme } = relay;
  const other = { workspaceId: acme.workspaceId, connectionId: acme.otherConnectionId };
  const [record] = await commitRecords(relay, other, [
    { entity: "vendor", key: "sibling", fields: { name: "sibling" } },
  ]);
  const siblingAgent = await addAgent(relay, "sibling", acme.otherConnectionId);
  const token = acme.connectionToken;
  expect((await send(relay, "GET", `/v1/agents/${siblingAgent}`, token)).status).toBe(404);
  expect((await send(relay, "GET", `/v1/vendors/${record?.id}`, token)).status).toBe(404);
  expect((await send(relay, "GET", `/v1/connections/${acme.otherConnectionId}`, token)).status).toBe(404);
  expect(
    (await send(relay, "GET", `/v1/vendors?connection_id=${acme.otherConnectionId}`, token)).status,
  ).toBe(404);
  for (const url of [
    "/v1/vendors",
    "/v1/events",
    "/v1/connections",
    "/v1/sync-status",
    "/v1/gaps",
    "/v1/rejects",
  ]) {
    const answer = await send(relay, "GET", url, token);
    expect(answer.status).toBe(200);
    expect(answer.text).not.toContain("sibling");
    expect(answer.text).not.toContain(acme.otherConnectionId);
  }
});

interface Refusal {
  readonly status: number;
  readonly code: string | undefined;
  /** What should not be there: the victim's texts and ids, another content type, a changed store. */
  readonly leaks: readonly string[];
}

async function refusal(call: () => Promise<JsonAnswer>): Promise<Refusal> {
  const before = JSON.stringify(await stateOf(relay, victim));
  const answer = await call();
  const leaks = leaksOf(answer);
  if (JSON.stringify(await stateOf(relay, victim)) !== before) leaks.push("the store changed");
  const isProblem = String(answer.headers["content-type"]).startsWith("application/problem+json");
  if (answer.status >= 400 && !isProblem) leaks.push("not a problem document");
  return { status: answer.status, code: answer.body?.code, leaks };
}

function leaksOf(answer: JsonAnswer): string[] {
  // A refusal repeats the id that was asked for.
  const ids = answer.status === 200 ? [victim.connectionId, victim.agentId, victim.tokenId] : [];
  return [CANARY, ...ids].filter((text) => answer.text.includes(text));
}

function method(name: string): "GET" | "POST" | "PUT" | "PATCH" | "DELETE" {
  return name.split(" ")[0] as "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
}

function documented(fixture: RelayFixture): readonly Documented[] {
  const { paths } = fixture.app.swagger() as {
    paths: Record<string, Record<string, { security?: Documented["security"] }>>;
  };
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([verb, { security }]) => ({
      name: `${verb.toUpperCase()} ${path}`,
      security: security ?? [{ missing: [] }],
    })),
  );
}
