// Whether the relay is the one of the enrolment and would let this agent in; and its clock against ours.
import { once } from "node:events";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { describe, expect, it } from "vitest";
import type { AgentIdentity } from "#agent/core/agent-identity.ts";
import { clockChecks } from "#agent/doctor/clock.ts";
import type { Way } from "#agent/doctor/network.ts";
import { relayChecks } from "#agent/doctor/relay.ts";
import { generateIdentityKey } from "#common/contract/identity-key.ts";
import { CertificateAuthority } from "#test/support/certificates.ts";
import { startInspectingProxy } from "#test/support/inspecting-proxy.ts";
import { AGENT_ID, startTestRelay, type TestRelay } from "#test/support/wire.ts";

const authority = new CertificateAuthority();
const certificate = authority.issue({ commonName: "relay" });

function way(url: string): Way {
  const signal = new AbortController().signal;
  const ca = [authority.certificatePem];
  return { url: new URL(`${url}/agent`), proxy: undefined, ca, limitMs: 20_000, nowMs: Date.now, signal };
}

function identityAt(relay: TestRelay): AgentIdentity {
  return {
    agentId: AGENT_ID,
    name: "mill",
    workspaceId: "ws_1",
    workspaceName: "Acme",
    relayUrl: `${relay.url}/agent`,
    relayKey: relay.relayKey.publicKey,
    secretKey: relay.agentKey.exportSecret(),
    enrolledAtMs: 0,
  };
}

async function look(url: string, identity: AgentIdentity | undefined) {
  const { list } = await relayChecks({ way: way(url), identity, status: undefined });
  return Object.fromEntries(
    list.map(({ check, outcome, text, more = [] }) => [check, `${outcome}: ${[text, ...more].join("\n")}`]),
  );
}

describe("relay", () => {
  it("of the enrolment would let the agent in, and hears of no session", async () => {
    await using relay = await startTestRelay({ certificate });
    const found = await look(relay.url, identityAt(relay));
    expect(found["websocket"]).toMatch(/^ok: .*speaks protocol 1/);
    expect(found["relay_key"]).toMatch(/^ok: it is the relay of this agent's enrolment/);
    expect(found["enrolment"]).toBe(
      `ok: enrolled as mill (${AGENT_ID}) in workspace Acme; the relay would let it in`,
    );
    expect(relay.sessions).toEqual([]);
  });

  it("that has revoked the agent says so", async () => {
    await using relay = await startTestRelay({
      certificate,
      findAgent: (_id, known) =>
        Promise.resolve(known === "unknown" ? known : { ...known, state: "revoked" as const }),
    });
    expect((await look(relay.url, identityAt(relay)))["enrolment"]).toMatch(
      /^failed: .*this agent was revoked[^]*Somebody revoked it at the relay: ask why/,
    );
  });

  it("that is another one fails by its key, and hears no proof", async () => {
    await using relay = await startTestRelay({ certificate });
    const pinned = { ...identityAt(relay), relayKey: generateIdentityKey().publicKey };
    const found = await look(relay.url, pinned);
    expect(found["relay_key"]).toMatch(/^failed: another relay answers[^]*Find out which/);
    expect(found["enrolment"]).toMatch(/^skipped: /);
  });

  it("is known also behind a proxy that opens TLS", async () => {
    await using relay = await startTestRelay({ certificate });
    await using proxy = await startInspectingProxy(`${relay.url}/agent`, authority.certificatePem);
    const found = await look(proxy.url, identityAt(relay));
    expect(found["relay_key"]).toMatch(/^ok: it is the relay of this agent's enrolment/);
    expect(found["enrolment"]).toContain("would let it in");
  });

  it("shows its key before an enrolment", async () => {
    await using relay = await startTestRelay({ certificate });
    const found = await look(relay.url, undefined);
    expect(found["relay_key"]).toMatch(/^ok: the relay has proven its key, fingerprint [\w-]{43}/);
    expect(found["enrolment"]).toMatch(/^warning: this agent is not enrolled\nNext: millrace-agent enroll/);
  });

  it("is not there where upgrades are stripped", async () => {
    const server = createServer(
      { key: certificate.privateKeyPem, cert: certificate.certificatePem },
      (_request, response) => response.writeHead(200).end("Welcome"),
    );
    server.on("upgrade", (_request, socket) => socket.end("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const found = await look(`wss://127.0.0.1:${(server.address() as AddressInfo).port}`, undefined);
    expect(found["websocket"]).toMatch(/^failed: .*it answered 200 OK[^]*strips the upgrade/);
    server.close();
    server.closeAllConnections();
  });
});

describe("clock", () => {
  async function clockAt(aheadMs: number, more: { readonly answersDate?: boolean } = {}) {
    const server = createServer(
      { key: certificate.privateKeyPem, cert: certificate.certificatePem },
      (_request, response) => {
        response.sendDate = more.answersDate ?? true;
        response.writeHead(404).end();
      },
    );
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    try {
      const url = `wss://127.0.0.1:${(server.address() as AddressInfo).port}`;
      const nowMs = (): number => Date.now() + aheadMs;
      const { list } = await clockChecks(way(url), ["Europe/Berlin"], nowMs);
      return list;
    } finally {
      server.close();
      server.closeAllConnections();
    }
  }

  it.each([
    [0, "ok", /agree/],
    [90_000, "warning", /\d+ s ahead of the relay/],
    [-3_600_000, "failed", /\d+ s behind the relay/],
  ] as const)("that is %d ms ahead is %s", async (aheadMs, outcome, pattern) => {
    const [clock, zones] = await clockAt(aheadMs);
    expect(clock).toMatchObject({ check: "clock", outcome, text: expect.stringMatching(pattern) });
    expect(zones).toMatchObject({ check: "time_zones", outcome: "ok" });
  });

  it("cannot be compared where no time is said", async () => {
    expect(await clockAt(0, { answersDate: false })).toMatchObject([{ outcome: "skipped" }, {}]);
  });
});
