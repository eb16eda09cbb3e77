// Ed25519 identity keys of agents and relays: 32 raw bytes as base64url on disk and on the wire.
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  sign,
  verify,
  type KeyObject,
} from "node:crypto";
import { MillraceError } from "../runtime/errors.ts";

/** A key's text or file is not what it should be; the message says what to do. */
export class IdentityKeyError extends MillraceError {
  override name = "IdentityKeyError";
}

/** What the handshake needs of a key; the private half may live elsewhere (a TPM, a key service). */
export interface Signer {
  /** 32 raw bytes, base64url, 43 characters. */
  readonly publicKey: string;
  /** 64 bytes, Ed25519 (RFC 8032). */
  sign(data: Uint8Array): Uint8Array;
}

export interface IdentityKey extends Signer {
  /** The seed: 32 raw bytes, base64url. A secret: for the key's own file only, never for logs. */
  exportSecret(): string;
}

const RAW_KEY = /^[A-Za-z0-9_-]{43}$/;
/** RFC 8410: the DER that precedes the 32 bytes of an Ed25519 seed. */
const ED25519_PRIVATE_DER = Buffer.from("302e020100300506032b657004220420", "hex");

export function generateIdentityKey(): IdentityKey {
  return identityKey(generateKeyPairSync("ed25519").privateKey);
}

/** From what `exportSecret` gave. @throws IdentityKeyError */
export function loadIdentityKey(secret: string): IdentityKey {
  const text = secret.trim();
  const seed = decodeRawKey(text);
  if (seed === undefined) {
    throw new IdentityKeyError(
      `identity key: expected 43 characters of base64url (32 bytes), found ${text.length} characters; restore the key file from a backup, or remove it and enrol anew`,
    );
  }
  const der = Buffer.concat([ED25519_PRIVATE_DER, seed]);
  return identityKey(createPrivateKey({ key: der, format: "der", type: "pkcs8" }));
}

/** False for anything that is not a valid signature by that key, malformed input included. */
export function verifySignature(publicKey: string, data: Uint8Array, signature: Uint8Array): boolean {
  const key = importPublicKey(publicKey);
  return key !== undefined && signature.length === 64 && verify(null, data, key, signature);
}

/** SHA-256 of the raw public key, base64url: 43 characters. @throws IdentityKeyError when it is not a key */
export function fingerprintOf(publicKey: string): string {
  const raw = decodeRawKey(publicKey);
  if (raw === undefined)
    throw new IdentityKeyError("public key: expected 43 characters of base64url (32 bytes)");
  return createHash("sha256").update(raw).digest("base64url");
}

/** Whether the text is one raw 32-byte key in its only spelling. */
export function isPublicKey(text: string): boolean {
  return importPublicKey(text) !== undefined;
}

function identityKey(privateKey: KeyObject): IdentityKey {
  const { d, x } = privateKey.export({ format: "jwk" });
  if (d === undefined || x === undefined) throw new IdentityKeyError("identity key: Ed25519 expected");
  return {
    publicKey: x,
    sign: (data) => sign(null, data, privateKey),
    exportSecret: () => d,
  };
}

function importPublicKey(publicKey: string): KeyObject | undefined {
  if (decodeRawKey(publicKey) === undefined) return undefined;
  try {
    return createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x: publicKey }, format: "jwk" });
  } catch {
    return undefined;
  }
}

/** The last character carries two unused bits: only their zero form is taken, so that a key has one spelling. */
function decodeRawKey(text: string): Buffer | undefined {
  if (!RAW_KEY.test(text)) return undefined;
  const raw = Buffer.from(text, "base64url");
  return raw.length === 32 && raw.toString("base64url") === text ? raw : undefined;
}
