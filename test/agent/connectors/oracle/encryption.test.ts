// TLS to the listener: authorities, wallets, names, and a web proxy in between.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { getCACertificates, setDefaultCACertificates } from "node:tls";
import { afterEach, beforeEach, expect, test } from "vitest";
import { connect, prepareDriver } from "#agent/connectors/oracle/driver.ts";
import { oracleDefinition, type OracleSettings } from "#agent/connectors/oracle/definition.ts";
import { failureOf } from "#agent/connectors/oracle/failures.ts";
import { CertificateAuthority } from "#test/support/certificates.ts";
import { startConnectProxy } from "#test/support/connect-proxy.ts";
import { CREDENTIALS, startTns } from "#test/support/tns/tns-fixture.ts";

const authority = new CertificateAuthority();
const authorities = getCACertificates("default");
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "millrace-oracle-"));
  writeFileSync(join(folder, "ca.pem"), authority.certificatePem);
  const client = authority.issue({ commonName: "reader" });
  const wallet = [client.privateKeyPem, client.certificatePem, authority.certificatePem];
  writeFileSync(join(folder, "ewallet.pem"), wallet.join("\n"));
});

afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
  setDefaultCACertificates(authorities);
});

function settingsFor(port: number, tls: Record<string, unknown>, more = {}): OracleSettings {
  const parsed = oracleDefinition.parseConfig({
    host: "127.0.0.1",
    port,
    service_name: "plant.example",
    ...CREDENTIALS,
    tls: { mode: "tcps", ...tls },
    ...more,
  });
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.issues));
  return parsed.value;
}

/** `open`, or the kind and text of the failure. */
async function tried(settings: OracleSettings): Promise<string> {
  try {
    prepareDriver(settings);
    const connection = await connect(settings);
    await connection.close();
    return "open";
  } catch (error) {
    const failure = failureOf(error, settings, { doing: "Connecting" }) as Error & { kind?: string };
    return `${failure.kind}: ${failure.message}`;
  }
}

test("an authority that nobody trusts, one of the settings, one of a wallet", async () => {
  const { server } = await startTns({ tls: authority.issue({ commonName: "db" }) });
  expect(await tried(settingsFor(server.port, {}))).toMatch(/^misconfigured: .*tls\.ca_file/s);
  expect(await tried(settingsFor(server.port, { ca_file: join(folder, "none.pem") }))).toMatch(
    /^misconfigured/,
  );
  expect(await tried(settingsFor(server.port, { wallet_location: folder }))).toBe("open");
  expect(await tried(settingsFor(server.port, { ca_file: join(folder, "ca.pem") }))).toBe("open");
});

test("a certificate for another host, and a distinguished name instead", async () => {
  const { server } = await startTns({ tls: authority.issue({ commonName: "db", hosts: ["elsewhere"] }) });
  const wallet = { wallet_location: folder };
  expect(await tried(settingsFor(server.port, wallet))).toMatch(/^misconfigured: .*tls\.server_cert_dn/s);
  expect(await tried(settingsFor(server.port, { ...wallet, server_cert_dn: "CN=other" }))).toMatch(
    /^misconfigured/,
  );
  expect(await tried(settingsFor(server.port, { ...wallet, server_cert_dn: "CN=db" }))).toBe("open");
  expect(await tried(settingsFor(server.port, { ...wallet, server_dn_match: "off" }))).toBe("open");
});

test("a wallet that holds no key", async () => {
  const { server } = await startTns({ tls: authority.issue({ commonName: "db" }) });
  writeFileSync(join(folder, "ewallet.pem"), authority.certificatePem);
  expect(await tried(settingsFor(server.port, { wallet_location: folder }))).toMatch(
    /^misconfigured: .*tls\.ca_file/s,
  );
});

test("through a web proxy, and past one that refuses", async () => {
  const { server } = await startTns({ tls: authority.issue({ commonName: "db" }) });
  await using proxy = await startConnectProxy();
  await using refusing = await startConnectProxy({ answer: 403 });
  const through = (url: string): Record<string, unknown> => {
    const { hostname: host, port } = new URL(url);
    return { https_proxy: { host, port: Number(port) } };
  };
  const tls = { wallet_location: folder };
  expect(await tried(settingsFor(server.port, tls, through(proxy.url)))).toBe("open");
  expect(proxy.asked).toEqual([`127.0.0.1:${server.port}`]);
  expect(await tried(settingsFor(server.port, tls, through(refusing.url)))).toMatch(
    /^unavailable: .*https_proxy/s,
  );
});
