// A SQL Browser of our own on 127.0.0.1: tells clients on which port a named instance listens (MC-SQLR over UDP).
import { createSocket, type Socket } from "node:dgram";

const HOST = "127.0.0.1";
const REQUEST = { allOnNetwork: 0x02, allOnHost: 0x03, one: 0x04 } as const;
const ANSWER = 0x05;

export interface BrowsedInstance {
  readonly name: string;
  readonly port: number;
}

export interface SqlBrowser extends AsyncDisposable {
  readonly port: number;
  /** Requests that came, answered or not. */
  readonly asked: number;
  /** Like a firewall: requests come and nothing is answered. */
  isSilent: boolean;
  close(): Promise<void>;
}

/** `instances` is read at each request, so a test may change it. */
export async function startSqlBrowser(instances: readonly BrowsedInstance[], port = 0): Promise<SqlBrowser> {
  const socket = createSocket("udp4");
  const browser = new UdpSqlBrowser(socket, instances);
  await new Promise<void>((resolve, reject) => {
    socket.once("error", reject);
    socket.bind(port, HOST, () => resolve());
  });
  return browser;
}

class UdpSqlBrowser implements SqlBrowser {
  isSilent = false;
  readonly #socket: Socket;
  readonly #instances: readonly BrowsedInstance[];
  #asked = 0;

  constructor(socket: Socket, instances: readonly BrowsedInstance[]) {
    this.#socket = socket;
    this.#instances = instances;
    socket.on("message", (request, from) => {
      this.#asked += 1;
      const answer = this.#answer(request);
      if (answer !== undefined && !this.isSilent) socket.send(answer, from.port, from.address);
    });
  }

  get port(): number {
    return this.#socket.address().port;
  }

  get asked(): number {
    return this.#asked;
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#socket.close(() => resolve());
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #answer(request: Buffer): Buffer | undefined {
    const [kind = 0] = request;
    const wanted = request.subarray(1).toString("latin1").replace(/\0.*$/, "");
    const found = this.#instances.filter(({ name }) => {
      if (kind === REQUEST.one) return name.toUpperCase() === wanted.toUpperCase();
      return kind === REQUEST.allOnHost || kind === REQUEST.allOnNetwork;
    });
    if (found.length === 0) return undefined;
    const text = Buffer.from(found.map(described).join(""), "latin1");
    const head = Buffer.of(ANSWER, 0, 0);
    head.writeUInt16LE(text.length, 1);
    return Buffer.concat([head, text]);
  }
}

function described({ name, port }: BrowsedInstance): string {
  return `ServerName;MILLRACE;InstanceName;${name};IsClustered;No;Version;16.0.4000.0;tcp;${port};;`;
}
