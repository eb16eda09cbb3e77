// A TLS-inspecting proxy: ends TLS with a certificate of its own authority, sees every WebSocket message, and meddles.
import { once } from "node:events";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { WebSocket, WebSocketServer } from "ws";
import { SUBPROTOCOL } from "#common/contract/protocol-version.ts";
import { CertificateAuthority } from "#test/support/certificates.ts";

export type Direction = "up" | "down";

export interface SeenMessage {
  readonly direction: Direction;
  /** Counts each direction from 0. `up`: 0 hello, 1 agent_proof. `down`: 0 hello, 1 relay_proof, 2 the session's first frame. */
  readonly index: number;
  readonly bytes: Buffer;
}

/** What goes on instead of the message: it alone (forward), none (drop), several (inject, replay), others (alter). */
export type Meddle = (message: SeenMessage, seen: readonly SeenMessage[]) => readonly Uint8Array[];

export interface InspectingProxy extends AsyncDisposable {
  readonly url: string;
  /** What the plant's IT would install on the agent's machine. */
  readonly authorityPem: string;
  readonly seen: readonly SeenMessage[];
  meddle: Meddle;
}

export const passOn: Meddle = (message) => [message.bytes];

/** `targetUrl`: the relay's, with its path. */
export async function startInspectingProxy(targetUrl: string, targetCa?: string): Promise<InspectingProxy> {
  const authority = new CertificateAuthority("Inspecting proxy");
  const certificate = authority.issue({ commonName: "inspected" });
  const server = createServer({ key: certificate.privateKeyPem, cert: certificate.certificatePem });
  const sockets = new WebSocketServer({
    server,
    perMessageDeflate: false,
    handleProtocols: () => SUBPROTOCOL,
  });
  const seen: SeenMessage[] = [];
  const proxy = {
    url: "",
    authorityPem: authority.certificatePem,
    seen,
    meddle: passOn,
    [Symbol.asyncDispose]: async () => {
      for (const client of sockets.clients) client.terminate();
      sockets.close();
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
  sockets.on("connection", (client) => {
    const upstream = new WebSocket(targetUrl, SUBPROTOCOL, {
      perMessageDeflate: false,
      ...(targetCa === undefined ? {} : { ca: targetCa }),
    });
    relay("up", client, upstream, seen, proxy);
    relay("down", upstream, client, seen, proxy);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  proxy.url = `wss://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return proxy;
}

function relay(
  direction: Direction,
  from: WebSocket,
  to: WebSocket,
  seen: SeenMessage[],
  proxy: { readonly meddle: Meddle },
): void {
  const waiting: Uint8Array[] = [];
  let index = 0;
  const send = (bytes: Uint8Array): void => {
    if (to.readyState === WebSocket.CONNECTING) waiting.push(bytes);
    else if (to.readyState === WebSocket.OPEN) to.send(bytes);
  };
  to.on("open", () => {
    for (const bytes of waiting.splice(0)) to.send(bytes);
  });
  from.on("message", (data: Buffer) => {
    const message = { direction, index, bytes: Buffer.from(data) };
    index += 1;
    seen.push(message);
    for (const bytes of proxy.meddle(message, seen)) send(bytes);
  });
  from.on("error", () => to.terminate());
  from.on("close", (code, reason) => {
    if (to.readyState !== WebSocket.OPEN) to.terminate();
    else if (code === 1005 || code === 1006) to.terminate();
    else to.close(code, reason);
  });
}
