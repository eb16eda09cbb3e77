// What a link's page tells people to write is what the agent accepts.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { connectionPack } from "#agent/connection-pack.ts";
import { loadConnector } from "#agent/connectors/registry.ts";
import { bundledPacks } from "#agent/packs/load-pack.ts";
import { parseAgentConfig } from "#agent/platform/config.ts";
import { agentFragment, SYSTEM_NAMES } from "#relay/core/links/systems.ts";

const folder = mkdtempSync(join(tmpdir(), "millrace-links-"));
const password = join(folder, "source-password");
writeFileSync(password, "secret\n");
afterAll(() => rmSync(folder, { recursive: true }));

test("there is a guide for every bundled pack, and for OPC UA", () => {
  expect(SYSTEM_NAMES.toSorted()).toEqual([...bundledPacks(), "opc-ua"].toSorted());
});

test.each([...SYSTEM_NAMES, undefined])("the settings for %s are good", async (system) => {
  const { text } = agentFragment(system, "plant-1");
  const here = text.replaceAll("/etc/millrace-agent/source-password", password);
  const { config } = parseAgentConfig(here, join(folder, "agent.yaml"), {});
  const [connection] = config.connections;
  expect(connection?.name).toBe("plant-1");
  if (connection === undefined) return;
  const definition = await loadConnector(connection.connector);
  const parsed = definition.parseConfig(connection.settings);
  expect(parsed).toMatchObject({ ok: true });
  const { pack, packSettings } = connection;
  await expect(connectionPack("plant-1", pack, definition, packSettings)).resolves.toBeDefined();
});
