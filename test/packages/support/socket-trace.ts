// What a traced program did with sockets, as strace writes it down, held against the list of what it may do.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { NETWORK_USES, type SocketRule } from "#agent/core/network-uses.ts";

export interface SocketCall {
  readonly family: SocketRule["family"] | "other";
  readonly call: SocketRule["call"];
  /** Undefined: strace could not tell. */
  readonly isDatagram: boolean | undefined;
  /** `address:port`, a path (abstract ones begin with `@`), or the netlink protocol. */
  readonly address: string;
  /** The line, for people. */
  readonly line: string;
}

/** Arguments for strace: every process and thread into a file of its own, none of them slowed down by other calls. */
export function straceArguments(folder: string): readonly string[] {
  const calls = "trace=connect,bind,listen,sendto,sendmsg,sendmmsg";
  // The tracer runs beside the program, so that signals reach the program itself.
  return ["-D", "-f", "-ff", "--seccomp-bpf", "-yy", "-s", "32", "-e", calls, "-o", join(folder, "trace")];
}

/** Of every traced process. */
export function tracedCalls(folder: string): readonly SocketCall[] {
  return readdirSync(folder).flatMap((name) =>
    readFileSync(join(folder, name), "utf8")
      .split("\n")
      .flatMap((line) => callOf(line) ?? []),
  );
}

/** Undefined for lines that lead nowhere new: sending on a stream that is connected, or listening on what is bound. */
export function callOf(line: string): SocketCall | undefined {
  const [, name = "", socket = ""] =
    /^(connect|bind|sendto|sendmsg|sendmmsg)\(\d+<(.*?)>[,)]/.exec(line) ?? [];
  if (name === "") return undefined;
  const call = name === "connect" || name === "bind" ? name : "send";
  const isDatagram = socket.startsWith("socket:")
    ? undefined
    : /^(?:UDP|UNIX-DGRAM|UNIX:|UNIX$|NETLINK)/.test(socket);
  const inet = /sin_port=htons\((\d+)\), sin_addr=inet_addr\("([^"]+)"\)/.exec(line);
  if (inet !== null) return { family: "inet", call, isDatagram, address: `${inet[2]}:${inet[1]}`, line };
  const inet6 = /sin6_port=htons\((\d+)\).*inet_pton\(AF_INET6, "([^"]+)"/.exec(line);
  if (inet6 !== null) return { family: "inet", call, isDatagram, address: `[${inet6[2]}]:${inet6[1]}`, line };
  const unix = /sa_family=AF_UNIX, sun_path=(@?)"([^"]*)"/.exec(line);
  if (unix !== null) return { family: "unix", call, isDatagram, address: `${unix[1]}${unix[2]}`, line };
  if (line.includes("sa_family=AF_NETLINK"))
    return {
      family: "netlink",
      call,
      isDatagram,
      address: /NETLINK:\[ROUTE/.test(socket) || call === "bind" ? "route" : socket,
      line,
    };
  // A datagram on a socket that is connected goes where that is; a stream's connection was judged when it was made.
  const connected = /^UDP(?:v6)?:\[.*->(.+)\]$/.exec(socket)?.[1];
  if (call === "send" && connected !== undefined)
    return { family: "inet", call, isDatagram, address: connected, line };
  // An address of a kind that nobody has thought of is listed nowhere.
  const other = /sa_family=(AF_\w+)/.exec(line)?.[1];
  return other === undefined || other === "AF_UNSPEC"
    ? undefined
    : { family: "other", call, isDatagram, address: other, line };
}

/** Addresses that stand behind the list's words, e.g. `relay` → `127.0.0.1:4711`; paths for sockets in the file system. */
export type Peers = Readonly<Record<string, readonly string[]>>;

/** Those that no rule of the list allows. */
export function unlisted(calls: readonly SocketCall[], peers: Peers): readonly string[] {
  const rules = NETWORK_USES.flatMap(({ sockets }) => sockets);
  return calls.filter((call) => !rules.some((rule) => allows(rule, call, peers))).map(({ line }) => line);
}

function allows(rule: SocketRule, { family, call, isDatagram, address }: SocketCall, peers: Peers): boolean {
  if (rule.family !== family || rule.call !== call) return false;
  if (family !== "netlink" && isDatagram !== undefined && isDatagram !== (rule.isDatagram ?? false))
    return false;
  if (rule.peer.endsWith("*")) return address.startsWith(rule.peer.slice(0, -1));
  // Nothing is sent: the kernel only says by which of its own addresses it would go.
  if (rule.peer === "any") return call === "connect" || address.endsWith(":0");
  if (family === "netlink") return address === rule.peer;
  return (peers[rule.peer] ?? []).includes(address);
}
