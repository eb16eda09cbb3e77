// A TLS-inspecting proxy between agent and relay: it learns nothing, and nothing it does to a frame goes unnoticed.
import { describe, expect, it, vi } from "vitest";
import { connectAgent, enrollAgent, type AgentChannel } from "#agent/uplink/socket.ts";
import { UplinkError } from "#agent/uplink/uplink-error.ts";
import { CLOSE } from "#common/contract/messages.ts";
import { CertificateAuthority } from "#test/support/certificates.ts";
import {
  startInspectingProxy,
  type Direction,
  type InspectingProxy,
  type Meddle,
} from "#test/support/inspecting-proxy.ts";
import { Ear, startTestRelay, type RelaySession, type TestRelay } from "#test/support/wire.ts";

const authority = new CertificateAuthority();
const CANARY = "canary-7f3a-purchase-order-4711";

interface Scene extends AsyncDisposable {
  readonly relay: TestRelay;
  readonly proxy: InspectingProxy;
  readonly ear: Ear;
  connect(): Promise<AgentChannel>;
  session(): RelaySession;
}

async function scene(): Promise<Scene> {
  const relay = await startTestRelay({ certificate: authority.issue({ commonName: "relay" }) });
  const proxy = await startInspectingProxy(`${relay.url}/agent`, authority.certificatePem);
  const ear = new Ear();
  return {
    relay,
    proxy,
    ear,
    connect: () => connectAgent({ ...relay.connectOptions(ear), url: proxy.url, ca: [proxy.authorityPem] }),
    session: () => {
      const [session] = relay.sessions;
      if (session === undefined) throw new Error("the relay has no session");
      return session;
    },
    [Symbol.asyncDispose]: async () => {
      await proxy[Symbol.asyncDispose]();
      await relay[Symbol.asyncDispose]();
    },
  };
}

/** Where the session's own frames begin, by direction: after the handshake, and after the greeting. */
const FIRST: Readonly<Record<Direction, number>> = { up: 2, down: 3 };

