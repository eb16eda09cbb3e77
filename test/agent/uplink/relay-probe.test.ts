// Asking a relay beside a running agent: who it is, whether it would let this agent in; its session goes on.
import { once } from "node:events";
import { createServer } from "node:http";
import { connect, type AddressInfo, type Socket } from "node:net";
import { describe, expect, it, vi } from "vitest";
import { probeRelay, type ProbeRequest } from "#agent/uplink/relay-probe.ts";
import { connectAgent } from "#agent/uplink/socket.ts";
import { generateIdentityKey } from "#common/contract/identity-key.ts";
import { CLOSE } from "#common/contract/messages.ts";
import { AGENT_ID, Ear, startTestRelay, type TestRelay } from "#test/support/wire.ts";

async function lineTo(port: number): Promise<Socket> {
  const socket = connect(port, "127.0.0.1");
  await once(socket, "connect");
  return socket;
}

async function ask(relay: TestRelay, agent: Partial<ProbeRequest["agent"]> | "not enrolled" = {}) {
  const known = { agentId: AGENT_ID, relayKey: relay.relayKey.publicKey, identity: relay.agentKey };
  return await probeRelay({
    url: new URL(`ws://127.0.0.1:${relay.port}/agent`),
    stream: await lineTo(relay.port),
    agent: agent === "not enrolled" ? undefined : { ...known, version: "0.0.0", ...agent },
    signal: new AbortController().signal,
  });
}

describe("probeRelay", () => {
  it("is told that the agent would be let in, and the running session goes on", async () => {
    await using relay = await startTestRelay();
    const ear = new Ear();
    const channel = await connectAgent(relay.connectOptions(ear));
    expect(await ask(relay)).toMatchObject({
      outcome: "relay_known",
      isPinned: true,
      admission: "would_admit",
    });
    channel.send(Buffer.from("still here"));
    await vi.waitFor(() => expect(relay.sessions.at(-1)?.ear.texts).toEqual(["still here"]));
    expect(relay.sessions).toHaveLength(1);
    expect(ear.closes).toEqual([]);
    await vi.waitFor(() => expect(relay.listener.stats).toMatchObject({ handshakes: 0, agents: 1 }));
  });

  it.each([
    ["revoked", CLOSE.UNAUTHENTICATED, "this agent was revoked"],
    ["quarantined", CLOSE.QUARANTINED, "two copies of this agent"],
  ] as const)("is told of an agent that is %s", async (state, code, words) => {
    await using relay = await startTestRelay({
      findAgent: (_id, known) => Promise.resolve(known === "unknown" ? known : { ...known, state }),
    });
    expect(await ask(relay)).toMatchObject({
      admission: "refused",
      code,
      detail: expect.stringContaining(words),
    });
  });

  it("proves nothing to a relay that is not the pinned one, or to one that would begin a session", async () => {
    await using relay = await startTestRelay();
    const other = await ask(relay, { relayKey: generateIdentityKey().publicKey });
    expect(other).toMatchObject({ isPinned: false, admission: "not_asked" });
    await using old = await startTestRelay({ offer: { protocolMin: 1, protocolMax: 1, capabilities: [] } });
    expect(await ask(old)).toMatchObject({ isPinned: true, admission: "not_asked" });
    expect([relay.sessions, old.sessions]).toEqual([[], []]);
  });

  it("shows the relay's key before there is an enrolment", async () => {
    await using relay = await startTestRelay();
    const shown = await ask(relay, "not enrolled");
    expect(shown).toMatchObject({ relayKey: relay.relayKey.publicKey, isPinned: undefined });
    expect(relay.enrolments).toEqual([]);
  });

  it("tells what answers instead of a relay", async () => {
    const server = createServer((_request, response) => response.writeHead(404).end());
    server.on("upgrade", (_request, socket) =>
      socket.end("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
    );
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const result = await probeRelay({
      url: new URL(`ws://127.0.0.1:${port}/agent`),
      stream: await lineTo(port),
      agent: undefined,
      signal: new AbortController().signal,
    });
    expect(result).toMatchObject({ outcome: "no_websocket", status: 200 });
    server.close();
  });

  it("ends with its signal when nobody answers", async () => {
    const held: Socket[] = [];
    const server = createServer();
    server.on("connection", (socket: Socket) => held.push(socket));
    server.on("upgrade", () => {});
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const url = new URL(`ws://127.0.0.1:${port}/agent`);
    const stream = await lineTo(port);
    const signal = AbortSignal.timeout(50);
    const result = await probeRelay({ url, stream, agent: undefined, signal });
    expect(result).toMatchObject({ outcome: "no_websocket", status: undefined });
    for (const socket of held) socket.destroy();
    server.close();
  });
});
