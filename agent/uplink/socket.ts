// The agent's end of the wire as a socket: dials, shakes hands, and gives a sealed channel or an enrolment.
import { randomFillSync } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { connect, Socket } from "node:net";
import { WebSocket } from "ws";
import { relayUrl } from "#agent/core/relay-url.ts";
import {
  closeOfError,
  closeSocket,
  describeClose,
  retryAfterMsOf,
  SealedChannel,
  type Channel,
  type ChannelHandlers,
} from "#common/contract/channel.ts";
import type { EnrollmentCode } from "#common/contract/enrollment-code.ts";
import {
  AgentHandshake,
  type AgentAction,
  type EnrollMode,
  type SessionMode,
} from "#common/contract/handshake-agent.ts";
import { systemEntropy, type HandshakeEntropy, type ProtocolOffer } from "#common/contract/handshake.ts";
import type { Signer } from "#common/contract/identity-key.ts";
import { HANDSHAKE_TIMEOUT_MS, MAX_FRAME_BYTES } from "#common/contract/limits.ts";
import type { Enrolled } from "#common/contract/messages.ts";
import { MIN_PROTOCOL_VERSION, PROTOCOL_VERSION, SUBPROTOCOL } from "#common/contract/protocol-version.ts";
import type { Clock } from "#common/runtime/clock.ts";
import { ConfigError } from "#common/runtime/errors.ts";
import { dial } from "./dial.ts";
import type { ProxySettings } from "./proxy.ts";
import { UplinkError } from "./uplink-error.ts";

export interface UplinkOptions {
  /** As people write it: `wss://relay.example.com` (`/agent` is added). ws:// only to this machine or with `allowInsecure`. */
  readonly url: string;
  readonly identity: Signer;
  readonly clock: Clock;
  /** PEM texts of authorities to trust besides the usual roots. */
  readonly ca?: readonly string[] | undefined;
  /** Absent: directly. */
  readonly proxy?: ProxySettings | undefined;
  readonly allowInsecure?: boolean | undefined;
  /** Ends the attempt (UplinkError `aborted`); has no say once the promise has resolved. */
  readonly signal?: AbortSignal | undefined;
  /** For everything until the relay has accepted. Default: HANDSHAKE_TIMEOUT_MS. */
  readonly timeoutMs?: number | undefined;
  readonly offer?: ProtocolOffer | undefined;
  readonly entropy?: HandshakeEntropy | undefined;
}

export interface ConnectOptions extends UplinkOptions, Omit<SessionMode, "mode"> {
  /** Called once, when the relay has accepted; the session's first frame is delivered right after it returns. */
  readonly open: (channel: AgentChannel) => ChannelHandlers;
}

export interface EnrollOptions extends UplinkOptions {
  readonly code: EnrollmentCode;
  /** The agent's name for people. */
  readonly name: string;
}

/** A channel after mutual proof. */
export interface AgentChannel extends Channel {
  readonly protocol: number;
  /** What both sides can do. */
  readonly capabilities: readonly string[];
}

/** What an enrolment gives: pin `relayKey` together with the agent's own key. */
export interface EnrolledAgent extends Enrolled {
  readonly relayKey: string;
}

const OUR_OFFER: ProtocolOffer = {
  protocolMin: MIN_PROTOCOL_VERSION,
  protocolMax: PROTOCOL_VERSION,
  capabilities: [],
};
/** How long the peer may take to answer a close before the line is cut, ms. (Newer than the types of `ws`.) */
const CLOSING = { closeTimeout: 5_000 };

/**
 * Resolves once both sides have proven their keys and the relay's first frame (its acceptance) has come.
 * @throws UplinkError | ConfigError. Each attempt is reported exactly once: by this, or later by `onClose`
 */
export function connectAgent(options: ConnectOptions): Promise<AgentChannel> {
  const { agentId, relayKey, agentVersion, instanceId, platform } = options;
  const purpose: SessionMode = { mode: "session", agentId, relayKey, agentVersion, instanceId, platform };
  return attempt<AgentChannel>(options, purpose, (action, line, resolve) => {
    if (action.type === "proven") line.awaitAcceptance(action, options.open, resolve);
  });
}

