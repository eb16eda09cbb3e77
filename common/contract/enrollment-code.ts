// The one-time enrolment code: a secret for the relay, and the relay's fingerprint for the agent.
//
//   mre_<secret: 26 characters, Crockford base32 of 16 bytes>_<fingerprint: 43 characters, base64url of SHA-256>
//
// base64url may itself contain `_` and `-`, so the parts are found by position.
import { createHash, timingSafeEqual } from "node:crypto";
import { fingerprintOf } from "./identity-key.ts";
import { MillraceError } from "../runtime/errors.ts";

export interface EnrollmentCode {
  /** Canonical: upper case, 26 characters. Goes over the wire only after the relay's key fits the fingerprint. */
  readonly secret: string;
  /** SHA-256 of the relay's raw public key, base64url. */
  readonly fingerprint: string;
}

export class EnrollmentCodeError extends MillraceError {
  override name = "EnrollmentCodeError";
}

const PREFIX = "mre_";
const SECRET_BYTES = 16;
const SECRET_CHARS = 26;
const FINGERPRINT_CHARS = 43;
const CODE_CHARS = PREFIX.length + SECRET_CHARS + 1 + FINGERPRINT_CHARS;
/** https://www.crockford.com/base32.html */
const ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const COPY_AGAIN = "copy the whole code again as the relay printed it, or ask for a new one";

/** `randomBytes` must be a secure source; 16 are asked for. */
export function createEnrollmentCode(
  relayPublicKey: string,
  randomBytes: (count: number) => Uint8Array,
): EnrollmentCode {
  return { secret: encodeSecret(randomBytes(SECRET_BYTES)), fingerprint: fingerprintOf(relayPublicKey) };
}

export function formatEnrollmentCode(code: EnrollmentCode): string {
  return `${PREFIX}${code.secret}_${code.fingerprint}`;
}

/** Takes blanks around the code, lower case, and the letters I, L and O for the digits they resemble. @throws EnrollmentCodeError */
export function parseEnrollmentCode(text: string): EnrollmentCode {
  const code = text.trim();
  if (!code.toLowerCase().startsWith(PREFIX)) {
    throw new EnrollmentCodeError(
      `enrolment code: expected text that begins with "${PREFIX}"; create one with: millrace-relay enrollment-code`,
    );
  }
  if (code.length !== CODE_CHARS) {
    throw new EnrollmentCodeError(
      `enrolment code: expected ${CODE_CHARS} characters, found ${code.length}; ${COPY_AGAIN}`,
    );
  }
  const secretEnd = PREFIX.length + SECRET_CHARS;
  const secret = canonicalSecret(code.slice(PREFIX.length, secretEnd));
  if (secret === undefined) {
    throw new EnrollmentCodeError(
      `enrolment code: its first part has a character that no code has; ${COPY_AGAIN}`,
    );
  }
  const fingerprint = code.slice(secretEnd + 1);
  if (code[secretEnd] !== "_" || !isFingerprint(fingerprint)) {
    throw new EnrollmentCodeError(
      `enrolment code: its second part is not a fingerprint (upper and lower case matter there); ${COPY_AGAIN}`,
    );
  }
  return { secret, fingerprint };
}

/** What the relay stores instead of the secret: SHA-256 of its canonical spelling, hex. */
export function hashEnrollmentSecret(secret: string): string {
  return createHash("sha256").update(secret).digest("hex");
}

/** Whether this key is the one that the code's issuer meant. */
export function fitsFingerprint(publicKey: string, fingerprint: string): boolean {
  const [found, expected] = [Buffer.from(fingerprintOf(publicKey)), Buffer.from(fingerprint)];
  return found.length === expected.length && timingSafeEqual(found, expected);
}

/** The bytes as one number, 5 bits a character from the low end; the first character holds the 3 left over. */
function encodeSecret(bytes: Uint8Array): string {
  let rest = BigInt(`0x${Buffer.from(bytes).toString("hex")}`);
  let text = "";
  for (let index = 0; index < SECRET_CHARS; index += 1) {
    text = `${ALPHABET[Number(rest & 31n)]}${text}`;
    rest >>= 5n;
  }
  return text;
}

function canonicalSecret(text: string): string | undefined {
  const secret = text.toUpperCase().replaceAll(/[IL]/g, "1").replaceAll("O", "0");
  const known = /^[0-9A-HJKMNP-TV-Z]+$/.test(secret);
  return known && ALPHABET.indexOf(secret.slice(0, 1)) < 8 ? secret : undefined;
}

function isFingerprint(text: string): boolean {
  const bytes = /^[A-Za-z0-9_-]+$/.test(text) ? Buffer.from(text, "base64url") : Buffer.alloc(0);
  return bytes.length === 32 && bytes.toString("base64url") === text;
}
