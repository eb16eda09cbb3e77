// The connections of the HTTP server, and their end: a relay that stops waits for answers, never for idle clients.
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Clock } from "#common/runtime/clock.ts";

/** What is being answered when the relay stops has this long. */
export const ANSWER_GRACE_MS = 10_000;

/**
 * Node closes a connection that has been answered and is idle. It waits for one on which nothing was ever asked (browsers
 * and HTTP clients open some in advance), and for one whose last answer ends later, until the client goes by itself.
 */
export class OpenLines {
  readonly #clock: Clock;
  /** By the client's address and port: of TLS the raw connection first, then the secured one in its place. */
  readonly #sockets = new Map<string, Socket>();
  readonly #answering = new Map<Socket, number>();
  /** Agents' sockets: their gateway closes them. */
  readonly #upgraded = new WeakSet<Socket>();
  #isEnding = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Before the server listens. */
  watch(server: Server): void {
    for (const event of ["connection", "secureConnection"])
      server.on(event, (socket: Socket) => this.#opened(socket));
    server.on("upgrade", ({ socket }: IncomingMessage) => void this.#upgraded.add(socket));
    server.on("request", ({ socket }: IncomingMessage, response: ServerResponse) =>
      this.#asked(socket, response),
    );
  }

  /** Closes what nobody waits for at once, the rest as soon as it is answered, all of it when the grace is over. */
  end(): void {
    this.#isEnding = true;
    for (const socket of this.#sockets.values()) this.#endIdle(socket);
    if (this.#sockets.size === 0) return;
    this.#clock.setTimer(ANSWER_GRACE_MS, () => {
      for (const socket of this.#sockets.values()) socket.destroy();
    });
  }

  #opened(socket: Socket): void {
    const line = `${socket.remoteAddress} ${socket.remotePort}`;
    this.#sockets.set(line, socket);
    socket.once("close", () => {
      if (this.#sockets.get(line) === socket) this.#sockets.delete(line);
    });
    if (this.#isEnding) socket.destroy();
  }

  #asked(socket: Socket, response: ServerResponse): void {
    this.#answering.set(socket, (this.#answering.get(socket) ?? 0) + 1);
    response.once("close", () => {
      const left = (this.#answering.get(socket) ?? 1) - 1;
      if (left > 0) this.#answering.set(socket, left);
      else this.#answering.delete(socket);
      if (this.#isEnding) this.#endIdle(socket);
    });
  }

  #endIdle(socket: Socket): void {
    if (this.#answering.has(socket) || this.#upgraded.has(socket)) return;
    // What was answered is sent first.
    socket.destroySoon();
  }
}
