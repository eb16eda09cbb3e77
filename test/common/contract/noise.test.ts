// Noise NN against published vectors, and its refusals.
import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  CipherState,
  ephemeralKeyFrom,
  generateEphemeralKey,
  HandshakeState,
  MAX_MESSAGES_PER_KEY,
  NoiseError,
  SEAL_BYTES,
  type NoiseSession,
} from "#common/contract/noise.ts";

/** Noise_NN_25519_AESGCM_SHA256 of the cacophony test vectors (github.com/haskell-cryptography/cacophony). */
const CACOPHONY = {
  prologue: "4a6f686e2047616c74",
  initiatorEphemeral: "893e28b9dc6ca8d611ab664754b8ceb7bac5117349a4439a6b0569da977c464a",
  responderEphemeral: "bbdb4cdbd309f1a1f2e1456967fe288cadd6f712d65dc7b7793d5e63da6b375b",
  /** The vectors give the hash as it stands after the first message; what follows is only two more hashes. */
  hashAfterFirst: "17d40cb8831960741280c9df5cd233e52bd92f397d9cc2609403c277d466a0cd",
  messages: [
    [
      "4c756477696720766f6e204d69736573",
      "ca35def5ae56cec33dc2036731ab14896bc4c75dbb07a61f879f8e3afa4c79444c756477696720766f6e204d69736573",
    ],
    [
      "4d757272617920526f746862617264",
      "95ebc60d2b1fa672c1f46a8aa265ef51bfe38e7ccb39ec5be34069f144808843934ff73eebb9d930ebf62b8e4db8133ca936872b5551efd7c9989c646d8cf0",
    ],
    ["462e20412e20486179656b", "8d372b94914e80018211a344b8b1c5a2869492a0db46990c0362f3"],
    ["4361726c204d656e676572", "e183b0abd55550f9955fb05476d988c6f27628d7bbde111c39ccbc"],
    [
      "4a65616e2d426170746973746520536179",
      "167293a79ad6a647114c4f4eb55bdf713a0d44ae48765c07fc4e57743100825021",
    ],
    [
      "457567656e2042f6686d20766f6e2042617765726b",
      "2b67a18ae246069c51687bee89141041d9d35a821f852975d169a4f80f75c735807a1fd157",
    ],
  ],
} as const;

const hex = (text: string): Buffer => Buffer.from(text, "hex");
const sha256 = (...parts: readonly Uint8Array[]): Buffer =>
  createHash("sha256").update(Buffer.concat(parts)).digest();
const PROLOGUE = Buffer.from("test");

function handshake(payload = Buffer.from("hello")): { initiator: NoiseSession; responder: NoiseSession } {
  const initiator = new HandshakeState("initiator", generateEphemeralKey(), PROLOGUE);
  const responder = new HandshakeState("responder", generateEphemeralKey(), PROLOGUE);
  responder.readMessage(initiator.writeMessage(payload));
  initiator.readMessage(responder.writeMessage(payload));
  return { initiator: initiator.split(), responder: responder.split() };
}

describe("published vectors", () => {
  it("agrees with cacophony's Noise_NN_25519_AESGCM_SHA256, byte for byte, in both roles", () => {
    const prologue = hex(CACOPHONY.prologue);
    const initiator = new HandshakeState(
      "initiator",
      ephemeralKeyFrom(hex(CACOPHONY.initiatorEphemeral)),
      prologue,
    );
    const responder = new HandshakeState(
      "responder",
      ephemeralKeyFrom(hex(CACOPHONY.responderEphemeral)),
      prologue,
    );
    const [first, second, ...transport] = CACOPHONY.messages;
    const one = initiator.writeMessage(hex(first[0]));
    expect(one.toString("hex")).toBe(first[1]);
    expect(Buffer.from(responder.readMessage(one)).toString("hex")).toBe(first[0]);
    const two = responder.writeMessage(hex(second[0]));
    expect(two.toString("hex")).toBe(second[1]);
    expect(Buffer.from(initiator.readMessage(two)).toString("hex")).toBe(second[0]);
    const sessions = [initiator.split(), responder.split()] as const;
    const afterKey = sha256(hex(CACOPHONY.hashAfterFirst), two.subarray(0, 32));
    for (const session of sessions) {
      expect(session.handshakeHash).toEqual(sha256(afterKey, two.subarray(32)));
    }
    for (const [index, [payload, ciphertext]] of transport.entries()) {
      const [from, to] = index % 2 === 0 ? sessions : [sessions[1], sessions[0]];
      const sealed = from.send.seal(hex(payload));
      expect(sealed.toString("hex")).toBe(ciphertext);
      expect(to.receive.open(sealed).toString("hex")).toBe(payload);
    }
  });
});

