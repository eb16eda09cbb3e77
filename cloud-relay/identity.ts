// The relay's identity key: made at the first start, kept in a file that only its owner may read.
import { link, readFile, unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { generateIdentityKey, loadIdentityKey, type IdentityKey } from "#common/contract/identity-key.ts";
import { messageOf, MillraceError } from "#common/runtime/errors.ts";

export const IDENTITY_FILE = "relay-identity.json";

/**
 * Agents pin this key when they enrol: losing it means enrolling every agent again. Several processes may start at
 * once; all get the same key. @throws MillraceError when the file exists and is not usable
 */
export async function openIdentity(dataDir: string): Promise<IdentityKey> {
  const path = join(dataDir, IDENTITY_FILE);
  return (await readIdentity(path)) ?? (await createIdentity(path));
}

async function readIdentity(path: string): Promise<IdentityKey | undefined> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if (isCode(error, "ENOENT")) return undefined;
    throw new MillraceError(`reading the relay's identity ${path} failed: ${messageOf(error)}`, {
      cause: error,
    });
  }
  try {
    const { secret } = JSON.parse(text) as { secret?: unknown };
    return loadIdentityKey(typeof secret === "string" ? secret : "");
  } catch (error) {
    const advice = "put the file back from a backup; without it every agent must enrol again";
    throw new MillraceError(`the relay's identity ${path} is not usable (${messageOf(error)}): ${advice}`, {
      cause: error,
    });
  }
}

/** Written whole beside its place and linked there: whoever comes second takes what the first one made. */
async function createIdentity(path: string): Promise<IdentityKey> {
  const key = generateIdentityKey();
  const draft = `${path}.${process.pid}.tmp`;
  const text = JSON.stringify(
    { version: 1, public_key: key.publicKey, secret: key.exportSecret() },
    undefined,
    2,
  );
  await writeFile(draft, `${text}\n`, { mode: 0o600, flush: true });
  try {
    await link(draft, path);
    return key;
  } catch (error) {
    const made = isCode(error, "EEXIST") ? await readIdentity(path) : undefined;
    if (made !== undefined) return made;
    throw new MillraceError(`writing the relay's identity ${path} failed: ${messageOf(error)}`, {
      cause: error,
    });
  } finally {
    await unlink(draft);
  }
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}
