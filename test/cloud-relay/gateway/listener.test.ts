// The relay's listener against strangers: limits, admission, garbage, and a directory that fails.
import { once } from "node:events";
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { WebSocket } from "ws";
import { connectAgent } from "#agent/uplink/socket.ts";
import { UplinkError } from "#agent/uplink/uplink-error.ts";
import { AgentHandshake } from "#common/contract/handshake-agent.ts";
import { systemEntropy } from "#common/contract/handshake.ts";
import { FrameError } from "#common/contract/frame.ts";
import { MAX_FRAME_BYTES } from "#common/contract/limits.ts";
import { CLOSE } from "#common/contract/messages.ts";
import { SUBPROTOCOL } from "#common/contract/protocol-version.ts";
import { systemClock } from "#common/runtime/clock.ts";
import { HandshakeAdmission } from "#relay/gateway/admission.ts";
import { AGENT_ID, Ear, startTestRelay, type TestRelay } from "#test/support/wire.ts";

interface Stranger {
  readonly socket: WebSocket;
  readonly closed: Promise<{ readonly code: number; readonly reason: string }>;
}

/** A WebSocket that speaks the subprotocol's name and nothing else. */
async function stranger(relay: TestRelay): Promise<Stranger> {
  const socket = new WebSocket(`${relay.url}/agent`, SUBPROTOCOL, { perMessageDeflate: false });
  socket.on("error", () => {});
  const closed = new Promise<{ code: number; reason: string }>((resolve) => {
    socket.once("close", (code, reason) => resolve({ code, reason: reason.toString() }));
  });
  await Promise.race([once(socket, "open"), closed]);
  return { socket, closed };
}

/** A stranger who knows the agent's key and has finished the handshake by hand: what it sends is the session's business. */
async function proven(relay: TestRelay): Promise<Stranger & { seal: (frame: Uint8Array) => Uint8Array }> {
  const line = await stranger(relay);
  const handshake = new AgentHandshake({
    identity: relay.agentKey,
    purpose: {
      mode: "session",
      agentId: AGENT_ID,
      relayKey: relay.relayKey.publicKey,
      agentVersion: "0",
      instanceId: "i",
      platform: "p",
    },
    offer: { protocolMin: 1, protocolMax: 1, capabilities: [] },
    entropy: systemEntropy,
  });
  line.socket.send(handshake.start());
  const seal = await new Promise<(frame: Uint8Array) => Uint8Array>((resolve) => {
    line.socket.on("message", (data: Buffer) => {
      for (const action of handshake.receive(data)) {
        if (action.type === "send") line.socket.send(action.message);
        if (action.type === "proven") resolve((frame) => action.noise.send.seal(frame));
      }
    });
  });
  await vi.waitFor(() => expect(relay.listener.stats.agents).toBeGreaterThan(0));
  return { ...line, seal };
}

