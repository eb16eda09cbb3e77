// Every connection that the agent makes and everything it listens to: docs/network.md is made from it, and a test holds the
// installed agent's sockets against it.

export type Direction = "out" | "listens" | "machine";

/** What a system call may have to do with a socket address. */
export interface SocketRule {
  readonly family: "inet" | "unix" | "netlink";
  readonly call: "connect" | "bind" | "send";
  /** Absent: stream. */
  readonly isDatagram?: boolean;
  /** inet: whose address and port. unix: a path, or the beginning of one before `*`. netlink: the protocol. */
  readonly peer: string;
}

export interface NetworkUse {
  readonly direction: Direction;
  readonly what: string;
  /** Address and port, for the one who writes the firewall's rule. */
  readonly peer: string;
  readonly protocol: string;
  readonly when: string;
  readonly why: string;
  readonly proxy: string;
  readonly verified: string;
  readonly sockets: readonly SocketRule[];
}

const SOURCE_WHEN =
  "While the connection is configured and its hours allow; once a connection and again after a failure";
const NO_PROXY = "never";
const OWN_MACHINE = "does not leave the machine";

function tcp(peer: string): SocketRule {
  return { family: "inet", call: "connect", peer };
}

/** In the order in which a person reads them. */
export const NETWORK_USES: readonly NetworkUse[] = [
  {
    direction: "out",
    what: "relay",
    peer: "host of `relay.url`, or of the address given at enrolment; TCP 443 unless it says otherwise",
    protocol: "TLS 1.2 or 1.3, WebSocket `millrace.v1`, in it sealed frames",
    when: "Always, one at a time; after an end again within a minute. `enroll` and `doctor` make one of their own",
    why: "Everything between plant and relay",
    proxy: "`relay.proxy`, if set: then there is no direct connection",
    verified:
      "The certificate (machine's authorities and `relay.ca_file`) and name; then the relay's own key, pinned at enrolment",
    sockets: [tcp("relay")],
  },
  {
    direction: "out",
    what: "proxy",
    peer: "host and port of `relay.proxy`",
    protocol: "HTTP CONNECT, Basic login; or the same inside TLS for `https://`",
    when: "Instead of the above, if set",
    why: "The way to the relay where only a proxy may go out",
    proxy: "is the proxy",
    verified: "For `https://` its certificate and name; what comes through it as above",
    sockets: [tcp("proxy")],
  },
  {
    direction: "out",
    what: "PostgreSQL source",
    peer: "`host` and `port` of the connection; TCP 5432",
    protocol: "PostgreSQL, TLS by `tls`",
    when: SOURCE_WHEN,
    why: "Reading, and writing where allowed",
    proxy: NO_PROXY,
    verified: "By the connection's `tls`, see [PostgreSQL](../agent/connectors/postgres/README.md)",
    sockets: [tcp("source")],
  },
  {
    direction: "out",
    what: "SQL Server source",
    peer: "`server` and `port` of the connection; TCP 1433. For a named instance without a port also UDP 1434, and the TCP port that is answered there",
    protocol: "TDS, TLS by `tls`; SQL Server Browser",
    when: SOURCE_WHEN,
    why: "Reading, and writing where allowed",
    proxy: NO_PROXY,
    verified: "By the connection's `tls`, see [SQL Server](../agent/connectors/sql-server/README.md)",
    sockets: [
      tcp("source"),
      { family: "inet", call: "send", isDatagram: true, peer: "browser" },
      { family: "inet", call: "bind", isDatagram: true, peer: "any" },
    ],
  },
  {
    direction: "out",
    what: "Oracle source",
    peer: "host and port of `connect_string`; TCP 1521 or 2484. A listener may send the agent on to other nodes of its cluster",
    protocol: "Oracle Net, TLS for `tcps`",
    when: SOURCE_WHEN,
    why: "Reading, and writing where allowed",
    proxy: "`https_proxy` of the connection, if set, for `tcps`",
    verified: "For `tcps` the certificate and name, see [Oracle](../agent/connectors/oracle/README.md)",
    sockets: [tcp("source")],
  },
  {
    direction: "out",
    what: "OPC UA server",
    peer: "host and port of `endpoint`; TCP 4840",
    protocol: "OPC UA binary, signed and encrypted by the connection's policy",
    when: SOURCE_WHEN,
    why: "Reading points and their history, and writing where allowed",
    proxy: NO_PROXY,
    verified:
      "The server's certificate against the connection's trust list, see [OPC UA](../agent/connectors/opc-ua/README.md)",
    sockets: [tcp("source")],
  },
  {
    direction: "out",
    what: "name service",
    peer: "the machine's resolvers; UDP and TCP 53",
    protocol: "DNS, by the operating system",
    when: "Before each of the above whose host is a name; with a proxy, only the proxy's name is looked up",
    why: "Addresses of hosts",
    proxy: NO_PROXY,
    verified: "Not at all: who answers is verified afterwards, by certificate or key",
    sockets: [
      { family: "inet", call: "connect", isDatagram: true, peer: "resolver" },
      { family: "inet", call: "send", isDatagram: true, peer: "resolver" },
      tcp("resolver"),
      // The C library asks the kernel by which of its addresses a host would be reached; nothing is sent.
      { family: "inet", call: "connect", isDatagram: true, peer: "any" },
    ],
  },
  {
    direction: "listens",
    what: "status page",
    peer: "`status_page.listen`; TCP 8692 of 127.0.0.1, only if set, only loopback addresses",
    protocol: "HTTP, GET and HEAD only",
    when: "While the agent runs",
    why: "People and monitoring on the same machine",
    proxy: OWN_MACHINE,
    verified:
      "The name that is asked for must be a loopback name; no login: whoever has an account on the machine can read it",
    sockets: [{ family: "inet", call: "bind", peer: "status page" }],
  },
  {
    direction: "listens",
    what: "control socket",
    peer: "`control.sock` in the data folder (no TCP); on Windows a named pipe",
    protocol: "one line of JSON each way",
    when: "While the agent runs",
    why: "`millrace-agent status`, `approve`, `halt` and the like",
    proxy: OWN_MACHINE,
    verified: "By the file's mode: the agent's account, and root",
    sockets: [
      { family: "unix", call: "bind", peer: "control.sock" },
      { family: "unix", call: "connect", peer: "control.sock" },
    ],
  },
  {
    direction: "machine",
    what: "service manager and journal",
    peer: "systemd's sockets below `/run/systemd`; on Windows the service host and the Event Log",
    protocol: "datagrams, by `systemd-notify` and `logger`",
    when: "At start and stop, every 15 seconds, and for each security event",
    why: "The watchdog, and [security events](security-events.md)",
    proxy: OWN_MACHINE,
    verified: "By the operating system",
    sockets: [
      { family: "unix", call: "connect", peer: "/run/systemd/*" },
      { family: "unix", call: "connect", isDatagram: true, peer: "/run/systemd/*" },
      { family: "unix", call: "send", isDatagram: true, peer: "/run/systemd/*" },
    ],
  },
  {
    direction: "machine",
    what: "kernel and C library",
    peer: "netlink (which addresses this machine has); name service caches (`/run/nscd`, `/run/systemd/resolve`), if they run",
    protocol: "the operating system's own",
    when: "Before a name is looked up",
    why: "Addresses of hosts",
    proxy: OWN_MACHINE,
    verified: "By the operating system",
    sockets: [
      { family: "netlink", call: "bind", peer: "route" },
      { family: "netlink", call: "send", isDatagram: true, peer: "route" },
      { family: "unix", call: "connect", peer: "/run/nscd/*" },
      { family: "unix", call: "connect", peer: "/var/run/nscd/*" },
    ],
  },
];

/** What it never does; each is held by the same test, because nothing of it is on the list. */
export const NEVER: readonly string[] = [
  "listens on an address that the network reaches",
  "looks for a newer version of itself, or downloads anything",
  "sends usage figures, crash reports or anything else to whoever makes Millrace",
  "asks certificate authorities or revocation servers anything",
  "uses proxies that only the environment names (`HTTPS_PROXY`)",
  "searches the network for sources: it connects to hosts that the settings name",
];
