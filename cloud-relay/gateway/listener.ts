// The relay's end of the wire as a socket: takes upgrades on /agent, shakes hands, and hands over sealed channels.
import type { IncomingMessage, Server as HttpServer } from "node:http";
import type { Server as HttpsServer } from "node:https";
import type { Duplex } from "node:stream";
import { WebSocketServer, type WebSocket } from "ws";
import {
  closeSocket,
  overloadedReason,
  type Channel,
  type ChannelHandlers,
} from "#common/contract/channel.ts";
import type {
  AgentLookup,
  EnrolmentAnswer,
  EnrolmentRequest,
  ProvenAgent,
} from "#common/contract/handshake-relay.ts";
import {
  PROBE_CAPABILITY,
  systemEntropy,
  type HandshakeEntropy,
  type ProtocolOffer,
} from "#common/contract/handshake.ts";
import type { Signer } from "#common/contract/identity-key.ts";
import { HANDSHAKE_TIMEOUT_MS, MAX_FRAME_BYTES } from "#common/contract/limits.ts";
import { CLOSE } from "#common/contract/messages.ts";
import { MIN_PROTOCOL_VERSION, PROTOCOL_VERSION, SUBPROTOCOL } from "#common/contract/protocol-version.ts";
import type { Clock } from "#common/runtime/clock.ts";
import type { Logger } from "#common/runtime/logger.ts";
import { HandshakeAdmission, type AdmissionSettings } from "./admission.ts";
import { AgentLine, type LineServices } from "./agent-line.ts";

export const AGENT_PATH = "/agent";

/** An agent that has proven its key, and its line. */
export interface ConnectedAgent extends ProvenAgent {
  readonly channel: Channel;
  readonly remoteAddress: string;
}

export interface ListenerDeps {
  readonly identity: Signer;
  readonly clock: Clock;
  readonly logger: Logger;
  /** A rejection closes with INTERNAL: nothing is said about the agent. */
  findAgent(agentId: string): Promise<AgentLookup>;
  /** Uses the code if it is good. The refusal's text goes to the agent. A rejection closes with INTERNAL. */
  enroll(request: EnrolmentRequest, remoteAddress: string): Promise<EnrolmentAnswer>;
  /** The session's start. Its first frame tells the agent that it was accepted; closing instead refuses it. */
  onAgent(agent: ConnectedAgent): ChannelHandlers;
  readonly entropy?: HandshakeEntropy;
  readonly offer?: ProtocolOffer;
  readonly admission?: Partial<AdmissionSettings>;
  readonly handshakeTimeoutMs?: number;
}

export interface ListenerStats {
  /** Sockets whose handshake is under way. */
  readonly handshakes: number;
  /** Sockets with a session. */
  readonly agents: number;
  readonly refused: number;
}

const DEFAULT_ADMISSION: AdmissionSettings = { maxConcurrent: 256, perSecond: 250, burst: 256 };
/** How long the peer may take to answer a close before the line is cut, ms. (Newer than the types of `ws`.) */
const CLOSING = { closeTimeout: 5_000 };

/** `attach` to a server that others may share: upgrades to other paths are left to them. */
export class AgentListener {
  readonly #sockets: WebSocketServer;
  readonly #admission: HandshakeAdmission;
  readonly #services: LineServices;
  readonly #lines = new Set<AgentLine>();
  #refused = 0;
  #isClosed = false;

  constructor(deps: ListenerDeps) {
    this.#admission = new HandshakeAdmission({ ...DEFAULT_ADMISSION, ...deps.admission }, deps.clock);
    this.#sockets = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      maxPayload: MAX_FRAME_BYTES,
      skipUTF8Validation: true,
      ...CLOSING,
      handleProtocols: (protocols) => (protocols.has(SUBPROTOCOL) ? SUBPROTOCOL : false),
    });
    this.#services = {
      deps,
      entropy: deps.entropy ?? systemEntropy,
      offer: deps.offer ?? {
        protocolMin: MIN_PROTOCOL_VERSION,
        protocolMax: PROTOCOL_VERSION,
        capabilities: [PROBE_CAPABILITY],
      },
      timeoutMs: deps.handshakeTimeoutMs ?? HANDSHAKE_TIMEOUT_MS,
      handshakeOver: () => this.#admission.leave(),
      ended: (line) => void this.#lines.delete(line),
      refused: () => void (this.#refused += 1),
    };
  }

  get stats(): ListenerStats {
    let agents = 0;
    for (const line of this.#lines) if (line.hasSession) agents += 1;
    return { handshakes: this.#admission.running, agents, refused: this.#refused };
  }

  attach(server: HttpServer | HttpsServer): void {
    server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      const path = (request.url ?? "").split("?")[0];
      if (path === AGENT_PATH) this.#upgrade(request, socket, head);
      else if (server.listenerCount("upgrade") === 1)
        refuseUpgrade(socket, "404 Not Found", `try ${AGENT_PATH}`);
    });
  }

  /** Closes the agents that are here, and sends those that still come away. The servers stay open: they are not ours. */
  close(code: number = CLOSE.RESTARTING, reason = "the relay is restarting"): void {
    this.#isClosed = true;
    for (const line of this.#lines) line.close(code, reason);
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    // `ws` listens for errors only once it has the socket for itself.
    const ignore = (): void => {};
    socket.on("error", ignore);
    if (!offersSubprotocol(request)) {
      refuseUpgrade(socket, "426 Upgrade Required", `this is a Millrace relay; agents speak ${SUBPROTOCOL}`);
      return;
    }
    this.#sockets.handleUpgrade(request, socket, head, (webSocket) => {
      socket.off("error", ignore);
      this.#admit(webSocket, request);
    });
  }

  #admit(webSocket: WebSocket, request: IncomingMessage): void {
    if (this.#isClosed) {
      refuseSocket(webSocket, CLOSE.RESTARTING, "the relay is restarting");
      return;
    }
    const admission = this.#admission.enter();
    if (!admission.ok) {
      this.#refused += 1;
      refuseSocket(webSocket, CLOSE.OVERLOADED, overloadedReason(admission.retryAfterMs));
      return;
    }
    const { socket } = request;
    this.#lines.add(new AgentLine(webSocket, socket, socket.remoteAddress ?? "", this.#services));
  }
}

function offersSubprotocol(request: IncomingMessage): boolean {
  const offered = request.headers["sec-websocket-protocol"] ?? "";
  return offered.split(",").some((name) => name.trim() === SUBPROTOCOL);
}

function refuseUpgrade(socket: Duplex, status: string, text: string): void {
  socket.on("error", () => {});
  const headers = `Connection: close\r\nContent-Type: text/plain\r\nContent-Length: ${Buffer.byteLength(text)}`;
  socket.end(`HTTP/1.1 ${status}\r\n${headers}\r\n\r\n${text}`);
}

function refuseSocket(webSocket: WebSocket, code: number, reason: string): void {
  webSocket.on("error", () => {});
  closeSocket(webSocket, code, reason);
}
