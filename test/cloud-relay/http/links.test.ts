// Connection links: made by administrators, followed at the plant, and of no use to anybody else.
import { afterAll, describe, expect, test } from "vitest";
import { hashEnrollmentSecret, parseEnrollmentCode } from "#common/contract/enrollment-code.ts";
import { fingerprintOf } from "#common/contract/identity-key.ts";
import { enrolAgent } from "#relay/core/agents/enrolment.ts";
import { setStatus } from "#relay/core/agents/connection-status.ts";
import { entropy, get, relayFixture, send, type JsonAnswer, type RelayFixture } from "./relay-fixture.ts";
import { FakeClock } from "#test/support/fake-clock.ts";

const clock = new FakeClock();
const relay: RelayFixture = await relayFixture({ clock });
const { acme, rival, store } = relay;
const admin = acme.workspaceAdminToken;
const LINKS = "/admin/v1/connection-links";
afterAll(() => relay[Symbol.asyncDispose]());

async function make(body: object): Promise<{ path: string; body: JsonAnswer["body"] }> {
  const answer = await send(relay, "POST", LINKS, admin, body);
  expect([answer.status, answer.headers["cache-control"]]).toEqual([201, "no-store"]);
  return { path: new URL(answer.body.url).pathname, body: answer.body };
}

function codeOf(page: string): string {
  return /--code (mre_[\w-]+)/.exec(page)?.[1] ?? "";
}

/** As the gateway does it when an agent shows the code. */
function enrol(code: string): ReturnType<typeof enrolAgent> {
  const { secret } = parseEnrollmentCode(code);
  const deps = { directory: store.directory, nowMs: clock.nowMs(), randomBytes: entropy.randomBytes };
  return enrolAgent(deps, { secret, agentKey: "key", name: "plant" });
}

describe("a link", () => {
  test("brings its connection, pre-configured, and shows the one command", async () => {
    const { path, body } = await make({
      customer: "Müller & Söhne",
      system: "maximo",
      environment: "test",
      labels: { site: "north" },
      webhook_url: "https://example.com/hooks",
      settings: { initial_window_days: 30 },
      expires_in: 3_600,
    });
    expect(path).toMatch(/^\/connect\/mrc_[\w-]{43}$/);
    const connection = await store.directory.connection(
      { workspaceId: acme.workspaceId },
      body.connection_id,
    );
    expect(connection).toMatchObject({
      name: "muller-sohne-maximo",
      environment: "test",
      labels: { site: "north" },
      state: "pending",
    });
    const endpoint = await store.webhooks.endpoint(
      { workspaceId: acme.workspaceId },
      body.webhook_endpoint_id,
    );
    expect(endpoint?.row).toMatchObject({
      connectionId: body.connection_id,
      url: "https://example.com/hooks",
    });
    expect(body.webhook_secret).toMatch(/^whsec_/);
    const { desired } = await store.settings.get({ workspaceId: acme.workspaceId }, body.connection_id);
    expect(desired).toMatchObject({ revision: 1, document: { initial_window_days: 30 } });
    const page = await get(relay, path);
    expect(page.status).toBe(200);
    expect(page.text).toContain("<h1>Connect muller-sohne-maximo</h1>");
    expect(page.text).toContain("Müller &amp; Söhne");
    expect(page.text).toContain("pack: maximo");
    expect(page.text).toContain("enroll --relay ws://");
    expect(parseEnrollmentCode(codeOf(page.text)).fingerprint).toBe(fingerprintOf(relay.deps.relayPublicKey));
    expect(codeOf((await get(relay, path)).text)).toBe(codeOf(page.text));
  });

  test("is a page without script that loads its own stylesheet, is kept by nobody and tells nobody where it was", async () => {
    const { path } = await make({});
    const { headers, text } = await get(relay, path);
    const policy = String(headers["content-security-policy"]);
    expect(policy).toContain("default-src 'none'; style-src 'self'");
    expect(policy).not.toContain("unsafe");
    expect(headers["referrer-policy"]).toBe("no-referrer");
    expect(headers["cache-control"]).toBe("no-store");
    expect(String(headers["content-type"])).toContain("text/html");
    expect(text).not.toMatch(/<script|style="|onclick|https?:\/\//);
    expect(text).toMatch(/<html lang="en">/);
    const style = await get(relay, /href="([^"]+\.css)"/.exec(text)?.[1] ?? "");
    expect([style.status, String(style.headers["content-type"])]).toEqual([
      200,
      expect.stringContaining("text/css"),
    ]);
    expect(style.text).toContain("prefers-color-scheme: dark");
  });

  test("escapes what people have written", async () => {
    const { path } = await make({ customer: `<script>alert("1")</script>` });
    const { text } = await get(relay, path);
    expect(text).not.toContain("<script>");
    expect(text).toContain("&lt;script&gt;");
  });

  test("leads from the enrolment to the end of the first reading", async () => {
    const { path, body } = await make({ system: "opc-ua", name: "press-shop" });
    const first = await get(relay, path);
    expect(first.text).toContain("Waiting for the agent to enrol.");
    const enrolled = await enrol(codeOf(first.text));
    if ("refused" in enrolled) throw new Error(enrolled.refused);
    expect(enrolled.connections.map(({ id }) => id)).toEqual([body.connection_id]);
    const away = await get(relay, path);
    expect(away.text).toContain("enrolled, but not connected now");
    expect(codeOf(away.text)).toBe("");
    await store.directory.claimSession(enrolled.agent_id, "i", "1", "linux", clock.nowMs());
    expect((await get(relay, path)).text).toContain("a connection named press-shop");
    const report = async (
      status: "reauthorization_required" | "synchronizing" | "online",
      reason?: string,
    ) => {
      await store.directory.putReport(
        {
          type: "connection_report",
          connection_id: body.connection_id,
          status,
          entities: [{ entity: "asset", state: "snapshot", read: 40, total: 120 }],
        },
        clock.nowMs(),
      );
      const change = { state: status, reason, advice: reason && "Renew it." };
      await setStatus(store, body.connection_id, change, clock.nowMs());
    };
    await report("reauthorization_required", "login failed for <reader>");
    const failed = await get(relay, path);
    expect(failed.text).toContain("login failed for &lt;reader&gt;");
    expect(failed.text).toContain("Renew it.");
    await report("synchronizing");
    expect((await get(relay, path)).text).toContain("40 of 120");
    await report("online");
    await store.ingest((tx) =>
      tx.putSyncRuns([
        {
          connectionId: body.connection_id,
          entity: "asset",
          run: "r",
          pass: "snapshot",
          started_ms: 1,
          ended_ms: 2,
          outcome: "ok",
        },
      ]),
    );
    const done = await get(relay, path);
    expect(done.text).toContain("Connected.");
    expect(done.text).not.toContain("http-equiv");
    expect(first.text).toContain("http-equiv");
    expect(await enrol(codeOf(first.text))).toHaveProperty("refused");
  });
});

