// The agent's configuration file: typed settings, absolute paths, and problems that only meaning shows.
import { resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { parseAgentConfig, type LoadedConfig } from "#agent/platform/config.ts";
import { ConfigError } from "#common/runtime/errors.ts";

const file = resolve("/etc/millrace/agent.yaml");

function load(text: string, env: NodeJS.ProcessEnv = {}): LoadedConfig {
  return parseAgentConfig(text, file, env);
}

function problems(text: string): string {
  try {
    load(text);
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  throw new Error("expected problems");
}

describe("the agent's configuration", () => {
  it("is complete by itself when the file is empty", () => {
    const { config } = load("");
    expect(config).toMatchObject({
      relay: { url: undefined, proxy: undefined, allowInsecure: false },
      logLevel: "info",
      space: { totalBytes: undefined },
      room: { heartbeatTimeoutMs: 30_000, memoryBytes: 512 * 2 ** 20 },
      connections: [],
    });
  });

  it("resolves paths against the file's folder and keeps the names of bundled packs", () => {
    const { config } = load(
      `
relay: { url: wss://relay.example.com, ca_file: ca.pem, proxy: http://proxy:3128, proxy_user: u, proxy_password: {env:PW} }
data_dir: data
connections:
  - { name: a, connector: sqlite, pack: demo-cmms, settings: { file: x.db }, poll: 2s, reconcile: { default: 1h, asset: 1m } }
  - { name: b, connector: sqlite, pack: packs/mine.yaml, time_zone: Europe/Berlin }
`,
      { PW: "s3cret" },
    );
    expect(config.relay).toEqual({
      url: "wss://relay.example.com/agent",
      caFile: resolve("/etc/millrace/ca.pem"),
      proxy: { url: "http://proxy:3128", user: "u", password: "s3cret" },
      allowInsecure: false,
    });
    expect(config.dataDir).toBe(resolve("/etc/millrace/data"));
    expect(config.connections.map(({ pack }) => pack)).toEqual([
      "demo-cmms",
      resolve("/etc/millrace/packs/mine.yaml"),
    ]);
    expect(config.connections[0]).toMatchObject({
      pollMs: { "*": 2_000 },
      reconcileMs: { "*": 3_600_000, asset: 60_000 },
      massDeleteFraction: 0.5,
      raw: true,
    });
    expect(config.summary.join("\n")).not.toContain("s3cret");
    expect(config.secrets).toEqual(["s3cret"]);
  });

  it("reports what only meaning shows, all at once", () => {
    const text = problems(`
relay: { url: ws://relay.example.com, proxy: socks://p, proxy_password: x }
connections:
  - { name: a, connector: sqlite, time_zone: Europe/Berln }
  - { name: A, connector: sqlite }
`);
    expect(text).toContain("5 problems");
    expect(text).toMatch(/agent\.yaml:2:15 relay\.url: ws:\/\/ to relay\.example\.com is not encrypted/);
    expect(text).toContain('did you mean "Europe/Berlin"?');
    expect(text).toContain('"A" is already the name of connections[0]');
    expect(text).toContain("relay.proxy: expected an address such as http://proxy:3128");
    expect(text).toContain("relay.proxy_password: has no meaning without relay.proxy_user");
  });

  it("gives issues found by a connector their place in the file", () => {
    const loaded = load(
      "connections:\n  - name: a\n    connector: opc-ua\n    settings:\n      nodes:\n        - id: 7\n",
    );
    expect(loaded.locate(0, "settings", [{ path: "nodes[0].id", message: "bad" }])).toEqual([
      { path: "connections[0].settings.nodes[0].id", message: "bad", file, line: 6, column: 15 },
    ]);
  });

  it("tells how to name the file when there is none", async () => {
    const { loadAgentConfig } = await import("#agent/platform/config.ts");
    expect(() => loadAgentConfig("/nowhere/agent.yaml")).toThrow(/ENOENT.*--config/);
  });

  it("limits what a source may be asked only where the file says so", () => {
    const { config } = load(`
connections:
  - { name: a, connector: sqlite }
  - { name: b, connector: sqlite, load: { rows_per_second: 2000, statements: 1, full_passes: ["22:00-05:00", "sat-sun 00:00-24:00"] } }
`);
    expect(config.connections.map((connection) => connection.load)).toEqual([
      {},
      { rowsPerSecond: 2_000, statements: 1, fullPasses: ["22:00-05:00", "sat-sun 00:00-24:00"] },
    ]);
  });

  it("takes a window of days for the first reading, and none where the file says nothing", () => {
    const of = (value: string): string =>
      `connections:\n  - { name: a, connector: sqlite, initial_window_days: ${value} }\n  - { name: b, connector: sqlite }\n`;
    const { config } = load(of("30"));
    expect(config.connections.map(({ initialWindowDays }) => initialWindowDays)).toEqual([30, undefined]);
    for (const wrong of ["0", "3651", "1.5"])
      expect(problems(of(wrong))).toContain(
        `initial_window_days: expected a whole number from 1 to 3650, not ${wrong}`,
      );
  });

  it("names everything that is wrong with a source's limits at once", () => {
    const said = problems(`
connections:
  - name: a
    connector: sqlite
    load:
      rows_per_second: 0
      statements: 1.5
      quiet_hours: []
      full_passes: ["22:00-05:00", "22:00-22:00", "midnight"]
`);
    expect(said).toContain("rows_per_second: expected a whole number from 1 to 10000000, not 0");
    expect(said).toContain("statements: expected a whole number from 1 to 16, not 1.5");
    expect(said).toContain("quiet_hours");
    expect(said).toMatch(/full_passes\[1\]: expected hours such as 22:00-05:00.*"22:00-22:00"/);
    expect(said).toMatch(/full_passes\[2\]: expected hours such as .*"midnight"/);
    expect(said).toContain("5 problems");
  });
});

describe("the status page's address", () => {
  it.each([
    ["127.0.0.1:8692", { host: "127.0.0.1", port: 8692 }],
    ["127.8.9.10:0", { host: "127.8.9.10", port: 0 }],
    ["'[::1]:65535'", { host: "::1", port: 65_535 }],
  ])("may be %s", (listen, expected) => {
    expect(load(`status_page: { listen: ${listen} }`).config.statusPage).toEqual(expected);
  });

  it.each([
    "0.0.0.0:8692",
    "10.0.0.5:8692",
    "'[::]:8692'",
    "localhost:8692",
    "127.0.0.1:65536",
    "127.0.0.1",
    "127.0.0.256:1",
    "8692",
    "127.0.0.1:80 0.0.0.0:80",
  ])("may not be %s: others would reach it", (listen) => {
    expect(problems(`status_page: { listen: ${listen} }`)).toContain(
      "status_page.listen: expected an address of this machine alone",
    );
  });

  it("is nowhere unless the file says so, and the usual place when it says only that", () => {
    expect(load("").config.statusPage).toBeUndefined();
    expect(load("status_page: {}").config.statusPage).toEqual({ host: "127.0.0.1", port: 8692 });
  });
});

it("names secrets that stand in the file as plain text", () => {
  const text = "relay: { proxy: http://p:1, proxy_user: u, proxy_password: offen }";
  expect(load(text).config.inlineSecrets).toEqual(["relay.proxy_password"]);
});
