// What both roles of the handshake share: the flow, version choice, what is signed, and the way to a close code.
//
//   agent → relay   Noise message 1 (e), ClientHello in the clear
//   relay → agent   Noise message 2 (e, ee), ServerHello sealed
//   relay → agent   relay_proof, sealed like every frame from here on
//   agent → relay   agent_proof                       or enroll
//   relay → agent   the session's first frame         or enrolled
//
// The handshake hash covers both hellos and both ephemeral keys; a signature over it speaks for this session alone.
// handshake-agent.ts and handshake-relay.ts are the two roles: bytes in, actions out, no I/O, randomness passed in.
import { Compile } from "typebox/compile";
import type { TSchema, Static } from "typebox";
import { FrameError, decodeControl } from "./frame.ts";
import { MAX_HANDSHAKE_MESSAGE_BYTES } from "./limits.ts";
import { CLOSE } from "./messages.ts";
import { generateEphemeralKey, NoiseError, type EphemeralKey } from "./noise.ts";
import { SUBPROTOCOL } from "./protocol-version.ts";
import { MillraceError } from "../runtime/errors.ts";

/** Ends a handshake: the code and reason go to the other side as they are. */
export class HandshakeError extends MillraceError {
  override name = "HandshakeError";
  readonly code: number;
  constructor(code: number, reason: string, options?: ErrorOptions) {
    super(reason, options);
    this.code = code;
  }
}

/** All the randomness of a handshake. */
export interface HandshakeEntropy {
  readonly randomBytes: (count: number) => Uint8Array;
  readonly generateEphemeralKey: () => EphemeralKey;
}

export const systemEntropy: HandshakeEntropy = {
  randomBytes: (count) => globalThis.crypto.getRandomValues(new Uint8Array(count)),
  generateEphemeralKey,
};

/** What a side speaks. */
export interface ProtocolOffer {
  readonly protocolMin: number;
  readonly protocolMax: number;
  readonly capabilities: readonly string[];
}

/**
 * Capability of a handshake that only asks: where both sides name it, an agent that the relay would let in is told so by a
 * close, and no session begins, so that the agent's running one is not fenced off.
 */
export const PROBE_CAPABILITY = "probe";

/** Noise's prologue: both sides must mean the same protocol. */
export const PROLOGUE = Buffer.from(SUBPROTOCOL);
export const NONCE_BYTES = 32;

const CONTEXT = {
  relay: "millrace.v1 relay",
  agent: "millrace.v1 agent",
  enroll: "millrace.v1 enroll",
} as const;

/** The bytes that a proof signs. */
export function proofData(
  context: keyof typeof CONTEXT,
  handshakeHash: Uint8Array,
  secret: string = "",
): Uint8Array {
  return Buffer.concat([Buffer.from(CONTEXT[context]), handshakeHash, Buffer.from(secret)]);
}

/** The highest version that both speak. @throws HandshakeError VERSION */
export function chooseVersion(agent: ProtocolOffer, relay: ProtocolOffer): number {
  const version = Math.min(agent.protocolMax, relay.protocolMax);
  if (version >= Math.max(agent.protocolMin, relay.protocolMin)) return version;
  const older = agent.protocolMax < relay.protocolMin ? "agent" : "relay";
  throw new HandshakeError(
    CLOSE.VERSION,
    `no common protocol: agent ${range(agent)}, relay ${range(relay)}; update the ${older}`,
  );
}

export function commonCapabilities(ours: readonly string[], theirs: readonly string[]): readonly string[] {
  return ours.filter((capability) => theirs.includes(capability));
}

export function range(offer: ProtocolOffer): string {
  return `${offer.protocolMin}..${offer.protocolMax}`;
}

export function encodePayload(payload: object): Uint8Array {
  return Buffer.from(JSON.stringify(payload));
}

/** Reads one kind of payload or control message, checked. */
export function payloadReader<T extends TSchema>(
  name: string,
  schema: T,
): { payload(bytes: Uint8Array): Static<T>; control(frame: Uint8Array): Static<T> } {
  const validator = Compile(schema);
  const checked = (value: unknown): Static<T> => {
    if (validator.Check(value)) return value;
    throw new HandshakeError(CLOSE.PROTOCOL_ERROR, `${name} expected; what came does not fit its schema`);
  };
  return {
    payload: (bytes) => checked(parseJson(name, bytes)),
    control: (frame) => checked(decodeControl(frame)),
  };
}

export function refuseOversize(message: Uint8Array): void {
  if (message.length <= MAX_HANDSHAKE_MESSAGE_BYTES) return;
  throw new HandshakeError(
    CLOSE.TOO_BIG,
    `a handshake message of ${message.length} bytes is over ${MAX_HANDSHAKE_MESSAGE_BYTES}`,
  );
}

/** Every failure of a step as the close that it means; anything that is not one of ours is a bug and is thrown on. */
export function asHandshakeError(error: unknown): HandshakeError {
  if (error instanceof HandshakeError) return error;
  if (error instanceof NoiseError) {
    const reason = `the handshake failed: ${error.message}; something on the line altered it, or the peer speaks another protocol`;
    return new HandshakeError(CLOSE.PROTOCOL_ERROR, reason, { cause: error });
  }
  if (error instanceof FrameError)
    return new HandshakeError(CLOSE.PROTOCOL_ERROR, error.message, { cause: error });
  throw error;
}

/** base64url to bytes; malformed text gives bytes that no signature check accepts. */
export function fromBase64Url(text: string): Uint8Array {
  return Buffer.from(text, "base64url");
}

export function toBase64Url(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64url");
}

function parseJson(name: string, bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (error) {
    throw new HandshakeError(CLOSE.PROTOCOL_ERROR, `${name} expected; what came is not JSON`, {
      cause: error,
    });
  }
}
