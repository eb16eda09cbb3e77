// A TCP forwarder that breaks a connection around its COMMIT: before the server has seen it, or before its answer arrives.
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";

export interface CommitCutter extends AsyncDisposable {
  readonly port: number;
  /** The next COMMIT of any connection; once. */
  cutNextCommit(when: "before" | "after"): void;
}

/** `commit`: what a commit looks like on the wire, which sends it in one piece. PostgreSQL's by itself: BEGIN … READ COMMITTED has the word as well. */
export async function startCommitCutter(
  serverPort: number,
  commit = Buffer.from("COMMIT\0"),
): Promise<CommitCutter> {
  const sockets = new Set<Socket>();
  let armed: "before" | "after" | undefined;
  const server = createServer((client) => {
    const upstream = connect({ port: serverPort, host: "127.0.0.1" });
    let isMute = false;
    const destroy = (): void => {
      client.destroy();
      upstream.destroy();
    };
    client.on("data", (chunk) => {
      const when = armed !== undefined && chunk.includes(commit) ? armed : undefined;
      if (when !== undefined) armed = undefined;
      if (when === "before") destroy();
      else {
        isMute ||= when === "after";
        upstream.write(chunk);
      }
    });
    upstream.on("data", (chunk) => {
      if (isMute) destroy();
      else client.write(chunk);
    });
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on("error", destroy).on("close", () => {
        sockets.delete(socket);
        destroy();
      });
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    cutNextCommit: (when) => {
      armed = when;
    },
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}
