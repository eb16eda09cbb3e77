// One kept connection to a receiver: posts one request at a time and reads no more of the answer than is shown.
import type { Socket } from "node:net";
import { Client, type Dispatcher } from "undici";
import type { Clock } from "#common/runtime/clock.ts";
import { MAX_RESPONSE_BYTES } from "#relay/core/webhooks/delivery.ts";
import { HeadGuard } from "./head-guard.ts";
import { answerFailure, SendFailure } from "./send-failure.ts";

/** Of the answer's head, bytes. */
const MAX_HEAD_BYTES = 16 * 1024;
/** After its status an answer has said what matters; its body may take so long. */
const BODY_TIMEOUT_MS = 2_000;
/** Idle connections are closed after it; earlier where the receiver announces so. */
const IDLE_TIMEOUT_MS = 10_000;

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body: Buffer;
  /** Whether more came than was read. */
  readonly isCut: boolean;
  /** From the request to the status, ms. */
  readonly firstByteMs: number;
}

export class ReceiverLine {
  readonly openedAtMs: number;
  readonly remoteAddress: string | undefined;
  readonly #client: Client;
  readonly #clock: Clock;
  readonly #guard: HeadGuard;
  #isOpen = true;
  #onClose: (() => void) | undefined;

  constructor(origin: string, socket: Socket, clock: Clock) {
    this.#clock = clock;
    this.openedAtMs = clock.monotonicMs();
    this.remoteAddress = socket.remoteAddress;
    this.#guard = new HeadGuard(socket, MAX_HEAD_BYTES);
    let given: Socket | undefined = socket;
    socket.once("close", () => {
      this.#isOpen = false;
      this.#onClose?.();
    });
    this.#client = new Client(origin, {
      // It never connects by itself: what is lost is opened anew, with all its checks. Not at once: it does not see an answer
      // that comes before its question has returned.
      connect: (_options, callback) => {
        const own = given;
        given = undefined;
        queueMicrotask(() => {
          if (own === undefined)
            callback(new SendFailure("reset", "the receiver closed the connection"), null);
          else callback(null, own);
        });
      },
      allowH2: false,
      maxHeaderSize: MAX_HEAD_BYTES,
      headersTimeout: 0,
      bodyTimeout: 0,
      keepAliveTimeout: IDLE_TIMEOUT_MS,
      keepAliveMaxTimeout: IDLE_TIMEOUT_MS,
    });
  }

  get isOpen(): boolean {
    return this.#isOpen && !this.#client.destroyed;
  }

  /** Called once; takes the place of one that was given before. */
  onClose(listener: () => void): void {
    this.#onClose = listener;
  }

  /** Resolves with the head and what was read of the body. @throws SendFailure; the signal's reason when it aborts */
  post(
    path: string,
    headers: Readonly<Record<string, string>>,
    body: string,
    signal: AbortSignal,
  ): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const stop = (): void => {
        reject(signal.reason as Error);
        this.destroy();
      };
      const done = (): void => signal.removeEventListener("abort", stop);
      if (signal.aborted) return stop();
      signal.addEventListener("abort", stop, { once: true });
      this.#guard.begin();
      const reading = new AnswerReading(this.#clock, {
        onHead: () => this.#guard.end(),
        onAnswer: (answer) => {
          done();
          resolve(answer);
          if (answer.isCut) this.destroy();
        },
        onFailure: (error) => {
          done();
          reject(answerFailure(error));
          this.destroy();
        },
      });
      this.#client.dispatch({ method: "POST", path, headers: { ...headers }, body }, reading);
    });
  }

  destroy(): void {
    this.#isOpen = false;
    void this.#client.destroy(new SendFailure("reset", "the connection was closed"));
  }
}

interface ReadingEvents {
  readonly onHead: () => void;
  readonly onAnswer: (answer: Answer) => void;
  readonly onFailure: (error: Error) => void;
}

class AnswerReading implements Dispatcher.DispatchHandler {
  readonly #clock: Clock;
  readonly #events: ReadingEvents;
  readonly #startMs: number;
  readonly #chunks: Buffer[] = [];
  #bytes = 0;
  #head: Pick<Answer, "status" | "headers" | "firstByteMs"> | undefined;
  #cancelTimer: (() => void) | undefined;
  #isDone = false;

  constructor(clock: Clock, events: ReadingEvents) {
    this.#clock = clock;
    this.#events = events;
    this.#startMs = clock.monotonicMs();
  }

  onRequestStart(): void {
    // Required of a handler; nothing to do.
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: Record<string, string | string[] | undefined>,
  ): void {
    // 1xx only announce an answer.
    if (status < 200) return;
    this.#events.onHead();
    this.#head = { status, headers, firstByteMs: this.#clock.monotonicMs() - this.#startMs };
    this.#cancelTimer = this.#clock.setTimer(BODY_TIMEOUT_MS, () => this.#finish(true));
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#isDone) return;
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    if (this.#bytes > MAX_RESPONSE_BYTES) this.#finish(true);
  }

  onResponseEnd(): void {
    this.#finish(false);
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    if (this.#head !== undefined) this.#finish(true);
    else if (!this.#isDone) {
      this.#isDone = true;
      this.#events.onFailure(error);
    }
  }

  #finish(isCut: boolean): void {
    if (this.#isDone || this.#head === undefined) return;
    this.#isDone = true;
    this.#cancelTimer?.();
    const body = Buffer.concat(this.#chunks).subarray(0, MAX_RESPONSE_BYTES);
    this.#events.onAnswer({ ...this.#head, body, isCut });
  }
}
