// The relay's settings from defaults, file and flags.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { ConfigError } from "#common/runtime/errors.ts";
import { defaultDataDir, loadRelayConfig } from "#relay/config.ts";

const directory = mkdtempSync(join(tmpdir(), "millrace-config-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

function file(text: string): string {
  const path = join(directory, `${Math.random()}.yaml`);
  writeFileSync(path, text);
  return path;
}

function messageOf(flags: Parameters<typeof loadRelayConfig>[0]): string {
  try {
    loadRelayConfig(flags, {});
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  return "";
}

describe("the relay's settings", () => {
  test("defaults need no file", () => {
    expect(loadRelayConfig({}, {})).toMatchObject({
      host: "127.0.0.1",
      port: 8080,
      tls: undefined,
      publicUrl: undefined,
      logLevel: "info",
      eventsKeptMs: 30 * 86_400_000,
      samplesKeptMs: 90 * 86_400_000,
      versionsKeptMs: 90 * 86_400_000,
      requestsKeptMs: 7 * 86_400_000,
      webhookPayloadsKeptMs: 30 * 86_400_000,
      webhookLogKeptMs: 90 * 86_400_000,
      limits: { connectionPerMinute: 1_200, workspacePerMinute: 12_000, workspaceAtOnce: 100 },
      drainMs: 10_000,
      dataDir: defaultDataDir({}),
    });
  });

  test("flags win over the file; paths in the file start from it", () => {
    const path = file(
      "data_dir: data\nport: 9000\nhost: '::1'\nkeep_events: 2d\npublic_url: https://relay.example.com/\n",
    );
    expect(loadRelayConfig({ config: path, port: "0" }, {})).toMatchObject({
      dataDir: join(directory, "data"),
      port: 0,
      host: "::1",
      eventsKeptMs: 2 * 86_400_000,
      publicUrl: "https://relay.example.com",
    });
    expect(loadRelayConfig({ config: path, dataDir: "/elsewhere" }, {}).dataDir).toBe("/elsewhere");
  });

  test("every problem of file and flags at once, with place and nearest name", () => {
    const path = file("prot: 1\nkeep_events: 30\nlog_level: inof\n");
    const message = messageOf({ config: path, port: "80 80", publicUrl: "relay", tlsCert: "c.pem" });
    expect(message).toContain(`${path}:1:1 prot: unknown setting (did you mean "port"?)`);
    expect(message).toContain(
      'keep_events: expected a duration such as 250ms, 30s, 5m, 1h or 1d, not 30; add a unit, e.g. "30s"',
    );
    expect(message).toContain(
      'log_level: expected one of debug, info, warn, error, silent, not "inof" (did you mean "info"?)',
    );
    expect(message).toContain("--port: expected a whole number from 0 to 65535");
    expect(message).toContain("--public-url: expected an address such as https://relay.example.com");
    expect(message).toContain("--tls-cert and --tls-key belong together");
    expect(message).toMatch(/6 problems/);
  });

  test("a file that is not there, broken YAML and missing certificates say what to do", () => {
    expect(messageOf({ config: join(directory, "none.yaml") })).toContain("--config names a YAML file");
    expect(messageOf({ config: file("port: [1") })).toMatch(/:1:\d+/);
    const both = messageOf({ tlsCert: join(directory, "c.pem"), tlsKey: join(directory, "k.pem") });
    expect(both).toContain("c.pem cannot be read");
    expect(both).toContain("k.pem cannot be read");
  });
});
