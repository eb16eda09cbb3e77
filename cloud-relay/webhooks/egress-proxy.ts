// The proxy that deliveries leave by, where the operator has one: CONNECT through it, with Basic credentials from a file.
import { readFileSync, statSync } from "node:fs";
import { request } from "node:http";
import type { Socket } from "node:net";
import { ConfigError, messageOf } from "#common/runtime/errors.ts";
import { BLOCKED, SendFailure } from "./send-failure.ts";

export interface EgressProxy {
  readonly host: string;
  readonly port: number;
  /** Value of `Proxy-Authorization`. */
  readonly authorization: string | undefined;
}

export interface EgressProxySettings {
  /** `http://proxy.example.com:3128` */
  readonly url: string;
  /** A file with `user:password`. */
  readonly credentialsFile: string | undefined;
}

const DEFAULT_PORT = 80;
/** How Smokescreen, a proxy made for this, says that it denies a target; its status is a 407. */
const DENIED_HEADER = "x-smokescreen-error";

/** @throws ConfigError */
export function egressProxy({ url: text, credentialsFile }: EgressProxySettings): EgressProxy {
  const url = URL.parse(text);
  if (url?.protocol !== "http:" || url.pathname !== "/" || url.search !== "")
    throw wrong("proxy", "must be an address such as http://proxy.example.com:3128");
  if (url.username !== "" || url.password !== "")
    throw wrong(
      "proxy",
      "holds a password; put user:password into a file and name it in proxy_credentials_file",
    );
  const host = url.hostname.replaceAll(/^\[|\]$/g, "");
  const authorization = credentialsFile === undefined ? undefined : basicOf(credentialsFile);
  return { host, port: url.port === "" ? DEFAULT_PORT : Number(url.port), authorization };
}

/**
 * Asks for the target down a socket that is connected to the proxy; afterwards the socket is a line to the target.
 * @throws SendFailure: the proxy's own faults are the relay's, its refusal of a target and a target it cannot reach the receiver's
 */
export function throughProxy(
  { authorization }: EgressProxy,
  socket: Socket,
  target: { readonly host: string; readonly port: number },
): Promise<void> {
  const { host, port } = target;
  const path = `${host.includes(":") ? `[${host}]` : host}:${port}`;
  return new Promise((resolve, reject) => {
    const asking = request({
      method: "CONNECT",
      path,
      createConnection: () => socket,
      headers: {
        host: path,
        ...(authorization === undefined ? {} : { "proxy-authorization": authorization }),
      },
    });
    asking.once("connect", ({ statusCode = 0, headers }, _socket, head) => {
      const failure = refusalOf(statusCode, headers[DENIED_HEADER] !== undefined);
      if (failure !== undefined) return reject(failure);
      if (head.length > 0) socket.unshift(head);
      resolve();
    });
    asking.once("error", (cause) =>
      reject(new SendFailure("local_fault", "the egress proxy closed the connection", { cause })),
    );
    asking.end();
  });
}

function refusalOf(status: number, isDenied: boolean): SendFailure | undefined {
  if (status >= 200 && status < 300) return undefined;
  if (status === 403 || isDenied) return new SendFailure("blocked_address", BLOCKED);
  if (status === 407) return new SendFailure("local_fault", "the egress proxy wants other credentials");
  if (status === 502 || status === 504)
    return new SendFailure("connect_failed", "the egress proxy could not reach the receiver");
  return new SendFailure("local_fault", `the egress proxy answered ${status}`);
}

function basicOf(file: string): string {
  let text: string;
  try {
    if (process.platform !== "win32" && (statSync(file).mode & 0o077) !== 0)
      throw wrong(
        "proxy_credentials_file",
        `${file} may be read by other users of this machine; chmod 600 it`,
      );
    text = readFileSync(file, "utf8").trim();
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    throw wrong("proxy_credentials_file", `${file} cannot be read: ${messageOf(error)}`);
  }
  if (!/^[^:\r\n]+:[^\r\n]+$/.test(text))
    throw wrong("proxy_credentials_file", `${file} must hold one line, user:password`);
  return `Basic ${Buffer.from(text).toString("base64")}`;
}

function wrong(member: string, message: string): ConfigError {
  return new ConfigError("the relay's settings", [{ path: `webhooks.${member}`, message }]);
}
