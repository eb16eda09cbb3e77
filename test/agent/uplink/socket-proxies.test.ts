// The agent's socket through proxies: CONNECT with and without credentials, lines that break or fall silent.
import { describe, expect, it, vi } from "vitest";
import { connectAgent } from "#agent/uplink/socket.ts";
import { UplinkError } from "#agent/uplink/uplink-error.ts";
import { systemClock } from "#common/runtime/clock.ts";
import { CertificateAuthority } from "#test/support/certificates.ts";
import { startConnectProxy } from "#test/support/connect-proxy.ts";
import { startTcpProxy } from "#test/support/tcp-proxy.ts";
import { Ear, startTestRelay } from "#test/support/wire.ts";

async function failureOf(promise: Promise<unknown>): Promise<UplinkError> {
  const error: unknown = await promise.then(
    () => new Error("it did not fail"),
    (reason: unknown) => reason,
  );
  if (!(error instanceof UplinkError)) throw error;
  return error;
}

describe("CONNECT proxy", () => {
  const authority = new CertificateAuthority();
  const credentials = { user: "plant\\agent", password: "p:ä/s@s" };

  it("carries ws:// and wss://, with and without credentials", async () => {
    const certificate = authority.issue({ commonName: "relay" });
    await using plain = await startTestRelay();
    await using secure = await startTestRelay({ certificate });
    await using open = await startConnectProxy();
    await using guarded = await startConnectProxy({ credentials });
    for (const relay of [plain, secure]) {
      for (const proxy of [open, guarded]) {
        const ear = new Ear();
        const login = proxy === guarded ? credentials : {};
        const channel = await connectAgent({
          ...relay.connectOptions(ear),
          ca: [authority.certificatePem],
          proxy: { url: proxy.url, ...login },
        });
        channel.send(Buffer.from("through"));
        await vi.waitFor(() => expect(relay.sessions.at(-1)?.ear.texts).toEqual(["through"]));
        expect(proxy.asked.at(-1)).toBe(`127.0.0.1:${relay.port}`);
      }
    }
    expect([open.tunnels, guarded.tunnels]).toEqual([2, 2]);
  });

  it("is not used, and the environment is not asked, when the settings have none", async () => {
    await using relay = await startTestRelay();
    await using proxy = await startConnectProxy();
    const names = [
      "http_proxy",
      "https_proxy",
      "HTTP_PROXY",
      "HTTPS_PROXY",
      "ALL_PROXY",
      "NODE_USE_ENV_PROXY",
    ];
    for (const name of names) vi.stubEnv(name, name === "NODE_USE_ENV_PROXY" ? "1" : proxy.url);
    try {
      await connectAgent(relay.connectOptions(new Ear()));
    } finally {
      vi.unstubAllEnvs();
    }
    expect(proxy.asked).toEqual([]);
  });

  it.each([
    ["no login", {}, { credentials }, "set relay.proxy_user and relay.proxy_password"],
    ["a wrong login", { user: "x", password: "y" }, { credentials }, "does not accept relay.proxy_user"],
    ["another scheme", {}, { scheme: "Negotiate" }, "wants Negotiate, the agent speaks Basic only"],
    ["its rules", {}, { answer: 403 }, "its rules forbid this address"],
    ["no way on", {}, { answer: 502 }, "it cannot reach the relay"],
  ] as const)("that refuses for %s is quoted, with what to do", async (_why, login, options, advice) => {
    await using relay = await startTestRelay();
    await using proxy = await startConnectProxy(options);
    const error = await failureOf(
      connectAgent({ ...relay.connectOptions(new Ear()), proxy: { url: proxy.url, ...login } }),
    );
    expect(error.kind).toBe("proxy");
    expect(error.message).toContain(advice);
    expect(relay.listener.stats.agents).toBe(0);
  });

  it("that is silent or not there is reported in time, and leaves no socket behind", async () => {
    await using relay = await startTestRelay();
    const silent = await startConnectProxy({ answer: "silent" });
    const options = { ...relay.connectOptions(new Ear()), proxy: { url: silent.url }, timeoutMs: 50 };
    const error = await failureOf(connectAgent(options));
    expect(error.kind).toBe("unreachable");
    expect(error.message).toContain(`through proxy ${new URL(silent.url).host} within 0.05 s`);
    await vi.waitFor(() => expect(silent.openSockets).toBe(0));
    await silent[Symbol.asyncDispose]();
    const gone = await failureOf(connectAgent({ ...options, timeoutMs: 5_000 }));
    expect(gone.message).toContain("check relay.proxy");
  });
});

describe("bad lines", () => {
  it("that are cut are reported once to each side", async () => {
    await using relay = await startTestRelay();
    await using line = await startTcpProxy({ port: relay.port });
    const ear = new Ear();
    await connectAgent({ ...relay.connectOptions(ear), url: `ws://127.0.0.1:${line.port}` });
    line.cut();
    await vi.waitFor(() => expect(ear.closes).toHaveLength(1));
    await vi.waitFor(() => expect(relay.sessions[0]?.ear.closes).toHaveLength(1));
    expect(ear.closes[0]?.code).toBe(1006);
    expect(relay.listener.stats.agents).toBe(0);
  });

  it("that are cut at any byte of the handshake fail it clearly", async () => {
    await using relay = await startTestRelay();
    for (const cutAfterBytes of [1, 100, 300, 450, 600, 700, 800, 900, 1000]) {
      await using line = await startTcpProxy({ port: relay.port, cutAfterBytes });
      const url = `ws://127.0.0.1:${line.port}`;
      const error = await failureOf(connectAgent({ ...relay.connectOptions(new Ear()), url }));
      expect(error.kind).toBe("unreachable");
    }
    await vi.waitFor(() => expect(relay.listener.stats).toMatchObject({ handshakes: 0, agents: 0 }));
  });

  it("that go silent are given up by both sides' handshake time", async () => {
    const timers: (() => void)[] = [];
    const clock = {
      ...systemClock,
      setTimer: (_delayMs: number, callback: () => void) => {
        timers.push(callback);
        return () => {};
      },
    };
    const asked = Promise.withResolvers<void>();
    const findAgent = (): Promise<never> => {
      asked.resolve();
      return new Promise(() => {});
    };
    await using relay = await startTestRelay({ clock, findAgent });
    await using line = await startTcpProxy({ port: relay.port });
    const url = `ws://127.0.0.1:${line.port}`;
    const attempt = failureOf(connectAgent({ ...relay.connectOptions(new Ear()), url, clock }));
    await asked.promise;
    line.goSilent();
    expect(relay.listener.stats.handshakes).toBe(1);
    for (const fire of timers) fire();
    expect((await attempt).message).toContain("something on the way is silent or very slow");
    expect(relay.listener.stats).toMatchObject({ handshakes: 0, refused: 1 });
  });

  it("that are slow and cut messages into crumbs carry all the same", async () => {
    await using relay = await startTestRelay();
    await using line = await startTcpProxy({ port: relay.port, delayMs: 1, chunkBytes: 50 });
    const ear = new Ear();
    const channel = await connectAgent({ ...relay.connectOptions(ear), url: `ws://127.0.0.1:${line.port}` });
    channel.send(Buffer.alloc(2_000, 1));
    await vi.waitFor(() => expect(relay.sessions[0]?.ear.frames[0]?.length).toBe(2_000));
  });
});
