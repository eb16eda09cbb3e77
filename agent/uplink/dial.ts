// Opens the line to the relay: TCP or the proxy's tunnel, then TLS, always verified.
import { once } from "node:events";
import { connect as connectTcp, isIP, type Socket } from "node:net";
import { connect as connectTls, createSecureContext, rootCertificates, type SecureContext } from "node:tls";
import { messageOf } from "#common/runtime/errors.ts";
import { openTunnel, type ProxySettings } from "./proxy.ts";
import { UplinkError } from "./uplink-error.ts";

export interface DialOptions {
  /** ws:// or wss://. */
  readonly url: URL;
  /** PEM texts, trusted besides the usual roots. */
  readonly ca: readonly string[];
  /** Absent: directly. Proxies named in the environment are not looked at. */
  readonly proxy: ProxySettings | undefined;
  /** Closes whatever is under way. */
  readonly signal: AbortSignal;
}

const KEEP_ALIVE_MS = 30_000;
const MODERN_TLS = { minVersion: "TLSv1.2", ALPNProtocols: ["http/1.1"] } as const;
/** By the caller's own list, for as long as it keeps it. */
const CONTEXTS = new WeakMap<readonly string[], SecureContext>();
/** OpenSSL's verdicts that mean "signed by nobody I trust". */
const UNKNOWN_AUTHORITY = new Set([
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "DEPTH_ZERO_SELF_SIGNED_CERT",
]);

/** @throws UplinkError `unreachable`, `proxy` or `untrusted` */
export async function dial(options: DialOptions): Promise<Socket> {
  const { url, signal } = options;
  const isSecure = url.protocol === "wss:";
  const host = url.hostname.replaceAll(/[[\]]/g, "");
  const port = url.port === "" ? (isSecure ? 443 : 80) : Number(url.port);
  const line =
    options.proxy === undefined
      ? await openTcp(url.host, host, port, signal)
      : await openTunnel(options.proxy, { host, port }, trustOf(options.ca), signal);
  return isSecure ? secure(line, host, trustOf(options.ca), signal) : line;
}

async function openTcp(name: string, host: string, port: number, signal: AbortSignal): Promise<Socket> {
  const socket = connectTcp({ host, port, signal, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_MS });
  socket.on("error", ignore);
  try {
    await once(socket, "connect");
    return socket;
  } catch (error) {
    socket.destroy();
    const reason = `relay ${name} could not be reached: ${messageOf(error)}; check relay.url, the network and the firewall (outbound ${port}), or set relay.proxy`;
    throw new UplinkError("unreachable", reason, { cause: error });
  }
}

async function secure(
  line: Socket,
  host: string,
  secureContext: SecureContext | undefined,
  signal: AbortSignal,
): Promise<Socket> {
  const socket = connectTls({
    socket: line,
    ...MODERN_TLS,
    host,
    ...(isIP(host) === 0 ? { servername: host } : {}),
    ...(secureContext === undefined ? {} : { secureContext }),
  });
  socket.on("error", ignore);
  const abort = (): void => void socket.destroy(new Error("no answer to the TLS handshake in time"));
  signal.addEventListener("abort", abort, { once: true });
  try {
    if (signal.aborted) abort();
    await once(socket, "secureConnect");
    return socket;
  } catch (error) {
    socket.destroy();
    line.destroy();
    throw tlsFailure(host, error);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

/** The usual roots and these; undefined for the usual roots alone. Reading all the roots takes some 25 ms: once a list will do. */
function trustOf(ca: readonly string[]): SecureContext | undefined {
  if (ca.length === 0) return undefined;
  let context = CONTEXTS.get(ca);
  if (context === undefined) {
    context = createSecureContext({ ca: [...rootCertificates, ...ca], minVersion: MODERN_TLS.minVersion });
    CONTEXTS.set(ca, context);
  }
  return context;
}

/** `once` reports the first error; a socket may have more of them, also while it changes hands. */
function ignore(): void {}

function tlsFailure(host: string, error: unknown): UplinkError {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  const said = `TLS with ${host} failed: ${messageOf(error)}`;
  if (UNKNOWN_AUTHORITY.has(code)) {
    const advice =
      "its certificate comes from an authority that this machine does not trust: if the relay, or a proxy that inspects TLS, has an authority of its own, put that authority's PEM file into relay.ca_file";
    return new UplinkError("untrusted", `${said}; ${advice}`, { cause: error });
  }
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID") {
    return new UplinkError("untrusted", `${said}; use the name in the certificate in relay.url`, {
      cause: error,
    });
  }
  if (code.startsWith("CERT_")) {
    const advice = "check this machine's clock, or have the relay's certificate renewed";
    return new UplinkError("untrusted", `${said}; ${advice}`, { cause: error });
  }
  const advice = "check that relay.url names a relay that speaks TLS, and that no firewall cuts the line";
  return new UplinkError("unreachable", `${said}; ${advice}`, { cause: error });
}
