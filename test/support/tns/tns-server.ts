// An Oracle server for tests: the real thin driver connects to it over TCP, and an engine in memory stands behind it.
import { once } from "node:events";
import { createServer, type AddressInfo, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import type { ServedDatabase } from "../sql-engine/session.ts";
import { TnsFaults } from "./faults.ts";
import type { ServerIdentity } from "./login.ts";
import { offsetMinutesOf } from "./oracle-time.ts";
import { TnsConnection, type ConnectionDeps } from "./tns-connection.ts";

export interface TnsServerOptions {
  readonly database: ServedDatabase;
  readonly serviceName: string;
  /** Default: the first label of the service name, in upper case. */
  readonly sid?: string;
  /** Passwords by name; the login needs them in plain text. Names in any case. */
  readonly users: Readonly<Record<string, string>>;
  /** Makes it TCPS. */
  readonly tls?: { readonly certificatePem: string; readonly privateKeyPem: string };
  /** What it says it is. Default: 12.1.0.2.0. */
  readonly version?: string;
  /** Of the database: an offset, or a region's name. Default: +00:00. */
  readonly timeZone?: string;
  /** As MAX_STRING_SIZE sets it. Default: 4000. */
  readonly maxStringSize?: 4000 | 32767;
  /** Default: AL16UTF16; thin clients cannot read NVARCHAR2 where it is UTF8. */
  readonly nationalCharset?: "AL16UTF16" | "UTF8";
  /** Bytes a packet. Default: 8192. */
  readonly sdu?: number;
  /** Default: 0, any that is free. */
  readonly port?: number;
}

export interface TnsServer extends AsyncDisposable {
  readonly port: number;
  /** For the driver: `127.0.0.1:1521/service`, with `tcps://` in front where it speaks TLS. */
  readonly connectString: string;
  readonly faults: TnsFaults;
  /** Those that are open, also before their login. */
  readonly connections: readonly TnsConnection[];
  /** Connections ever. */
  readonly accepted: number;
  /** What was executed, oldest first; the newest few thousand. */
  readonly statements: readonly string[];
  /** What the server or a client's messages had wrong; empty in a sound test. */
  readonly troubles: readonly unknown[];
  /** Cuts what is open and stops listening. */
  close(): Promise<void>;
}

const MAX_STATEMENTS = 5_000;

export async function startTnsServer(options: TnsServerOptions): Promise<TnsServer> {
  const connections = new Set<TnsConnection>();
  const statements: string[] = [];
  const troubles: unknown[] = [];
  const sockets = new Set<Socket>();
  let accepted = 0;
  const faults = new TnsFaults((error) => {
    for (const connection of connections) connection.kill(error);
    return connections.size;
  });
  const deps: ConnectionDeps = {
    database: options.database,
    identity: identityOf(options),
    passwords: new Map(
      Object.entries(options.users).map(([name, password]) => [name.toUpperCase(), password]),
    ),
    faults,
    sdu: options.sdu ?? 8_192,
    onStatement: (sql) => {
      statements.push(sql);
      if (statements.length > MAX_STATEMENTS) statements.shift();
    },
    onTrouble: (error) => troubles.push(error),
    onClose: (connection) => connections.delete(connection),
  };
  const serve = (socket: Socket): void => {
    accepted += 1;
    socket.setNoDelay(true);
    connections.add(new TnsConnection(socket, deps));
  };
  const { tls } = options;
  const server =
    tls === undefined
      ? createServer(serve)
      : createTlsServer({ cert: tls.certificatePem, key: tls.privateKeyPem }, serve);
  server.on("connection", (socket: Socket) => {
    sockets.add(socket.on("close", () => sockets.delete(socket)));
  });
  server.listen(options.port ?? 0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const close = async (): Promise<void> => {
    for (const socket of sockets) socket.destroy();
    if (!server.listening) return;
    server.close();
    await once(server, "close");
  };
  return {
    port,
    connectString: `${tls === undefined ? "" : "tcps://"}127.0.0.1:${port}/${options.serviceName}`,
    faults,
    get connections() {
      return [...connections];
    },
    get accepted() {
      return accepted;
    },
    statements,
    troubles,
    close,
    [Symbol.asyncDispose]: close,
  };
}

function identityOf(options: TnsServerOptions): ServerIdentity {
  const name = options.timeZone ?? "+00:00";
  const isRegion = !/^[+-]/.test(name);
  return {
    serviceName: options.serviceName,
    sid: options.sid ?? options.serviceName.split(".")[0]?.toUpperCase() ?? "",
    version: options.version ?? "12.1.0.2.0",
    timeZone: { name, isRegion, offsetMinutes: isRegion ? 0 : offsetMinutesOf(name) },
    maxStringSize: options.maxStringSize ?? 4000,
    nationalCharset: options.nationalCharset ?? "AL16UTF16",
  };
}
