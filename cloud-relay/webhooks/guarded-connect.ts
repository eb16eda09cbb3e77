// Opens a connection to a receiver, and only to an address that webhooks may reach: checked as written, as resolved, as connected.
import {
  connect as connectTcp,
  isIP,
  type LookupFunction,
  type Socket,
  type TcpNetConnectOpts,
} from "node:net";
import { networkInterfaces } from "node:os";
import { connect as connectTls } from "node:tls";
import type { Clock } from "#common/runtime/clock.ts";
import type { Addresses } from "./addresses.ts";
import { throughProxy, type EgressProxy } from "./egress-proxy.ts";
import type { Resolve } from "./resolver.ts";
import { BLOCKED, connectFailure, SendFailure, tlsFailure } from "./send-failure.ts";

/** Of the TCP connection, and of TLS. */
const CONNECT_TIMEOUT_MS = 3_000;
/** Of the name; long enough to find out whether the name or our name server is to blame. */
const RESOLVE_TIMEOUT_MS = 6_000;
/** Tried one after the other, quickly; more are not looked at. */
const MAX_ADDRESSES = 8;

export interface ConnectOptions {
  readonly addresses: Addresses;
  readonly resolve: Resolve;
  readonly clock: Clock;
  /** PEM; default: the authorities that Node trusts. */
  readonly ca?: string;
  /** What is written as a name goes through it, unresolved: which addresses a name may have is the proxy's to say then. */
  readonly proxy?: EgressProxy | undefined;
  /** Of TCP; stands for the network in tests. */
  readonly openSocket?: (options: TcpNetConnectOpts) => Socket;
}

/** Ms; undefined: the phase was not reached, or was not needed. */
export interface ConnectPhases {
  dnsMs?: number;
  connectMs?: number;
  tlsMs?: number;
}

/**
 * Nothing is written before all three checks have passed; a name's answer is used once, so that a second answer cannot differ.
 * Fills `phases` as it goes. @throws SendFailure; the signal's reason when it aborts
 */
export async function guardedConnect(
  url: URL,
  options: ConnectOptions,
  phases: ConnectPhases,
  signal: AbortSignal,
): Promise<Socket> {
  const { clock } = options;
  const port = portOf(url);
  const name = hostOf(url);
  const timed = async <T>(phase: keyof ConnectPhases, what: string, work: Promise<T>): Promise<T> => {
    const startMs = clock.monotonicMs();
    const limitMs = phase === "dnsMs" ? RESOLVE_TIMEOUT_MS : CONNECT_TIMEOUT_MS;
    try {
      return await within(clock, limitMs, what, work, signal);
    } finally {
      phases[phase] = clock.monotonicMs() - startMs;
    }
  };
  const secure = async (socket: Socket): Promise<Socket> => {
    try {
      const what = "the receiver did not finish the TLS handshake";
      return await timed("tlsMs", what, secured(socket, name, options));
    } catch (error) {
      socket.destroy();
      throw error;
    }
  };
  const isLiteral = isIP(name) !== 0;
  const { proxy } = options;
  const byProxy =
    proxy !== undefined && !(isLiteral && options.addresses.isAllowed(name)) ? proxy : undefined;
  if (byProxy !== undefined) {
    if (isLiteral && !options.addresses.permits(name, url.protocol, port))
      throw new SendFailure("blocked_address", BLOCKED);
    const over = new AbortController();
    const work = connectByProxy(byProxy, { host: name, port }, options, over.signal);
    const what = "the egress proxy opened no connection to the receiver";
    const tunnel = await timed("connectMs", what, work).catch((error: unknown) => {
      over.abort();
      throw error;
    });
    return url.protocol === "https:" ? await secure(tunnel) : tunnel;
  }
  const found = isLiteral
    ? [name]
    : await timed("dnsMs", "the name could not be resolved", options.resolve(name));
  const permitted = found.filter((address) => options.addresses.permits(address, url.protocol, port));
  const first = permitted[0];
  if (first === undefined)
    throw found.length > 0
      ? new SendFailure("blocked_address", BLOCKED)
      : new SendFailure("dns_failed", "the name has no address");
  const open = options.openSocket ?? connectTcp;
  const lookup = fixedLookup(permitted.slice(0, MAX_ADDRESSES));
  const socket = open(
    isLiteral ? { host: name, port } : { host: name, port, lookup, autoSelectFamily: true },
  );
  try {
    await timed("connectMs", "the receiver did not answer the connection", connected(socket));
    if (!options.addresses.permits(socket.remoteAddress ?? "", url.protocol, port))
      throw new SendFailure("blocked_address", BLOCKED);
    socket.setNoDelay(true);
  } catch (error) {
    socket.destroy();
    throw error;
  }
  return url.protocol === "https:" ? await secure(socket) : socket;
}

