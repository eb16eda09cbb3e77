// No hostile address is ever connected to: whatever its form, whatever its name resolves to, whatever a receiver answers.
import { Socket, type TcpNetConnectOpts } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { systemClock } from "#common/runtime/clock.ts";
import { Addresses, type AddressRules } from "#relay/webhooks/addresses.ts";
import { HttpSender } from "#relay/webhooks/http-sender.ts";
import { authority, httpsReceiver, rawReceiver } from "./receivers.ts";

const NOTHING: AddressRules = { allowHttp: false, allowNetworks: [] };

interface Setting {
  readonly rules?: AddressRules;
  readonly resolve?: (name: string) => Promise<readonly string[]>;
  readonly open?: (options: TcpNetConnectOpts) => Socket;
}

function setUp({ rules = NOTHING, resolve, open }: Setting = {}) {
  const connected: string[] = [];
  const resolved: string[] = [];
  const sender = new HttpSender({
    addresses: new Addresses(rules),
    clock: systemClock,
    ca: authority.certificatePem,
    ownOrigins: () => ["https://relay.example.com"],
    resolve: (name) => {
      resolved.push(name);
      return resolve?.(name) ?? Promise.resolve([]);
    },
    openSocket: (options) => {
      connected.push(`${options.host}:${options.port}`);
      if (open === undefined) throw new Error("a connection was tried");
      return open(options);
    },
  });
  onTestFinished(() => sender[Symbol.asyncDispose]());
  const send = (url: string) =>
    sender.send({ endpointId: "whe_1", url, headers: {}, body: "{}" }, new AbortController().signal);
  return { sender, send, connected, resolved };
}

/** Forms that have led past checks of addresses elsewhere. */
const HOSTILE_URLS = [
  "https://127.0.0.1/",
  "https://2130706433/",
  "https://0x7f.1/",
  "https://0x7f000001/",
  "https://0177.0.0.1/",
  "https://127.1/",
  "https://0/",
  "https://１２７.０.０.１/",
  "https://①②⑦.⓪.⓪.①/",
  "https://127。0。0。1/",
  "https://[::1]/",
  "https://[::]/",
  "https://[::ffff:127.0.0.1]/",
  "https://[::ffff:7f00:1]/",
  "https://[::127.0.0.1]/",
  "https://[64:ff9b::a9fe:a9fe]/",
  "https://[2002:a9fe:a9fe::]/",
  "https://[fe80::1]/",
  "https://[fd00:ec2::254]/",
  "https://169.254.169.254/latest/meta-data/",
  "https://%31%32%37.0.0.1/",
  "https://localhost/",
  "https://LOCALHOST./",
  "https://anything.localhost/",
  "https://10.0.0.1:8443/",
  "https://user:password@example.com/",
  "https://user@127.0.0.1/",
  "https://example.com@127.0.0.1/",
  "https://example.com:22/",
  "http://example.com/",
  "http://127.0.0.1/",
  "ftp://example.com/",
  "file:///etc/passwd",
  "gopher://127.0.0.1/",
  "javascript:alert(1)",
  "//example.com/",
  "https://",
  "https://relay.example.com/v1/me",
  "https://RELAY.example.com.:8443/",
  `https://example.com/${"a".repeat(2_000)}`,
  "",
];

