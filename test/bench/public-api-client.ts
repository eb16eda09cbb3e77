// Callers for the benchmark of the public API: one that waits for its answers, one that floods, and times of many calls.
import { Agent, request } from "node:http";
import { connect } from "node:net";

const FLOOD_SOCKETS = 8;
const PIPELINED = 50;

export interface Asked {
  readonly method?: string;
  readonly body?: object;
  readonly token?: string;
  /** A status that is an answer too, beside 2xx. */
  readonly alsoStatus?: number;
}

/** Keep-alive requests; whatever is not expected ends the benchmark. */
export class Client {
  refusals = 0;
  readonly #agent = new Agent({ keepAlive: true });
  readonly #port: number;
  readonly #token: string;

  constructor(port: number, token: string) {
    this.#port = port;
    this.#token = token;
  }

  close(): void {
    this.#agent.destroy();
  }

  ask(
    path: string,
    { method = "GET", body, token = this.#token, alsoStatus = 200 }: Asked = {},
  ): Promise<string> {
    return new Promise((resolve, reject) => {
      const headers = {
        authorization: `Bearer ${token}`,
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      };
      const to = { host: "127.0.0.1", port: this.#port, method, path, headers, agent: this.#agent };
      const sent = request(to, (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("end", () => {
          const text = Buffer.concat(chunks).toString();
          const status = response.statusCode ?? 0;
          const isGood = status >= 200 && status < 300;
          if (!isGood) this.refusals += 1;
          if (isGood || status === alsoStatus) resolve(text);
          else reject(new TypeError(`${method} ${path}: ${status} ${text.slice(0, 300)}`));
        });
      });
      sent.on("error", reject);
      sent.end(body === undefined ? undefined : JSON.stringify(body));
    });
  }
}

/** Asks as fast as the server reads, without looking at the answers. */
export class Flood {
  static readonly sockets = FLOOD_SOCKETS;
  #answers = 0;
  readonly #sockets;

  constructor(port: number, token: string, path: string) {
    const text = `GET ${path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${token}\r\n\r\n`.repeat(
      PIPELINED,
    );
    this.#sockets = Array.from({ length: FLOOD_SOCKETS }, () => {
      const socket = connect(port, "127.0.0.1", () => socket.write(text));
      let open = PIPELINED;
      socket.on("error", () => socket.destroy());
      socket.on("data", (chunk: Buffer) => {
        const count = chunk.toString("latin1").split("HTTP/1.1 ").length - 1;
        this.#answers += count;
        open -= count;
        if (open > 0) return;
        open += PIPELINED;
        socket.write(text);
      });
      return socket;
    });
  }

  /** How many requests were answered. */
  stop(): number {
    for (const socket of this.#sockets) socket.destroy();
    return this.#answers;
  }
}

/** How long each of the calls took, one after the other, ms. */
export async function timed(
  count: number,
  work: (n: number) => Promise<unknown>,
): Promise<readonly number[]> {
  const took: number[] = [];
  for (let n = 0; n < count; n += 1) {
    const start = performance.now();
    await work(n);
    took.push(performance.now() - start);
  }
  return took;
}

/** 0.5 is the median. */
export function quantile(times: readonly number[], share: number): number {
  const sorted = times.toSorted((a, b) => a - b);
  return Number((sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0).toFixed(2));
}
