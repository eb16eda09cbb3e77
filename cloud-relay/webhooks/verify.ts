// Checks a delivery as its receiver would: the signature of one of the secrets that it knows, over what arrived, in time.
import { createHmac, createPublicKey, timingSafeEqual, verify as verifyWith } from "node:crypto";

/** How far the sender's clock and ours may be apart, seconds. */
const TOLERANCE_S = 5 * 60;
/** RFC 8410: an Ed25519 public key as SubjectPublicKeyInfo. */
const SPKI_PREFIX = Buffer.from("302a300506032b6570032100", "hex");
const MAX_SIGNATURES = 20;

export interface ReceivedDelivery {
  /** `webhook-id` */
  readonly id: string;
  /** `webhook-timestamp` */
  readonly timestamp: string;
  /** `webhook-signature` */
  readonly signature: string;
  /** As it arrived: text that was parsed and written again may differ. */
  readonly body: string | Uint8Array;
}

export type Verdict = { readonly ok: true } | { readonly ok: false; readonly reason: string };

/**
 * `keys`: `whsec_…` (v1) or `whpk_…` (v1a), all that are valid now. One good signature is enough: while a secret is being
 * replaced, deliveries carry two.
 */
export function verifyDelivery(delivery: ReceivedDelivery, keys: readonly string[], nowMs: number): Verdict {
  const { id, timestamp, signature, body } = delivery;
  if (id === "" || signature === "")
    return refused("webhook-id, webhook-timestamp or webhook-signature is missing");
  if (!/^\d{1,12}$/.test(timestamp)) return refused("webhook-timestamp is not a number of seconds");
  const ageS = nowMs / 1_000 - Number(timestamp);
  if (ageS > TOLERANCE_S) return refused("it was signed more than 5 minutes ago");
  if (ageS < -TOLERANCE_S)
    return refused("it was signed more than 5 minutes in the future; are both clocks right?");
  const bytes = typeof body === "string" ? Buffer.from(body) : body;
  const content = Buffer.concat([Buffer.from(`${id}.${timestamp}.`), bytes]);
  const signatures = signature.split(" ").slice(0, MAX_SIGNATURES);
  const isGood = keys.some((key) => signatures.some((text) => isSignedBy(key, text, content)));
  return isGood ? { ok: true } : refused("no signature fits: the body was altered, or the secret is another");
}

function isSignedBy(key: string, signature: string, content: Buffer): boolean {
  const [version, text = ""] = signature.split(",", 2);
  const given = Buffer.from(text, "base64");
  // One text for each signature: what decodes to the same bytes but is written differently is not it.
  if (given.toString("base64") !== text) return false;
  if (version === "v1" && key.startsWith("whsec_")) {
    const secret = Buffer.from(key.slice("whsec_".length), "base64");
    const made = createHmac("sha256", secret).update(content).digest();
    return given.length === made.length && timingSafeEqual(given, made);
  }
  if (version === "v1a" && key.startsWith("whpk_")) {
    const spki = Buffer.concat([SPKI_PREFIX, Buffer.from(key.slice("whpk_".length), "base64")]);
    return verifyWith(null, content, createPublicKey({ key: spki, format: "der", type: "spki" }), given);
  }
  return false;
}

function refused(reason: string): Verdict {
  return { ok: false, reason };
}
