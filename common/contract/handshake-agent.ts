// The agent's role in the handshake: believes the relay only by its pinned key (or the code's fingerprint).
import { fitsFingerprint, type EnrollmentCode } from "./enrollment-code.ts";
import { encodeControl } from "./frame.ts";
import {
  asHandshakeError,
  commonCapabilities,
  encodePayload,
  fromBase64Url,
  HandshakeError,
  NONCE_BYTES,
  payloadReader,
  PROLOGUE,
  proofData,
  range,
  refuseOversize,
  toBase64Url,
  type HandshakeEntropy,
  type ProtocolOffer,
} from "./handshake.ts";
import { isPublicKey, verifySignature, type Signer } from "./identity-key.ts";
import {
  CLOSE,
  Enrolled,
  RelayProof,
  ServerHello,
  type AgentProof,
  type ClientHello,
  type Enroll,
} from "./messages.ts";
import { HandshakeState, type NoiseSession } from "./noise.ts";

/** A session of an enrolled agent. */
export interface SessionMode {
  readonly mode: "session";
  readonly agentId: string;
  /** Pinned at enrolment, base64url. */
  readonly relayKey: string;
  readonly agentVersion: string;
  /** Random per process start. */
  readonly instanceId: string;
  readonly platform: string;
}

export interface EnrollMode {
  readonly mode: "enroll";
  readonly code: EnrollmentCode;
  /** The agent's name for people. */
  readonly name: string;
}

export interface AgentHandshakeOptions {
  readonly identity: Signer;
  readonly purpose: SessionMode | EnrollMode;
  readonly offer: ProtocolOffer;
  readonly entropy: HandshakeEntropy;
}

export type AgentAction =
  | { readonly type: "send"; readonly message: Uint8Array }
  /** The relay is the right one and has our proof. Its next frame is the session's first, or a close with its refusal. */
  | {
      readonly type: "proven";
      readonly noise: NoiseSession;
      readonly protocol: number;
      readonly capabilities: readonly string[];
    }
  /** Enrolment is done: pin `relayKey`. The socket may be closed. */
  | { readonly type: "enrolled"; readonly enrolled: Enrolled; readonly relayKey: string }
  /** The handshake is over; close the socket with this. */
  | { readonly type: "fail"; readonly error: HandshakeError };

const serverHello = payloadReader("server hello", ServerHello);
const relayProof = payloadReader("relay_proof", RelayProof);
const enrolledReply = payloadReader("enrolled", Enrolled);

type Step = "hello" | "proof" | "enrolled" | "over";

/** `start`, then `receive` each message and carry out what it returns, in order. Nothing is thrown for what the peer sends. */
export class AgentHandshake {
  readonly #options: AgentHandshakeOptions;
  readonly #state: HandshakeState;
  #step: Step = "hello";
  #hello: ServerHello | undefined;
  #noise: NoiseSession | undefined;

  constructor(options: AgentHandshakeOptions) {
    this.#options = options;
    this.#state = new HandshakeState("initiator", options.entropy.generateEphemeralKey(), PROLOGUE);
  }

  /** Noise message 1. */
  start(): Uint8Array {
    const { offer, entropy, purpose } = this.#options;
    const hello: ClientHello = {
      mode: purpose.mode,
      protocol_min: offer.protocolMin,
      protocol_max: offer.protocolMax,
      capabilities: [...offer.capabilities],
      ...(purpose.mode === "session" ? { agent_id: purpose.agentId } : {}),
      nonce: toBase64Url(entropy.randomBytes(NONCE_BYTES)),
    };
    return this.#state.writeMessage(encodePayload(hello));
  }

  receive(message: Uint8Array): readonly AgentAction[] {
    try {
      refuseOversize(message);
      return this.#advance(message);
    } catch (error) {
      this.#step = "over";
      return [{ type: "fail", error: asHandshakeError(error) }];
    }
  }

