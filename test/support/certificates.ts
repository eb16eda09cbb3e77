// Makes certificate authorities and certificates in-process for tests: X.509 v3 in DER (RFC 5280), signed by node:crypto.
import {
  createPrivateKey,
  generateKeyPairSync,
  randomBytes,
  sign,
  X509Certificate,
  createHash,
  type KeyObject,
} from "node:crypto";
import { isIP } from "node:net";

export interface Certificate {
  readonly certificatePem: string;
  readonly privateKeyPem: string;
  readonly der: Uint8Array;
}

export interface CertificateOptions {
  readonly commonName: string;
  /** DNS names and IP addresses. Default: localhost, 127.0.0.1, ::1. */
  readonly hosts?: readonly string[];
  /** URI subject alternative names, such as an OPC UA application URI. */
  readonly uris?: readonly string[];
  /** OPC UA needs RSA. Default: ec (P-256), which is fast to make. */
  readonly keyType?: "ec" | "rsa";
  /** Days from now; negative ones make an expired certificate. Default: 1. */
  readonly validDays?: number;
}

const SEQUENCE = 0x30;
const OID = {
  commonName: "2.5.4.3",
  ecdsaSha256: "1.2.840.10045.4.3.2",
  rsaSha256: "1.2.840.113549.1.1.11",
  subjectKeyId: "2.5.29.14",
  keyUsage: "2.5.29.15",
  subjectAltName: "2.5.29.17",
  basicConstraints: "2.5.29.19",
  authorityKeyId: "2.5.29.35",
  extendedKeyUsage: "2.5.29.37",
  serverAuth: "1.3.6.1.5.5.7.3.1",
  clientAuth: "1.3.6.1.5.5.7.3.2",
} as const;

/** An authority that issues certificates for tests. */
export class CertificateAuthority implements Certificate {
  readonly certificatePem: string;
  readonly privateKeyPem: string;
  readonly der: Uint8Array;
  readonly #name: string;
  readonly #key: KeyObject;
  readonly #keyId: Buffer;