describe("strangers", () => {
  it("who send text, garbage or too much are closed with a code and a reason", async () => {
    await using relay = await startTestRelay();
    const cases = [
      ["hello", CLOSE.PROTOCOL_ERROR, /text message/],
      [Buffer.alloc(10), CLOSE.PROTOCOL_ERROR, /shorter than a key/],
      [Buffer.alloc(100, 1), CLOSE.PROTOCOL_ERROR, /client hello expected/],
      [Buffer.alloc(20_000), CLOSE.TOO_BIG, /over 16384/],
    ] as const;
    for (const [message, code, reason] of cases) {
      const { socket, closed } = await stranger(relay);
      socket.send(message);
      const end = await closed;
      expect(end.code).toBe(code);
      expect(end.reason).toMatch(reason);
    }
    expect(relay.listener.stats).toEqual({ handshakes: 0, agents: 0, refused: cases.length });
  });

  it("cannot make the relay collect a large message", async () => {
    // No timer helps here: only the cap on bytes closes this line.
    const clock = { ...systemClock, setTimer: () => () => {} };
    await using relay = await startTestRelay({ clock });
    const { socket, closed } = await stranger(relay);
    socket.send(Buffer.alloc(500_000), { fin: false });
    await closed;
    expect(relay.listener.stats).toEqual({ handshakes: 0, agents: 0, refused: 1 });
  });

  it("who say nothing are closed when the handshake's time is over", async () => {
    await using relay = await startTestRelay({ handshakeTimeoutMs: 30 });
    const { closed } = await stranger(relay);
    expect(await closed).toEqual({
      code: CLOSE.SILENT,
      reason: "the handshake was not finished within 0.03 s",
    });
  });

  it("without the subprotocol are told what this is; other paths are left to others", async () => {
    await using relay = await startTestRelay();
    const plain = new WebSocket(`${relay.url}/agent`);
    const [, response] = await once(
      plain.on("error", () => {}),
      "unexpected-response",
    );
    expect(response.statusCode).toBe(426);
    plain.terminate();
    const nowhere = new WebSocket(`${relay.url}/nowhere`, SUBPROTOCOL);
    const [, missing] = await once(
      nowhere.on("error", () => {}),
      "unexpected-response",
    );
    expect(missing.statusCode).toBe(404);
    nowhere.terminate();
    relay.server.on("upgrade", (request, socket) => {
      if (request.url === "/other") socket.end("HTTP/1.1 418 Teapot\r\nConnection: close\r\n\r\n");
    });
    const other = new WebSocket(`${relay.url}/other`, SUBPROTOCOL);
    const [, teapot] = await once(
      other.on("error", () => {}),
      "unexpected-response",
    );
    expect(teapot.statusCode).toBe(418);
    other.terminate();
  });

  it("never crash it, whatever they send: it still serves afterwards", { timeout: 60_000 }, async () => {
    await using relay = await startTestRelay({ admission: { burst: 10_000, perSecond: 10_000 } });
    const message = fc.oneof(fc.uint8Array({ maxLength: 300 }), fc.string(), fc.json());
    await fc.assert(
      fc.asyncProperty(fc.array(message, { minLength: 1, maxLength: 5 }), async (messages) => {
        const { socket, closed } = await stranger(relay);
        for (const content of messages) socket.send(content);
        const { code } = await closed;
        expect([CLOSE.PROTOCOL_ERROR, CLOSE.TOO_BIG]).toContain(code);
      }),
      { numRuns: 60 },
    );
    const ear = new Ear();
    await connectAgent(relay.connectOptions(ear));
    expect(ear.texts).toEqual(["welcome"]);
  });

  it("who write raw bytes after the upgrade are closed as well", { timeout: 60_000 }, async () => {
    await using relay = await startTestRelay({ admission: { burst: 10_000, perSecond: 10_000 } });
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 20, maxLength: 400 }), async (bytes) => {
        const { socket, closed } = await stranger(relay);
        const raw = (socket as unknown as { _socket: import("node:net").Socket })._socket;
        raw.end(bytes);
        await closed;
      }),
      { numRuns: 40 },
    );
    await vi.waitFor(() => expect(relay.listener.stats).toMatchObject({ handshakes: 0, agents: 0 }));
  });
});

describe("proven agents", () => {
  it("are closed for text, unsealed bytes, replays and oversize, each with its reason", async () => {
    await using relay = await startTestRelay();
    const cases: [(line: Awaited<ReturnType<typeof proven>>) => void, number, RegExp][] = [
      [({ socket }) => socket.send("text"), CLOSE.PROTOCOL_ERROR, /text message/],
      [({ socket }) => socket.send(Buffer.alloc(100)), CLOSE.PROTOCOL_ERROR, /did not open/],
      [({ socket }) => socket.send(Buffer.alloc(3)), CLOSE.PROTOCOL_ERROR, /did not open/],
      [
        ({ socket, seal }) => {
          const sealed = seal(Buffer.from("once"));
          socket.send(sealed);
          socket.send(sealed);
        },
        CLOSE.PROTOCOL_ERROR,
        /did not open/,
      ],
      [({ socket }) => socket.send(Buffer.alloc(MAX_FRAME_BYTES + 1)), CLOSE.TOO_BIG, /over 1048576 bytes/],
    ];
    for (const [attack, code, reason] of cases) {
      const line = await proven(relay);
      attack(line);
      expect((await line.closed).code).toBe(code);
      const session = relay.sessions.at(-1);
      await vi.waitFor(() => expect(session?.ear.closes).toHaveLength(1));
      expect(session?.ear.closes[0]?.code).toBe(code);
      expect(session?.ear.closes[0]?.reason).toMatch(reason);
      await vi.waitFor(() => expect(relay.listener.stats.agents).toBe(0));
    }
    expect(relay.sessions.flatMap(({ ear }) => ear.texts)).toEqual(["once"]);
  });

  it("whose frames the session cannot read are closed with the session's words", async () => {
    await using relay = await startTestRelay();
    const ear = new Ear();
    const channel = await connectAgent(relay.connectOptions(ear));
    const session = relay.sessions[0];
    if (session === undefined) throw new Error("no session");
    session.ear.onFrame = () => {
      throw new FrameError("frame kind 9 is not known here");
    };
    channel.send(Buffer.of(9));
    await vi.waitFor(() =>
      expect(ear.closes).toEqual([{ code: CLOSE.PROTOCOL_ERROR, reason: "frame kind 9 is not known here" }]),
    );
  });

  it("are told when the directory fails, and when the relay stops", async () => {
    await using broken = await startTestRelay({ findAgent: () => Promise.reject(new Error("disk full")) });
    await expect(connectAgent(broken.connectOptions(new Ear()))).rejects.toMatchObject({
      closeCode: CLOSE.INTERNAL,
    });
    expect(broken.listener.stats.handshakes).toBe(0);
    await using relay = await startTestRelay();
    const ear = new Ear();
    await connectAgent(relay.connectOptions(ear));
    relay.listener.close();
    await vi.waitFor(() =>
      expect(ear.closes).toEqual([{ code: CLOSE.RESTARTING, reason: "the relay is restarting" }]),
    );
    const late = connectAgent(relay.connectOptions(new Ear()));
    await expect(late).rejects.toMatchObject({ kind: "refused", closeCode: CLOSE.RESTARTING });
  });
});

