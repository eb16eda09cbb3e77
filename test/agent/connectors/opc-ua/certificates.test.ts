// Which server certificates are trusted, and what is said of those that are not.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import {
  checkServerCertificate,
  fingerprintOf,
  type TrustSettings,
} from "#agent/connectors/opc-ua/certificates.ts";
import { CertificateAuthority } from "#test/support/certificates.ts";

const folder = mkdtempSync(join(tmpdir(), "millrace-trust-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const authority = new CertificateAuthority();
const authorityFile = join(folder, "authority.pem");
writeFileSync(authorityFile, authority.certificatePem);
const server = authority.issue({ commonName: "plc-1", hosts: ["plc-1.plant", "10.0.0.7"] });

function check(der: Uint8Array, settings: Partial<TrustSettings>): void {
  checkServerCertificate(
    der,
    {
      host: "plc-1.plant",
      fingerprints: [],
      trustedFiles: [],
      allowExpired: false,
      rejectedFolder: join(folder, "rejected"),
      ...settings,
    },
    Date.now(),
  );
}

describe("a server certificate", () => {
  it("is trusted by its fingerprint or its file", () => {
    expect(() => check(server.der, { fingerprints: [fingerprintOf(server.der)] })).not.toThrow();
    const file = join(folder, "server.pem");
    writeFileSync(file, server.certificatePem);
    expect(() => check(server.der, { trustedFiles: [file] })).not.toThrow();
  });

  it("is trusted by its authority only for the host that it names", () => {
    expect(() => check(server.der, { trustedFiles: [authorityFile] })).not.toThrow();
    expect(() => check(server.der, { trustedFiles: [authorityFile], host: "10.0.0.7" })).not.toThrow();
    expect(() => check(server.der, { trustedFiles: [authorityFile], host: "plc-2.plant" })).toThrow(
      /not trusted/,
    );
  });

  it("is not trusted by an authority of the same name, nor by a certificate that is no authority", () => {
    const impostor = new CertificateAuthority().issue({ commonName: "plc-1", hosts: ["plc-1.plant"] });
    expect(() => check(impostor.der, { trustedFiles: [authorityFile] })).toThrow(/not trusted/);
    const leafFile = join(folder, "leaf.pem");
    writeFileSync(leafFile, server.certificatePem);
    const other = authority.issue({ commonName: "plc-3", hosts: ["plc-1.plant"] });
    expect(() => check(other.der, { trustedFiles: [leafFile] })).toThrow(/not trusted/);
  });

  it("that has expired is refused unless allowed", () => {
    const old = authority.issue({ commonName: "old", hosts: ["plc-1.plant"], validDays: -1 });
    const fingerprints = [fingerprintOf(old.der)];
    expect(() => check(old.der, { fingerprints })).toThrow(/allow_expired_certificate/);
    expect(() => check(old.der, { fingerprints, allowExpired: true })).not.toThrow();
  });

  it("that is missing or unreadable is named as such", () => {
    expect(() => check(Buffer.alloc(0), {})).toThrow(/no certificate/);
    expect(() => check(Buffer.from("nonsense"), {})).toThrow(/cannot be read/);
    expect(() => check(server.der, { trustedFiles: [join(folder, "absent.pem")] })).toThrow(/absent\.pem/);
  });
});
