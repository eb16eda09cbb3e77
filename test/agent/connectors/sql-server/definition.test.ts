// Settings of the sql-server connector: every problem at once, nothing unsafe by accident.
import { expect, test } from "vitest";
import { sqlServerDefinition } from "#agent/connectors/sql-server/definition.ts";

const base = { server: "erp-db", database: "erp", user: "reader", password: "secret" };

function issues(settings: Record<string, unknown>): readonly string[] {
  const parsed = sqlServerDefinition.parseConfig(settings);
  return parsed.ok ? [] : parsed.issues.map(({ path, message }) => `${path}: ${message}`);
}

function settings(more: Record<string, unknown> = {}): Record<string, unknown> {
  const parsed = sqlServerDefinition.parseConfig({ ...base, ...more });
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.issues));
  return { ...parsed.value };
}

test("is encrypted and verified, read-only and automatic by default", () => {
  expect(settings()).toMatchObject({
    endpoint: { by: "port", port: 1433 },
    login: { method: "sql", user: "reader" },
    tls: { mode: "verify-full", verify: "full" },
    isReadOnlyIntent: true,
    changes: "auto",
  });
});

test("an instance is looked up only without a port", () => {
  expect(settings({ server: "erp-db\\PLANT" })).toMatchObject({
    server: "erp-db",
    endpoint: { by: "instance", instance: "PLANT" },
  });
  expect(settings({ instance: "PLANT", port: 50_123 })).toMatchObject({
    endpoint: { by: "port", port: 50_123 },
  });
  expect(issues({ ...base, server: "erp-db\\PLANT", instance: "OTHER" })).toEqual([
    "instance: server names another instance: PLANT",
  ]);
  expect(issues({ ...base, server: "erp-db,1433" })).toEqual([
    expect.stringContaining("a port goes into port"),
  ]);
});

test("reports every problem at once, with the nearest name", () => {
  expect(
    issues({
      server: "",
      databse: "erp",
      user: "PLANT\\reader",
      password: "x",
      port: 70_000,
      tls: { mode: "off", fingerprint: "abc" },
    }),
  ).toEqual([
    expect.stringContaining("server: expected text"),
    expect.stringContaining("port: expected a whole number"),
    expect.stringContaining("database: missing"),
    expect.stringContaining("user: a Windows user needs authentication: ntlm"),
    expect.stringContaining("tls.mode: expected one of"),
    expect.stringContaining("tls.fingerprint: expected the certificate's SHA-256"),
    expect.stringContaining('databse: unknown setting (did you mean "database"?)'),
  ]);
});

test("a Windows user has a domain, a SQL login has none", () => {
  expect(issues({ ...base, authentication: "ntlm" })).toEqual([expect.stringContaining("domain: missing")]);
  expect(issues({ ...base, domain: "PLANT" })).toEqual([expect.stringContaining("domain: only for")]);
  expect(settings({ authentication: "ntlm", domain: "PLANT" })).toMatchObject({
    login: { method: "ntlm", domain: "PLANT" },
  });
});

test("a pinned certificate is written as people copy it; contradictions are refused", () => {
  const bytes = Array.from({ length: 32 }, (_, at) => at.toString(16).padStart(2, "0"));
  const pinned = settings({ tls: { fingerprint: bytes.join(":") } });
  expect(pinned["tls"]).toMatchObject({ fingerprint: bytes.join("").toUpperCase() });
  const fingerprint = bytes.join("");
  for (const tls of [
    { fingerprint, ca_file: "ca.pem" },
    { fingerprint, verify: "none" },
    { fingerprint, mode: "strict" },
    { mode: "disable", ca_file: "ca.pem" },
    { mode: "strict", verify: "none" },
  ])
    expect(issues({ ...base, tls })).not.toEqual([]);
});
