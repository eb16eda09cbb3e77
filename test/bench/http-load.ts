// A small load generator over keep-alive sockets: raw HTTP/1.1, no client library whose cost would be measured.
import { connect, type Socket } from "node:net";
import { parentPort, workerData } from "node:worker_threads";

export interface LoadRequest {
  readonly port: number;
  /** Whole request texts, sent round robin. */
  readonly requests: readonly string[];
  readonly sockets: number;
  readonly durationMs: number;
}

export interface LoadResult {
  readonly answers: number;
  readonly bytes: number;
  readonly elapsedMs: number;
}

/** One request at a time on each socket. Rejects on an answer that is not 200. */
export async function runLoad(load: LoadRequest): Promise<LoadResult> {
  const result = { answers: 0, bytes: 0 };
  const startMs = performance.now();
  const endMs = startMs + load.durationMs;
  let next = 0;
  const take = (): string | undefined => {
    if (performance.now() >= endMs) return undefined;
    next += 1;
    return load.requests[next % load.requests.length];
  };
  await Promise.all(Array.from({ length: load.sockets }, () => oneSocket(load.port, take, result)));
  return { ...result, elapsedMs: performance.now() - startMs };
}

function oneSocket(
  port: number,
  take: () => string | undefined,
  result: { answers: number; bytes: number },
): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1").setNoDelay(true);
    let missing = 0;
    const send = (): void => {
      const request = take();
      if (request === undefined) socket.end(resolve);
      else socket.write(request);
    };
    socket.on("connect", send);
    socket.on("error", reject);
    socket.on("data", (chunk: Buffer) => {
      result.bytes += chunk.length;
      if (missing === 0) {
        const length = answerBytes(chunk);
        if (length === undefined) return fail(socket, reject, chunk);
        missing = length;
      }
      missing -= chunk.length;
      if (missing > 0) return;
      result.answers += 1;
      missing = 0;
      send();
    });
  });
}

/** Head and body together; the head is taken to come in one piece, as it does on loopback. */
function answerBytes(chunk: Buffer): number | undefined {
  const headEnd = chunk.indexOf("\r\n\r\n");
  if (headEnd < 0 || chunk.toString("latin1", 9, 12) !== "200") return undefined;
  const length = /content-length: (\d+)/i.exec(chunk.toString("latin1", 0, headEnd))?.[1];
  return length === undefined ? undefined : headEnd + 4 + Number(length);
}

function fail(socket: Socket, reject: (error: Error) => void, chunk: Buffer): void {
  socket.destroy();
  reject(new TypeError(`unexpected answer: ${chunk.toString("latin1", 0, 300)}`));
}

if (parentPort !== null) {
  const port = parentPort;
  runLoad(workerData as LoadRequest).then(
    (result) => port.postMessage({ result }),
    (error: unknown) => port.postMessage({ error: String(error) }),
  );
}
