// `grants` for every database with rights: exactly the tables in use, by pack settings and by what the relay has set.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { SETTINGS_FACT } from "#agent/core/settings/kept-settings.ts";
import { connectionGrants } from "#agent/grants.ts";
import { AgentDatabase } from "#agent/platform/agent-database.ts";
import { parseAgentConfig } from "#agent/platform/config.ts";
import { testIdentity } from "#test/support/command-context.ts";

const PACK = `name: acme
system: Acme
defaults: { schema: PLANT }
entities:
  vendor: { table: VENDORS, key: CODE, changes: full_scan, fields: { code: CODE } }
  asset: { table: ASSETS, key: TAG, changes: full_scan, fields: { tag: TAG } }
`;

const SOURCES = {
  "sql-server": { server: "db", database: "erp", user: "mill_reader", password: "secret" },
  oracle: { host: "db", service_name: "ERP", user: "mill_reader", password: "secret" },
  postgres: { host: "db", database: "erp", user: "mill_reader", password: "secret" },
} as const;

let dir: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "millrace-grants-"));
  mkdirSync(join(dir, "data"));
  writeFileSync(join(dir, "acme.yaml"), PACK);
});

afterEach(() => rmSync(dir, { recursive: true, force: true }));

/** Schema and table of each GRANT SELECT, without quotes, in lower case. */
async function granted(
  connector: keyof typeof SOURCES,
  pack_settings: object = {},
): Promise<readonly string[]> {
  const one = { name: "erp", connector, pack: "./acme.yaml", settings: SOURCES[connector], pack_settings };
  const text = JSON.stringify({ data_dir: "data", connections: [one] });
  const { config } = parseAgentConfig(text, join(dir, "agent.yaml"), {});
  const [connection] = config.connections;
  if (connection === undefined) throw new TypeError("no connection");
  const script = await connectionGrants(connection, config.dataDir);
  const lines = script.split("\n").filter((line) => /^GRANT SELECT\b/.test(line));
  for (const line of lines) expect(line).toMatch(/mill_reader/i);
  return lines.map((line) =>
    (/ ON (?:OBJECT::)?(\S+)/.exec(line)?.[1] ?? "").replaceAll(/["[\]]/g, "").toLowerCase(),
  );
}

describe.each(Object.keys(SOURCES) as (keyof typeof SOURCES)[])("grants of %s", (connector) => {
  it("name the settings' user and the pack's tables", async () => {
    expect(await granted(connector)).toEqual(["plant.vendors", "plant.assets"]);
  });

  it("follow the pack's settings: another schema, fewer entities", async () => {
    expect(await granted(connector, { schema: "OTHER", entities: ["asset"] })).toEqual(["other.assets"]);
  });

  it("have the tables of entities that the relay has added", async () => {
    {
      using database = AgentDatabase.open(join(dir, "data", "agent.db"));
      database.saveEnrolment(testIdentity, [{ id: "c-1", name: "erp" }]);
      const custom_entities = [{ entity: "x_tools", table: "TOOLS", key: ["ID"] }];
      const kept = { inEffect: { revision: 1, document: { custom_entities } } };
      database.setFact("c-1", SETTINGS_FACT, JSON.stringify(kept));
    }
    expect(await granted(connector)).toEqual(["plant.vendors", "plant.assets", "plant.tools"]);
  });
});