describe("admission", () => {
  it("sends those beyond the limit away with a hint, and lets them in later", async () => {
    await using relay = await startTestRelay({
      admission: { maxConcurrent: 2 },
      findAgent: async (_id, known) => known,
    });
    const [first, second] = [await stranger(relay), await stranger(relay)];
    const error: unknown = await connectAgent(relay.connectOptions(new Ear())).catch(
      (reason: unknown) => reason,
    );
    expect(error).toMatchObject({ kind: "refused", closeCode: CLOSE.OVERLOADED });
    expect((error as UplinkError).retryAfterMs).toBeGreaterThanOrEqual(1_000);
    first.socket.terminate();
    await vi.waitFor(() => expect(relay.listener.stats.handshakes).toBe(1));
    const ear = new Ear();
    await connectAgent(relay.connectOptions(ear));
    expect(ear.texts).toEqual(["welcome"]);
    second.socket.terminate();
  });

  it("fills its bucket by the clock, and spreads the hints as the crowd grows", () => {
    let nowMs = 0;
    const clock = { ...systemClock, monotonicMs: () => nowMs };
    const admission = new HandshakeAdmission({ maxConcurrent: 100, perSecond: 10, burst: 3 }, clock);
    const enter = (): boolean => {
      const { ok } = admission.enter();
      if (ok) admission.leave();
      return ok;
    };
    expect([enter(), enter(), enter(), enter()]).toEqual([true, true, true, false]);
    nowMs += 200;
    expect([enter(), enter(), enter()]).toEqual([true, true, false]);
    const hints = refused(admission, 100);
    expect(hints[0]).toBeGreaterThan(1_000);
    const apart = hints.slice(1).map((hint, index) => hint - (hints[index] ?? 0));
    expect(Math.min(...apart)).toBeCloseTo(1_000 / 9, 5);
    expect(hints.at(-1)).toBeLessThan(13_000);
    expect(Math.max(...refused(admission, 1_000))).toBe(60_000);
  });

  it("promises no more places than the machine has managed lately", () => {
    let nowMs = 0;
    const clock = { monotonicMs: () => nowMs, nowMs: () => nowMs, setTimer: () => () => {} };
    const admission = new HandshakeAdmission({ maxConcurrent: 50, perSecond: 1_000, burst: 1_000 }, clock);
    const begin = (count: number): void => {
      for (let at = 0; at < count; at += 1) expect(admission.enter().ok).toBe(true);
    };
    begin(50);
    refused(admission, 1);
    for (let step = 0; step < 20; step += 1) {
      nowMs += 100;
      for (let at = 0; at < 4; at += 1) admission.leave();
      begin(4);
    }
    const [first = 0, second = 0] = refused(admission, 2);
    expect(second - first).toBeCloseTo(1_000 / (40 * 0.9), 5);
  });
});

function refused(admission: HandshakeAdmission, count: number): readonly number[] {
  return Array.from({ length: count }, () => {
    const answer = admission.enter();
    return answer.ok ? 0 : answer.retryAfterMs;
  });
}
