// One agent's socket at the relay: bytes and events in, the handshake's actions out, then a sealed channel.
import type { Socket } from "node:net";
import type { WebSocket } from "ws";
import { closeSocket, SealedChannel } from "#common/contract/channel.ts";
import { RelayHandshake, type ProvenAgent, type RelayAction } from "#common/contract/handshake-relay.ts";
import type { HandshakeEntropy, ProtocolOffer } from "#common/contract/handshake.ts";
import { CLOSE } from "#common/contract/messages.ts";
import type { NoiseSession } from "#common/contract/noise.ts";
import { messageOf } from "#common/runtime/errors.ts";
import type { ListenerDeps } from "./listener.ts";

/** What a stranger may send in all: keeps `ws` from collecting MAX_FRAME_BYTES for each of them. */
export const MAX_HANDSHAKE_BYTES = 64 * 1024;

/** The listener's side of its lines. */
export interface LineServices {
  readonly deps: ListenerDeps;
  readonly entropy: HandshakeEntropy;
  readonly offer: ProtocolOffer;
  readonly timeoutMs: number;
  /** Gives the handshake's place back; once for each line. */
  handshakeOver(): void;
  /** The socket is gone; once for each line. */
  ended(line: AgentLine): void;
  /** The handshake failed; once at most. */
  refused(): void;
}

export class AgentLine {
  readonly #socket: WebSocket;
  readonly #services: LineServices;
  readonly #remoteAddress: string;
  /** Present while the handshake runs. */
  #handshake: RelayHandshake | undefined;
  #endHandshake: () => void;
  #channel: SealedChannel | undefined;

  constructor(socket: WebSocket, stream: Socket, remoteAddress: string, services: LineServices) {
    this.#socket = socket;
    this.#services = services;
    this.#remoteAddress = remoteAddress;
    const { deps, entropy, offer } = services;
    this.#handshake = new RelayHandshake({ identity: deps.identity, entropy, offer });
    this.#endHandshake = this.#watchHandshake(stream);
    this.#listen();
  }

  get hasSession(): boolean {
    return this.#channel !== undefined;
  }

  close(code: number, reason: string): void {
    this.#endHandshake();
    if (this.#channel === undefined) closeSocket(this.#socket, code, reason);
    else this.#channel.close(code, reason);
  }

  #listen(): void {
    const socket = this.#socket;
    socket.on("message", (data: Buffer, isBinary) => this.#receive(data, isBinary));
    socket.on("error", (error) => this.#channel?.failed(error));
    socket.on("close", (code, reason) => {
      this.#endHandshake();
      this.#services.ended(this);
      this.#channel?.closed(code, reason.toString());
    });
  }

  /** Time and bytes that a stranger gets. Returns what ends the watch, and gives the place back, once. */
  #watchHandshake(stream: Socket): () => void {
    const { deps, timeoutMs } = this.#services;
    const startBytes = stream.bytesRead;
    const onData = (): void => {
      if (stream.bytesRead - startBytes <= MAX_HANDSHAKE_BYTES) return;
      this.#fail(CLOSE.TOO_BIG, `a handshake of more than ${MAX_HANDSHAKE_BYTES} bytes`);
      this.#socket.terminate();
    };
    stream.on("data", onData);
    const cancelTimer = deps.clock.setTimer(timeoutMs, () => {
      this.#fail(CLOSE.SILENT, `the handshake was not finished within ${timeoutMs / 1000} s`);
    });
    let isOver = false;
    return () => {
      if (isOver) return;
      isOver = true;
      this.#handshake = undefined;
      cancelTimer();
      stream.off("data", onData);
      this.#services.handshakeOver();
    };
  }

  #receive(data: Buffer, isBinary: boolean): void {
    if (this.#channel !== undefined) this.#channel.receive(data, isBinary);
    else if (this.#handshake !== undefined && !isBinary) {
      this.#fail(CLOSE.PROTOCOL_ERROR, "a text message came where a handshake message was expected");
    } else if (this.#handshake !== undefined) this.#run(this.#handshake.receive(data));
  }

  #run(actions: readonly RelayAction[]): void {
    for (const action of actions) this.#act(action);
  }

  #act(action: RelayAction): void {
    const { deps } = this.#services;
    switch (action.type) {
      case "send":
        this.#socket.send(action.message);
        break;
      case "find_agent":
        void this.#decide(
          () => deps.findAgent(action.agentId),
          (handshake, found) => handshake.agentFound(found),
        );
        break;
      case "enroll":
        void this.#decide(
          () => deps.enroll(action.request, this.#remoteAddress),
          (handshake, answer) => handshake.enrolmentDecided(answer),
        );
        break;
      case "proven":
        this.#open(action.agent, action.noise);
        break;
      case "enrolled":
        this.close(1000, "enrolled");
        break;
      case "probed":
        this.close(1000, "this agent would be let in");
        break;
      case "fail":
        this.#fail(action.error.code, action.error.message);
        break;
    }
  }

  /** The answer may come after the socket has gone or the time is over: then nobody wants it any more. */
  async #decide<T>(
    ask: () => Promise<T>,
    next: (handshake: RelayHandshake, answer: T) => readonly RelayAction[],
  ): Promise<void> {
    try {
      const answer = await ask();
      if (this.#handshake !== undefined) this.#run(next(this.#handshake, answer));
    } catch (error) {
      this.#failInside(error);
    }
  }

  #open(agent: ProvenAgent, noise: NoiseSession): void {
    this.#endHandshake();
    const channel = new SealedChannel(this.#socket, noise);
    this.#channel = channel;
    try {
      const remoteAddress = this.#remoteAddress;
      channel.attach(this.#services.deps.onAgent({ ...agent, channel, remoteAddress }));
    } catch (error) {
      this.#failInside(error);
    }
  }

  #failInside(error: unknown): void {
    const { logger } = this.#services.deps;
    logger.error(
      { error: messageOf(error), remoteAddress: this.#remoteAddress },
      "an agent could not be let in because the relay failed inside; it will try again",
    );
    this.close(CLOSE.INTERNAL, "the relay failed inside; its log says why");
  }

  #fail(code: number, reason: string): void {
    if (this.#handshake === undefined) return;
    this.#endHandshake();
    this.#services.refused();
    const { logger } = this.#services.deps;
    logger.info({ code, reason, remoteAddress: this.#remoteAddress }, "an agent's handshake was refused");
    closeSocket(this.#socket, code, reason);
  }
}
