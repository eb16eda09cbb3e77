// The certificates that tests make are ones that TLS accepts and refuses as it should.
import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { connect, createServer } from "node:tls";
import { describe, expect, it } from "vitest";
import { CertificateAuthority, type Certificate } from "#test/support/certificates.ts";

async function handshake(server: Certificate, ca: string, host: string): Promise<string> {
  const listener = createServer({ key: server.privateKeyPem, cert: server.certificatePem }, (socket) =>
    socket.end(),
  );
  listener.on("tlsClientError", () => {});
  listener.listen(0, host);
  await once(listener, "listening");
  const { port } = listener.address() as AddressInfo;
  try {
    const socket = connect({ host, port, ca, servername: "" });
    return (await new Promise((resolve) => {
      socket.once("secureConnect", () => resolve("connected"));
      socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    }).finally(() => socket.destroy())) as string;
  } finally {
    listener.close();
  }
}

describe.each(["ec", "rsa"] as const)("authority with %s keys", (keyType) => {
  const authority = new CertificateAuthority("test", keyType);

  it("issues what TLS accepts for the names in it", async () => {
    const certificate = authority.issue({ commonName: "server", keyType });
    expect(await handshake(certificate, authority.certificatePem, "127.0.0.1")).toBe("connected");
    expect(await handshake(certificate, authority.certificatePem, "::1")).toBe("connected");
  });

  it("is refused by who trusts another authority, has another name, or looks too late", async () => {
    const certificate = authority.issue({ commonName: "server", keyType });
    const other = new CertificateAuthority("other");
    expect(await handshake(certificate, other.certificatePem, "127.0.0.1")).not.toBe("connected");
    const named = authority.issue({ commonName: "server", hosts: ["example.test"], keyType });
    expect(await handshake(named, authority.certificatePem, "127.0.0.1")).toBe(
      "ERR_TLS_CERT_ALTNAME_INVALID",
    );
    const expired = authority.issue({ commonName: "server", validDays: -1, keyType });
    expect(await handshake(expired, authority.certificatePem, "127.0.0.1")).toBe("CERT_HAS_EXPIRED");
  });

  it("carries URIs for OPC UA", () => {
    const { der } = authority.issue({ commonName: "machine", uris: ["urn:machine:opcua"], keyType });
    expect(new X509Certificate(der).subjectAltName).toContain("URI:urn:machine:opcua");
  });
});
