// An HTTP proxy for CONNECT, with or without Basic credentials, that counts, and can refuse or fall silent.
import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import { connect, type AddressInfo, type Socket } from "node:net";
import type { Duplex } from "node:stream";

export interface ConnectProxyOptions {
  readonly credentials?: { readonly user: string; readonly password: string };
  /** Answers every CONNECT with this status, or never. */
  readonly answer?: 403 | 502 | "silent";
  /** The scheme that a 407 asks for. */
  readonly scheme?: string;
}

export interface ConnectProxy extends AsyncDisposable {
  readonly url: string;
  /** What was asked for, in order: `host:port`. */
  readonly asked: readonly string[];
  readonly tunnels: number;
  readonly openSockets: number;
}

export async function startConnectProxy(options: ConnectProxyOptions = {}): Promise<ConnectProxy> {
  const asked: string[] = [];
  const sockets = new Set<Duplex>();
  let tunnels = 0;
  const track = (socket: Duplex): void => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.once("close", () => sockets.delete(socket));
  };
  const server = createServer((_request, response) => response.writeHead(400).end());
  server.on("connection", track);
  server.on("connect", (request: IncomingMessage, client: Socket) => {
    asked.push(request.url ?? "");
    if (options.answer === "silent") {
      // Reads on, so that it sees the client leave.
      client.on("end", () => client.end()).resume();
      return;
    }
    const refusal = refusalOf(request, options);
    if (refusal !== undefined) {
      client.end(`HTTP/1.1 ${refusal}\r\nConnection: close\r\n\r\n`);
      return;
    }
    const target = new URL(`http://${request.url}`);
    const upstream = connect(Number(target.port), target.hostname.replaceAll(/[[\]]/g, ""), () => {
      tunnels += 1;
      client.write("HTTP/1.1 200 Connection established\r\n\r\n");
      client.pipe(upstream).pipe(client);
    });
    track(upstream);
    upstream.on("error", () => client.destroy());
    client.on("error", () => upstream.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    get tunnels() {
      return tunnels;
    },
    get openSockets() {
      return sockets.size;
    },
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

function refusalOf(request: IncomingMessage, options: ConnectProxyOptions): string | undefined {
  if (options.answer === 502) return "502 Bad Gateway";
  if (options.answer === 403) return "403 Forbidden";
  if (options.scheme !== undefined)
    return `407 Proxy Authentication Required\r\nProxy-Authenticate: ${options.scheme}`;
  if (options.credentials === undefined) return undefined;
  const { user, password } = options.credentials;
  const expected = `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;
  return request.headers["proxy-authorization"] === expected
    ? undefined
    : '407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm="test"';
}
