// The way to the relay as doctor sees it: certificates of every kind, proxies of every kind, lines that hang.
import { once } from "node:events";
import { createServer as createTcp, type AddressInfo, type Socket } from "node:net";
import { createServer as createTls } from "node:tls";
import { afterEach, describe, expect, it } from "vitest";
import { networkChecks, type Way } from "#agent/doctor/network.ts";
import { CertificateAuthority, selfSignedCertificate, type Certificate } from "#test/support/certificates.ts";
import { startConnectProxy } from "#test/support/connect-proxy.ts";
import { startTestRelay } from "#test/support/wire.ts";

const authority = new CertificateAuthority("Plant authority");
const close: (() => void)[] = [];

afterEach(() => {
  for (const one of close.splice(0)) one();
});

function way(url: string, more: Partial<Way> = {}): Way {
  return {
    url: new URL(url),
    proxy: undefined,
    ca: [authority.certificatePem],
    limitMs: 20_000,
    nowMs: Date.now,
    signal: new AbortController().signal,
    ...more,
  };
}

async function look(url: string, more: Partial<Way> = {}) {
  const { list } = await networkChecks(way(url, more));
  const of = (name: string) => list.find(({ check }) => check === name);
  const words = (name: string): string => {
    const { text = "", more: advice = [] } = of(name) ?? {};
    return [text, ...advice].join("\n");
  };
  return { list, of, words, outcomes: list.map(({ check, outcome }) => `${check} ${outcome}`) };
}

async function tlsServer(certificate: Certificate, options: object = {}): Promise<number> {
  const server = createTls({
    key: certificate.privateKeyPem,
    cert: certificate.certificatePem,
    ...options,
  });
  server.on("tlsClientError", () => {});
  server.on("secureConnection", (socket) => socket.on("error", () => {}));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  close.push(() => server.close());
  return (server.address() as AddressInfo).port;
}

