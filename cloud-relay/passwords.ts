// Hashes passwords with scrypt (RFC 7914), as the core asks for it.
import { randomBytes, scrypt, timingSafeEqual, type ScryptOptions } from "node:crypto";
import { promisify } from "node:util";
import type { PasswordHasher } from "./core/users/users.ts";

const derive = promisify<string, Uint8Array, number, ScryptOptions, Buffer>(scrypt);

/** OWASP's advice for scrypt: N = 2^16, r = 8, p = 2; 64 MiB a password. */
const COST = { N: 2 ** 16, r: 8, p: 2 };
const MAX_MEMORY_BYTES = 192 * 1024 * 1024;
const SALT_BYTES = 16;
const KEY_BYTES = 32;
/** Beyond them sign-ins wait: each takes memory and one of the few threads. */
const MAX_AT_ONCE = 2;
const FORMAT = /^scrypt\$(\d{1,8})\$(\d{1,3})\$(\d{1,3})\$([A-Za-z0-9_-]+)\$([A-Za-z0-9_-]+)$/;

export class ScryptPasswords implements PasswordHasher {
  readonly #cost: typeof COST;
  readonly #decoy: Promise<string>;
  readonly #waiting: (() => void)[] = [];
  #underWay = 0;

  constructor(cost: typeof COST = COST) {
    this.#cost = cost;
    this.#decoy = this.hash(randomBytes(SALT_BYTES).toString("hex"));
    // Who asks for it hears of it.
    this.#decoy.catch(() => {});
  }

  async hash(password: string): Promise<string> {
    const { N, r, p } = this.#cost;
    const salt = randomBytes(SALT_BYTES);
    const key = await this.#derive(password, salt, this.#cost);
    return `scrypt$${N}$${r}$${p}$${salt.toString("base64url")}$${key.toString("base64url")}`;
  }

  async verify(password: string, hash: string | undefined): Promise<boolean> {
    const match = FORMAT.exec(hash ?? (await this.#decoy));
    if (match === null) return false;
    const [, N, r, p, salt = "", wanted = ""] = match;
    const cost = { N: Number(N), r: Number(r), p: Number(p) };
    const key = await this.#derive(password, Buffer.from(salt, "base64url"), cost);
    const expected = Buffer.from(wanted, "base64url");
    return key.length === expected.length && timingSafeEqual(key, expected) && hash !== undefined;
  }

  async #derive(password: string, salt: Uint8Array, cost: typeof COST): Promise<Buffer> {
    if (this.#underWay >= MAX_AT_ONCE) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#underWay += 1;
    try {
      return await derive(password.normalize("NFKC"), salt, KEY_BYTES, { ...cost, maxmem: MAX_MEMORY_BYTES });
    } finally {
      // The place goes to whoever waits longest.
      const next = this.#waiting.shift();
      if (next === undefined) this.#underWay -= 1;
      else next();
    }
  }
}