  constructor(commonName = "Millrace test authority", keyType: "ec" | "rsa" = "ec") {
    const keys = makeKeys(keyType);
    this.#name = commonName;
    this.#key = keys.privateKey;
    this.#keyId = keyIdOf(keys.publicKey);
    this.der = issue({
      subject: commonName,
      issuer: commonName,
      publicKey: keys.publicKey,
      issuerKey: keys.privateKey,
      validDays: 1,
      extensions: [
        extension(OID.basicConstraints, sequence(der(0x01, Buffer.of(0xff))), true),
        // keyCertSign, cRLSign
        extension(OID.keyUsage, der(0x03, Buffer.of(1, 0x06)), true),
        extension(OID.subjectKeyId, der(0x04, this.#keyId)),
      ],
    });
    this.certificatePem = pem(this.der);
    this.privateKeyPem = keyPem(keys.privateKey);
  }

  issue(options: CertificateOptions): Certificate {
    const keys = makeKeys(options.keyType ?? "ec");
    const hosts = options.hosts ?? ["localhost", "127.0.0.1", "::1"];
    const bytes = issue({
      subject: options.commonName,
      issuer: this.#name,
      publicKey: keys.publicKey,
      issuerKey: this.#key,
      validDays: options.validDays ?? 1,
      extensions: [
        extension(OID.basicConstraints, sequence(), true),
        // digitalSignature, nonRepudiation, keyEncipherment, dataEncipherment
        extension(OID.keyUsage, der(0x03, Buffer.of(4, 0xf0)), true),
        extension(OID.extendedKeyUsage, sequence(oid(OID.serverAuth), oid(OID.clientAuth))),
        extension(OID.subjectKeyId, der(0x04, keyIdOf(keys.publicKey))),
        extension(OID.authorityKeyId, sequence(der(0x80, this.#keyId))),
        extension(OID.subjectAltName, alternativeNames(hosts, options.uris ?? [])),
      ],
    });
    return { certificatePem: pem(bytes), privateKeyPem: keyPem(keys.privateKey), der: bytes };
  }
}

/** A server's certificate that it signed itself, with a host name or without. */
export function selfSignedCertificate(options: CertificateOptions): Certificate {
  const keys = makeKeys(options.keyType ?? "ec");
  const hosts = options.hosts ?? [];
  const bytes = issue({
    subject: options.commonName,
    issuer: options.commonName,
    publicKey: keys.publicKey,
    issuerKey: keys.privateKey,
    validDays: options.validDays ?? 1,
    extensions: [
      extension(OID.basicConstraints, sequence(), true),
      ...(hosts.length === 0 ? [] : [extension(OID.subjectAltName, alternativeNames(hosts, []))]),
    ],
  });
  return { certificatePem: pem(bytes), privateKeyPem: keyPem(keys.privateKey), der: bytes };
}

interface Issue {
  readonly subject: string;
  readonly issuer: string;
  readonly publicKey: KeyObject;
  readonly issuerKey: KeyObject;
  readonly validDays: number;
  readonly extensions: readonly Buffer[];
}

function issue(request: Issue): Buffer {
  const algorithm =
    request.issuerKey.asymmetricKeyType === "rsa"
      ? sequence(oid(OID.rsaSha256), der(0x05, Buffer.alloc(0)))
      : sequence(oid(OID.ecdsaSha256));
  const dayMs = 86_400_000;
  const notAfterMs = Date.now() + request.validDays * dayMs;
  const notBeforeMs = Math.min(Date.now(), notAfterMs) - dayMs;
  const serial = randomBytes(16);
  serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x40;
  const body = sequence(
    der(0xa0, der(0x02, Buffer.of(2))),
    der(0x02, serial),
    algorithm,
    name(request.issuer),
    sequence(time(notBeforeMs), time(notAfterMs)),
    name(request.subject),
    request.publicKey.export({ format: "der", type: "spki" }),
    der(0xa3, sequence(...request.extensions)),
  );
  const signature = sign("sha256", body, request.issuerKey);
  return sequence(body, algorithm, der(0x03, Buffer.concat([Buffer.of(0), signature])));
}

function makeKeys(keyType: "ec" | "rsa"): { publicKey: KeyObject; privateKey: KeyObject } {
  return keyType === "rsa"
    ? generateKeyPairSync("rsa", { modulusLength: 2048 })
    : generateKeyPairSync("ec", { namedCurve: "P-256" });
}

function keyIdOf(publicKey: KeyObject): Buffer {
  const spki = publicKey.export({ format: "der", type: "spki" });
  return createHash("sha256").update(spki).digest().subarray(0, 20);
}

function name(commonName: string): Buffer {
  return sequence(der(0x31, sequence(oid(OID.commonName), der(0x0c, Buffer.from(commonName)))));
}

/** GeneralizedTime would do for all years; RFC 5280 wants UTCTime before 2050. */
function time(atMs: number): Buffer {
  const text = new Date(atMs).toISOString().replaceAll(/[-:T]|\.\d+/g, "");
  return der(0x17, Buffer.from(text.slice(2)));
}

function extension(id: string, value: Buffer, isCritical = false): Buffer {
  const critical = isCritical ? [der(0x01, Buffer.of(0xff))] : [];
  return sequence(oid(id), ...critical, der(0x04, value));
}

function alternativeNames(hosts: readonly string[], uris: readonly string[]): Buffer {
  const names = hosts.map((host) =>
    isIP(host) === 0 ? der(0x82, Buffer.from(host)) : der(0x87, addressBytes(host)),
  );
  return sequence(...uris.map((uri) => der(0x86, Buffer.from(uri))), ...names);
}

function addressBytes(address: string): Buffer {
  if (isIP(address) === 4) return Buffer.from(address.split(".").map(Number));
  const [head = "", tail = ""] = address.split("::");
  const groups = (text: string): number[] =>
    text === "" ? [] : text.split(":").map((part) => parseInt(part, 16));
  const [before, after] = [groups(head), groups(tail)];
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => 0);
  return Buffer.from([...before, ...zeros, ...after].flatMap((group) => [group >> 8, group & 0xff]));
}

function sequence(...parts: readonly Uint8Array[]): Buffer {
  return der(SEQUENCE, Buffer.concat(parts));
}

function der(tag: number, content: Uint8Array): Buffer {
  const { length } = content;
  const size =
    length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.of(tag, ...size), content]);
}

function oid(text: string): Buffer {
  const [first = 0, second = 0, ...rest] = text.split(".").map(Number);
  const bytes = rest.flatMap((value) => {
    const groups = [value & 0x7f];
    for (let left = value >>> 7; left > 0; left >>>= 7) groups.unshift((left & 0x7f) | 0x80);
    return groups;
  });
  return der(0x06, Buffer.from([first * 40 + second, ...bytes]));
}

function pem(bytes: Uint8Array): string {
  return new X509Certificate(bytes).toString();
}

function keyPem(key: KeyObject): string {
  const text = key.export({ format: "pem", type: "pkcs8" }).toString();
  // Reading it back proves that what the test hands on is a usable key.
  createPrivateKey(text);
  return text;
}
