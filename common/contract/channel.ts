// The secure channel as sessions see it, and the one implementation over a WebSocket that both sides use.
import { FrameError } from "./frame.ts";
import { MAX_FRAME_BYTES, MAX_PLAIN_FRAME_BYTES, MAX_SOCKET_BUFFER_BYTES } from "./limits.ts";
import { CLOSE } from "./messages.ts";
import { NoiseError, type NoiseSession } from "./noise.ts";
import { invariant, messageOf } from "../runtime/errors.ts";

/** An authenticated, sealed line to the other side. Frames arrive whole, once, in order, or the channel closes. */
export interface Channel {
  /** Seals and sends one frame (frame.ts), at most MAX_PLAIN_FRAME_BYTES. Does nothing once the channel is closed. */
  send(frame: Uint8Array): void;
  /** Bytes that wait in this process for the network. */
  readonly bufferedBytes: number;
  /** Ends the session with a code of `CLOSE`; `onClose` follows. The reason is for people, cut at 123 bytes. */
  close(code: number, reason: string): void;
}

/**
 * Given when the channel is made, so that no frame finds nobody at home. A FrameError thrown by `onFrame` closes the
 * channel with PROTOCOL_ERROR and its message; anything else thrown is a bug of the session and is not caught.
 */
export interface ChannelHandlers {
  /** The opened frame. The bytes are the receiver's to keep. */
  onFrame(frame: Uint8Array): void;
  /** Exactly once, whichever side ended it, and never from within `send` or `close`. Nothing is delivered afterwards. */
  onClose(code: number, reason: string): void;
  /** The network took bytes, and less than half of MAX_SOCKET_BUFFER_BYTES waits: there is room to send more. */
  onDrain?(): void;
}

/** What the channel needs of a WebSocket; `ws` fits. */
export interface MessageSocket {
  readonly bufferedAmount: number;
  send(data: Uint8Array, written: (error?: Error | null) => void): void;
  close(code: number, reason: string): void;
  /** Drops the line without a farewell. */
  terminate(): void;
}

/** RFC 6455, 5.5.1: a close frame has room for this. */
const MAX_REASON_BYTES = 123;

/** The socket's owner feeds `receive`, `fail` and `closed`; the session uses the rest. */
export class SealedChannel implements Channel {
  readonly #socket: MessageSocket;
  readonly #noise: NoiseSession;
  #handlers: ChannelHandlers | undefined;
  #isOpen = true;

  constructor(socket: MessageSocket, noise: NoiseSession) {
    this.#socket = socket;
    this.#noise = noise;
  }

  /** Once, before anything is received. */
  attach(handlers: ChannelHandlers): void {
    this.#handlers = handlers;
  }

  get bufferedBytes(): number {
    return this.#isOpen ? this.#socket.bufferedAmount : 0;
  }

  send(frame: Uint8Array): void {
    if (!this.#isOpen) return;
    invariant(
      frame.length <= MAX_PLAIN_FRAME_BYTES,
      `frame of ${frame.length} bytes is over the limit of ${MAX_PLAIN_FRAME_BYTES}`,
    );
    this.#socket.send(this.#noise.send.seal(frame), this.#written);
  }

  close(code: number, reason: string): void {
    if (!this.#isOpen) return;
    closeSocket(this.#socket, code, reason);
    this.#end(code, reason);
  }

  /** One WebSocket message. */
  receive(message: Uint8Array, isBinary: boolean): void {
    if (!this.#isOpen) return;
    if (!isBinary) {
      this.close(CLOSE.PROTOCOL_ERROR, "a text message came where only sealed frames may come");
      return;
    }
    if (message.length > MAX_FRAME_BYTES) {
      this.close(CLOSE.TOO_BIG, `a frame of ${message.length} bytes is over ${MAX_FRAME_BYTES}`);
      return;
    }
    const frame = this.#open(message);
    if (frame !== undefined) this.#deliver(frame);
  }

  /** The socket says that it has ended. */
  closed(code: number, reason: string): void {
    this.#end(code, reason === "" ? describeClose(code) : reason);
  }

  /** The socket says that something went wrong; `ws` follows this with a close of its own. */
  failed(error: Error): void {
    const { code, reason } = closeOfError(error);
    this.#end(code, reason);
  }

  readonly #written = (error?: Error | null): void => {
    if (this.#isOpen && (error === undefined || error === null) && hasRoom(this.#socket)) {
      this.#handlers?.onDrain?.();
    }
  };

  #open(message: Uint8Array): Uint8Array | undefined {
    try {
      return this.#noise.receive.open(message);
    } catch (error) {
      if (!(error instanceof NoiseError)) throw error;
      this.close(
        CLOSE.PROTOCOL_ERROR,
        "a frame did not open: something on the line altered, added, repeated, dropped or reordered frames",
      );
      return undefined;
    }
  }

  #deliver(frame: Uint8Array): void {
    try {
      this.#handlers?.onFrame(frame);
    } catch (error) {
      if (!(error instanceof FrameError)) throw error;
      this.close(CLOSE.PROTOCOL_ERROR, error.message);
    }
  }

  #end(code: number, reason: string): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    queueMicrotask(() => this.#handlers?.onClose(code, reason));
  }
}

/** Closes with a reason that fits the close frame. */
export function closeSocket(socket: MessageSocket, code: number, reason: string): void {
  const bytes = Buffer.from(reason);
  if (bytes.length <= MAX_REASON_BYTES) return socket.close(code, reason);
  // Cutting may split a character; the decoder's replacement character at the end is dropped.
  const cut = bytes
    .subarray(0, MAX_REASON_BYTES - 3)
    .toString("utf8")
    .replace(/\uFFFD$/, "");
  socket.close(code, `${cut}…`);
}

/** What an error of the WebSocket layer means as a close. 1006: the line broke. */
export function closeOfError(error: Error): { readonly code: number; readonly reason: string } {
  const kind = "code" in error ? String(error.code) : "";
  if (kind === "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH") {
    return { code: CLOSE.TOO_BIG, reason: describeClose(CLOSE.TOO_BIG) };
  }
  return kind.startsWith("WS_ERR_")
    ? { code: CLOSE.PROTOCOL_ERROR, reason: `not a sound WebSocket message: ${messageOf(error)}` }
    : { code: 1006, reason: `the line broke: ${messageOf(error)}` };
}

/** A reason for people where the other side gave none. */
export function describeClose(code: number): string {
  switch (code) {
    case 1000:
      return "closed in order";
    case 1001:
      return "the other side is going away";
    case 1005:
      return "closed without a code";
    case 1006:
      return "the line broke without a farewell";
    case CLOSE.TOO_BIG:
      return `a frame was over ${MAX_FRAME_BYTES} bytes`;
    case CLOSE.RESTARTING:
      return "the other side is restarting";
    default:
      return `closed with code ${code}`;
  }
}

/** The hint that comes with OVERLOADED: wait this long before the next attempt. */
export function overloadedReason(retryAfterMs: number): string {
  return `the relay is too busy for another handshake; retry_after_ms=${Math.ceil(retryAfterMs)}`;
}

/** The hint in a close reason, ms, at most one hour; undefined if there is none. */
export function retryAfterMsOf(reason: string): number | undefined {
  const found = /retry_after_ms=(\d{1,9})/.exec(reason)?.[1];
  return found === undefined ? undefined : Math.min(Number(found), 3_600_000);
}

function hasRoom(socket: MessageSocket): boolean {
  return socket.bufferedAmount < MAX_SOCKET_BUFFER_BYTES / 2;
}
