// The installed agent's sockets over a life of it, recorded by strace, against the list that docs/network.md is made from.
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { stagePayload, type Payload } from "../../installer/payload.ts";
import { READER, startPlant, type Plant as SqlServerPlant } from "#test/agent/connectors/sql-server/plant.ts";
import { startConnectProxy, type ConnectProxy } from "#test/support/connect-proxy.ts";
import { MACHINES_NAMESPACE, startOpcUaServer, type TestOpcUaServer } from "#test/support/opcua-server.ts";
import { Plant } from "#test/support/plant-stack.ts";
import { startPostgres, type TestPostgres } from "#test/support/postgres.ts";
import { ProcessStack } from "#test/support/process-stack.ts";
import { requireTier } from "#test/support/tiers.ts";
import { until } from "#test/support/until.ts";
import { callOf, straceArguments, tracedCalls, unlisted, type Peers } from "./support/socket-trace.ts";

const WAIT_MS = 180_000;
const LIFE_MS = 600_000;
const PACK = `name: vendors
system: Vendors
defaults: { timestamps: utc, poll: 500ms, reconcile: 1h }
entities:
  vendor:
    table: vendors
    key: code
    changes: full_scan
    fields: { name: title }
`;

/** strace may be there, and the machine may still not let anybody trace. */
const canTrace = process.platform === "linux" && spawnSync("strace", ["-f", "true"]).status === 0;
const isTraced = requireTier(
  "sockets",
  canTrace,
  "strace is not installed or may not trace; apt-get install strace",
);