/** Takes connections and does with each what is asked. */
async function tcpServer(take: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createTcp((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    take(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  close.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

describe("certificates", () => {
  it("that are good pass, and it is said whose authority stands behind them", async () => {
    await using relay = await startTestRelay({
      certificate: authority.issue({ commonName: "relay", validDays: 90 }),
    });
    const { outcomes, words } = await look(`${relay.url}/agent`);
    expect(outcomes).toEqual(["dns ok", "proxy ok", "tcp ok", "tls ok", "certificate ok"]);
    expect(words("tls")).toMatch(/^TLSv1\.3 with 127\.0\.0\.1 \(TLS_AES/);
    expect(words("certificate")).toMatch(/of CN=relay, valid to .*relay\.ca_file \(CN=Plant authority\)/);
    expect(words("certificate")).toContain("frames are sealed inside");
  });

  it("that run out soon are a warning", async () => {
    const port = await tlsServer(authority.issue({ commonName: "relay", validDays: 3 }));
    const { of, words } = await look(`wss://127.0.0.1:${port}/agent`);
    expect(of("certificate")?.outcome).toBe("warning");
    expect(words("certificate")).toMatch(/only [23] days more[^]*renew it/);
  });

  it.each([
    [
      "has run out",
      () => authority.issue({ commonName: "relay", validDays: -2 }),
      /CN=relay ran out on .*set this machine's clock/s,
    ],
    [
      "signed itself",
      () => selfSignedCertificate({ commonName: "alone", hosts: ["127.0.0.1"] }),
      /signed itself \(CN=alone\)/,
    ],
    [
      "is for another name",
      () => authority.issue({ commonName: "relay", hosts: ["relay.example"] }),
      /not for 127\.0\.0\.1, but for DNS:relay\.example[^]*Use a name/,
    ],
    [
      "has an unknown authority",
      () => new CertificateAuthority("Elsewhere").issue({ commonName: "relay" }),
      /of CN=relay by CN=Elsewhere: no public authority, and none of relay\.ca_file[^]*name the file in relay\.ca_file[^]*seen: CN=relay/,
    ],
    [
      "comes from a proxy that opens TLS",
      () => new CertificateAuthority("Fortinet Untrusted CA").issue({ commonName: "relay" }),
      /By its name this is a proxy that opens TLS \(CN=Fortinet Untrusted CA\)\. That harms nothing/,
    ],
  ] as const)("whose server's certificate %s fail, with what to do", async (_what, make, pattern) => {
    const port = await tlsServer(make());
    const { of, words } = await look(`wss://127.0.0.1:${port}/agent`);
    expect(of("certificate")?.outcome).toBe("failed");
    expect(words("certificate")).toMatch(pattern);
  });

  it("are not asked for where something else answers, or a TLS that is too old", async () => {
    const plain = await tcpServer((socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"));
    expect((await look(`wss://127.0.0.1:${plain}/agent`)).words("tls")).toContain("does not speak TLS");
    const certificate = authority.issue({ commonName: "relay" });
    const old = await tlsServer(certificate, {
      minVersion: "TLSv1",
      maxVersion: "TLSv1.1",
      ciphers: "DEFAULT@SECLEVEL=0",
    });
    expect((await look(`wss://127.0.0.1:${old}/agent`)).words("tls")).toContain("not safe any more");
  });
});

describe("lines", () => {
  it("that nobody takes are refused, with what to ask for", async () => {
    const { list, words } = await look("wss://127.0.0.1:1/agent");
    expect(list.at(-1)).toMatchObject({ check: "tcp", outcome: "failed" });
    expect(words("tcp")).toMatch(/refused: nobody listens there[^]*outbound TCP 1 to 127\.0\.0\.1/);
  });

  it("to names that nobody knows end at the name", async () => {
    // Longer than any label may be: the resolver refuses it without asking the network.
    const name = `${"a".repeat(64)}.invalid`;
    const { list, words } = await look(`wss://${name}/agent`);
    expect(list.at(-1)).toMatchObject({ check: "dns", outcome: "failed" });
    expect(words("dns")).toContain(`the name ${name} cannot be resolved`);
  });

  it("that hang end with a sentence", async () => {
    const port = await tcpServer(() => {});
    const { words, of } = await look(`wss://127.0.0.1:${port}/agent`, { limitMs: 2_000 });
    expect(of("tcp")?.outcome).toBe("ok");
    expect(words("tls")).toContain("no answer to the handshake within 2 s");
  });

  it("without TLS are a warning", async () => {
    await using relay = await startTestRelay();
    expect((await look(`${relay.url}/agent`)).of("tls")?.outcome).toBe("warning");
  });
});

describe("proxies", () => {
  const credentials = { user: "plant", password: "secret-word" };

  it("that open a tunnel pass; the relay's name is then the proxy's to resolve", async () => {
    await using relay = await startTestRelay({
      certificate: authority.issue({ commonName: "relay", validDays: 90 }),
    });
    await using proxy = await startConnectProxy({ credentials });
    const { outcomes, words, list } = await look(`${relay.url}/agent`, {
      proxy: { url: proxy.url, ...credentials },
    });
    expect(outcomes).toEqual([
      "proxy_dns ok",
      "dns skipped",
      "proxy_tcp ok",
      "proxy ok",
      "tls ok",
      "certificate ok",
    ]);
    expect(words("proxy")).toContain("opened a tunnel to 127.0.0.1:");
    expect(words("proxy")).toContain("as plant (Basic)");
    expect(JSON.stringify(list)).not.toContain(credentials.password);
  });

  it.each([
    ["wants a login", {}, { credentials }, /407[^]*It offers: Basic\.[^]*Set relay\.proxy_user/],
    [
      "refuses the login",
      { user: "x", password: "y" },
      { credentials },
      /does not accept relay\.proxy_user \(x\)/,
    ],
    [
      "wants NTLM",
      {},
      { scheme: "NTLM" },
      /It offers: NTLM\.[^]*NTLM, Kerberos \(Negotiate\) and Digest are not supported/,
    ],
    ["forbids the address", {}, { answer: 403 }, /403[^]*ask for CONNECT to it to be allowed/],
    ["does not reach the relay", {}, { answer: 502 }, /502[^]*It cannot reach the relay/],
  ] as const)("%s: said so, with what to do", async (_what, login, options, pattern) => {
    await using proxy = await startConnectProxy(options);
    const settings = { url: proxy.url, user: undefined, password: undefined, ...login };
    const { list, words } = await look("wss://relay.example/agent", { proxy: settings });
    expect(list.at(-1)).toMatchObject({ check: "proxy", outcome: "failed" });
    expect(words("proxy")).toMatch(pattern);
  });

  it("that are silent or not there end with a sentence", async () => {
    await using silent = await startConnectProxy({ answer: "silent" });
    const settings = { user: undefined, password: undefined };
    const hung = await look("wss://relay.example/agent", {
      proxy: { url: silent.url, ...settings },
      limitMs: 2_000,
    });
    expect(hung.words("proxy")).toContain("no answer within 2 s");
    const gone = await look("wss://relay.example/agent", {
      proxy: { url: "http://127.0.0.1:1", ...settings },
    });
    expect(gone.list.at(-1)).toMatchObject({ check: "proxy_tcp", outcome: "failed" });
  });
});
