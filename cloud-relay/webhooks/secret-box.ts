// Seals what the store keeps but must not show: signing secrets and sensitive headers, under a key beside the store.
import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { link, readFile, stat, unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { messageOf, MillraceError } from "#common/runtime/errors.ts";
import type { SecretBox } from "#relay/core/webhooks/sender.ts";

export const SECRETS_FILE = "relay-secrets.key";
const CIPHER = "aes-256-gcm";
const KEY_BYTES = 32;
/** NIST SP 800-38D: 96 random bits, good for 2^32 texts under one key. */
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
/** Version of the key, one byte, before the nonce. */
const HEAD_BYTES = 1 + NONCE_BYTES;

interface SecretKeys {
  /** The one that seals. */
  readonly current: number;
  /** All that may open, by their version, 1 to 255. */
  readonly keys: ReadonlyMap<number, Buffer>;
}

/**
 * Made at the first start, readable by its owner only. Losing it means new secrets for every endpoint.
 * @throws MillraceError when the file is not usable, or others may read it
 */
export async function openSecretBox(dataDir: string): Promise<SecretBox> {
  const path = join(dataDir, SECRETS_FILE);
  return new FileSecretBox((await readKeys(path)) ?? (await createKeys(path)));
}

/** base64url of key version, nonce, ciphertext, tag; bound to `place` and the key's version. */
class FileSecretBox implements SecretBox {
  readonly #keys: SecretKeys;

  constructor(keys: SecretKeys) {
    this.#keys = keys;
  }

  seal(text: string, place: string): string {
    const { current, keys } = this.#keys;
    const key = keys.get(current);
    if (key === undefined) throw new MillraceError(`sealing failed: there is no key of version ${current}`);
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES });
    cipher.setAAD(boundTo(place, current));
    const sealed = Buffer.concat([cipher.update(text, "utf8"), cipher.final()]);
    return Buffer.concat([Buffer.of(current), nonce, sealed, cipher.getAuthTag()]).toString("base64url");
  }

  open(sealed: string, place: string): string {
    const bytes = Buffer.from(sealed, "base64url");
    const version = bytes[0] ?? 0;
    const key = this.#keys.keys.get(version);
    const advice = `put ${SECRETS_FILE} back as it was when this was stored, or set the value anew`;
    if (key === undefined || bytes.length < HEAD_BYTES + TAG_BYTES)
      throw new MillraceError(`opening ${place} failed: the relay has no key of its version; ${advice}`);
    const tagAt = bytes.length - TAG_BYTES;
    const nonce = bytes.subarray(1, HEAD_BYTES);
    const decipher = createDecipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES });
    decipher.setAAD(boundTo(place, version));
    decipher.setAuthTag(bytes.subarray(tagAt));
    try {
      return Buffer.concat([decipher.update(bytes.subarray(HEAD_BYTES, tagAt)), decipher.final()]).toString();
    } catch (error) {
      throw new MillraceError(
        `opening ${place} failed: it was altered, belongs to another place, or was sealed by another key; ${advice}`,
        { cause: error },
      );
    }
  }
}

function boundTo(place: string, version: number): Buffer {
  return Buffer.from(`millrace secret ${version} ${place}`);
}

async function readKeys(path: string): Promise<SecretKeys | undefined> {
  let text: string;
  try {
    const { mode } = await stat(path);
    if (process.platform !== "win32" && (mode & 0o077) !== 0)
      throw new MillraceError(
        `${path} may be read by other users of this machine; chmod 600 it, and replace the secrets if somebody did`,
      );
    text = await readFile(path, "utf8");
  } catch (error) {
    if (error instanceof MillraceError) throw error;
    if (isCode(error, "ENOENT")) return undefined;
    throw new MillraceError(`reading ${path} failed: ${messageOf(error)}`, { cause: error });
  }
  const keys = parseKeys(text);
  if (keys === undefined)
    throw new MillraceError(
      `${path} is not usable; put it back from a backup: what was sealed with it cannot be read without it`,
    );
  return keys;
}

function parseKeys(text: string): SecretKeys | undefined {
  try {
    const { current, keys } = JSON.parse(text) as { current: number; keys: Record<string, string> };
    const read = new Map<number, Buffer>();
    for (const [version, key] of Object.entries(keys)) read.set(Number(version), Buffer.from(key, "base64"));
    const isSound = [...read].every(
      ([version, key]) =>
        Number.isInteger(version) && version > 0 && version < 256 && key.length === KEY_BYTES,
    );
    return isSound && read.has(current) ? { current, keys: read } : undefined;
  } catch {
    return undefined;
  }
}

/** Written whole beside its place and linked there: whoever comes second takes what the first one made. */
async function createKeys(path: string): Promise<SecretKeys> {
  const key = randomBytes(KEY_BYTES);
  const draft = `${path}.${randomBytes(8).toString("hex")}.tmp`;
  const text = JSON.stringify({ current: 1, keys: { 1: key.toString("base64") } });
  await writeFile(draft, `${text}\n`, { mode: 0o600, flush: true });
  try {
    await link(draft, path);
    return { current: 1, keys: new Map([[1, key]]) };
  } catch (error) {
    const made = isCode(error, "EEXIST") ? await readKeys(path) : undefined;
    if (made !== undefined) return made;
    throw new MillraceError(`writing ${path} failed: ${messageOf(error)}`, { cause: error });
  } finally {
    await unlink(draft);
  }
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}