/** To the proxy's own address, which is the operator's and not checked, and through it. */
async function connectByProxy(
  proxy: EgressProxy,
  target: { readonly host: string; readonly port: number },
  { resolve, openSocket = connectTcp }: ConnectOptions,
  signal: AbortSignal,
): Promise<Socket> {
  const { host, port } = proxy;
  const isLiteral = isIP(host) !== 0;
  const addresses = isLiteral ? [host] : await resolve(host).catch(() => []);
  if (addresses.length === 0) throw new SendFailure("local_fault", "the egress proxy's name has no address");
  const lookup = fixedLookup(addresses.slice(0, MAX_ADDRESSES));
  const socket = openSocket(isLiteral ? { host, port } : { host, port, lookup, autoSelectFamily: true });
  signal.addEventListener("abort", () => socket.destroy(), { once: true });
  try {
    await connected(socket).catch((cause: unknown) => {
      throw new SendFailure("local_fault", "the egress proxy cannot be reached", { cause });
    });
    await throughProxy(proxy, socket, target);
    socket.setNoDelay(true);
    return socket;
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

/** Lower case, without the brackets of IPv6 and the last dot of a full name. */
export function hostOf({ hostname }: URL): string {
  return hostname.replace(/^\[|\]$|\.$/g, "").toLowerCase();
}

export function portOf({ port, protocol }: URL): number {
  return port === "" ? (protocol === "https:" ? 443 : 80) : Number(port);
}

/** Whether this machine has any address but its own loopback. */
function isOnline(): boolean {
  return Object.values(networkInterfaces()).some((list) => list?.some(({ internal }) => !internal));
}

function fixedLookup(addresses: readonly string[]): LookupFunction {
  const all = addresses.map((address) => ({ address, family: isIP(address) }));
  return (_name, { all: wantsAll }, callback) => {
    const [first] = all;
    if (wantsAll === true) callback(null, all);
    else callback(null, first?.address ?? "", first?.family ?? 0);
  };
}

function connected(socket: Socket): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once("connect", resolve);
    // Stays: a socket that fails later must find a listener.
    socket.on("error", (error) => reject(connectFailure(error, isOnline)));
  });
}

function secured(socket: Socket, name: string, { ca }: ConnectOptions): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const secure = connectTls({
      socket,
      ALPNProtocols: ["http/1.1"],
      minVersion: "TLSv1.2",
      ...(isIP(name) === 0 ? { servername: name } : { host: name }),
      ...(ca === undefined ? {} : { ca }),
    });
    secure.once("secureConnect", () => resolve(secure));
    secure.on("error", (error) => reject(tlsFailure(error)));
    secure.once("close", () =>
      reject(tlsFailure(Object.assign(new Error("closed"), { code: "ECONNRESET" }))),
    );
  });
}

function within<T>(
  clock: Clock,
  limitMs: number,
  what: string,
  work: Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const give = (): void => reject(signal.reason as Error);
    const cancel = clock.setTimer(limitMs, () =>
      reject(new SendFailure("timed_out", `${what} within ${limitMs / 1_000} s`)),
    );
    if (signal.aborted) give();
    signal.addEventListener("abort", give, { once: true });
    void work.then(resolve, reject).finally(() => {
      cancel();
      signal.removeEventListener("abort", give);
    });
  });
}
