// What Linux packages bring besides the payload, as far as it can be seen without installing it.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { parseAgentConfig } from "#agent/platform/config.ts";
import { SPARING_MALLOC } from "#agent/platform/sparing-malloc.ts";
import { loadRelayConfig } from "#relay/config.ts";
import { linuxFiles } from "../../../installer/linux/files.ts";
import { linuxLayout } from "../../../installer/linux/layout.ts";
import { maintainerScripts } from "../../../installer/linux/maintainer-scripts.ts";
import { PRODUCTS, type Product } from "../../../installer/platforms.ts";

let dir: string;
beforeEach(() => void (dir = mkdtempSync(join(tmpdir(), "millrace-linux-"))));
afterEach(() => rmSync(dir, { recursive: true, force: true }));

function fileOf(product: Product, path: string): string {
  return linuxFiles(product).find((file) => file.path === path)?.content ?? "";
}

describe.each(PRODUCTS)("the %s's", (product) => {
  const layout = linuxLayout(product);

  test("service holds its memory down as the product's other processes do", () => {
    const unit = fileOf(product, `/usr/lib/systemd/system/${layout.unit}`);
    for (const [name, value] of Object.entries(SPARING_MALLOC)) expect(unit).toContain(`${name}=${value}`);
  });

  test("scripts are scripts", () => {
    const { deb, rpm } = maintainerScripts({ product, version: "1.2.3" });
    const texts = [...Object.values(deb), ...Object.values(rpm), fileOf(product, `/usr/bin/${layout.name}`)];
    expect(texts).toHaveLength(9);
    for (const text of texts) {
      const { status, stderr } = spawnSync("sh", ["-n"], { input: text, encoding: "utf8" });
      expect({ status, stderr, text }).toEqual({ status: 0, stderr: "", text });
    }
  });
});

test("the default configuration of the agent is good, and its comments too once they are none", () => {
  const text = fileOf("agent", "/usr/share/millrace-agent/agent.yaml");
  expect(parseAgentConfig(text, "/etc/millrace-agent/agent.yaml", {}).config.connections).toEqual([]);
  const uncommented = text
    .replace("connections: []", "connections:")
    .replaceAll(/^# (?=relay:| {2})/gm, "")
    .replaceAll(/\{credential:[a-z-]+\}/g, "secret");
  const { config } = parseAgentConfig(uncommented, "/etc/millrace-agent/agent.yaml", {});
  expect(config.relay.proxy).toMatchObject({ user: "millrace", password: "secret" });
  expect(config.connections.map(({ name }) => name)).toEqual(["plant-erp"]);
});

test("the configuration in docs/install-linux.md is good", () => {
  const page = readFileSync(new URL("../../../docs/install-linux.md", import.meta.url), "utf8");
  const [, text = ""] = /```yaml\n(.*?)```/s.exec(page) ?? [];
  const { config } = parseAgentConfig(
    text.replaceAll(/\{credential:[a-z-]+\}/g, "secret"),
    "/etc/millrace-agent/agent.yaml",
    {},
  );
  expect(config.connections.map(({ connector }) => connector)).toEqual(["sql-server"]);
});

test("the default settings of the relay are good, and say where it lies", () => {
  const file = join(dir, "relay.yaml");
  writeFileSync(file, fileOf("relay", "/usr/share/millrace-relay/relay.yaml"));
  const named = loadRelayConfig({}, { MILLRACE_RELAY_CONFIG: file });
  expect(named).toMatchObject({ dataDir: "/var/lib/millrace-relay", host: "127.0.0.1", port: 8080 });
});
