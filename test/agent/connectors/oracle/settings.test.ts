// Settings: what is accepted, every problem at once, and the descriptor that is made of them.
import { describe, expect, test } from "vitest";
import { oracleDefinition, type OracleSettings } from "#agent/connectors/oracle/definition.ts";
import { connectDescriptor, connectionAttributes } from "#agent/connectors/oracle/driver.ts";

const LEAST = { host: "db.plant", service_name: "ERP", user: "reader", password: "secret" };

function settingsOf(input: Record<string, unknown>): OracleSettings {
  const parsed = oracleDefinition.parseConfig(input);
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.issues));
  return parsed.value;
}

function issuesOf(input: Record<string, unknown>): Record<string, string> {
  const parsed = oracleDefinition.parseConfig(input);
  if (parsed.ok) throw new Error("it should not parse");
  return Object.fromEntries(parsed.issues.map(({ path, message }) => [path, message]));
}

describe("settings", () => {
  test("the least that is needed", () => {
    expect(settingsOf(LEAST)).toMatchObject({
      target: { kind: "address", host: "db.plant", port: 1521, name: { kind: "service", value: "ERP" } },
      tls: { mode: "off", serverDnMatch: true },
      client: { mode: "thin" },
      changes: "auto",
      maxTransactionMs: 3_600_000,
      lockTimeoutMs: 5000,
      write: { isAllowed: false, commandLog: undefined },
    });
  });

  test("every problem at once", () => {
    const issues = issuesOf({
      sid: "ORCL",
      service_nam: "x",
      tls: { mode: "tls", wallet_password: "p", server_dn_match: "off", server_cert_dn: "CN=db" },
      https_proxy: { host: "proxy" },
      client_lib_dir: "/opt/oracle",
      statement_timeout_ms: 1,
    });
    expect(Object.keys(issues).toSorted()).toEqual([
      "client_lib_dir",
      "host",
      "https_proxy",
      "service_nam",
      "statement_timeout_ms",
      "tls.mode",
      "tls.server_cert_dn",
      "tls.wallet_password",
      "user",
    ]);
    expect(issues["service_nam"]).toContain('did you mean "service_name"');
  });

  test("a name must be given, and only one; a descriptor says it all", () => {
    expect(issuesOf({ host: "db", user: "u" })).toHaveProperty("service_name");
    expect(issuesOf({ ...LEAST, sid: "ORCL" })).toHaveProperty("sid");
    expect(issuesOf({ ...LEAST, connect_descriptor: "(DESCRIPTION=…)" })).toHaveProperty("host");
    expect(settingsOf({ connect_descriptor: "(DESCRIPTION=…)", user: "u" }).target).toEqual({
      kind: "descriptor",
      text: "(DESCRIPTION=…)",
    });
  });

  test("nothing that is given can change the descriptor around it", () => {
    expect(issuesOf({ ...LEAST, host: "db)(PORT=1)" })).toHaveProperty("host");
    expect(issuesOf({ ...LEAST, service_name: "a b" })).toHaveProperty("service_name");
    const wallet = { mode: "tcps", wallet_location: "/w)(X=1" };
    expect(issuesOf({ ...LEAST, tls: wallet })).toHaveProperty("tls.wallet_location");
  });
});

describe("descriptor", () => {
  test("service and SID", () => {
    expect(connectDescriptor(settingsOf(LEAST))).toBe(
      "(DESCRIPTION=(RETRY_COUNT=0)(CONNECT_TIMEOUT=20)(TRANSPORT_CONNECT_TIMEOUT=10)(EXPIRE_TIME=2)" +
        "(ADDRESS=(PROTOCOL=TCP)(HOST=db.plant)(PORT=1521))(CONNECT_DATA=(SERVICE_NAME=ERP)))",
    );
    const { service_name: _, ...rest } = LEAST;
    expect(connectDescriptor(settingsOf({ ...rest, sid: "ORCL" }))).toContain("(CONNECT_DATA=(SID=ORCL))");
  });

  test("TLS with wallet and name, through a proxy", () => {
    const settings = settingsOf({
      ...LEAST,
      tls: { mode: "tcps", wallet_location: "/etc/wallet", server_cert_dn: "CN=db,O=Plant" },
      https_proxy: { host: "proxy.plant", port: 3128 },
    });
    expect(connectDescriptor(settings)).toContain(
      "(ADDRESS=(PROTOCOL=TCPS)(HOST=db.plant)(PORT=1521)(HTTPS_PROXY=proxy.plant)(HTTPS_PROXY_PORT=3128))",
    );
    expect(connectDescriptor(settings)).toContain(
      '(SECURITY=(SSL_SERVER_DN_MATCH=ON)(SSL_SERVER_CERT_DN="CN=db,O=Plant")(MY_WALLET_DIRECTORY=/etc/wallet))',
    );
    expect(connectionAttributes(settings)).toMatchObject({ walletLocation: "/etc/wallet", retryCount: 0 });
  });

  test("thick mode gets the descriptor alone", () => {
    const settings = settingsOf({ ...LEAST, mode: "thick" });
    expect(Object.keys(connectionAttributes(settings)).toSorted()).toEqual([
      "connectString",
      "password",
      "user",
    ]);
  });
});
