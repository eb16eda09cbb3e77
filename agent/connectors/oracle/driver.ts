// The driver: thin by itself, thick once for the whole process; how a connection is asked for, and how it is cut.
import { readFileSync } from "node:fs";
import type { Duplex } from "node:stream";
import { join } from "node:path";
import { getCACertificates, setDefaultCACertificates } from "node:tls";
import oracledb from "oracledb";
import { ConnectorError, messageOf } from "#common/runtime/errors.ts";
import type { OracleSettings } from "./definition.ts";

/** Statements of all passes together; the driver keeps their cursors open. */
const STATEMENT_CACHE = 60;

let isThick = false;

const trusted = new Set<string>();

/**
 * Makes the driver ready for the mode. Thick mode cannot be left again, and an authority once trusted stays so; a room is a
 * process of its own for that. @throws ConnectorError misconfigured
 */
export function prepareDriver({ client, tls }: OracleSettings): void {
  if (tls.caFile !== undefined) trust(tls.caFile);
  if (client.mode === "thin" && tls.walletLocation !== undefined) checkWallet(tls.walletLocation);
  if (client.mode === "thin" || isThick) return;
  try {
    oracledb.initOracleClient({
      ...(client.libDir === undefined ? {} : { libDir: client.libDir }),
      ...(client.configDir === undefined ? {} : { configDir: client.configDir }),
    });
    isThick = true;
  } catch (error) {
    throw new ConnectorError(
      "misconfigured",
      `Loading Oracle's client libraries for mode: thick: ${messageOf(error).split(" See https:")[0] ?? ""} Install Oracle Instant Client of this ` +
        "machine's architecture and set client_lib_dir to its folder (on Linux also make it known to ldconfig).",
      { cause: error },
    );
  }
}

/** The driver blames the connect string for a wallet that is not there. */
function checkWallet(walletLocation: string): void {
  try {
    readFileSync(join(walletLocation, "ewallet.pem"));
  } catch (error) {
    throw new ConnectorError(
      "misconfigured",
      `Reading the wallet in tls.wallet_location ${walletLocation}: ${messageOf(error)}. Check path and rights; thin mode wants ` +
        "the wallet as ewallet.pem (openssl pkcs12 -in ewallet.p12 -out ewallet.pem).",
      { cause: error },
    );
  }
}

/** The thin driver takes an authority from a wallet with a client's key alone; without one it asks Node's own list. */
function trust(caFile: string): void {
  if (trusted.has(caFile)) return;
  try {
    setDefaultCACertificates([...getCACertificates("default"), readFileSync(caFile, "utf8")]);
    trusted.add(caFile);
  } catch (error) {
    throw new ConnectorError(
      "misconfigured",
      `Reading the certificate authority tls.ca_file ${caFile}: ${messageOf(error)}. Check path and rights.`,
      { cause: error },
    );
  }
}

/** One attempt. @throws what the driver throws */
export function connect(settings: OracleSettings): Promise<oracledb.Connection> {
  return oracledb.getConnection(connectionAttributes(settings));
}

export function connectionAttributes(settings: OracleSettings): oracledb.ConnectionAttributes {
  const { user, password, tls, client } = settings;
  const shared = {
    user,
    ...(password === undefined ? {} : { password }),
    connectString: connectDescriptor(settings),
  };
  if (client.mode === "thick") return shared;
  // Thin mode takes these beside a descriptor of the operator's own as well.
  return {
    ...shared,
    program: "millrace",
    stmtCacheSize: STATEMENT_CACHE,
    connectTimeout: Math.ceil(settings.connectTimeoutMs / 1000),
    transportConnectTimeout: Math.ceil(settings.transportConnectTimeoutMs / 1000),
    expireTime: settings.expireTimeMinutes,
    retryCount: 0,
    sslServerDNMatch: tls.serverDnMatch,
    ...(tls.serverCertDn === undefined ? {} : { sslServerCertDN: tls.serverCertDn }),
    ...(tls.walletLocation === undefined ? {} : { walletLocation: tls.walletLocation }),
    ...(tls.walletPassword === undefined ? {} : { walletPassword: tls.walletPassword }),
    ...(settings.httpsProxy === undefined
      ? {}
      : { httpsProxy: settings.httpsProxy.host, httpsProxyPort: settings.httpsProxy.port }),
  };
}

/** A descriptor that both modes read the same (Oracle Net Services Reference, "Local Naming Parameters"). */
export function connectDescriptor(settings: OracleSettings): string {
  const { target, tls, httpsProxy } = settings;
  if (target.kind === "descriptor") return target.text;
  const proxy =
    httpsProxy === undefined ? "" : `(HTTPS_PROXY=${httpsProxy.host})(HTTPS_PROXY_PORT=${httpsProxy.port})`;
  const protocol = tls.mode === "tcps" ? "TCPS" : "TCP";
  const name = `${target.name.kind === "sid" ? "SID" : "SERVICE_NAME"}=${target.name.value}`;
  const security = [
    `(SSL_SERVER_DN_MATCH=${tls.serverDnMatch ? "ON" : "OFF"})`,
    tls.serverCertDn === undefined ? "" : `(SSL_SERVER_CERT_DN="${tls.serverCertDn}")`,
    tls.walletLocation === undefined ? "" : `(MY_WALLET_DIRECTORY=${tls.walletLocation})`,
  ].join("");
  return [
    "(DESCRIPTION=(RETRY_COUNT=0)",
    `(CONNECT_TIMEOUT=${Math.ceil(settings.connectTimeoutMs / 1000)})`,
    `(TRANSPORT_CONNECT_TIMEOUT=${Math.ceil(settings.transportConnectTimeoutMs / 1000)})`,
    settings.expireTimeMinutes === 0 ? "" : `(EXPIRE_TIME=${settings.expireTimeMinutes})`,
    `(ADDRESS=(PROTOCOL=${protocol})(HOST=${target.host})(PORT=${target.port})${proxy})`,
    `(CONNECT_DATA=(${name}))`,
    tls.mode === "tcps" ? `(SECURITY=${security})` : "",
    ")",
  ].join("");
}

/** For people, without anything secret. */
export function targetLabel({ user, target }: OracleSettings): string {
  return target.kind === "descriptor"
    ? `${user} at the given descriptor`
    : `${user}@${target.host}:${target.port}/${target.name.value}`;
}

interface ThinInternals {
  readonly _impl?: {
    readonly nscon?: { forceDisconnect(): void; readonly ntAdapter?: { readonly stream?: Duplex } };
  };
}

/**
 * Cuts the socket of a connection that does not answer; calls under way reject. The driver offers nothing for this: its
 * close() talks to the server first, and of a socket that was cut behind its back its finalizer throws out of nowhere. In
 * thick mode there is no socket to be had, and the connection is left behind.
 */
export function destroy(connection: oracledb.Connection): void {
  (connection as unknown as ThinInternals)._impl?.nscon?.forceDisconnect();
}

/**
 * Calls `exceeded` once more than `limitBytes` have come from the server; the driver itself takes in a LONG of any length
 * before it hands over a byte of it. Ends when what is returned is called. In thick mode nothing is counted.
 */
export function limitAnswer(
  connection: oracledb.Connection,
  limitBytes: number,
  exceeded: () => void,
): () => void {
  const stream = (connection as unknown as ThinInternals)._impl?.nscon?.ntAdapter?.stream;
  let answerBytes = 0;
  const count = (chunk: Buffer): void => {
    answerBytes += chunk.length;
    if (answerBytes > limitBytes) exceeded();
  };
  stream?.on("data", count);
  return () => stream?.off("data", count);
}
