// The SQL Browser answers the driver's look-up of a named instance, and says nothing about others.
import { createRequire } from "node:module";
import { afterEach, beforeEach, expect, it } from "vitest";
import { startSqlBrowser, type SqlBrowser } from "./sql-browser.ts";

interface LookUp {
  readonly server: string;
  readonly instanceName: string;
  readonly port: number;
  readonly timeout: number;
  readonly retries: number;
  readonly signal: AbortSignal;
}

// The driver's own: through its connections it always asks port 1434, which a test cannot have to itself.
const { instanceLookup } = createRequire(import.meta.url)("tedious/lib/instance-lookup.js") as {
  readonly instanceLookup: (options: LookUp) => Promise<number>;
};

let browser: SqlBrowser;

beforeEach(async () => {
  browser = await startSqlBrowser([
    { name: "MAXIMO", port: 50_001 },
    { name: "SQLEXPRESS", port: 50_002 },
  ]);
});

afterEach(() => browser.close());

function lookUp(instanceName: string): Promise<number> {
  const { signal } = new AbortController();
  return instanceLookup({
    server: "127.0.0.1",
    instanceName,
    port: browser.port,
    timeout: 200,
    retries: 0,
    signal,
  });
}

it("gives the port of an instance, whatever the case of its name", async () => {
  await expect(lookUp("MAXIMO")).resolves.toBe(50_001);
  await expect(lookUp("sqlexpress")).resolves.toBe(50_002);
});

it("does not know others", async () => {
  await expect(lookUp("NAV")).rejects.toThrow("Port for NAV not found");
});

it("may be silent, as behind a firewall", async () => {
  browser.isSilent = true;
  await expect(lookUp("MAXIMO")).rejects.toThrow("Failed to get response from SQL Server Browser");
  expect(browser.asked).toBe(1);
});
