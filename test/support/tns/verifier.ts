// Oracle's password login: both sides prove with a session key that they know the verifier, and the password goes encrypted.
import { createCipheriv, createDecipheriv, createHash, pbkdf2Sync, randomBytes } from "node:crypto";

/** 10g is announced only, to make a client refuse it. */
export type VerifierKind = "10g" | "11g" | "12c";

const VERIFIER_TYPE: Readonly<Record<VerifierKind, number>> = { "10g": 0x939, "11g": 0xb152, "12c": 0x4815 };
/** Real servers use 4096 and 3; fewer keep tests quick. */
const VERIFIER_ROUNDS = 64;
const SESSION_ROUNDS = 3;
const SERVER_PROOF = "SERVER_TO_CLIENT";

export interface Parameter {
  readonly key: string;
  readonly value: string;
  readonly flags?: number;
}

/** One login: `challenge` goes out first, `accept` judges what comes back. */
export class LoginExchange {
  readonly challenge: readonly Parameter[];
  readonly #password: string;
  readonly #kind: VerifierKind;
  readonly #passwordHash: Buffer;
  readonly #serverKey: Buffer;
  readonly #mixingSalt = randomBytes(16);

  constructor(kind: VerifierKind, password: string) {
    this.#kind = kind;
    this.#password = password;
    const salt = randomBytes(kind === "12c" ? 16 : 10);
    this.#passwordHash = kind === "12c" ? hash12c(password, salt) : hash11g(password, salt);
    this.#serverKey = randomBytes(kind === "12c" ? 32 : 48);
    this.challenge = [
      { key: "AUTH_SESSKEY", value: hex(encrypt(this.#passwordHash, this.#serverKey)) },
      { key: "AUTH_VFR_DATA", value: hex(salt), flags: VERIFIER_TYPE[kind] },
      ...(kind === "12c"
        ? [
            { key: "AUTH_PBKDF2_CSK_SALT", value: hex(this.#mixingSalt) },
            { key: "AUTH_PBKDF2_VGEN_COUNT", value: String(VERIFIER_ROUNDS) },
            { key: "AUTH_PBKDF2_SDER_COUNT", value: String(SESSION_ROUNDS) },
          ]
        : []),
    ];
  }

  /** The server's own proof as `AUTH_SVR_RESPONSE`; undefined where the password is wrong. */
  accept(clientKey: string, encryptedPassword: string): string | undefined {
    const encrypted = Buffer.from(clientKey, "hex");
    const proof = Buffer.from(encryptedPassword, "hex");
    if (encrypted.length !== this.#serverKey.length || proof.length < 32 || proof.length % 16 !== 0)
      return undefined;
    const key = this.#sharedKey(decrypt(this.#passwordHash, encrypted));
    const plain = decrypt(key, proof);
    // A salt of one block, the password, and as many bytes of padding as the last byte says.
    const password = plain.subarray(16, plain.length - (plain.at(-1) ?? 0)).toString();
    if (password !== this.#password) return undefined;
    return hex(encrypt(key, Buffer.concat([randomBytes(16), Buffer.from(SERVER_PROOF)])));
  }

  #sharedKey(clientKey: Buffer): Buffer {
    if (this.#kind === "12c") {
      const both = hex(Buffer.concat([clientKey, this.#serverKey]));
      return pbkdf2Sync(both, this.#mixingSalt, SESSION_ROUNDS, 32, "sha512");
    }
    const mixed = this.#serverKey.subarray(16, 40).map((byte, at) => byte ^ (clientKey[at + 16] ?? 0));
    const md5 = (bytes: Uint8Array): Buffer => createHash("md5").update(bytes).digest();
    return Buffer.concat([md5(mixed.subarray(0, 16)), md5(mixed.subarray(16))]).subarray(0, 24);
  }
}

function hash11g(password: string, salt: Buffer): Buffer {
  const digest = createHash("sha1").update(password).update(salt).digest();
  return Buffer.concat([digest, Buffer.alloc(4)]);
}

function hash12c(password: string, salt: Buffer): Buffer {
  const label = Buffer.concat([salt, Buffer.from("AUTH_PBKDF2_SPEEDY_KEY")]);
  const key = pbkdf2Sync(password, label, VERIFIER_ROUNDS, 64, "sha512");
  return createHash("sha512").update(key).update(salt).digest().subarray(0, 32);
}

function encrypt(key: Buffer, bytes: Buffer): Buffer {
  const cipher = createCipheriv(`aes-${key.length * 8}-cbc`, key, Buffer.alloc(16)).setAutoPadding(false);
  return Buffer.concat([cipher.update(bytes), cipher.final()]);
}

function decrypt(key: Buffer, bytes: Buffer): Buffer {
  const decipher = createDecipheriv(`aes-${key.length * 8}-cbc`, key, Buffer.alloc(16)).setAutoPadding(false);
  return Buffer.concat([decipher.update(bytes), decipher.final()]);
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex").toUpperCase();
}
