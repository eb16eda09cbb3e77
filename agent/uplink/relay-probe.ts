// Asks a relay who it is, and whether it would let this agent in, without beginning a session: the running one goes on.
import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import type { connect, Socket } from "node:net";
import { WebSocket } from "ws";
import { closeSocket } from "#common/contract/channel.ts";
import { encodeControl } from "#common/contract/frame.ts";
import {
  encodePayload,
  fromBase64Url,
  NONCE_BYTES,
  payloadReader,
  PROBE_CAPABILITY,
  PROLOGUE,
  proofData,
  systemEntropy,
  toBase64Url,
} from "#common/contract/handshake.ts";
import { verifySignature, type Signer } from "#common/contract/identity-key.ts";
import { MAX_HANDSHAKE_MESSAGE_BYTES } from "#common/contract/limits.ts";
import {
  CLOSE,
  RelayProof,
  ServerHello,
  type AgentProof,
  type ClientHello,
} from "#common/contract/messages.ts";
import { HandshakeState, type NoiseSession } from "#common/contract/noise.ts";
import { MIN_PROTOCOL_VERSION, PROTOCOL_VERSION, SUBPROTOCOL } from "#common/contract/protocol-version.ts";
import { messageOf } from "#common/runtime/errors.ts";

export interface ProbeRequest {
  /** The endpoint, path included. */
  readonly url: URL;
  /** A line to it, TLS done; the probe closes it. */
  readonly stream: Socket;
  /** Absent before enrolment: then only the relay shows its key. */
  readonly agent:
    | {
        readonly agentId: string;
        /** Pinned at enrolment, base64url. */
        readonly relayKey: string;
        readonly identity: Signer;
        readonly version: string;
      }
    | undefined;
  /** Ends the probe wherever it is. */
  readonly signal: AbortSignal;
}

/** The steps that were reached, and how each ended; never thrown. */
export type ProbeResult =
  /** No WebSocket: what answered instead, in words; `status` of the HTTP answer, if one came. */
  | { readonly outcome: "no_websocket"; readonly status: number | undefined; readonly detail: string }
  /** A WebSocket, and then no Millrace handshake, or a refusal before the relay has shown its key. */
  | { readonly outcome: "no_handshake"; readonly code: number | undefined; readonly detail: string }
  /** The relay has proven a key; `isPinned` undefined before enrolment. */
  | {
      readonly outcome: "relay_known";
      readonly relayKey: string;
      readonly protocol: number;
      readonly isPinned: boolean | undefined;
      /** `not_asked`: not enrolled, another relay, or one that is too old to be asked without a session. */
      readonly admission: "would_admit" | "refused" | "not_asked";
      /** Why it was refused or not asked. */
      readonly code: number | undefined;
      readonly detail: string;
    };

const serverHello = payloadReader("server hello", ServerHello);
const relayProof = payloadReader("relay_proof", RelayProof);
const CLOSING = { closeTimeout: 1_000 };

interface End {
  readonly code: number;
  readonly reason: string;
}

/** What has come, in order, and how it ended. */
class Heard {
  end: End | undefined;
  readonly #messages: Buffer[] = [];
  #wake = (): void => {};

  push(message: Buffer): void {
    this.#messages.push(message);
    this.#wake();
  }

  finish(end: End): void {
    this.end ??= end;
    this.#wake();
  }