describe("transport", () => {
  it("carries frames far beyond Noise's own 65,535 bytes", () => {
    const { initiator, responder } = handshake();
    const frame = Buffer.alloc(1024 * 1024 - SEAL_BYTES, 7);
    expect(responder.receive.open(initiator.send.seal(frame)).equals(frame)).toBe(true);
  });

  it("opens neither a replayed, nor a skipped, nor a mirrored message", () => {
    const { initiator, responder } = handshake();
    const [one, two] = [initiator.send.seal(Buffer.from("1")), initiator.send.seal(Buffer.from("2"))];
    expect(() => responder.receive.open(two)).toThrow(NoiseError);
    expect(responder.receive.open(one).toString()).toBe("1");
    expect(() => responder.receive.open(one)).toThrow(NoiseError);
    expect(() => initiator.receive.open(initiator.send.seal(Buffer.from("3")))).toThrow(NoiseError);
    expect(responder.receive.open(two).toString()).toBe("2");
  });

  it("opens no message with any byte changed, and none cut short", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 300 }),
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        (plain, at, bits) => {
          const { initiator, responder } = handshake();
          const sealed = initiator.send.seal(plain);
          const index = at % sealed.length;
          sealed[index] = (sealed[index] ?? 0) ^ bits;
          expect(() => responder.receive.open(sealed)).toThrow(NoiseError);
          expect(() => responder.receive.open(sealed.subarray(0, index))).toThrow(NoiseError);
        },
      ),
      { numRuns: 50 },
    );
  });

  it("refuses to go on after 2^48 messages, on both sides", () => {
    const key = Buffer.alloc(32, 1);
    const sealer = new CipherState(key, MAX_MESSAGES_PER_KEY - 1);
    const opener = new CipherState(key, MAX_MESSAGES_PER_KEY - 1);
    const last = sealer.seal(Buffer.from("last"));
    expect(opener.open(last).toString()).toBe("last");
    expect(() => sealer.seal(Buffer.from("one more"))).toThrow(/at most 281474976710656 messages/);
    expect(() => opener.open(last)).toThrow(/at most/);
  });
});

describe("refusals of the handshake", () => {
  it("refuses messages out of turn", () => {
    const initiator = new HandshakeState("initiator", generateEphemeralKey(), PROLOGUE);
    const responder = new HandshakeState("responder", generateEphemeralKey(), PROLOGUE);
    expect(() => responder.writeMessage(Buffer.alloc(0))).toThrow(/out of turn/);
    expect(() => initiator.readMessage(Buffer.alloc(40))).toThrow(/out of turn/);
    expect(() => initiator.split()).toThrow(/not finished/);
    initiator.writeMessage(Buffer.alloc(0));
    expect(() => initiator.writeMessage(Buffer.alloc(0))).toThrow(/out of turn/);
  });

  it("refuses keys of low order and messages shorter than a key", () => {
    const responder = new HandshakeState("responder", generateEphemeralKey(), PROLOGUE);
    responder.readMessage(Buffer.alloc(32));
    expect(() => responder.writeMessage(Buffer.alloc(0))).toThrow(/usable X25519 point/);
    const short = new HandshakeState("responder", generateEphemeralKey(), PROLOGUE);
    expect(() => short.readMessage(Buffer.alloc(31))).toThrow(/shorter than a key/);
  });

  it("does not meet a peer with another prologue", () => {
    const initiator = new HandshakeState("initiator", generateEphemeralKey(), Buffer.from("a"));
    const responder = new HandshakeState("responder", generateEphemeralKey(), Buffer.from("b"));
    responder.readMessage(initiator.writeMessage(Buffer.alloc(0)));
    expect(() => initiator.readMessage(responder.writeMessage(Buffer.alloc(0)))).toThrow(NoiseError);
  });
});
