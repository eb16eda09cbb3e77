// Certificates as SQL Servers in plants have them: good, self-signed, expired, of another host, with TLS of long ago.
import { CertificateAuthority, selfSignedCertificate } from "#test/support/certificates.ts";
import type { TlsOptions } from "./transport.ts";

export interface PlantCertificates {
  readonly authorityPem: string;
  /** For localhost, 127.0.0.1 and ::1. */
  readonly valid: TlsOptions;
  /** As SQL Server makes one for itself when it has none: no host name. */
  readonly selfSigned: TlsOptions;
  readonly expired: TlsOptions;
  readonly otherHost: TlsOptions;
  /** TLS 1.0 and nothing newer. */
  readonly tls10: TlsOptions;
}

export function plantCertificates(): PlantCertificates {
  const authority = new CertificateAuthority("Plant authority");
  const issue = (options: { readonly hosts?: readonly string[]; readonly validDays?: number }): TlsOptions =>
    authority.issue({ commonName: "sql01.plant.example", ...options });
  const old = authority.issue({ commonName: "sql01.plant.example", keyType: "rsa" });
  return {
    authorityPem: authority.certificatePem,
    valid: issue({}),
    selfSigned: selfSignedCertificate({ commonName: "SSL_Self_Signed_Fallback" }),
    expired: issue({ validDays: -1 }),
    otherHost: issue({ hosts: ["sql02.plant.example"] }),
    tls10: { ...old, minVersion: "TLSv1", maxVersion: "TLSv1", ciphers: "DEFAULT@SECLEVEL=0" },
  };
}