describe("nobody else", () => {
  test("learns anything from a link that is unknown, expired, revoked or whose connection is gone", async () => {
    const { path, body } = await make({ expires_in: 300 });
    const code = codeOf((await get(relay, path)).text);
    const dead: JsonAnswer[] = [await get(relay, "/connect/mrc_nothing"), await get(relay, `${path}x`)];
    const revoked = await make({});
    const revokedCode = codeOf((await get(relay, revoked.path)).text);
    expect((await send(relay, "DELETE", `${LINKS}/${revoked.body.id}`, admin)).status).toBe(204);
    expect((await send(relay, "DELETE", `${LINKS}/${revoked.body.id}`, admin)).status).toBe(404);
    dead.push(await get(relay, revoked.path));
    expect(await enrol(revokedCode)).toHaveProperty("refused");
    const cut = await make({});
    await store.directory.disconnectConnection(acme.workspaceId, cut.body.connection_id, clock.nowMs());
    dead.push(await get(relay, cut.path));
    clock.advance(300_000);
    dead.push(await get(relay, path));
    expect(await enrol(code)).toHaveProperty("refused");
    for (const answer of dead) {
      expect([answer.status, answer.text]).toEqual([404, dead[0]?.text]);
      expect(answer.text).not.toContain("mre_");
      expect(answer.text).not.toContain(body.connection_id);
    }
  });

  test("finds the token or the code in the store or in lists", async () => {
    const { path, body } = await make({ system: "maximo" });
    const token = path.slice("/connect/".length);
    const code = codeOf((await get(relay, path)).text);
    const list = await get(relay, `${LINKS}?limit=200`, admin);
    expect(list.body.data.map(({ id }: { id: string }) => id)).toContain(body.id);
    expect(list.text).not.toContain(token);
    expect(list.text).not.toContain("/connect/");
    const row = (await store.links.list(acme.workspaceId)).find(({ id }) => id === body.id);
    expect(JSON.stringify(row)).not.toContain(token);
    expect(row?.hash).toBe(entropy.sha256Hex(token));
    const { secret } = parseEnrollmentCode(code);
    expect(hashEnrollmentSecret(secret)).not.toBe(row?.hash);
    expect((await get(relay, `${LINKS}?limit=200`, rival.workspaceAdminToken)).body.data).toEqual([]);
  });
});

describe("making one", () => {
  const refusal = async (body: object) => {
    const answer = await send(relay, "POST", LINKS, admin, body);
    return [answer.status, answer.body.errors?.[0]?.pointer];
  };

  test("says what is wrong", async () => {
    expect(await refusal({ system: "maxim" })).toEqual([400, "#/system"]);
    expect(await refusal({ webhook_url: "http://example.com" })).toEqual([400, "#/webhook_url"]);
    expect(await refusal({ webhook_url: "https://user:pass@example.com" })).toEqual([400, "#/webhook_url"]);
    expect(await refusal({ expires_in: 10 })).toEqual([400, "#/expires_in"]);
    expect(await refusal({ settings: { password: "x" } })).toEqual([400, "#/settings/password"]);
    expect((await refusal({ connection_id: rival.connectionId }))[0]).toBe(404);
  });

  test("takes a connection that waits, and no other", async () => {
    const waiting = await make({ connection_id: acme.otherConnectionId });
    expect(waiting.body.connection_id).toBe(acme.otherConnectionId);
    const enrolled = await enrol(codeOf((await get(relay, waiting.path)).text));
    expect(enrolled).not.toHaveProperty("refused");
    expect((await refusal({ connection_id: acme.otherConnectionId }))[0]).toBe(409);
  });

  test("names connections of one customer and system one after the other", async () => {
    const names: (string | undefined)[] = [];
    for (let times = 0; times < 2; times += 1) {
      const { body } = await make({ customer: "Twin", system: "epicor" });
      const scope = { workspaceId: acme.workspaceId };
      names.push((await store.directory.connection(scope, body.connection_id))?.name);
    }
    expect(names).toEqual(["twin-epicor", "twin-epicor-2"]);
  });
});
