// The agent's own application certificate, and the decision which server certificates are trusted.
import { createHash, X509Certificate } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { isIP } from "node:net";
import { hostname } from "node:os";
import { join } from "node:path";
import { ConnectorError, messageOf } from "#common/runtime/errors.ts";
import { opcua } from "./driver.ts";

export interface OwnCertificate {
  readonly certificateFile: string;
  readonly privateKeyFile: string;
  readonly fingerprint: string;
}

export interface OwnCertificateSubject {
  readonly applicationName: string;
  readonly applicationUri: string;
  readonly dns?: readonly string[];
  readonly ip?: readonly string[];
}

const KEY_BITS = 2048;
/** Servers keep a client's certificate in their trust list by hand, so renewing it often would stop plants. */
const VALID_DAYS = 10 * 365;

/**
 * Reads `<folder>/own/certificate.pem` and its key, or makes them on the first start. The subject alternative name holds
 * the application URI, which servers compare (OPC 10000-6, 6.2.2).
 */
export async function ensureOwnCertificate(
  folder: string,
  subject: OwnCertificateSubject,
): Promise<OwnCertificate> {
  const own = join(folder, "own");
  const certificateFile = join(own, "certificate.pem");
  const privateKeyFile = join(own, "private_key.pem");
  if (!existsSync(certificateFile) || !existsSync(privateKeyFile)) {
    mkdirSync(own, { recursive: true, mode: 0o700 });
    const key = await opcua.crypto_utils.generatePrivateKey(KEY_BITS);
    const { privPem } = await opcua.crypto_utils.privateKeyToPEM(key);
    const { cert } = await opcua.crypto_utils.createSelfSignedCertificate({
      privateKey: key,
      subject: `CN=${subject.applicationName.replaceAll(/[^\w .-]/g, "-")}/O=Millrace`,
      applicationUri: subject.applicationUri,
      dns: [...(subject.dns ?? [hostname()])],
      ip: [...(subject.ip ?? [])],
      notBefore: new Date(),
      validity: VALID_DAYS,
      purpose: opcua.crypto_utils.CertificatePurpose.ForApplication,
    });
    writeAtomically(privateKeyFile, privPem, 0o600);
    writeAtomically(certificateFile, cert, 0o644);
  }
  return {
    certificateFile,
    privateKeyFile,
    fingerprint: fingerprintOf(new X509Certificate(readFileSync(certificateFile)).raw),
  };
}

function writeAtomically(file: string, text: string, mode: number): void {
  const part = `${file}.part`;
  writeFileSync(part, text, { mode });
  renameSync(part, file);
}

/** SHA-256 of the DER certificate, lower-case hex without separators. */
export function fingerprintOf(der: Uint8Array): string {
  return createHash("sha256").update(der).digest("hex");
}

export interface TrustSettings {
  readonly host: string;
  readonly fingerprints: readonly string[];
  readonly trustedFiles: readonly string[];
  readonly allowExpired: boolean;
  /** Where a refused certificate is kept, so that the operator can move it to the trusted ones. */
  readonly rejectedFolder: string;
}

/**
 * Trusts a server when its certificate is pinned by fingerprint, is one of the trusted files, or is issued by one of them
 * and names the configured host. Nothing is ever trusted because it was seen before.
 * @throws ConnectorError misconfigured, with the fingerprint and where to put what
 */
export function checkServerCertificate(chainDer: Uint8Array, settings: TrustSettings, nowMs: number): void {
  const chain = parseChain(chainDer);
  const leaf = chain[0];
  if (leaf === undefined) {
    throw new ConnectorError(
      "misconfigured",
      "the server announces no certificate for this security mode; enable one on the server",
    );
  }
  if (!isTrusted(leaf, chain, settings)) throw untrusted(leaf, settings);
  const expired = leaf.validToDate.getTime() < nowMs || leaf.validFromDate.getTime() > nowMs;
  if (expired && !settings.allowExpired) {
    throw new ConnectorError(
      "misconfigured",
      `the server's certificate is trusted but valid only from ${leaf.validFromDate.toISOString()} to ${leaf.validToDate.toISOString()}; ` +
        "renew it on the server, or set `allow_expired_certificate: true` until then",
    );
  }
}

function isTrusted(
  leaf: X509Certificate,
  chain: readonly X509Certificate[],
  settings: TrustSettings,
): boolean {
  const fingerprint = fingerprintOf(leaf.raw);
  if (settings.fingerprints.includes(fingerprint)) return true;
  const trusted = settings.trustedFiles.map(readCertificate);
  if (trusted.some((one) => fingerprintOf(one.raw) === fingerprint)) return true;
  const namesHost =
    isIP(settings.host) > 0
      ? leaf.checkIP(settings.host) !== undefined
      : leaf.checkHost(settings.host) !== undefined;
  return namesHost && trusted.some((anchor) => anchor.ca && leadsTo(leaf, chain.slice(1), anchor));
}

/** Whether signatures lead from the certificate to the anchor, over the intermediates that the server sent. */
function leadsTo(
  leaf: X509Certificate,
  others: readonly X509Certificate[],
  anchor: X509Certificate,
): boolean {
  if (isIssuedBy(leaf, anchor)) return true;
  return others.some(
    (next, index) => next.ca && isIssuedBy(leaf, next) && leadsTo(next, others.toSpliced(index, 1), anchor),
  );
}

function isIssuedBy(certificate: X509Certificate, issuer: X509Certificate): boolean {
  return certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
}

function untrusted(leaf: X509Certificate, settings: TrustSettings): ConnectorError {
  const fingerprint = fingerprintOf(leaf.raw);
  mkdirSync(settings.rejectedFolder, { recursive: true });
  const file = join(settings.rejectedFolder, `${fingerprint.slice(0, 16)}.pem`);
  writeFileSync(file, leaf.toString());
  return new ConnectorError(
    "misconfigured",
    `the server at ${settings.host} shows a certificate that is not trusted here ` +
      `(subject ${leaf.subject.replaceAll("\n", ", ")}, SHA-256 ${fingerprint}). Compare this fingerprint with the one ` +
      `shown on the server itself; if they are equal, set \`server_fingerprint: ${fingerprint}\` ` +
      `or add the file kept at ${file} to \`trusted_certificates\``,
  );
}

/** PEM or DER. */
function readCertificate(file: string): X509Certificate {
  try {
    return new X509Certificate(readFileSync(file));
  } catch (error) {
    throw new ConnectorError(
      "misconfigured",
      `trusted_certificates: ${file} cannot be read as a certificate (${messageOf(error)}); give a PEM or DER file`,
      { cause: error },
    );
  }
}

/** Servers send a chain as DER certificates one after the other. */
function parseChain(der: Uint8Array): readonly X509Certificate[] {
  if (der.length === 0) return [];
  try {
    return opcua.crypto_utils.split_der(Buffer.from(der)).map((one) => new X509Certificate(one));
  } catch (error) {
    throw new ConnectorError(
      "misconfigured",
      `the server's certificate cannot be read (${messageOf(error)}); replace it on the server`,
      { cause: error },
    );
  }
}
