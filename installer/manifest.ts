// The signed list of everything in a payload, and the key that signs it.
import { createPrivateKey, createPublicKey, generateKeyPairSync, sign, type KeyObject } from "node:crypto";
import { readFileSync } from "node:fs";
import { readdir, stat, writeFile } from "node:fs/promises";
import { join, relative, sep } from "node:path";
import { messageOf } from "#common/runtime/errors.ts";
import { BuildError } from "./build-error.ts";
import type { Platform, Product } from "./platforms.ts";
import { sha256OfFile } from "./runtime.ts";

const MANIFEST = "manifest.json";
const SIGNATURE = "manifest.json.sig";
const PUBLIC_KEY = "signing-key.pem";

export interface Manifest {
  readonly product: Product;
  readonly version: string;
  readonly platform: Platform;
  /** The commit, or `unknown`. */
  readonly built_from: string;
  /** By path in the folder, with `/`; sorted. */
  readonly files: Readonly<Record<string, { readonly sha256: string; readonly bytes: number }>>;
}

export interface SigningKey {
  readonly privateKey: KeyObject;
  /** False for one that was made for this run: whoever gets the packages cannot know it. */
  readonly isRelease: boolean;
}

/** @throws BuildError when the file that `MILLRACE_SIGNING_KEY_FILE` names is no Ed25519 key */
export function signingKey(env: NodeJS.ProcessEnv = process.env): SigningKey {
  const file = env["MILLRACE_SIGNING_KEY_FILE"];
  if (file === undefined || file === "") {
    keyOfThisRun ??= generateKeyPairSync("ed25519").privateKey;
    return { privateKey: keyOfThisRun, isRelease: false };
  }
  return { privateKey: readKey(file), isRelease: true };
}

/** All packages of one run bear one key. */
let keyOfThisRun: KeyObject | undefined;

function readKey(file: string): KeyObject {
  const ask = "MILLRACE_SIGNING_KEY_FILE must name an Ed25519 key in PKCS#8 PEM";
  try {
    const key = createPrivateKey(readFileSync(file));
    if (key.asymmetricKeyType === "ed25519") return key;
  } catch (error) {
    throw new BuildError(`${ask}; ${file} could not be read: ${messageOf(error)}`, { cause: error });
  }
  throw new BuildError(`${ask}; ${file} holds another kind of key`);
}

/** Lists and signs what is in the folder now. Returns the manifest's path. */
export async function writeManifest(
  folder: string,
  about: Omit<Manifest, "files">,
  { privateKey }: SigningKey,
): Promise<string> {
  const files: Record<string, { sha256: string; bytes: number }> = {};
  for (const path of await filesOf(folder)) {
    if ([MANIFEST, SIGNATURE, PUBLIC_KEY].includes(path)) continue;
    const file = join(folder, path);
    files[path] = { sha256: await sha256OfFile(file), bytes: (await stat(file)).size };
  }
  const bytes = Buffer.from(`${JSON.stringify({ ...about, files } satisfies Manifest, null, 2)}\n`);
  const publicKey = createPublicKey(privateKey).export({ type: "spki", format: "pem" });
  await writeFile(join(folder, MANIFEST), bytes, { mode: 0o644 });
  await writeFile(join(folder, SIGNATURE), `${sign(null, bytes, privateKey).toString("base64")}\n`, {
    mode: 0o644,
  });
  await writeFile(join(folder, PUBLIC_KEY), publicKey, { mode: 0o644 });
  return join(folder, MANIFEST);
}

/** Paths of all files in it with `/`, sorted by code units. */
export async function filesOf(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).split(sep).join("/"))
    .sort();
}
