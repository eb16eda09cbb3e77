// The way to the relay, step by step: names, connection, proxy, TLS; each bounded in time.
import type { Socket } from "node:net";
import type { RelaySettings } from "#agent/core/agent-config.ts";
import {
  lookAtTls,
  lookAtTunnel,
  openLine,
  proxyPort,
  resolveName,
  type TunnelSight,
} from "#agent/uplink/way-probe.ts";
import { certificateCheck } from "./certificate-words.ts";
import { Checks, codeOf, limited, systemWordsOf } from "./checks.ts";

export interface Way {
  /** The endpoint, path included. */
  readonly url: URL;
  readonly proxy: RelaySettings["proxy"];
  /** PEM texts of relay.ca_file. */
  readonly ca: readonly string[];
  /** Of each step. */
  readonly limitMs: number;
  readonly nowMs: () => number;
  readonly signal: AbortSignal;
}

/** The step that failed has been said; nothing behind it can be tried. */
class Stopped extends Error {}

/** Says nothing more once a step has failed that the others need. */
export async function networkChecks(way: Way): Promise<Checks> {
  const checks = new Checks();
  try {
    const line = await (way.proxy === undefined ? direct(way, checks) : throughProxy(way, checks));
    await secured(way, checks, line);
  } catch (error) {
    if (!(error instanceof Stopped)) throw error;
  }
  return checks;
}

/** A line of its own to the relay, TLS done whatever the certificate is: for questions, never for data. @throws Error */
export async function openWay(way: Way): Promise<Socket> {
  const { host, port, isSecure } = targetOf(way.url);
  const signal = limited(way.signal, way.limitMs);
  let line: Socket;
  if (way.proxy === undefined) line = await openLine(host, port, signal);
  else {
    const { socket, status } = await lookAtTunnel(tunnelOf(way), signal);
    if (socket === undefined) throw new Error(`the proxy answered ${status}`);
    line = socket;
  }
  return isSecure ? (await lookAtTls(line, host, way.ca, signal)).socket : line;
}

function targetOf(url: URL): { host: string; port: number; isSecure: boolean } {
  const isSecure = url.protocol === "wss:";
  const port = url.port === "" ? (isSecure ? 443 : 80) : Number(url.port);
  return { host: url.hostname.replaceAll(/[[\]]/g, ""), port, isSecure };
}

async function direct(way: Way, checks: Checks): Promise<Socket> {
  const { host, port } = targetOf(way.url);
  await resolved(way, checks, "dns", host, "relay.url");
  checks.ok(
    "proxy",
    "relay.proxy is not set: the agent connects directly (proxies of the environment are not used)",
  );
  return await connected(way, checks, "tcp", { host, port }, [
    `Ask for outbound TCP ${port} to ${host} in the firewall, or set relay.proxy if this network has one.`,
  ]);
}

async function throughProxy(way: Way, checks: Checks): Promise<Socket> {
  const { host } = targetOf(way.url);
  const request = tunnelOf(way);
  const proxyHost = request.proxy.hostname.replaceAll(/[[\]]/g, "");
  await resolved(way, checks, "proxy_dns", proxyHost, "relay.proxy");
  checks.skipped("dns", `the name ${host} is not resolved here: with relay.proxy the proxy does that`);
  const first = await connected(
    way,
    checks,
    "proxy_tcp",
    { host: proxyHost, port: proxyPort(request.proxy) },
    ["Check relay.proxy, and that the proxy runs and takes connections from this machine."],
  );
  first.destroy();
  const startMs = performance.now();
  let sight: TunnelSight;
  try {
    sight = await lookAtTunnel(request, limited(way.signal, way.limitMs));
  } catch (error) {
    const said = isTimeout(error) ? `no answer within ${seconds(way.limitMs)}` : systemWordsOf(error);
    checks.failed(
      "proxy",
      `proxy ${request.proxy.host}, asked to CONNECT ${request.host}:${request.port}: ${said}`,
      [
        "It takes connections, but does not answer as an HTTP proxy: check relay.proxy (scheme and port), and the proxy's own way out.",
      ],
    );
    throw new Stopped();
  }
  if (sight.socket !== undefined) {
    const login = request.user === undefined ? "without a login" : `as ${request.user} (Basic)`;
    checks.ok(
      "proxy",
      `proxy ${request.proxy.host} opened a tunnel to ${request.host}:${request.port} ${login} in ${since(startMs)}`,
    );
    return sight.socket;
  }
  const said = `${sight.status} ${sight.statusText}`.trimEnd();
  checks.failed(
    "proxy",
    `proxy ${request.proxy.host} answered ${said} to CONNECT ${request.host}:${request.port}`,
    refusalAdvice(sight, request.user),
  );
  throw new Stopped();
}

function tunnelOf({ url, proxy, ca }: Way): Parameters<typeof lookAtTunnel>[0] {
  const { host, port } = targetOf(url);
  const address = new URL(proxy?.url ?? "");
  const named = address.username === "" ? undefined : decodeURIComponent(address.username);
  return { proxy: address, user: proxy?.user ?? named, password: proxy?.password, host, port, ca };
}

