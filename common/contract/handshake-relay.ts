// The relay's role in the handshake: proves itself first, then asks its directory about the agent or the code.
import { encodeControl } from "./frame.ts";
import {
  asHandshakeError,
  chooseVersion,
  commonCapabilities,
  encodePayload,
  fromBase64Url,
  HandshakeError,
  NONCE_BYTES,
  payloadReader,
  PROBE_CAPABILITY,
  PROLOGUE,
  proofData,
  refuseOversize,
  toBase64Url,
  type HandshakeEntropy,
  type ProtocolOffer,
} from "./handshake.ts";
import { isPublicKey, verifySignature, type Signer } from "./identity-key.ts";
import {
  AgentProof,
  ClientHello,
  CLOSE,
  Enroll,
  type Enrolled,
  type RelayProof,
  type ServerHello,
} from "./messages.ts";
import { HandshakeState, type NoiseSession } from "./noise.ts";

export interface RelayHandshakeOptions {
  readonly identity: Signer;
  readonly offer: ProtocolOffer;
  readonly entropy: HandshakeEntropy;
}

/** What the directory knows of an agent. The state is told only to who proves the key. */
export type AgentLookup =
  | "unknown"
  | { readonly publicKey: string; readonly state: "active" | "revoked" | "quarantined" };

/** An agent that has proven its key. */
export interface ProvenAgent {
  readonly agentId: string;
  readonly agentVersion: string;
  readonly instanceId: string;
  readonly platform: string;
  readonly protocol: number;
  readonly capabilities: readonly string[];
}

export interface EnrolmentRequest {
  /** As the code has it; not checked yet. */
  readonly secret: string;
  /** The agent's public key; it has signed this request. */
  readonly agentKey: string;
  readonly name: string;
}

export type EnrolmentAnswer = Enrolled | { readonly refused: string };

export type RelayAction =
  | { readonly type: "send"; readonly message: Uint8Array }
  /** Look the agent up, then call `agentFound`. */
  | { readonly type: "find_agent"; readonly agentId: string }
  /** Use the code, then call `enrolmentDecided`. */
  | { readonly type: "enroll"; readonly request: EnrolmentRequest }
  | { readonly type: "proven"; readonly agent: ProvenAgent; readonly noise: NoiseSession }
  /** The agent knows that it is enrolled; the socket may be closed. */
  | { readonly type: "enrolled" }
  /** The agent only asked whether it would be let in, and it would: the socket is to be closed, no session begins. */
  | { readonly type: "probed" }
  | { readonly type: "fail"; readonly error: HandshakeError };

const clientHello = payloadReader("client hello", ClientHello);
const agentProof = payloadReader("agent_proof", AgentProof);
const enrollRequest = payloadReader("enroll", Enroll);

type Step = "hello" | "proof" | "enroll" | "deciding" | "over";

interface Agreed {
  readonly hello: ClientHello;
  readonly protocol: number;
  readonly noise: NoiseSession;
}

/** `receive` each message; answer `find_agent` and `enroll`. Nothing is thrown for what the peer sends. */
export class RelayHandshake {
  readonly #options: RelayHandshakeOptions;
  readonly #state: HandshakeState;
  #step: Step = "hello";
  #agreed: Agreed | undefined;
  #proof: AgentProof | undefined;

  constructor(options: RelayHandshakeOptions) {
    this.#options = options;
    this.#state = new HandshakeState("responder", options.entropy.generateEphemeralKey(), PROLOGUE);
  }