  /** Undefined at the end. */
  async next(): Promise<Buffer | undefined> {
    if (this.#messages.length === 0 && this.end === undefined)
      await new Promise<void>((resolve) => (this.#wake = resolve));
    return this.#messages.shift();
  }
}

/** One question, one answer; the signal bounds it. */
export async function probeRelay(request: ProbeRequest): Promise<ProbeResult> {
  const socket = new WebSocket(request.url, SUBPROTOCOL, {
    createConnection: (() => request.stream) as typeof connect,
    perMessageDeflate: false,
    maxPayload: MAX_HANDSHAKE_MESSAGE_BYTES * 4,
    ...CLOSING,
  });
  const heard = new Heard();
  // The end is told by "close"; `once` listens for the first error besides.
  socket.on("error", () => {});
  socket.on("message", (data: Buffer) => heard.push(data));
  socket.on("close", (code, reason) => heard.finish({ code, reason: reason.toString() }));
  const abort = (): void => socket.terminate();
  request.signal.addEventListener("abort", abort, { once: true });
  if (request.signal.aborted) abort();
  try {
    const refusal = await opened(socket);
    if (refusal !== undefined) return refusal;
    return await shakeHands(request, socket, heard);
  } finally {
    request.signal.removeEventListener("abort", abort);
    closeSocket(socket, 1000, "only asked");
    request.stream.destroySoon();
  }
}

/** Undefined once the WebSocket stands. */
async function opened(socket: WebSocket): Promise<ProbeResult | undefined> {
  const answered = new Promise<ProbeResult>((resolve) => {
    socket.once("unexpected-response", (_request, response: IncomingMessage) => {
      const { statusCode = 0, statusMessage = "" } = response;
      response.destroy();
      const said = `${statusCode} ${statusMessage.slice(0, 100)}`.trimEnd();
      resolve({ outcome: "no_websocket", status: statusCode, detail: `it answered ${said}` });
    });
  });
  try {
    return await Promise.race([answered, once(socket, "open").then(() => undefined)]);
  } catch (error) {
    return { outcome: "no_websocket", status: undefined, detail: messageOf(error) };
  }
}

async function shakeHands({ agent }: ProbeRequest, socket: WebSocket, heard: Heard): Promise<ProbeResult> {
  const state = new HandshakeState("initiator", systemEntropy.generateEphemeralKey(), PROLOGUE);
  const hello: ClientHello = {
    mode: agent === undefined ? "enroll" : "session",
    protocol_min: MIN_PROTOCOL_VERSION,
    protocol_max: PROTOCOL_VERSION,
    capabilities: [PROBE_CAPABILITY],
    ...(agent === undefined ? {} : { agent_id: agent.agentId }),
    nonce: toBase64Url(systemEntropy.randomBytes(NONCE_BYTES)),
  };
  socket.send(state.writeMessage(encodePayload(hello)));
  const noHandshake = (detail: string): ProbeResult => {
    const { end } = heard;
    const reason = end?.reason === "" ? undefined : end?.reason;
    return { outcome: "no_handshake", code: end?.code, detail: reason ?? detail };
  };
  const second = await heard.next();
  const proof = second === undefined ? undefined : await heard.next();
  if (second === undefined || proof === undefined)
    return noHandshake("the line was closed without an answer");
  let answer: ServerHello;
  let noise: NoiseSession;
  try {
    answer = serverHello.payload(state.readMessage(second));
    noise = state.split();
    const { signature } = relayProof.control(noise.receive.open(proof));
    const data = proofData("relay", noise.handshakeHash);
    if (!verifySignature(answer.relay_key, data, fromBase64Url(signature)))
      return noHandshake("its proof does not fit the key that it shows: something stands in for it");
  } catch (error) {
    return noHandshake(messageOf(error));
  }
  const { relay_key: relayKey, protocol } = answer;
  const known = { outcome: "relay_known", relayKey, protocol } as const;
  const notAsked = { ...known, admission: "not_asked", code: undefined } as const;
  if (agent === undefined) return { ...notAsked, isPinned: undefined, detail: "this agent is not enrolled" };
  if (relayKey !== agent.relayKey)
    return { ...notAsked, isPinned: false, detail: "it is not the relay of this agent's enrolment" };
  // A relay that does not know the question would begin a session, and end the running one by it.
  if (!answer.capabilities.includes(PROBE_CAPABILITY))
    return { ...notAsked, isPinned: true, detail: "this relay cannot be asked without a session" };
  const data = proofData("agent", noise.handshakeHash);
  const own: AgentProof = {
    type: "agent_proof",
    signature: toBase64Url(agent.identity.sign(data)),
    agent_version: agent.version,
    instance_id: "probe",
    platform: "probe",
  };
  socket.send(noise.send.seal(encodeControl(own)));
  await heard.next();
  const { end } = heard;
  const admission = end?.code === CLOSE.STOPPING ? "would_admit" : "refused";
  const detail = end?.reason ?? "it did not answer";
  return { ...known, isPinned: true, admission, code: end?.code, detail };
}