/** Uses a one-time code. @throws UplinkError | ConfigError */
export function enrollAgent(options: EnrollOptions): Promise<EnrolledAgent> {
  const purpose: EnrollMode = { mode: "enroll", code: options.code, name: options.name };
  return attempt<EnrolledAgent>(options, purpose, (action, line, resolve) => {
    if (action.type !== "enrolled") return;
    resolve({ ...action.enrolled, relayKey: action.relayKey });
    line.close(1000, "enrolled");
  });
}

type Finish<T> = (action: AgentAction, line: Line, resolve: (value: T) => void) => void;
type Proven = Extract<AgentAction, { type: "proven" }>;

async function attempt<T>(
  options: UplinkOptions,
  purpose: SessionMode | EnrollMode,
  finish: Finish<T>,
): Promise<T> {
  const url = checkedUrl(options);
  const timeoutMs = options.timeoutMs ?? HANDSHAKE_TIMEOUT_MS;
  const limit = new AbortController();
  const abort = (): void =>
    limit.abort(new UplinkError("aborted", `the attempt to reach ${url.host} was given up`));
  if (options.signal?.aborted) abort();
  options.signal?.addEventListener("abort", abort, { once: true });
  const cancelTimer = options.clock.setTimer(timeoutMs, () =>
    limit.abort(silence(url, options.proxy, timeoutMs)),
  );
  try {
    const { ca = [], proxy } = options;
    const stream = await dial({ url, ca, proxy, signal: limit.signal });
    return await new Promise<T>((resolve, reject) => {
      const handshake = new AgentHandshake({
        identity: options.identity,
        purpose,
        offer: options.offer ?? OUR_OFFER,
        entropy: options.entropy ?? systemEntropy,
      });
      const line = new Line(url, stream, handshake, (action) => finish(action, line, resolve), reject);
      if (limit.signal.aborted) line.giveUp(limit.signal);
      else limit.signal.addEventListener("abort", () => line.giveUp(limit.signal), { once: true });
    });
  } catch (error) {
    throw limit.signal.aborted ? limit.signal.reason : error;
  } finally {
    cancelTimer();
    options.signal?.removeEventListener("abort", abort);
  }
}

/** One WebSocket from its first byte to its end. */
class Line {
  readonly #url: URL;
  readonly #socket: WebSocket;
  readonly #handshake: AgentHandshake;
  readonly #act: (action: AgentAction) => void;
  readonly #reject: (error: UplinkError) => void;
  #channel: SealedChannel | undefined;

