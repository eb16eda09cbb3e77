// How lines to sources are secured, as doctor sees it: real TLS servers, and certificates in files.
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createServer as createTls, TLSSocket } from "node:tls";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Checks } from "#agent/doctor/checks.ts";
import { sourceLineChecks } from "#agent/doctor/source-line.ts";
import { CertificateAuthority, type Certificate } from "#test/support/certificates.ts";

const DAY_MS = 86_400_000;
const authority = new CertificateAuthority("Plant authority");
let dir: string;
let servers: Server[] = [];

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "millrace-line-"));
  writeFileSync(join(dir, "ca.pem"), authority.certificatePem);
});

afterEach(() => {
  for (const server of servers) server.close();
  servers = [];
  rmSync(dir, { recursive: true, force: true });
});

async function listening(server: Server): Promise<number> {
  servers.push(server);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

/** Takes TLS within PostgreSQL's own beginning, or says that it knows none. */
function postgres(certificate: Certificate | undefined): Promise<number> {
  const server = createServer((socket: Socket) => {
    socket.on("error", () => {});
    socket.once("data", () => {
      socket.write(certificate === undefined ? "N" : "S");
      if (certificate === undefined) return;
      const { privateKeyPem: key, certificatePem: cert } = certificate;
      new TLSSocket(socket, { isServer: true, key, cert }).on("error", () => {});
    });
  });
  return listening(server);
}

async function look(
  connector: string,
  settings: object,
  more: { folders?: readonly string[]; nowMs?: number } = {},
) {
  const checks = new Checks();
  const { folders = [], nowMs = Date.now() } = more;
  await sourceLineChecks(checks, {
    connector,
    settings,
    folders,
    nowMs,
    signal: new AbortController().signal,
  });
  return checks.list.map(
    ({ check, outcome, text, more: rest = [] }) => `${check} ${outcome}: ${[text, ...rest].join("\n")}`,
  );
}

describe("PostgreSQL", () => {
  const tls = () => ({ mode: "verify-full", caFile: join(dir, "ca.pem") });

  it("with TLS: version, certificate and its end", async () => {
    const port = await postgres(authority.issue({ commonName: "erp-db", validDays: 90 }));
    const [line] = await look("postgres", { host: "127.0.0.1", port, tls: tls() });
    expect(line).toMatch(
      /^tls ok: TLSv1\.3 \(.*\), certificate of CN=erp-db by CN=Plant authority, valid to .*; verified$/,
    );
  });

  it("with a certificate that runs out soon, or that nobody here trusts", async () => {
    const port = await postgres(authority.issue({ commonName: "erp-db", validDays: 5 }));
    const settings = { host: "127.0.0.1", port, tls: tls() };
    expect((await look("postgres", settings))[0]).toMatch(/^tls warning: .*it runs out soon/);
    const foreign = { ...settings, tls: { ...tls(), caFile: undefined } };
    expect((await look("postgres", foreign))[0]).toMatch(/^tls warning: .*not trusted: .*\nSet tls\.ca_file/);
  });

  it("without TLS at the server, or by the settings", async () => {
    const port = await postgres(undefined);
    expect((await look("postgres", { host: "127.0.0.1", port, tls: tls() }))[0]).toMatch(
      /^tls failed: .*TLS switched off/,
    );
    const open = await look("postgres", { host: "127.0.0.1", port, tls: { mode: "disable" } });
    expect(open[0]).toMatch(/^tls warning: no TLS \(tls\.mode: disable\)/);
  });
});

it("Oracle and SQL Server with TLS from the first byte", async () => {
  const { privateKeyPem: key, certificatePem: cert } = authority.issue({ commonName: "ora", validDays: 90 });
  const port = await listening(createTls({ key, cert }, (socket) => socket.on("error", () => {})));
  const target = { kind: "address", host: "127.0.0.1", port };
  const tls = { mode: "tcps", caFile: join(dir, "ca.pem"), serverDnMatch: true };
  expect((await look("oracle", { target, tls }))[0]).toMatch(/^tls ok: .*CN=ora.*verified$/);
  expect((await look("oracle", { target, tls: { ...tls, serverDnMatch: false } }))[0]).toMatch(
    /^tls warning: .*not verified/,
  );
  const strict = { mode: "strict", verify: "full", caFile: join(dir, "ca.pem") };
  const endpoint = { by: "port", port };
  expect((await look("sql-server", { server: "127.0.0.1", endpoint, tls: strict }))[0]).toMatch(
    /^tls ok: .*verified$/,
  );
  const blind = { mode: "verify-full", verify: "none" };
  expect((await look("sql-server", { server: "127.0.0.1", endpoint, tls: blind }))[0]).toMatch(
    /^tls warning: .*not verified/,
  );
  const pinned = { ...blind, fingerprint: "AB" };
  expect((await look("sql-server", { server: "127.0.0.1", endpoint, tls: pinned }))[0]).toMatch(/^tls ok/);
});

it("OPC UA: what is trusted, and when certificates run out", async () => {
  const settings = { mode: "SignAndEncrypt", fingerprints: [], trustedFiles: [] };
  expect((await look("opc-ua", settings))[0]).toMatch(/^server_trust warning: no server is trusted yet/);
  expect((await look("opc-ua", { ...settings, mode: "None" }))[0]).toMatch(
    /^security warning: security: None/,
  );
  const file = join(dir, "press.pem");
  writeFileSync(file, authority.issue({ commonName: "press", validDays: 90 }).certificatePem);
  mkdirSync(join(dir, "pki", "own"), { recursive: true });
  const own = authority.issue({ commonName: "Millrace", validDays: 90 });
  writeFileSync(join(dir, "pki", "own", "certificate.pem"), own.certificatePem);
  const trusting = { ...settings, trustedFiles: [file] };
  const now = await look("opc-ua", trusting, { folders: [dir, join(dir, "none")] });
  expect(now.map((line) => line.slice(0, line.indexOf(":")))).toEqual([
    "trusted_certificate ok",
    "own_certificate ok",
  ]);
  const later = await look("opc-ua", trusting, { folders: [dir], nowMs: Date.now() + 80 * DAY_MS });
  expect(later[1]).toMatch(/^own_certificate warning: .*runs out soon\nRenew it: move it aside/);
  const tooLate = await look("opc-ua", trusting, { folders: [dir], nowMs: Date.now() + 100 * DAY_MS });
  expect(tooLate[0]).toMatch(/^trusted_certificate failed: .*has run out/);
});