describe("an address that webhooks may not reach", () => {
  test.each(HOSTILE_URLS)(
    "%s is refused when it is set, and nothing is looked up or connected to",
    async (url) => {
      const { sender, send, connected, resolved } = setUp();
      expect(sender.refusal(url)).toEqual(expect.any(String));
      const result = await send(url);
      expect(result).toMatchObject({ status: undefined, error: "blocked_address", remoteAddress: undefined });
      expect(connected).toEqual([]);
      expect(resolved).toEqual([]);
    },
  );

  test.each([
    ["10.0.0.1"],
    ["127.0.0.1", "169.254.169.254", "::1"],
    ["::ffff:192.168.1.1", "64:ff9b::a00:1", "fd00::1"],
  ])("behind a name (%s) it is not connected to, nor shown", async (...answers) => {
    const { sender, send, connected } = setUp({ resolve: () => Promise.resolve(answers) });
    expect(sender.refusal("https://innocent.example/")).toBeUndefined();
    const result = await send("https://innocent.example/");
    expect(result).toMatchObject({ status: undefined, error: "blocked_address", remoteAddress: undefined });
    for (const answer of answers) expect(JSON.stringify(result)).not.toContain(answer);
    expect(connected).toEqual([]);
  });

  test("among a name's addresses is left out: only the public ones are tried", async () => {
    const tried: unknown[] = [];
    const { send } = setUp({
      resolve: () => Promise.resolve(["10.0.0.1", "1.1.1.1", "::1", "2606:4700::1111"]),
      open: (options) => {
        options.lookup?.("mixed.example", { all: true }, (_error, addresses) => tried.push(addresses));
        return failingSocket("ECONNREFUSED");
      },
    });
    expect(await send("https://mixed.example/")).toMatchObject({ error: "connect_failed" });
    expect(tried).toEqual([
      [
        { address: "1.1.1.1", family: 4 },
        { address: "2606:4700::1111", family: 6 },
      ],
    ]);
  });

  test("by a name that answers differently the second time is not reached: the answer that was checked is used", async () => {
    let asked = 0;
    const tried: unknown[] = [];
    const { send } = setUp({
      resolve: () => Promise.resolve(asked++ % 2 === 0 ? ["1.1.1.1"] : ["127.0.0.1"]),
      open: (options) => {
        options.lookup?.("rebinding.example", { all: true }, (_error, addresses) => tried.push(addresses));
        return failingSocket("ECONNREFUSED");
      },
    });
    expect(await send("https://rebinding.example/")).toMatchObject({ error: "connect_failed" });
    expect(await send("https://rebinding.example/")).toMatchObject({ error: "blocked_address" });
    expect(tried).toEqual([[{ address: "1.1.1.1", family: 4 }]]);
  });

  test("where the network leads elsewhere than asked, nothing is written", async () => {
    let bytes = 0;
    await using receiver = await rawReceiver((socket) =>
      socket.on("data", ({ length }) => (bytes += length)),
    );
    const { send } = setUp({
      resolve: () => Promise.resolve(["1.1.1.1"]),
      open: () => new Socket().connect({ host: "127.0.0.1", port: receiver.port }),
    });
    const result = await send("https://diverted.example/");
    expect(result).toMatchObject({ error: "blocked_address", remoteAddress: undefined });
    expect(receiver.accepted).toBe(1);
    expect(bytes).toBe(0);
  });

  test("is not reached by a redirect", async () => {
    await using inside = await httpsReceiver((_request, response) => response.end());
    await using receiver = await httpsReceiver((_request, response) =>
      response.writeHead(307, { location: inside.url }).end(),
    );
    const rules = { allowHttp: false, allowNetworks: ["127.0.0.0/8"] };
    const { send } = setUp({ rules, open: (options) => new Socket().connect(options) });
    const result = await send(receiver.url);
    expect(result).toMatchObject({ status: 307, error: "redirected", headers: { location: inside.url } });
    expect(inside.accepted).toBe(0);
  });

  test("of an allowed network it is reached but not shown; its neighbours are not reached", async () => {
    await using receiver = await httpsReceiver((_request, response) => response.end("ok"));
    const rules = { allowHttp: false, allowNetworks: ["127.0.0.1/32"] };
    const { send, sender } = setUp({ rules, open: (options) => new Socket().connect(options) });
    expect(await send(receiver.url)).toMatchObject({ status: 200, remoteAddress: undefined });
    expect(sender.refusal(receiver.url.replace("127.0.0.1", "127.0.0.2"))).toMatch(/blocked address/);
    // http is another permission.
    expect(sender.refusal(receiver.url.replace("https", "http"))).toMatch(/blocked address/);
  });
});

test("proxies of the environment are not used", async () => {
  await using proxy = await rawReceiver((socket) => socket.destroy());
  await using receiver = await httpsReceiver((_request, response) => response.end());
  const names = ["HTTP_PROXY", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "NODE_USE_ENV_PROXY"];
  const before = names.map((name) => [name, process.env[name]] as const);
  onTestFinished(() => {
    for (const [name, value] of before)
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
  });
  for (const name of names) process.env[name] = `http://127.0.0.1:${proxy.port}`;
  const rules = { allowHttp: false, allowNetworks: ["127.0.0.0/8"] };
  const { send } = setUp({ rules, open: (options) => new Socket().connect(options) });
  expect(await send(receiver.url)).toMatchObject({ status: 200 });
  expect(proxy.accepted).toBe(0);
});

function failingSocket(code: string): Socket {
  const socket = new Socket();
  queueMicrotask(() => socket.destroy(Object.assign(new Error(code), { code })));
  return socket;
}
