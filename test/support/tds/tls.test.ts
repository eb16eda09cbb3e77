// Encryption as the driver negotiates it with the server, and each way in which it does not come about.
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { CertificateAuthority } from "#test/support/certificates.ts";
import type { DbType } from "#test/support/sql-engine/session.ts";
import { DriverClient, type DriverOptions } from "./driver-client.ts";
import { PlantedDatabase, rowOf } from "./planted-database.ts";
import { startTdsServer, type TdsServer } from "./server.ts";
import type { TdsServerOptions } from "./server-options.ts";
import { plantCertificates, type PlantCertificates } from "./plant-certificates.ts";

const TEXT: DbType = { kind: "nvarchar", length: "max" };
const SELECT = "SELECT t";
const text = "verschlüsselt 😀 ".repeat(4000);

let certificates: PlantCertificates;
let server: TdsServer;

beforeAll(() => {
  certificates = plantCertificates();
});

afterEach(() => server.close());

async function start(options: Omit<TdsServerOptions, "database">): Promise<void> {
  const database = new PlantedDatabase();
  database.plant(SELECT, rowOf(["t", TEXT, text]));
  server = await startTdsServer({ database, ...options });
}

function connect(options: DriverOptions): Promise<DriverClient> {
  return DriverClient.connect({ port: server.port, options });
}

async function connectAndRead(options: DriverOptions): Promise<string | undefined> {
  await using client = await connect(options);
  expect((await client.query(SELECT)).rows).toEqual([[text]]);
  return server.connections[0]?.tlsVersion;
}

/** With the authority that the plant trusts. */
function trusting(authority = certificates.authorityPem): DriverOptions {
  return { encrypt: true, cryptoCredentialsDetails: { ca: authority } };
}

describe("encryption", () => {
  it.each(["off", "on", "required"] as const)("comes about with a server set to %s", async (encryption) => {
    await start({ tls: certificates.valid, encryption });
    expect(await connectAndRead(trusting())).toBe("TLSv1.2");
  });

  it("is left to the client by a server set to off", async () => {
    await start({ tls: certificates.valid, encryption: "off" });
    expect(await connectAndRead({ encrypt: false })).toBeUndefined();
  });

  it.each(["on", "required"] as const)("is insisted on by a server set to %s", async (encryption) => {
    await start({ tls: certificates.valid, encryption });
    await expect(connect({ encrypt: false })).rejects.toMatchObject({ code: "EENCRYPT" });
  });

  it("that the server does not have is not done without", async () => {
    await start({});
    await expect(connect(trusting())).rejects.toMatchObject({ code: "EENCRYPT" });
  });

  it("from the first byte (TDS 8.0) is TLS 1.3", async () => {
    await start({ tls: certificates.valid, encryption: "required" });
    const strict: DriverOptions = { ...trusting(), encrypt: "strict", serverName: "localhost" };
    expect(await connectAndRead(strict)).toBe("TLSv1.3");
  });

  it("from the first byte may be all that a server takes", async () => {
    await start({ tls: certificates.valid, encryption: "strict" });
    const strict: DriverOptions = { ...trusting(), encrypt: "strict", serverName: "localhost" };
    expect(await connectAndRead(strict)).toBe("TLSv1.3");
    await expect(connect(trusting())).rejects.toMatchObject({ code: "ESOCKET" });
    await expect(connect({ encrypt: false })).rejects.toMatchObject({ code: "ESOCKET" });
  });

  it("carries small and large packets", async () => {
    await start({ tls: certificates.valid });
    expect(await connectAndRead({ ...trusting(), packetSize: 512 })).toBe("TLSv1.2");
    expect(await connectAndRead({ ...trusting(), packetSize: 32_767 })).toBe("TLSv1.2");
  });
});

describe("a certificate is refused", () => {
  it("that an unknown authority signed", async () => {
    await start({ tls: certificates.valid });
    const other = new CertificateAuthority("Another authority");
    await expect(connect(trusting(other.certificatePem))).rejects.toThrow(
      /unable to verify|self.signed|issuer/i,
    );
  });

  it("that signed itself, unless it is the one that is trusted", async () => {
    await start({ tls: certificates.selfSigned });
    await expect(connect(trusting())).rejects.toThrow(/self.signed/i);
    await expect(connect(trusting(certificates.selfSigned.certificatePem))).rejects.toThrow(/altnames|IP/i);
    expect(await connectAndRead({ encrypt: true, trustServerCertificate: true })).toBe("TLSv1.2");
  });

  it("that has expired", async () => {
    await start({ tls: certificates.expired });
    await expect(connect(trusting())).rejects.toThrow(/expired/);
  });

  it("of another host", async () => {
    await start({ tls: certificates.otherHost });
    await expect(connect(trusting())).rejects.toThrow(/altnames|IP/i);
  });
});

describe("a server that knows TLS 1.0 only", () => {
  it("is not spoken to by default", async () => {
    await start({ tls: certificates.tls10, encryption: "required", majorVersion: 10, maxTdsVersion: "7.3" });
    await expect(connect(trusting())).rejects.toThrow(/protocol|version|alert|hang up|disconnected/i);
  });

  it("is spoken to on purpose", async () => {
    await start({ tls: certificates.tls10, encryption: "required", majorVersion: 10, maxTdsVersion: "7.3" });
    const legacy = {
      ca: certificates.authorityPem,
      minVersion: "TLSv1",
      ciphers: "DEFAULT@SECLEVEL=0",
    } as const;
    expect(await connectAndRead({ encrypt: true, cryptoCredentialsDetails: legacy })).toBe("TLSv1");
  });
});