describe.skipIf(!isTraced)("the installed agent", () => {
  const owned = new AsyncDisposableStack();
  const dir = mkdtempSync(join(tmpdir(), "millrace-sockets-"));
  const traces = join(dir, "traces");
  /** Changed between two runs of the agent. */
  const settings: Record<string, unknown> = { status_page: { listen: "127.0.0.1:0" } };
  let payload: Payload;
  let stack: ProcessStack;
  let proxy: ConnectProxy;
  let sources: readonly number[] = [];

  beforeAll(async () => {
    mkdirSync(traces);
    const platform = process.arch === "arm64" ? "linux-arm64" : "linux-x64";
    payload = await stagePayload({ product: "agent", platform, into: join(dir, "agent") });
    const pack = join(dir, "vendors.yaml");
    writeFileSync(pack, PACK);
    const plant = owned.use(new Plant());
    const postgres = owned.use(await startPostgres());
    const sqlServer = owned.use(await startPlant());
    const machines = await startOpcUaServer({
      pkiDir: join(dir, "pki"),
      users: { millrace: "secret" },
      stepMs: 500,
    });
    owned.defer(() => machines.stop());
    proxy = owned.use(await startConnectProxy());
    const connections = {
      sqlite: plant.connection(),
      postgres: { connector: "postgres", pack, settings: await postgresSettings(postgres) },
      "sql-server": { connector: "sql-server", pack, settings: await sqlServerSettings(sqlServer) },
      machines: { connector: "opc-ua", settings: machineSettings(machines) },
    };
    sources = [postgres.port, sqlServer.server.port, Number(new URL(machines.endpointUrl).port)];
    const agent = [
      "strace",
      ...straceArguments(traces),
      join(payload.folder, "node"),
      join(payload.folder, "main.mjs"),
    ];
    stack = owned.use(await ProcessStack.create({ connections, agent: settings, programs: { agent } }));
  }, LIFE_MS);

  afterAll(async () => {
    await owned.disposeAsync();
    rmSync(dir, { recursive: true, force: true });
  }, LIFE_MS);

  function peers(): Peers {
    const at = (port: number | string): string[] => [`127.0.0.1:${port}`, `[::1]:${port}`];
    const resolvers = readFileSync("/etc/resolv.conf", "utf8").matchAll(/^nameserver\s+(\S+)/gm);
    return {
      relay: at(stack.relayPort),
      proxy: at(new URL(proxy.url).port),
      source: sources.flatMap(at),
      resolver: [...resolvers].map(([, address = ""]) =>
        address.includes(":") ? `[${address}]:53` : `${address}:53`,
      ),
      // It takes any free port here.
      "status page": ["127.0.0.1:0"],
      "control.sock": [join(stack.agentDir, "control.sock")],
    };
  }

  interface Shown {
    readonly relay: { readonly state: string };
    readonly connections: readonly { readonly name: string; readonly report?: { readonly status: string } }[];
  }

  async function shown(): Promise<Shown> {
    const line = await (stack.agent?.says("status page: http") ??
      Promise.reject(new TypeError("no agent runs")));
    const [url = ""] = /http:\/\/[^"]+/.exec(line) ?? [];
    const response = await fetch(new URL("/status.json", url));
    return (await response.json()) as Shown;
  }

  function line(state: string): Promise<unknown> {
    return until(`the line to be ${state}`, async () => (await shown()).relay.state === state, WAIT_MS);
  }

  function allOnline(): Promise<unknown> {
    return until(
      "every connection to be online",
      async () => (await shown()).connections.every(({ report }) => report?.status === "online"),
      WAIT_MS,
    );
  }

  test("opens, in its whole life, no socket that is not listed", { timeout: LIFE_MS }, async () => {
    stack.startAgent();
    await line("online");
    await allOnline();
    for (const words of [
      ["status"],
      ["doctor", "--json"],
      ["check-config"],
      ["discover", "--connection", "postgres"],
    ])
      await stack.command("agent", words).catch(() => "its exit code is not what this is about");
    await stack.stopRelay();
    await line("waiting");
    await stack.startRelay();
    await line("online");
    await stack.stopAgent();
    // Names instead of addresses, and a proxy.
    settings["relay"] = {
      url: `ws://localhost:${stack.relayPort}`,
      proxy: proxy.url.replace("127.0.0.1", "localhost"),
    };
    stack.startAgent();
    await line("online");
    await stack.command("agent", ["doctor"]).catch(() => "nor this");
    await stack.stopAgent();

    const calls = tracedCalls(traces);
    // It was seen at all: each of the sources, the relay, the proxy, the page, the control socket.
    const seen = new Set(calls.map(({ call, address }) => `${call} ${address}`));
    const known = peers();
    for (const port of sources) expect(seen).toContain(`connect 127.0.0.1:${port}`);
    expect(seen).toContain(`connect 127.0.0.1:${stack.relayPort}`);
    expect(known["proxy"]?.some((address) => seen.has(`connect ${address}`))).toBe(true);
    expect(seen).toContain("bind 127.0.0.1:0");
    expect(seen).toContain(`bind ${known["control.sock"]?.[0]}`);
    expect(unlisted(calls, known)).toEqual([]);
  });

  test("is caught at a connection that is planted in it", { timeout: LIFE_MS }, async () => {
    const stranger = createServer().listen(0, "127.0.0.1");
    await once(stranger, "listening");
    const { port } = stranger.address() as AddressInfo;
    const planted = join(dir, "planted.cjs");
    writeFileSync(
      planted,
      `require("node:net").connect(${port}, "127.0.0.1").on("error", () => {}).unref();\n`,
    );
    const folder = join(dir, "planted");
    mkdirSync(folder);
    const program = [
      join(payload.folder, "node"),
      "--require",
      planted,
      join(payload.folder, "main.mjs"),
      "--version",
    ];
    const { status } = spawnSync("strace", [...straceArguments(folder), ...program]);
    expect(status).toBe(0);
    await until("the trace", () => tracedCalls(folder).length > 0, WAIT_MS);
    expect(unlisted(tracedCalls(folder), peers())).toEqual([expect.stringContaining(`htons(${port})`)]);
    await new Promise((resolve) => stranger.close(resolve));
  });
});

async function postgresSettings(postgres: TestPostgres): Promise<Record<string, unknown>> {
  const database = await postgres.createDatabase();
  const client = await postgres.connect(database);
  await client.query(
    "CREATE TABLE vendors (code text PRIMARY KEY, title text); INSERT INTO vendors VALUES ('a', 'A')",
  );
  await client.end();
  const { host, port, user, password } = postgres;
  return { host, port, user, password, database, tls: { mode: "disable" } };
}

async function sqlServerSettings(plant: SqlServerPlant): Promise<Record<string, unknown>> {
  await plant.sql(
    "CREATE TABLE vendors (code nvarchar(10) NOT NULL PRIMARY KEY, title nvarchar(20)); INSERT INTO vendors VALUES ('a', 'A')",
  );
  plant.track("vendors");
  const { server, database } = plant;
  return {
    server: "127.0.0.1",
    port: server.port,
    database: database.name,
    ...READER,
    tls: { mode: "disable" },
  };
}

function machineSettings(machines: TestOpcUaServer): Record<string, unknown> {
  return {
    endpoint: machines.endpointUrl,
    user: { name: "millrace", password: "secret" },
    server_fingerprint: machines.certificate.fingerprint,
    nodes: [{ node: `nsu=${MACHINES_NAMESPACE};s=Line1.Press.Count` }],
  };
}

describe("a line of strace", () => {
  const peers: Peers = {
    relay: ["10.0.0.1:443"],
    resolver: ["10.0.0.53:53"],
    source: ["10.0.0.2:1433"],
    "control.sock": ["/data/control.sock"],
    "status page": ["127.0.0.1:8692"],
  };
  const inet = (call: string, kind: string, address: string, port: number): string =>
    `${call}(23<${kind}:[123]>, {sa_family=AF_INET, sin_port=htons(${port}), sin_addr=inet_addr("${address}")}, 16) = 0`;

  test.each([
    inet("connect", "TCP", "10.0.0.1", 443),
    inet("connect", "TCP", "10.0.0.2", 1433),
    inet("bind", "TCP", "127.0.0.1", 8692),
    inet("connect", "UDP", "10.0.0.53", 53),
    'sendto(22<UDP:[10.0.0.9:1->10.0.0.53:53]>, "x", 1, 0, NULL, 0) = 1',
    'connect(22<UNIX-STREAM:[1]>, {sa_family=AF_UNIX, sun_path="/data/control.sock"}, 110) = 0',
    'sendmsg(3<UNIX-DGRAM:[3]>, {msg_name={sa_family=AF_UNIX, sun_path="/run/systemd/journal/socket"}, msg_namelen=30}, MSG_NOSIGNAL) = 1',
  ])("is allowed where the list has it: %s", (text) => {
    const call = callOf(text);
    expect(call).toBeDefined();
    expect(unlisted(call === undefined ? [] : [call], peers)).toEqual([]);
  });

  test.each([
    inet("connect", "TCP", "10.0.0.1", 80),
    inet("connect", "TCP", "10.0.0.3", 443),
    inet("connect", "socket", "10.0.0.3", 443).replace("connect(23<socket:[123]>", "sendto(23<UDP:[123]>"),
    inet("sendto", "UDP", "10.0.0.1", 443),
    inet("bind", "TCP", "0.0.0.0", 8692),
    inet("bind", "UDP", "0.0.0.0", 5353),
    'connect(9<TCPv6:[3]>, {sa_family=AF_INET6, sin6_port=htons(443), sin6_flowinfo=htonl(0), inet_pton(AF_INET6, "2001:db8::1", &sin6_addr), sin6_scope_id=0}, 28) = 0',
    'connect(22<UNIX-STREAM:[1]>, {sa_family=AF_UNIX, sun_path="/var/run/docker.sock"}, 110) = 0',
    'sendto(22<UDP:[10.0.0.9:1->10.0.0.3:53]>, "x", 1, 0, NULL, 0) = 1',
    "sendmmsg(22<UDPv6:[[::1]:1->[2001:db8::1]:53]>, [{msg_hdr={msg_name=NULL, msg_namelen=0}}], 2, MSG_NOSIGNAL) = 2",
    'bind(22<UNIX-STREAM:[1]>, {sa_family=AF_UNIX, sun_path=@"hidden"}, 110) = 0',
    "bind(9<PACKET:[1]>, {sa_family=AF_PACKET, sll_protocol=htons(ETH_P_ALL)}, 20) = 0",
  ])("is found where the list has it not: %s", (text) => {
    const call = callOf(text);
    expect(call).toBeDefined();
    expect(unlisted(call === undefined ? [] : [call], peers)).toEqual([text]);
  });
});
