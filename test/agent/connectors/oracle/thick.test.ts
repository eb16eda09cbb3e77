// Thick mode where Oracle's client libraries are not: one sentence, and no crash.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { oracleDefinition } from "#agent/connectors/oracle/definition.ts";
import { prepareDriver } from "#agent/connectors/oracle/driver.ts";

test("says what to install", () => {
  const folder = mkdtempSync(join(tmpdir(), "millrace-oracle-"));
  try {
    const target = { host: "db", service_name: "ERP", user: "reader", password: "secret" };
    const parsed = oracleDefinition.parseConfig({ ...target, mode: "thick", client_lib_dir: folder });
    if (!parsed.ok) throw new Error("it should parse");
    expect(() => prepareDriver(parsed.value)).toThrow(/Install Oracle Instant Client.*client_lib_dir/s);
    expect(() => prepareDriver(parsed.value)).toThrow(expect.objectContaining({ kind: "misconfigured" }));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