  constructor(
    url: URL,
    stream: Socket,
    handshake: AgentHandshake,
    act: (action: AgentAction) => void,
    reject: (error: UplinkError) => void,
  ) {
    this.#url = url;
    this.#handshake = handshake;
    this.#act = act;
    this.#reject = reject;
    this.#socket = new WebSocket(url, SUBPROTOCOL, {
      createConnection: (() => stream) as typeof connect,
      perMessageDeflate: false,
      maxPayload: MAX_FRAME_BYTES,
      skipUTF8Validation: true,
      ...CLOSING,
      generateMask: (mask) => this.#fillMask(mask),
    });
    this.#listen();
  }

  /** The relay's first frame is its acceptance: until it comes, a close is the relay's refusal. */
  awaitAcceptance(
    proven: Proven,
    open: (channel: AgentChannel) => ChannelHandlers,
    resolve: (channel: AgentChannel) => void,
  ): void {
    const channel = new ProvenChannel(this.#socket, proven);
    this.#channel = channel;
    channel.attach({
      onFrame: (first) => {
        const handlers = open(channel);
        channel.attach(handlers);
        resolve(channel);
        handlers.onFrame(first);
      },
      onClose: (code, reason) => this.#reject(this.#refusal(code, reason)),
    });
  }

  close(code: number, reason: string): void {
    closeSocket(this.#socket, code, reason);
  }

  /** Does nothing once the promise has been settled: the signal is about the attempt only. */
  giveUp(limit: AbortSignal): void {
    this.#reject(limit.reason);
    this.#socket.terminate();
  }

  #listen(): void {
    const socket = this.#socket;
    socket.on("open", () => socket.send(this.#handshake.start()));
    socket.on("message", (data: Buffer, isBinary) => this.#receive(data, isBinary));
    socket.on("close", (code, reason) => {
      const text = reason.toString();
      if (this.#channel === undefined) this.#reject(this.#refusal(code, text));
      else this.#channel.closed(code, text);
    });
    socket.on("error", (error) => {
      if (this.#channel !== undefined) this.#channel.failed(error);
      else this.#reject(this.#fault(error));
    });
    socket.on("unexpected-response", (_request, response) => {
      this.#reject(unexpectedAnswer(this.#url, response));
      socket.terminate();
    });
  }

  #receive(data: Buffer, isBinary: boolean): void {
    if (this.#channel !== undefined) return this.#channel.receive(data, isBinary);
    // A text message goes the way of any other that does not fit: it fails to open.
    for (const action of this.#handshake.receive(data)) {
      if (action.type === "send") this.#socket.send(action.message);
      else if (action.type === "fail") {
        const { code, message } = action.error;
        this.close(code, message);
        const text = `the handshake with relay ${this.#url.host} failed: ${message}`;
        this.#reject(new UplinkError("refused", text, { closeCode: code, cause: action.error }));
      } else this.#act(action);
    }
  }

  /**
   * RFC 6455 asks for masks that no script can foresee, so that what it makes a browser send cannot be read as something
   * else on the way. Sealed frames are unforeseeable as they are; masking them again would cost more than sealing them.
   */
  #fillMask(mask: Buffer): void {
    if (this.#channel === undefined) randomFillSync(mask);
    else mask.fill(0);
  }

  #refusal(code: number, reason: string): UplinkError {
    const text = reason === "" ? describeClose(code) : reason;
    if (code === 1006) {
      const message = `relay ${this.#url.host}: ${text} during the handshake; check what stands between here and the relay`;
      return new UplinkError("unreachable", message);
    }
    const message = `relay ${this.#url.host} ended the handshake: ${text} (code ${code})`;
    return new UplinkError("refused", message, { closeCode: code, retryAfterMs: retryAfterMsOf(text) });
  }

  #fault(error: Error): UplinkError {
    if (this.#socket.protocol === "" && /subprotocol|Sec-WebSocket|Upgrade header/i.test(error.message)) {
      const message = `${this.#url.host} is not a Millrace relay: ${error.message}; check relay.url`;
      return new UplinkError("protocol", message, { cause: error });
    }
    const { code, reason } = closeOfError(error);
    if (code === 1006) return this.#refusal(code, reason);
    return new UplinkError("protocol", `relay ${this.#url.host}: ${reason}`, {
      closeCode: code,
      cause: error,
    });
  }
}

class ProvenChannel extends SealedChannel implements AgentChannel {
  readonly protocol: number;
  readonly capabilities: readonly string[];

  constructor(socket: WebSocket, proven: Proven) {
    super(socket, proven.noise);
    this.protocol = proven.protocol;
    this.capabilities = proven.capabilities;
  }
}

function checkedUrl(options: UplinkOptions): URL {
  const checked = relayUrl(options.url, options.allowInsecure ?? false);
  if (!checked.ok) throw new ConfigError("relay address", [{ path: "relay.url", message: checked.message }]);
  return new URL(checked.url);
}

function silence(url: URL, proxy: ProxySettings | undefined, timeoutMs: number): UplinkError {
  const way = proxy === undefined ? "" : ` through proxy ${new URL(proxy.url).host}`;
  const message = `relay ${url.host} did not finish the handshake${way} within ${timeoutMs / 1000} s; something on the way is silent or very slow`;
  return new UplinkError("unreachable", message);
}

function unexpectedAnswer(url: URL, response: IncomingMessage): UplinkError {
  const { statusCode = 0, headers } = response;
  const said = `${url.host} answered ${statusCode} to ${url.pathname}`;
  if (statusCode >= 300 && statusCode < 400 && headers.location !== undefined) {
    const target = headers.location.slice(0, 200);
    return new UplinkError(
      "protocol",
      `${said} with a redirect to ${target}; set relay.url to where the relay is`,
    );
  }
  if (statusCode === 429 || statusCode >= 500) {
    const seconds = Number(headers["retry-after"]);
    const retryAfterMs =
      Number.isFinite(seconds) && seconds > 0 ? Math.min(seconds, 3_600) * 1000 : undefined;
    const message = `${said}: the relay, or what stands before it, cannot serve now`;
    return new UplinkError("unreachable", message, { retryAfterMs });
  }
  return new UplinkError(
    "protocol",
    `${said}, not with a WebSocket: no Millrace relay is there; check relay.url`,
  );
}