describe("an inspecting proxy", () => {
  it("that only looks lets the session work, and sees neither content nor keys", async () => {
    await using stage = await scene();
    const channel = await stage.connect();
    for (let index = 0; index < 20; index += 1) {
      channel.send(Buffer.from(`${CANARY} up ${index}`));
      stage.session().channel.send(Buffer.from(`${CANARY} down ${index}`));
    }
    await vi.waitFor(() => expect(stage.ear.frames.length).toBe(21));
    await vi.waitFor(() => expect(stage.session().ear.frames.length).toBe(20));
    expect(stage.session().ear.texts.every((text) => text.startsWith(CANARY))).toBe(true);
    const seen = Buffer.concat(stage.proxy.seen.map(({ bytes }) => bytes)).toString("latin1");
    expect(stage.proxy.seen.length).toBe(2 + 20 + 3 + 20);
    // It does see the hello: the test looks in the right place.
    expect(seen).toContain('"mode":"session"');
    for (const secret of [
      CANARY,
      "canary",
      "welcome",
      "agent_proof",
      "instance",
      stage.relay.relayKey.publicKey,
    ]) {
      expect(seen).not.toContain(secret);
    }
  });

  const alter: Meddle = ({ bytes }) => {
    const changed = Buffer.from(bytes);
    changed[changed.length >> 1] = (changed[changed.length >> 1] ?? 0) ^ 1;
    return [changed];
  };
  /** On the session's first, second … frame of one direction. */
  const attacks: Record<
    string,
    (at: number) => (message: Parameters<Meddle>[0], seen: Parameters<Meddle>[1]) => readonly Uint8Array[]
  > = {
    alters: (at) => (message, seen) => (message.index === at ? alter(message, seen) : [message.bytes]),
    "cuts short": (at) => (message) => [message.index === at ? message.bytes.subarray(0, -1) : message.bytes],
    "makes longer": (at) => (message) => [
      message.index === at ? Buffer.concat([message.bytes, Buffer.of(0)]) : message.bytes,
    ],
    injects: (at) => (message) =>
      message.index === at ? [Buffer.alloc(64, 1), message.bytes] : [message.bytes],
    repeats: (at) => (message) => (message.index === at ? [message.bytes, message.bytes] : [message.bytes]),
    "replays an old one for": (at) => (message, seen) => {
      if (message.index !== at + 1) return [message.bytes];
      const old = seen.find((earlier) => earlier.direction === message.direction && earlier.index === at);
      return [old?.bytes ?? message.bytes];
    },
    drops: (at) => (message) => (message.index === at ? [] : [message.bytes]),
    reorders: (at) => {
      let held: Uint8Array | undefined;
      return (message) => {
        if (message.index === at) {
          held = message.bytes;
          return [];
        }
        const released = held === undefined ? [] : [held];
        held = undefined;
        return [message.bytes, ...released];
      };
    },
    "sends back to its sender": (at) => (message, seen) => {
      const other = seen.findLast((earlier) => earlier.direction !== message.direction && earlier.index > 0);
      return message.index === at && other !== undefined ? [other.bytes] : [message.bytes];
    },
  };

  describe.each(["up", "down"] as const)("%s", (direction) => {
    it.each(Object.keys(attacks))(
      "that %s a frame is noticed, and nothing wrong is delivered",
      async (name) => {
        await using stage = await scene();
        const channel = await stage.connect();
        const session = stage.session();
        const sent = Array.from({ length: 6 }, (_, index) => `frame ${index}`);
        const attack = attacks[name]?.(FIRST[direction] + 1);
        if (attack === undefined) throw new Error("no such attack");
        stage.proxy.meddle = (message, seen) =>
          message.direction === direction ? attack(message, seen) : [message.bytes];
        const [from, receiver] = direction === "up" ? [channel, session.ear] : [session.channel, stage.ear];
        for (const text of sent) from.send(Buffer.from(text));
        await vi.waitFor(() => expect(receiver.closes).toHaveLength(1));
        expect(receiver.closes[0]?.code).toBe(CLOSE.PROTOCOL_ERROR);
        expect(receiver.closes[0]?.reason).toMatch(/altered, added, repeated, dropped or reordered/);
        // What was delivered is a beginning of what was sent: at most what came before the attack's frame and itself.
        const delivered = receiver.texts.filter((text) => text !== "welcome");
        expect(delivered).toEqual(sent.slice(0, delivered.length));
        expect(delivered.length).toBeLessThanOrEqual(2);
        const sender = direction === "up" ? stage.ear : session.ear;
        await vi.waitFor(() => expect(sender.closes).toHaveLength(1));
        expect(sender.closes[0]?.code).toBe(CLOSE.PROTOCOL_ERROR);
      },
    );
  });

  it.each([
    ["up", 0],
    ["down", 0],
    ["down", 1],
    ["up", 1],
    ["down", 2],
  ] as const)("that alters the handshake's message %s %i fails it", async (direction, index) => {
    await using stage = await scene();
    stage.proxy.meddle = (message, seen) =>
      message.direction === direction && message.index === index ? alter(message, seen) : [message.bytes];
    const error: unknown = await stage.connect().catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(UplinkError);
    expect(error).toMatchObject({ kind: "refused" });
    expect(stage.ear.frames).toEqual([]);
    expect(stage.relay.sessions.flatMap(({ ear }) => ear.frames)).toEqual([]);
  });

  it("that replays a whole session to the relay gets nowhere", async () => {
    await using stage = await scene();
    await stage.connect();
    const recorded = stage.proxy.seen.filter(({ direction }) => direction === "up").map(({ bytes }) => bytes);
    let replayed = 0;
    stage.proxy.meddle = (message) =>
      message.direction === "up" ? [recorded[(replayed += 1) - 1] ?? message.bytes] : [message.bytes];
    const error: unknown = await stage.connect().catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(UplinkError);
    expect(stage.relay.sessions).toHaveLength(1);
  });

  it("that stands in for the relay is refused by session and enrolment alike", async () => {
    await using stage = await scene();
    await using impostor = await startTestRelay();
    const { relay } = stage;
    const options = { ...relay.connectOptions(new Ear()), url: impostor.url };
    await expect(connectAgent(options)).rejects.toThrow(
      /not the one pinned at enrolment: the line is intercepted/,
    );
    await expect(enrollAgent({ ...options, code: relay.code, name: "plant" })).rejects.toThrow(
      /does not fit the enrolment code: the line is intercepted/,
    );
    expect(impostor.enrolments).toEqual([]);
    expect(impostor.sessions).toEqual([]);
  });
});
