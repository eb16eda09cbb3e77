// The agent's socket against a real listener: sessions, enrolment, and one clear report for each failure.
import { once } from "node:events";
import { createServer as createHttp } from "node:http";
import { createServer as createTcp, type AddressInfo } from "node:net";
import { describe, expect, it, vi } from "vitest";
import { connectAgent, enrollAgent } from "#agent/uplink/socket.ts";
import { UplinkError } from "#agent/uplink/uplink-error.ts";
import { generateIdentityKey } from "#common/contract/identity-key.ts";
import { CLOSE, type Enrolled } from "#common/contract/messages.ts";
import { systemClock } from "#common/runtime/clock.ts";
import { CertificateAuthority } from "#test/support/certificates.ts";
import { AGENT_ID, Ear, startTestRelay } from "#test/support/wire.ts";

const ENROLLED: Enrolled = {
  type: "enrolled",
  agent_id: "agt_new",
  workspace_id: "wsp_1",
  workspace_name: "Example",
  connections: [{ id: "con_1", name: "cmms" }],
};

async function failureOf(promise: Promise<unknown>): Promise<UplinkError> {
  const error: unknown = await promise.then(
    () => new Error("it did not fail"),
    (reason: unknown) => reason,
  );
  if (!(error instanceof UplinkError)) throw error;
  return error;
}

describe("session", () => {
  it("carries frames both ways after mutual proof, and the first frame finds the session there", async () => {
    await using relay = await startTestRelay();
    const ear = new Ear();
    const channel = await connectAgent(relay.connectOptions(ear));
    expect(ear.texts).toEqual(["welcome"]);
    const [session] = relay.sessions;
    expect(session?.agent).toMatchObject({
      agentId: AGENT_ID,
      agentVersion: "0.0.0",
      instanceId: "instance",
      platform: "test",
      protocol: 1,
      remoteAddress: "127.0.0.1",
    });
    const big = Buffer.alloc(1024 * 1024 - 16, 3);
    channel.send(Buffer.from("one"));
    channel.send(big);
    session?.channel.send(Buffer.from("two"));
    await vi.waitFor(() => expect(session?.ear.frames.length).toBe(2));
    expect(session?.ear.frames[1]?.equals(big)).toBe(true);
    await vi.waitFor(() => expect(ear.texts).toEqual(["welcome", "two"]));
    await vi.waitFor(() => expect(ear.drains).toBeGreaterThan(0));
    expect(relay.listener.stats).toEqual({ handshakes: 0, agents: 1, refused: 0 });
  });

  it("tells both sides the code and reason of a close, once", async () => {
    await using relay = await startTestRelay();
    const ear = new Ear();
    const channel = await connectAgent(relay.connectOptions(ear));
    relay.sessions[0]?.channel.close(CLOSE.FENCED, "a newer session took over");
    await vi.waitFor(() =>
      expect(ear.closes).toEqual([{ code: CLOSE.FENCED, reason: "a newer session took over" }]),
    );
    channel.send(Buffer.from("into the void"));
    channel.close(1000, "again");
    await vi.waitFor(() => expect(relay.listener.stats.agents).toBe(0));
    expect(relay.sessions[0]?.ear.closes).toEqual([
      { code: CLOSE.FENCED, reason: "a newer session took over" },
    ]);
    expect(ear.closes).toHaveLength(1);
  });

  it("reports the relay's refusal of a proven agent as the attempt's failure", async () => {
    await using relay = await startTestRelay({ greet: (channel) => channel.close(CLOSE.FENCED, "not now") });
    const ear = new Ear();
    const error = await failureOf(connectAgent(relay.connectOptions(ear)));
    expect(error).toMatchObject({ kind: "refused", closeCode: CLOSE.FENCED });
    expect(error.message).toContain("not now");
    expect(ear.closes).toEqual([]);
  });
});

describe("enrolment", () => {
  it("uses a code once the relay's key fits its fingerprint", async () => {
    await using relay = await startTestRelay({ enroll: async () => ENROLLED });
    const identity = generateIdentityKey();
    const enrolled = await enrollAgent({
      url: relay.url,
      identity,
      clock: systemClock,
      code: relay.code,
      name: "plant",
    });
    expect(enrolled).toEqual({ ...ENROLLED, relayKey: relay.relayKey.publicKey });
    expect(relay.enrolments).toEqual([
      { secret: relay.code.secret, agentKey: identity.publicKey, name: "plant" },
    ]);
  });

  it("says why a code was refused", async () => {
    await using relay = await startTestRelay({ enroll: async () => ({ refused: "the code has expired" }) });
    const identity = generateIdentityKey();
    const options = { url: relay.url, identity, clock: systemClock, code: relay.code, name: "plant" };
    const error = await failureOf(enrollAgent(options));
    expect(error).toMatchObject({ kind: "refused", closeCode: CLOSE.ENROLMENT_REFUSED });
    expect(error.message).toContain("the code has expired");
  });

  it("keeps the secret from a relay that is not the code's", async () => {
    await using relay = await startTestRelay({ enroll: async () => ENROLLED });
    await using other = await startTestRelay();
    const identity = generateIdentityKey();
    const options = { url: relay.url, identity, clock: systemClock, code: other.code, name: "plant" };
    const error = await failureOf(enrollAgent(options));
    expect(error.message).toContain("relay key does not fit the enrolment code");
    expect(relay.enrolments).toEqual([]);
  });
});

