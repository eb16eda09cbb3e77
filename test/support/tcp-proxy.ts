// A TCP forwarder that misbehaves on command: cuts, goes silent without closing (half-open), or is slow.
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";

export interface TcpProxyOptions {
  readonly port: number;
  readonly host?: string;
  /** Cuts each connection this long after it came. */
  readonly cutAfterMs?: number;
  /** Cuts a connection once it has carried so many bytes, both ways together. */
  readonly cutAfterBytes?: number;
  /** Each chunk, at most `chunkBytes` of it, waits so long before it goes on, both ways. */
  readonly delayMs?: number;
  readonly chunkBytes?: number;
}

export interface TcpProxy extends AsyncDisposable {
  readonly port: number;
  readonly connections: number;
  readonly bytes: number;
  /** From now on nothing passes and nothing is closed, on new connections too, until `speak`. What comes meanwhile is lost. */
  goSilent(): void;
  speak(): void;
  /** Cuts all that are open, with a reset. */
  cut(): void;
}

export async function startTcpProxy(options: TcpProxyOptions): Promise<TcpProxy> {
  const pairs = new Set<readonly [Socket, Socket]>();
  let connections = 0;
  let bytes = 0;
  let isSilent = false;

  const destroy = (pair: readonly [Socket, Socket]): void => {
    for (const socket of pair) socket.resetAndDestroy();
    pairs.delete(pair);
  };
  const server = createServer({ allowHalfOpen: true }, (client) => {
    connections += 1;
    const upstream = connect({ port: options.port, host: options.host ?? "127.0.0.1", allowHalfOpen: true });
    const pair = [client, upstream] as const;
    pairs.add(pair);
    let carried = 0;
    const count = (length: number): void => {
      bytes += length;
      carried += length;
      if (options.cutAfterBytes !== undefined && carried >= options.cutAfterBytes) destroy(pair);
    };
    const close = (): void => {
      if (!isSilent) destroy(pair);
    };
    forward(client, upstream, options, () => isSilent, count);
    forward(upstream, client, options, () => isSilent, count);
    for (const socket of pair) socket.on("error", close).on("close", close);
    if (options.cutAfterMs !== undefined) setTimeout(() => destroy(pair), options.cutAfterMs).unref();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const cut = (): void => {
    for (const pair of pairs) destroy(pair);
  };
  return {
    port: (server.address() as AddressInfo).port,
    get connections() {
      return connections;
    },
    get bytes() {
      return bytes;
    },
    goSilent: () => {
      isSilent = true;
    },
    speak: () => {
      isSilent = false;
    },
    cut,
    [Symbol.asyncDispose]: async () => {
      cut();
      server.close();
      await once(server, "close");
    },
  };
}

function forward(
  from: Socket,
  to: Socket,
  options: TcpProxyOptions,
  isSilent: () => boolean,
  count: (length: number) => void,
): void {
  let queue = Promise.resolve();
  const pass = (chunk: Buffer): void => {
    if (isSilent() || to.destroyed) return;
    count(chunk.length);
    if (!to.destroyed && !to.write(chunk)) {
      from.pause();
      to.once("drain", () => from.resume());
    }
  };
  from.on("data", (chunk: Buffer) => {
    const { delayMs } = options;
    if (delayMs === undefined) {
      pass(chunk);
      return;
    }
    const step = options.chunkBytes ?? chunk.length;
    for (let at = 0; at < chunk.length; at += step) {
      const part = chunk.subarray(at, at + step);
      queue = queue.then(() => wait(delayMs)).then(() => pass(part));
    }
  });
  const end = (): void => {
    if (!isSilent()) to.end();
  };
  from.on("end", () => {
    queue = queue.then(end);
  });
}

function wait(delayMs: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, delayMs);
  });
}
