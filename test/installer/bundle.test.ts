// What the bundle leaves out must not be what the sources use.
import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

const CONNECTOR = fileURLToPath(new URL("../../agent/connectors/opc-ua/", import.meta.url));

it("all that the OPC UA connector takes of its driver is in the driver's client", async () => {
  const sources = readdirSync(CONNECTOR).filter((file) => file.endsWith(".ts"));
  const texts = sources.map((file) => readFileSync(CONNECTOR + file, "utf8")).join("\n");
  const used = new Set([...texts.matchAll(/\bopcua\.(\w+)/g)].map(([, name = ""]) => name));
  const client = (await import(createRequire(import.meta.url).resolve("node-opcua-client"))) as object;
  expect(used.size).toBeGreaterThan(20);
  expect([...used].filter((name) => !(name in client))).toEqual([]);
});
