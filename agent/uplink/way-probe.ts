// Looks at the way to a server step by step: its name, the connection, the proxy's answer, the certificates. Judges nothing.
import { lookup } from "node:dns/promises";
import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import * as http from "node:http";
import * as https from "node:https";
import { connect as connectTcp, isIP, type Socket } from "node:net";
import {
  connect as connectTls,
  createSecureContext,
  getCACertificates,
  rootCertificates,
  type TLSSocket,
} from "node:tls";

/** Links of a chain that are looked at, at most. */
const MAX_CHAIN = 10;

/** Its addresses, in the order of the system's resolver. @throws whatever the resolver says, or the signal's reason */
export async function resolveName(host: string, signal: AbortSignal): Promise<readonly string[]> {
  if (isIP(host) !== 0) return [host];
  const found = await orAborted(lookup(host, { all: true }), signal);
  return found.map(({ address }) => address);
}

/** @throws the system's error, or the signal's reason */
export async function openLine(host: string, port: number, signal: AbortSignal): Promise<Socket> {
  signal.throwIfAborted();
  const socket = connectTcp({ host, port });
  socket.on("error", () => {});
  try {
    await orAborted(once(socket, "connect"), signal);
    return socket;
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

export interface SeenCertificate {
  readonly subject: string;
  readonly issuer: string;
  readonly fromMs: number;
  readonly toMs: number;
  /** SHA-256, upper-case hex with colons. */
  readonly fingerprint: string;
  readonly names: string;
}

export interface TlsSight {
  /** Usable also where nothing is trusted: for a look, never for data. */
  readonly socket: TLSSocket;
  /** `TLSv1.3` */
  readonly protocol: string;
  readonly cipher: string;
  /** From the server's own upwards, as it sent them. */
  readonly chain: readonly SeenCertificate[];
  /** OpenSSL's or Node's code of what is wrong; undefined: all is well. */
  readonly problem: string | undefined;
  /** Whose authority stands behind the chain: of the roots that come with Node, of `ca`, of this machine's own store, or none. */
  readonly authority: "public" | "given" | "system" | "unknown";
}

/** Takes any certificate, so that it can be told what is wrong with it. @throws the system's error, or the signal's reason */
export async function lookAtTls(
  line: Socket,
  host: string,
  ca: readonly string[],
  signal: AbortSignal,
): Promise<TlsSight> {
  signal.throwIfAborted();
  const socket = connectTls({
    socket: line,
    host,
    minVersion: "TLSv1.2",
    ALPNProtocols: ["http/1.1"],
    secureContext: createSecureContext({ ca: [...rootCertificates, ...ca], minVersion: "TLSv1.2" }),
    rejectUnauthorized: false,
    ...(isIP(host) === 0 ? { servername: host } : {}),
  });
  socket.on("error", () => {});
  try {
    await orAborted(once(socket, "secureConnect"), signal);
  } catch (error) {
    socket.destroy();
    line.destroy();
    throw error;
  }
  const chain = chainOf(socket);
  return {
    socket,
    protocol: socket.getProtocol() ?? "unknown",
    cipher: socket.getCipher().name,
    chain: chain.map(seen),
    problem: socket.authorized ? undefined : String(socket.authorizationError),
    authority: authorityOf(chain, ca),
  };
}

/** What a proxy answered to CONNECT; a socket only for 200. */
export interface TunnelSight {
  readonly status: number;
  readonly statusText: string;
  /** Names of the schemes that a 407 offers, as it spells them. */
  readonly schemes: readonly string[];
  readonly socket: Socket | undefined;
}

export interface TunnelRequest {
  readonly proxy: URL;
  readonly user: string | undefined;
  readonly password: string | undefined;
  readonly host: string;
  readonly port: number;
  readonly ca: readonly string[];
}

/** @throws the system's error, or the signal's reason */
export async function lookAtTunnel(request: TunnelRequest, signal: AbortSignal): Promise<TunnelSight> {
  const { proxy, user, password = "", host, port, ca } = request;
  const authority = `${host.includes(":") ? `[${host}]` : host}:${port}`;
  const isSecure = proxy.protocol === "https:";
  const login = user === undefined ? undefined : Buffer.from(`${user}:${password}`).toString("base64");
  const asked = (isSecure ? https : http).request({
    host: proxy.hostname.replaceAll(/[[\]]/g, ""),
    port: proxyPort(proxy),
    method: "CONNECT",
    path: authority,
    headers: { host: authority, ...(login === undefined ? {} : { "proxy-authorization": `Basic ${login}` }) },
    agent: false,
    signal,
    ...(isSecure ? { ca: [...rootCertificates, ...ca] } : {}),
  });
  return await new Promise<TunnelSight>((resolve, reject) => {
    asked.once("connect", (response: http.IncomingMessage, socket: Socket, head: Buffer) => {
      socket.on("error", () => {});
      if (response.statusCode === 200) {
        if (head.length > 0) socket.unshift(head);
        resolve(sightOf(response, socket));
      } else {
        socket.destroy();
        resolve(sightOf(response, undefined));
      }
    });
    asked.once("response", (response) => {
      response.destroy();
      resolve(sightOf(response, undefined));
    });
    asked.on("error", (error) => reject(signal.aborted ? signal.reason : error));
    asked.end();
  });
}

export function proxyPort(proxy: URL): number {
  return proxy.port === "" ? (proxy.protocol === "https:" ? 443 : 80) : Number(proxy.port);
}

/** The Date of any answer of a web server on this line, ms; undefined where it sends none. The line is used up. */
export async function dateOf(line: Socket, url: URL, signal: AbortSignal): Promise<number | undefined> {
  const asked = http.request({
    createConnection: () => line,
    host: url.hostname,
    path: url.pathname,
    headers: { host: url.host, connection: "close" },
    signal,
  });
  asked.end();
  const answer = once(asked, "response") as Promise<[http.IncomingMessage]>;
  const [response] = await answer;
  response.on("error", () => {}).destroy();
  line.destroy();
  const ms = Date.parse(response.headers.date ?? "");
  return Number.isNaN(ms) ? undefined : ms;
}

function sightOf(response: http.IncomingMessage, socket: Socket | undefined): TunnelSight {
  const { statusCode = 0, statusMessage = "", rawHeaders } = response;
  const offers = rawHeaders.filter((_, at) => /^proxy-authenticate$/i.test(rawHeaders[at - 1] ?? ""));
  const schemes = offers.flatMap((offer) => /^\s*([\w-]+)/.exec(offer)?.[1] ?? []);
  return { status: statusCode, statusText: statusMessage.slice(0, 100), schemes, socket };
}

function chainOf(socket: TLSSocket): readonly X509Certificate[] {
  const chain: X509Certificate[] = [];
  let next = socket.getPeerX509Certificate();
  while (next !== undefined && chain.length < MAX_CHAIN) {
    chain.push(next);
    next = next.issuerCertificate;
    const { fingerprint256 } = next ?? {};
    if (chain.some((one) => one.fingerprint256 === fingerprint256)) break;
  }
  return chain;
}

function seen(certificate: X509Certificate): SeenCertificate {
  return {
    subject: oneLine(certificate.subject),
    issuer: oneLine(certificate.issuer),
    fromMs: certificate.validFromDate.getTime(),
    toMs: certificate.validToDate.getTime(),
    fingerprint: certificate.fingerprint256,
    names: certificate.subjectAltName ?? "",
  };
}

function oneLine(name: string): string {
  return name.replaceAll("\n", ", ");
}

function authorityOf(chain: readonly X509Certificate[], ca: readonly string[]): TlsSight["authority"] {
  const last = chain.at(-1);
  if (last === undefined) return "unknown";
  const holds = (pems: readonly string[]): boolean => parsed(pems).some((root) => isBehind(last, root));
  if (holds(ca)) return "given";
  if (holds(rootCertificates)) return "public";
  return holds(getCACertificates("system")) ? "system" : "unknown";
}

function isBehind(last: X509Certificate, root: X509Certificate): boolean {
  if (last.fingerprint256 === root.fingerprint256) return true;
  return last.issuer === root.subject && last.checkIssued(root) && last.verify(root.publicKey);
}

function parsed(pems: readonly string[]): readonly X509Certificate[] {
  const blocks = pems.flatMap(
    (pem) => pem.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [],
  );
  return blocks.flatMap((block) => {
    try {
      return [new X509Certificate(block)];
    } catch {
      return [];
    }
  });
}

async function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const abort = (): void => reject(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  if (signal.aborted) abort();
  try {
    return await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener("abort", abort);
    // Who comes second is not waited for.
    work.catch(() => {});
    promise.catch(() => {});
  }
}
