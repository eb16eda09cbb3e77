// Asks an HTTP proxy for a tunnel (CONNECT, RFC 9110, 9.3.6), with or without Basic credentials.
import * as http from "node:http";
import * as https from "node:https";
import type { Socket } from "node:net";
import type { SecureContext } from "node:tls";
import { messageOf } from "#common/runtime/errors.ts";
import { UplinkError } from "./uplink-error.ts";

export interface ProxySettings {
  /** `http://proxy:3128`, or https:// for a proxy that is spoken to by TLS. */
  readonly url: string;
  readonly user?: string | undefined;
  readonly password?: string | undefined;
}

export interface TunnelTarget {
  /** Without brackets for IPv6. */
  readonly host: string;
  readonly port: number;
}

/**
 * A socket that ends at the target. The signal closes whatever is under way; a silent proxy is the caller's to time out.
 * @throws UplinkError `proxy` when the proxy refuses, `unreachable` when it cannot be reached
 */
export function openTunnel(
  proxy: ProxySettings,
  target: TunnelTarget,
  secureContext: SecureContext | undefined,
  signal: AbortSignal,
): Promise<Socket> {
  const address = new URL(proxy.url);
  const authority = `${target.host.includes(":") ? `[${target.host}]` : target.host}:${target.port}`;
  const isSecure = address.protocol === "https:";
  const request = (isSecure ? https : http).request({
    host: address.hostname.replaceAll(/[[\]]/g, ""),
    port: address.port === "" ? (isSecure ? 443 : 80) : Number(address.port),
    method: "CONNECT",
    path: authority,
    headers: { host: authority, ...authorization(proxy, address) },
    // No pooling agent: it would hold on to sockets, and may itself obey proxies from the environment.
    agent: false,
    signal,
    ...(secureContext === undefined ? {} : { secureContext }),
  });
  return new Promise((resolve, reject) => {
    request.once("connect", (response: http.IncomingMessage, socket: Socket, head: Buffer) => {
      // Until its next owner listens.
      socket.on("error", () => {});
      if (response.statusCode !== 200) {
        socket.destroy();
        reject(refusal(address, authority, response, proxy.user !== undefined || address.username !== ""));
        return;
      }
      if (head.length > 0) socket.unshift(head);
      resolve(socket);
    });
    // Some proxies answer a refused CONNECT as if it were any request.
    request.once("response", (response) => {
      response.destroy();
      reject(refusal(address, authority, response, proxy.user !== undefined || address.username !== ""));
    });
    request.on("error", (error) => {
      const reason = `proxy ${address.host} could not be reached: ${messageOf(error)}; check relay.proxy and that the proxy runs`;
      reject(new UplinkError("unreachable", reason, { cause: error }));
    });
    request.end();
  });
}

function authorization(proxy: ProxySettings, address: URL): http.OutgoingHttpHeaders {
  const user = proxy.user ?? decodeURIComponent(address.username);
  if (user === "") return {};
  const password = proxy.password ?? decodeURIComponent(address.password);
  return { "proxy-authorization": `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}` };
}

function refusal(
  address: URL,
  authority: string,
  response: http.IncomingMessage,
  hasUser: boolean,
): UplinkError {
  const { statusCode = 0, statusMessage = "" } = response;
  const answer = `proxy ${address.host} answered ${statusCode} ${statusMessage.slice(0, 200)}`.trimEnd();
  return new UplinkError(
    "proxy",
    `${answer} to CONNECT ${authority}; ${adviceFor(statusCode, response, hasUser)}`,
  );
}

function adviceFor(statusCode: number, response: http.IncomingMessage, hasUser: boolean): string {
  if (statusCode === 407) {
    const schemes = response.headers["proxy-authenticate"] ?? "";
    if (schemes !== "" && !/\bbasic\b/i.test(schemes)) {
      return `it wants ${schemes.slice(0, 100)}, the agent speaks Basic only: let the proxy pass this machine without a login, or with Basic`;
    }
    return hasUser
      ? "it does not accept relay.proxy_user and relay.proxy_password"
      : "set relay.proxy_user and relay.proxy_password";
  }
  if (statusCode === 403) return "its rules forbid this address: ask for it to be allowed";
  if (statusCode === 502 || statusCode === 503 || statusCode === 504) {
    return "it cannot reach the relay: check relay.url, and the proxy's own way out";
  }
  return "check that relay.proxy is an HTTP proxy that allows CONNECT";
}
