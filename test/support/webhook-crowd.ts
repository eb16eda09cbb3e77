// A crowd of webhook receivers on loopback: most are well, some are dead, slow or hostile. For faults and benchmarks.
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createTcpServer, type AddressInfo, type Server, type Socket } from "node:net";
import { gzipSync } from "node:zlib";

export type CrowdKind = "healthy" | "refused" | "silent" | "slow" | HostileKind;
type HostileKind = "endless-body" | "slow-headers" | "gzip-bomb" | "redirect-loop" | "huge-headers";

export interface CrowdMember {
  readonly kind: CrowdKind;
  readonly url: string;
}

const HOSTILE: readonly HostileKind[] = [
  "endless-body",
  "slow-headers",
  "gzip-bomb",
  "redirect-loop",
  "huge-headers",
];
const SLOW_ANSWER_MS = 4_000;
const DRIP_MS = 500;
const BOMB_BYTES = 64 * 1024 * 1024;
const CHUNK = Buffer.alloc(64 * 1024, "x");
/** Of headers; no client takes so many. */
const HEADER_LINES = 20_000;

/** Called with each delivery to a healthy one. */
type Heard = (path: string, eventId: string) => unknown;

export class WebhookCrowd implements AsyncDisposable {
  readonly #servers: readonly Server[];
  readonly #sockets = new Set<Socket>();
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #bomb = gzipSync(Buffer.alloc(BOMB_BYTES));
  readonly #heard: Heard;
  #ports: Readonly<Record<"well" | "silent" | "refused", number>> = { well: 0, silent: 0, refused: 0 };

  private constructor(heard: Heard) {
    this.#heard = heard;
    const well = createServer({ keepAliveTimeout: 120_000 }, (request, response) => {
      request.on("error", () => response.destroy());
      request.resume().on("end", () => this.#answer(request, response));
    });
    // Accepts, reads nothing, says nothing.
    const silent = createTcpServer((socket) => socket.pause());
    this.#servers = [well, silent];
    for (const server of this.#servers) {
      server.on("connection", (socket: Socket) => {
        this.#sockets.add(socket);
        socket.on("error", () => socket.destroy());
        socket.once("close", () => this.#sockets.delete(socket));
      });
    }
  }

  static async listen(heard: Heard): Promise<WebhookCrowd> {
    const crowd = new WebhookCrowd(heard);
    const [well, silent] = await Promise.all(crowd.#servers.map(listening));
    // A port that nobody listens at any more.
    const closed = createTcpServer();
    const refused = await listening(closed);
    await new Promise((resolve) => closed.close(resolve));
    crowd.#ports = { well: well ?? 0, silent: silent ?? 0, refused };
    return crowd;
  }

  /** Of every 20: 2 dead (one refuses, one is silent), 2 slow, 1 hostile, the others well. */
  members(count: number): readonly CrowdMember[] {
    return Array.from({ length: count }, (_, n) => {
      const kind = kindOf(n);
      const port = kind === "refused" || kind === "silent" ? this.#ports[kind] : this.#ports.well;
      return { kind, url: `http://127.0.0.1:${port}/${kind}/${n}` };
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    const closed = this.#servers.map((server) => new Promise((resolve) => server.close(resolve)));
    for (const socket of this.#sockets) socket.destroy();
    await Promise.all(closed);
  }

  #answer({ url = "", headers }: IncomingMessage, response: ServerResponse): void {
    const kind = url.split("/")[1] as CrowdKind;
    switch (kind) {
      case "slow":
        this.#later(SLOW_ANSWER_MS, () => response.end());
        return;
      case "endless-body":
        this.#pour(response);
        return;
      case "slow-headers":
        this.#drip(response);
        return;
      case "gzip-bomb":
        response.writeHead(200, { "content-encoding": "gzip", "content-type": "application/json" });
        response.end(this.#bomb);
        return;
      case "redirect-loop":
        response.writeHead(307, { location: url }).end();
        return;
      case "huge-headers":
        response.socket?.write(
          `HTTP/1.1 200 OK\r\n${"x-padding: abcdefghijklmnopqrstuvwxyz\r\n".repeat(HEADER_LINES)}\r\n`,
        );
        return;
      default:
        this.#heard(url, String(headers["webhook-id"]));
        response.end("thanks");
    }
  }

  /** As much as is taken, for ever. */
  #pour(response: ServerResponse): void {
    response.writeHead(200);
    const more = (): void => {
      while (!response.destroyed && response.write(CHUNK));
    };
    response.on("drain", more);
    more();
  }

  #drip({ socket }: ServerResponse): void {
    socket?.write("HTTP/1.1 200 OK\r\n");
    const timer = setInterval(() => {
      if (socket?.destroyed === false) socket.write("x: y\r\n");
      else this.#forget(timer);
    }, DRIP_MS);
    this.#timers.add(timer);
  }

  #later(ms: number, act: () => unknown): void {
    const timer = setTimeout(() => {
      this.#forget(timer);
      act();
    }, ms);
    this.#timers.add(timer);
  }

  #forget(timer: NodeJS.Timeout): void {
    clearInterval(timer);
    this.#timers.delete(timer);
  }
}

function kindOf(n: number): CrowdKind {
  const place = n % 20;
  if (place === 1) return "refused";
  if (place === 2) return "silent";
  if (place === 3 || place === 4) return "slow";
  return place === 5 ? (HOSTILE[Math.floor(n / 20) % HOSTILE.length] ?? "redirect-loop") : "healthy";
}

async function listening(server: Server): Promise<number> {
  await new Promise<void>((resolve) =>
    server.listen({ port: 0, host: "127.0.0.1", backlog: 1_024 }, resolve),
  );
  return (server.address() as AddressInfo).port;
}