function refusalAdvice({ status, schemes }: TunnelSight, user: string | undefined): readonly string[] {
  if (status === 407) {
    const offered = schemes.length === 0 ? "It names no scheme." : `It offers: ${schemes.join(", ")}.`;
    if (schemes.length > 0 && !schemes.some((scheme) => /^basic$/i.test(scheme)))
      return [
        offered,
        "The agent speaks Basic only; NTLM, Kerberos (Negotiate) and Digest are not supported.",
        "Let the proxy pass this machine to the relay's address without a login, or with Basic.",
      ];
    return [
      offered,
      user === undefined
        ? "Set relay.proxy_user and relay.proxy_password."
        : `It does not accept relay.proxy_user (${user}) with relay.proxy_password: correct them; an account may also be locked.`,
    ];
  }
  if (status === 403) return ["Its rules forbid this address: ask for CONNECT to it to be allowed."];
  if (status >= 502 && status <= 504)
    return ["It cannot reach the relay: check relay.url, and ask its administrator for its own way out."];
  return ["Check that relay.proxy is an HTTP proxy that allows CONNECT."];
}

async function resolved(
  way: Way,
  checks: Checks,
  check: string,
  host: string,
  setting: string,
): Promise<void> {
  const startMs = performance.now();
  try {
    const addresses = await resolveName(host, limited(way.signal, way.limitMs));
    const text =
      addresses[0] === host
        ? `${host} is an address already`
        : `${host} is ${addresses.join(", ")} (asked for ${since(startMs)})`;
    checks.ok(check, text);
  } catch (error) {
    const said = isTimeout(error)
      ? `the name servers did not answer within ${seconds(way.limitMs)}`
      : systemWordsOf(error);
    const unknown = codeOf(error) === "ENOTFOUND";
    checks.failed(check, `the name ${host} cannot be resolved: ${said}`, [
      unknown
        ? `No name server knows it: check ${setting} for a typing mistake, and whether this network resolves names outside.`
        : `Check this machine's name servers${setting === "relay.url" ? ", or set relay.proxy if names outside are the proxy's business" : ""}.`,
    ]);
    throw new Stopped();
  }
}

async function connected(
  way: Way,
  checks: Checks,
  check: string,
  { host, port }: { readonly host: string; readonly port: number },
  advice: readonly string[],
): Promise<Socket> {
  const startMs = performance.now();
  try {
    const socket = await openLine(host, port, limited(way.signal, way.limitMs));
    checks.ok(check, `TCP to ${host} port ${port} stands after ${since(startMs)}`);
    return socket;
  } catch (error) {
    checks.failed(check, `TCP to ${host} port ${port}: ${tcpWords(error, way.limitMs)}`, advice);
    throw new Stopped();
  }
}

function tcpWords(error: unknown, limitMs: number): string {
  if (isTimeout(error))
    return `no answer within ${seconds(limitMs)}: something drops what is sent, mostly a firewall`;
  if (codeOf(error) === "ECONNREFUSED")
    return `refused: nobody listens there, or a firewall says so (${systemWordsOf(error)})`;
  return systemWordsOf(error);
}

async function secured(way: Way, checks: Checks, line: Socket): Promise<void> {
  const { host, isSecure } = targetOf(way.url);
  if (!isSecure) {
    checks.warning(
      "tls",
      "relay.url is ws://: there is no TLS; frames are sealed all the same, but whoever looks on sees that it is Millrace",
    );
    line.destroy();
    return;
  }
  const startMs = performance.now();
  try {
    const sight = await lookAtTls(line, host, way.ca, limited(way.signal, way.limitMs));
    checks.ok("tls", `${sight.protocol} with ${host} (${sight.cipher}) in ${since(startMs)}`);
    certificateCheck(checks, sight, host, way.nowMs());
    sight.socket.destroy();
  } catch (error) {
    checks.failed("tls", `TLS with ${host}: ${tlsWords(error, way.limitMs)}`, [
      "Check that relay.url names a relay that speaks TLS 1.2 or newer, and that no firewall or proxy cuts the line.",
    ]);
    throw new Stopped();
  }
}

function tlsWords(error: unknown, limitMs: number): string {
  if (isTimeout(error)) return `no answer to the handshake within ${seconds(limitMs)}`;
  const said = systemWordsOf(error);
  if (/wrong version number|packet length too long|http request/i.test(said))
    return `what answers does not speak TLS (${said})`;
  if (/unsupported protocol|protocol version|no protocols/i.test(said))
    return `it speaks only versions of TLS that are not safe any more (${said})`;
  if (codeOf(error) === "ECONNRESET")
    return `the line was cut in the handshake, as firewalls do that forbid the name ${said}`;
  return said;
}

function isTimeout(error: unknown): boolean {
  return error instanceof Error && (error.name === "TimeoutError" || error.name === "AbortError");
}

function since(startMs: number): string {
  return `${Math.round(performance.now() - startMs)} ms`;
}

function seconds(ms: number): string {
  return `${ms / 1000} s`;
}
