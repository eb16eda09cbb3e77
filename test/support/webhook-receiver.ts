// A receiver of webhooks on loopback: notes every delivery, and answers as the test says.
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface Received {
  readonly path: string;
  readonly id: string;
  readonly timestamp: string;
  readonly signature: string;
  readonly body: string;
}

export type Answering = (received: Received, response: ServerResponse) => unknown;

export class WebhookReceiver implements AsyncDisposable {
  readonly received: Received[] = [];
  /** Called with every delivery that has come whole; must answer, or not. */
  answer: Answering = (_, response) => response.end("thanks");
  /** Called with every connection, before anything was sent. */
  connected: () => unknown = () => {};
  readonly #server = createServer({ keepAliveTimeout: 120_000 }, (request, response) => {
    this.#take(request, response);
  });

  static async listen(): Promise<WebhookReceiver> {
    const receiver = new WebhookReceiver();
    receiver.#server.on("connection", () => receiver.connected());
    await new Promise<void>((resolve) => receiver.#server.listen(0, "127.0.0.1", resolve));
    return receiver;
  }

  url(path: string): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}${path}`;
  }

  /** How often each event has come to a path. */
  counts(path: string): ReadonlyMap<string, number> {
    const counts = new Map<string, number>();
    for (const one of this.received) {
      if (one.path === path) counts.set(one.id, (counts.get(one.id) ?? 0) + 1);
    }
    return counts;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeAllConnections();
    await closed;
  }

  #take(request: IncomingMessage, response: ServerResponse): void {
    const chunks: Buffer[] = [];
    const header = (name: string): string => String(request.headers[name]);
    // A relay that was killed leaves half a request behind.
    request.on("error", () => response.destroy());
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const received = {
        path: request.url ?? "",
        id: header("webhook-id"),
        timestamp: header("webhook-timestamp"),
        signature: header("webhook-signature"),
        body: Buffer.concat(chunks).toString("utf8"),
      };
      this.received.push(received);
      this.answer(received, response);
    });
  }
}
