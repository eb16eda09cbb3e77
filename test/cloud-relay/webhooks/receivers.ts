// Receivers on loopback for the sender's tests: HTTPS with a certificate of their own authority, and raw sockets that misbehave.
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import { createServer as createTcpServer, type AddressInfo, type Server, type Socket } from "node:net";
import { CertificateAuthority } from "#test/support/certificates.ts";

export const authority = new CertificateAuthority();
const certificate = authority.issue({ commonName: "receiver" });

type OnRequest = (request: IncomingMessage, response: ServerResponse) => unknown;

export interface Receiver extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  /** Sockets that were ever accepted. */
  readonly accepted: number;
}

/** Longer than any test: connections are closed by whom the test is about. */
const keepAliveTimeout = 120_000;

export function httpsReceiver(onRequest: OnRequest): Promise<Receiver> {
  const options = { keepAliveTimeout, cert: certificate.certificatePem, key: certificate.privateKeyPem };
  return listening(createHttpsServer(options, onRequest), "https");
}

export function httpReceiver(onRequest: OnRequest): Promise<Receiver> {
  return listening(createHttpServer({ keepAliveTimeout }, onRequest), "http");
}

/** Speaks no HTTP by itself: `onSocket` writes what it likes. */
export function rawReceiver(onSocket: (socket: Socket) => void): Promise<Receiver> {
  return listening(createTcpServer(onSocket), "http");
}

async function listening(server: Server, scheme: string): Promise<Receiver> {
  const open = new Set<Socket>();
  let accepted = 0;
  server.on("connection", (socket: Socket) => {
    accepted += 1;
    open.add(socket);
    socket.on("error", () => socket.destroy());
    socket.once("close", () => open.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `${scheme}://127.0.0.1:${port}/hook`,
    port,
    get accepted() {
      return accepted;
    },
    [Symbol.asyncDispose]: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of open) socket.destroy();
      await closed;
    },
  };
}
