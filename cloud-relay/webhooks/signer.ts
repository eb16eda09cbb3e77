// Signs deliveries as Standard Webhooks describe it: v1 (HMAC-SHA-256, a shared secret) and v1a (Ed25519, a public key).
import {
  createHmac,
  createPrivateKey,
  createSecretKey,
  generateKeyPairSync,
  randomBytes,
  sign as signWith,
  type KeyObject,
} from "node:crypto";
import { MillraceError } from "#common/runtime/errors.ts";
import type { SignatureKind } from "#relay/core/webhooks/endpoint.ts";
import type { Signer } from "#relay/core/webhooks/sender.ts";

export const SHARED_PREFIX = "whsec_";
export const PRIVATE_PREFIX = "whsk_";
export const PUBLIC_PREFIX = "whpk_";
const NEW_SECRET_BYTES = 32;
const MIN_SECRET_BYTES = 24;
const MAX_SECRET_BYTES = 64;
/** A seed and its public key. */
const PRIVATE_BYTES = 64;
const SEED_BYTES = 32;
/** Secrets whose keys stay ready; the oldest goes first. */
const MAX_READY_KEYS = 4_096;

interface ReadyKey {
  readonly kind: SignatureKind;
  readonly key: KeyObject;
  readonly publicKey: string | undefined;
}

/** Keeps ready keys: making one of Ed25519 costs more than a signature. */
export class WebhookSigner implements Signer {
  readonly #ready = new Map<string, ReadyKey>();

  newSecret(kind: SignatureKind): { readonly secret: string; readonly publicKey: string | undefined } {
    if (kind === "v1") {
      const secret = `${SHARED_PREFIX}${randomBytes(NEW_SECRET_BYTES).toString("base64")}`;
      return { secret, publicKey: undefined };
    }
    const { d, x } = generateKeyPairSync("ed25519").privateKey.export({ format: "jwk" });
    const seed = Buffer.from(d ?? "", "base64url");
    const publicKey = Buffer.from(x ?? "", "base64url");
    return {
      secret: `${PRIVATE_PREFIX}${Buffer.concat([seed, publicKey]).toString("base64")}`,
      publicKey: `${PUBLIC_PREFIX}${publicKey.toString("base64")}`,
    };
  }

  adopt(secret: string): { readonly kind: SignatureKind; readonly publicKey: string | undefined } {
    const { kind, publicKey } = readSecret(secret);
    return { kind, publicKey };
  }

  sign(secrets: readonly string[], id: string, timestamp: number, body: string): string {
    const content = Buffer.from(`${id}.${timestamp}.${body}`);
    return secrets.map((secret) => signatureOf(this.#key(secret), content)).join(" ");
  }

  #key(secret: string): ReadyKey {
    const known = this.#ready.get(secret);
    if (known !== undefined) return known;
    const key = readSecret(secret);
    const oldest = this.#ready.size >= MAX_READY_KEYS ? this.#ready.keys().next().value : undefined;
    if (oldest !== undefined) this.#ready.delete(oldest);
    this.#ready.set(secret, key);
    return key;
  }
}

function signatureOf({ kind, key }: ReadyKey, content: Buffer): string {
  return kind === "v1"
    ? `v1,${createHmac("sha256", key).update(content).digest("base64")}`
    : `v1a,${signWith(null, content, key).toString("base64")}`;
}

/** @throws MillraceError with what it must look like; never with the secret */
function readSecret(secret: string): ReadyKey {
  if (secret.startsWith(SHARED_PREFIX)) {
    const key = readBase64(secret.slice(SHARED_PREFIX.length));
    if (key === undefined || key.length < MIN_SECRET_BYTES || key.length > MAX_SECRET_BYTES)
      throw new MillraceError(
        `the secret is not usable: after ${SHARED_PREFIX} it has ${MIN_SECRET_BYTES} to ${MAX_SECRET_BYTES} bytes in base64`,
      );
    // A key object signs several times as fast as its bytes.
    return { kind: "v1", key: createSecretKey(key), publicKey: undefined };
  }
  if (secret.startsWith(PRIVATE_PREFIX)) return readPrivate(secret.slice(PRIVATE_PREFIX.length));
  throw new MillraceError(
    `the secret is not usable: it begins with ${SHARED_PREFIX} (v1, shared) or ${PRIVATE_PREFIX} (v1a, a private key)`,
  );
}

function readPrivate(text: string): ReadyKey {
  const bytes = readBase64(text);
  if (bytes?.length !== PRIVATE_BYTES)
    throw new MillraceError(
      `the secret is not usable: after ${PRIVATE_PREFIX} it has ${PRIVATE_BYTES} bytes in base64, an Ed25519 seed and its public key`,
    );
  const seed = bytes.subarray(0, SEED_BYTES);
  const publicBytes = bytes.subarray(SEED_BYTES);
  // RFC 8410: an Ed25519 seed as PKCS #8. The public half is derived from it, so that a wrong one is found.
  const pkcs8 = Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), seed]);
  const key = createPrivateKey({ key: pkcs8, format: "der", type: "pkcs8" });
  const { x } = key.export({ format: "jwk" });
  if (!Buffer.from(x ?? "", "base64url").equals(publicBytes))
    throw new MillraceError("the secret is not usable: its public key does not belong to its private key");
  return { kind: "v1a", key, publicKey: `${PUBLIC_PREFIX}${publicBytes.toString("base64")}` };
}

/** Strictly: Node passes over what is no base64. */
function readBase64(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, "base64");
  return bytes.toString("base64").replace(/=+$/, "") === text.replace(/=+$/, "") ? bytes : undefined;
}
