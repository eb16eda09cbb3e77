// A relay that stops: no client's open connection holds it up, and what is being answered is answered.
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { connect, type AddressInfo, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ANSWER_GRACE_MS, OpenLines } from "#relay/http/open-lines.ts";
import { CertificateAuthority } from "#test/support/certificates.ts";
import { FakeClock } from "#test/support/fake-clock.ts";
import { relayFixture, type RelayFixture } from "./relay-fixture.ts";

let clients: Socket[];
beforeEach(() => {
  clients = [];
});
afterEach(() => {
  for (const client of clients) client.destroy();
});

/** A client that never closes by itself. */
async function open(port: number): Promise<Socket> {
  const client = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  client.on("error", () => {});
  clients.push(client);
  await once(client, "connect");
  return client;
}

async function answer(client: Socket, upTo: string): Promise<string> {
  let text = "";
  client.setEncoding("utf8");
  while (!text.includes(upTo)) text += String((await once(client, "data"))[0]);
  return text;
}

function ask(path: string, token: string, accept = "application/json"): string {
  return `GET ${path} HTTP/1.1\r\nhost: relay\r\nauthorization: Bearer ${token}\r\naccept: ${accept}\r\n\r\n`;
}

async function listening(relay: RelayFixture): Promise<{ port: number; sockets: Set<Socket> }> {
  const sockets = new Set<Socket>();
  relay.app.server.on("connection", (socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  await relay.app.listen({ host: "127.0.0.1", port: 0 });
  return { port: (relay.app.server.address() as AddressInfo).port, sockets };
}

interface Served extends AsyncDisposable {
  readonly port: number;
  close(): Promise<void>;
}

async function serve(server: Server, lines: OpenLines): Promise<Served> {
  lines.watch(server);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    close: () => new Promise((resolve) => server.close(() => resolve())),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
    },
  };
}

test("connections on which nothing was asked, something was, or a stream ends now are closed with the server", async () => {
  await using relay = await relayFixture();
  const { port, sockets } = await listening(relay);
  const silent = await open(port);
  const half = await open(port);
  half.write("GET /v1/vendors HTTP/1.1\r\nhost: re");
  const answered = await open(port);
  answered.write(ask("/v1/vendors", relay.acme.workspaceToken));
  expect(await answer(answered, '"data":')).toContain("HTTP/1.1 200");
  const stream = await open(port);
  stream.write(ask("/v1/events", relay.acme.workspaceToken, "text/event-stream"));
  await answer(stream, "retry: ");
  expect(sockets.size).toBe(4);
  const ends = [silent, half, answered].map((client) => once(client, "end"));
  for (const client of clients) client.resume();
  const closed = relay.app.close();
  await Promise.all(ends);
  relay.stop.abort();
  await closed;
  expect([...sockets].filter(({ destroyed }) => !destroyed)).toEqual([]);
});

test("an answer that is under way is finished, and its connection ends with it", async () => {
  const lines = new OpenLines(new FakeClock());
  const asked = Promise.withResolvers<() => void>();
  await using served = await serve(
    createServer((_, response) => asked.resolve(() => response.end("done"))),
    lines,
  );
  const client = await open(served.port);
  client.write("GET / HTTP/1.1\r\nhost: relay\r\n\r\n");
  const finish = await asked.promise;
  lines.end();
  const closed = served.close();
  finish();
  expect(await answer(client, "done")).toContain("HTTP/1.1 200");
  await closed;
});

test("an answer that does not come is cut when the grace is over", async () => {
  const clock = new FakeClock();
  const lines = new OpenLines(clock);
  const asked = Promise.withResolvers<void>();
  await using served = await serve(
    createServer(() => asked.resolve()),
    lines,
  );
  const client = await open(served.port);
  client.write("GET / HTTP/1.1\r\nhost: relay\r\n\r\n");
  await asked.promise;
  lines.end();
  const closed = served.close();
  clock.advance(ANSWER_GRACE_MS - 1);
  expect(client.destroyed).toBe(false);
  clock.advance(1);
  await closed;
});

test("over TLS: one that never shook hands, one that asked nothing; an answer under way is finished", async () => {
  const lines = new OpenLines(new FakeClock());
  const authority = new CertificateAuthority();
  const { privateKeyPem: key, certificatePem: cert } = authority.issue({ commonName: "relay" });
  const ca = authority.certificatePem;
  const asked = Promise.withResolvers<() => void>();
  const server = createTlsServer({ key, cert }, (_, response) => asked.resolve(() => response.end("done")));
  await using served = await serve(server, lines);
  await open(served.port);
  const secured = [0, 1].map(() => connectTls({ port: served.port, host: "127.0.0.1", ca }));
  clients.push(...secured);
  await Promise.all(secured.map((client) => once(client, "secureConnect")));
  secured[0]?.write("GET / HTTP/1.1\r\nhost: relay\r\n\r\n");
  const finish = await asked.promise;
  lines.end();
  const closed = served.close();
  finish();
  expect(await answer(secured[0] as Socket, "done")).toContain("HTTP/1.1 200");
  await closed;
});