  receive(message: Uint8Array): readonly RelayAction[] {
    return this.#guard(() => {
      refuseOversize(message);
      switch (this.#step) {
        case "hello":
          return this.#readHello(message);
        case "proof":
          return this.#readProof(message);
        case "enroll":
          return this.#readEnroll(message);
        default:
          throw new HandshakeError(
            CLOSE.PROTOCOL_ERROR,
            "a message came before the relay had answered the last one",
          );
      }
    });
  }

  agentFound(lookup: AgentLookup): readonly RelayAction[] {
    return this.#guard(() => {
      const { agreed, proof } = this.#deciding();
      const agentId = agreed.hello.agent_id ?? "";
      const data = proofData("agent", agreed.noise.handshakeHash);
      if (lookup === "unknown" || !verifySignature(lookup.publicKey, data, fromBase64Url(proof.signature))) {
        throw new HandshakeError(
          CLOSE.UNAUTHENTICATED,
          "the relay does not know this agent, or its proof is wrong; enrol it with a new code",
        );
      }
      if (lookup.state !== "active") throw refusalOf(lookup.state);
      this.#step = "over";
      const capabilities = commonCapabilities(this.#options.offer.capabilities, agreed.hello.capabilities);
      if (capabilities.includes(PROBE_CAPABILITY)) return [{ type: "probed" }];
      const agent: ProvenAgent = {
        agentId,
        agentVersion: proof.agent_version,
        instanceId: proof.instance_id,
        platform: proof.platform,
        protocol: agreed.protocol,
        capabilities,
      };
      return [{ type: "proven", agent, noise: agreed.noise }];
    });
  }

  enrolmentDecided(answer: EnrolmentAnswer): readonly RelayAction[] {
    return this.#guard(() => {
      const agreed = this.#agreed;
      if (this.#step !== "deciding" || agreed === undefined) throw outOfTurn();
      if ("refused" in answer) throw new HandshakeError(CLOSE.ENROLMENT_REFUSED, answer.refused);
      this.#step = "over";
      return [{ type: "send", message: agreed.noise.send.seal(encodeControl(answer)) }, { type: "enrolled" }];
    });
  }

  #readHello(message: Uint8Array): readonly RelayAction[] {
    const hello = clientHello.payload(this.#state.readMessage(message));
    if (hello.mode === "session" && hello.agent_id === undefined) {
      throw new HandshakeError(CLOSE.PROTOCOL_ERROR, "client hello of a session has no agent_id");
    }
    const { identity, entropy, offer } = this.#options;
    const theirs = { protocolMin: hello.protocol_min, protocolMax: hello.protocol_max, capabilities: [] };
    const protocol = chooseVersion(theirs, offer);
    const answer: ServerHello = {
      protocol,
      capabilities: [...offer.capabilities],
      relay_key: identity.publicKey,
      nonce: toBase64Url(entropy.randomBytes(NONCE_BYTES)),
    };
    const second = this.#state.writeMessage(encodePayload(answer));
    const noise = this.#state.split();
    const proof: RelayProof = {
      type: "relay_proof",
      signature: toBase64Url(identity.sign(proofData("relay", noise.handshakeHash))),
    };
    this.#agreed = { hello, protocol, noise };
    this.#step = hello.mode === "session" ? "proof" : "enroll";
    return [
      { type: "send", message: second },
      { type: "send", message: noise.send.seal(encodeControl(proof)) },
    ];
  }

  #readProof(message: Uint8Array): readonly RelayAction[] {
    const agreed = this.#agreed;
    if (agreed?.hello.agent_id === undefined) throw outOfTurn();
    this.#proof = agentProof.control(agreed.noise.receive.open(message));
    this.#step = "deciding";
    return [{ type: "find_agent", agentId: agreed.hello.agent_id }];
  }

  #readEnroll(message: Uint8Array): readonly RelayAction[] {
    const agreed = this.#agreed;
    if (agreed === undefined) throw outOfTurn();
    const { secret, agent_key, signature, name } = enrollRequest.control(agreed.noise.receive.open(message));
    const data = proofData("enroll", agreed.noise.handshakeHash, secret);
    if (!isPublicKey(agent_key) || !verifySignature(agent_key, data, fromBase64Url(signature))) {
      throw new HandshakeError(
        CLOSE.ENROLMENT_REFUSED,
        "the agent's key did not sign this enrolment; try again",
      );
    }
    this.#step = "deciding";
    return [{ type: "enroll", request: { secret, agentKey: agent_key, name } }];
  }

  #deciding(): { agreed: Agreed; proof: AgentProof } {
    if (this.#step !== "deciding" || this.#agreed === undefined || this.#proof === undefined)
      throw outOfTurn();
    return { agreed: this.#agreed, proof: this.#proof };
  }

  #guard(step: () => readonly RelayAction[]): readonly RelayAction[] {
    try {
      return step();
    } catch (error) {
      this.#step = "over";
      return [{ type: "fail", error: asHandshakeError(error) }];
    }
  }
}

function refusalOf(state: "revoked" | "quarantined"): HandshakeError {
  return state === "revoked"
    ? new HandshakeError(CLOSE.UNAUTHENTICATED, "this agent was revoked; enrol it anew with a new code")
    : new HandshakeError(
        CLOSE.QUARANTINED,
        "two copies of this agent took turns; an operator of the relay must decide which one stays",
      );
}

function outOfTurn(): HandshakeError {
  return new HandshakeError(CLOSE.PROTOCOL_ERROR, "a handshake message is out of turn");
}