  #advance(message: Uint8Array): readonly AgentAction[] {
    switch (this.#step) {
      case "hello":
        return this.#readHello(message);
      case "proof":
        return this.#readProof(message);
      case "enrolled":
        return this.#readEnrolled(message);
      default:
        throw new HandshakeError(CLOSE.PROTOCOL_ERROR, "a message came after the end of the handshake");
    }
  }

  #readHello(message: Uint8Array): readonly AgentAction[] {
    this.#hello = serverHello.payload(this.#state.readMessage(message));
    this.#noise = this.#state.split();
    this.#step = "proof";
    return [];
  }

  #readProof(message: Uint8Array): readonly AgentAction[] {
    const { noise, hello } = this.#agreed();
    const { signature } = relayProof.control(noise.receive.open(message));
    this.#checkRelay(hello, noise, signature);
    const { purpose } = this.#options;
    return purpose.mode === "session"
      ? this.#proveAgent(purpose, noise, hello)
      : this.#enroll(purpose, noise);
  }

  /** The key first: a relay that is the wrong one should be told so, whatever it signed. */
  #checkRelay(hello: ServerHello, noise: NoiseSession, signature: string): void {
    const { purpose, offer } = this.#options;
    if (!this.#isExpectedKey(hello.relay_key)) throw wrongRelay(purpose.mode);
    const data = proofData("relay", noise.handshakeHash);
    if (!verifySignature(hello.relay_key, data, fromBase64Url(signature))) {
      throw new HandshakeError(
        CLOSE.UNAUTHENTICATED,
        "the relay's proof is wrong: something on the line stands in for it",
      );
    }
    if (hello.protocol < offer.protocolMin || hello.protocol > offer.protocolMax) {
      const reason = `the relay chose protocol ${hello.protocol}, the agent speaks ${range(offer)}`;
      throw new HandshakeError(CLOSE.VERSION, reason);
    }
  }

  #isExpectedKey(relayKey: string): boolean {
    const { purpose } = this.#options;
    if (!isPublicKey(relayKey)) return false;
    return purpose.mode === "session"
      ? relayKey === purpose.relayKey
      : fitsFingerprint(relayKey, purpose.code.fingerprint);
  }

  #proveAgent(purpose: SessionMode, noise: NoiseSession, hello: ServerHello): readonly AgentAction[] {
    const { identity, offer } = this.#options;
    const proof: AgentProof = {
      type: "agent_proof",
      signature: toBase64Url(identity.sign(proofData("agent", noise.handshakeHash))),
      agent_version: purpose.agentVersion,
      instance_id: purpose.instanceId,
      platform: purpose.platform,
    };
    this.#step = "over";
    const capabilities = commonCapabilities(offer.capabilities, hello.capabilities);
    return [
      { type: "send", message: noise.send.seal(encodeControl(proof)) },
      { type: "proven", noise, protocol: hello.protocol, capabilities },
    ];
  }

  #enroll(purpose: EnrollMode, noise: NoiseSession): readonly AgentAction[] {
    const { identity } = this.#options;
    const { secret } = purpose.code;
    const enroll: Enroll = {
      type: "enroll",
      secret,
      agent_key: identity.publicKey,
      signature: toBase64Url(identity.sign(proofData("enroll", noise.handshakeHash, secret))),
      name: purpose.name,
    };
    this.#step = "enrolled";
    return [{ type: "send", message: noise.send.seal(encodeControl(enroll)) }];
  }

  #readEnrolled(message: Uint8Array): readonly AgentAction[] {
    const { noise, hello } = this.#agreed();
    const enrolled = enrolledReply.control(noise.receive.open(message));
    this.#step = "over";
    return [{ type: "enrolled", enrolled, relayKey: hello.relay_key }];
  }

  #agreed(): { noise: NoiseSession; hello: ServerHello } {
    if (this.#noise === undefined || this.#hello === undefined) {
      throw new HandshakeError(CLOSE.PROTOCOL_ERROR, "a handshake message is out of turn");
    }
    return { noise: this.#noise, hello: this.#hello };
  }
}

function wrongRelay(mode: "session" | "enroll"): HandshakeError {
  const reason =
    mode === "session"
      ? "relay key is not the one pinned at enrolment: the line is intercepted, or the relay was replaced (then enrol anew)"
      : "relay key does not fit the enrolment code: the line is intercepted, or the code is from another relay";
  return new HandshakeError(CLOSE.UNAUTHENTICATED, reason);
}
