// The example configuration is one that works, and the README names each of its settings.
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { sqlServerDefinition } from "#agent/connectors/sql-server/definition.ts";

const folder = new URL("../../../../agent/connectors/sql-server/", import.meta.url);

test("the example's settings are accepted and documented", () => {
  const example = parse(readFileSync(new URL("example.yaml", folder), "utf8")) as {
    connections: { connector: string; settings: Record<string, unknown> }[];
  };
  const readme = readFileSync(new URL("README.md", folder), "utf8");
  expect(example.connections.map(({ connector }) => connector)).toEqual([sqlServerDefinition.type]);
  for (const { settings } of example.connections) {
    expect(sqlServerDefinition.parseConfig(settings)).toMatchObject({ ok: true });
    for (const name of Object.keys(settings)) expect(readme).toContain(`\`${name}`);
  }
});