describe("TLS", () => {
  const authority = new CertificateAuthority();

  it("accepts a relay of one's own authority when that is given, and says what to do when it is not", async () => {
    await using relay = await startTestRelay({ certificate: authority.issue({ commonName: "relay" }) });
    const ear = new Ear();
    await connectAgent({ ...relay.connectOptions(ear), ca: [authority.certificatePem] });
    expect(ear.texts).toEqual(["welcome"]);
    const error = await failureOf(connectAgent(relay.connectOptions(new Ear())));
    expect(error.kind).toBe("untrusted");
    expect(error.message).toContain("relay.ca_file");
  });

  it("refuses another name and an expired certificate, each with its advice", async () => {
    const ca = [authority.certificatePem];
    const named = authority.issue({ commonName: "relay", hosts: ["relay.test"] });
    await using wrong = await startTestRelay({ certificate: named });
    const misnamed = await failureOf(connectAgent({ ...wrong.connectOptions(new Ear()), ca }));
    expect(misnamed).toMatchObject({ kind: "untrusted" });
    expect(misnamed.message).toContain("relay.url");
    const old = authority.issue({ commonName: "relay", validDays: -1 });
    await using expired = await startTestRelay({ certificate: old });
    const late = await failureOf(connectAgent({ ...expired.connectOptions(new Ear()), ca }));
    expect(late.message).toContain("clock");
  });

  it("takes ws:// to other machines only when that is allowed expressly", async () => {
    await using relay = await startTestRelay();
    const options = { ...relay.connectOptions(new Ear()), url: "ws://192.0.2.1:9" };
    await expect(connectAgent(options)).rejects.toThrow(/allow_insecure/);
  });
});

describe("what is not a relay", () => {
  it("is named: nothing there, a web server, a redirect, a server that cannot serve", async () => {
    await using relay = await startTestRelay();
    const options = relay.connectOptions(new Ear());
    const web = createHttp((request, response) => {
      if (request.url === "/moved") response.writeHead(302, { location: "https://elsewhere.test/" });
      else if (request.url === "/busy") response.writeHead(503, { "retry-after": "7" });
      else response.writeHead(404);
      response.end();
    });
    web.listen(0, "127.0.0.1");
    await once(web, "listening");
    const base = `ws://127.0.0.1:${(web.address() as AddressInfo).port}`;
    const missing = await failureOf(connectAgent({ ...options, url: base }));
    expect(missing).toMatchObject({ kind: "protocol" });
    expect(missing.message).toContain("answered 404");
    const moved = await failureOf(connectAgent({ ...options, url: `${base}/moved` }));
    expect(moved.message).toContain("https://elsewhere.test/");
    const busy = await failureOf(connectAgent({ ...options, url: `${base}/busy` }));
    expect(busy).toMatchObject({ kind: "unreachable", retryAfterMs: 7_000 });
    web.close();
    await once(web, "close");
    const nothing = await failureOf(connectAgent({ ...options, url: base }));
    expect(nothing).toMatchObject({ kind: "unreachable" });
    expect(nothing.message).toContain("ECONNREFUSED");
  });

  it("is given up after the handshake's time, at whatever step it falls silent", async () => {
    await using relay = await startTestRelay();
    const silent = createTcp();
    silent.listen(0, "127.0.0.1");
    await once(silent, "listening");
    const { port } = silent.address() as AddressInfo;
    const options = { ...relay.connectOptions(new Ear()), timeoutMs: 50 };
    for (const url of [`ws://127.0.0.1:${port}`, `wss://127.0.0.1:${port}`]) {
      const error = await failureOf(connectAgent({ ...options, url }));
      expect(error).toMatchObject({ kind: "unreachable" });
      expect(error.message).toContain("did not finish the handshake within 0.05 s");
    }
    silent.close();
    await using slow = await startTestRelay({ findAgent: () => new Promise(() => {}) });
    const waiting = await failureOf(connectAgent({ ...slow.connectOptions(new Ear()), timeoutMs: 50 }));
    expect(waiting.message).toContain("did not finish the handshake");
  });

  it("is left when the caller gives up", async () => {
    await using relay = await startTestRelay({ findAgent: () => new Promise(() => {}) });
    const controller = new AbortController();
    const attempt = failureOf(
      connectAgent({ ...relay.connectOptions(new Ear()), signal: controller.signal }),
    );
    await vi.waitFor(() => expect(relay.listener.stats.handshakes).toBe(1));
    controller.abort();
    expect(await attempt).toMatchObject({ kind: "aborted" });
    await vi.waitFor(() => expect(relay.listener.stats.handshakes).toBe(0));
  });
});
