// Holds an installed version against its signed manifest: the signature, every file's SHA-256, and what should not be there.
import { createHash, createPublicKey, verify, type KeyObject } from "node:crypto";
import { createReadStream, existsSync, readFileSync } from "node:fs";
import { lstat, readdir } from "node:fs/promises";
import { dirname, join, relative, sep } from "node:path";
import { MillraceError, messageOf } from "#common/runtime/errors.ts";

/** A payload has some dozens of files; a folder with more is not looked through further. */
const MAX_FILES = 10_000;
const MAX_MANIFEST_BYTES = 4 * 1024 * 1024;
const OUTSIDE = new Set(["manifest.json", "manifest.json.sig", "signing-key.pem"]);

export interface InstallationCheck {
  readonly version: string;
  readonly platform: string;
  /** Git commit, or `unknown`. */
  readonly builtFrom: string;
  readonly files: number;
  /** Of the key that lies beside the manifest, and of the one that was given: SHA-256 of its DER (SPKI), hex. */
  readonly keyFingerprint: string | undefined;
  /** `other_key`: it fits the key in the folder, and not the one that was given. */
  readonly signature: "good" | "wrong" | "missing" | "other_key";
  /** Whether the signature was held against a key from elsewhere. */
  readonly isKeyGiven: boolean;
  readonly changed: readonly string[];
  readonly missing: readonly string[];
  readonly extra: readonly string[];
  /** `<path>: <why>`: this account may not read them. */
  readonly unreadable: readonly string[];
}

interface Manifest {
  readonly version: string;
  readonly platform: string;
  readonly built_from?: string;
  readonly files: Readonly<Record<string, { readonly sha256: string; readonly bytes: number }>>;
}

/**
 * `signingKeyFile`: PEM of a public key that came another way than the installation; without it, the one in the folder.
 * @throws MillraceError when the manifest or the key given cannot be read
 */
export async function checkInstallation(
  manifestFile: string,
  signingKeyFile: string | undefined,
): Promise<InstallationCheck> {
  const folder = dirname(manifestFile);
  const bytes = readBytes(manifestFile, "the manifest");
  const manifest = parseManifest(bytes, manifestFile);
  const { signature, keyFingerprint } = checkSignature(folder, bytes, signingKeyFile);
  const found = await filesOf(folder);
  const listed = new Set(Object.keys(manifest.files));
  const state = { changed: [] as string[], missing: [] as string[], unreadable: [] as string[] };
  for (const [path, { sha256, bytes: size }] of Object.entries(manifest.files))
    await checkFile(join(folder, path), path, { sha256, size }, state);
  return {
    version: manifest.version,
    platform: manifest.platform,
    builtFrom: manifest.built_from ?? "unknown",
    files: listed.size,
    keyFingerprint,
    signature,
    isKeyGiven: signingKeyFile !== undefined,
    ...state,
    extra: found.filter((path) => !listed.has(path) && !OUTSIDE.has(path)),
  };
}

function readBytes(file: string, what: string): Buffer {
  try {
    const bytes = readFileSync(file);
    if (bytes.length <= MAX_MANIFEST_BYTES) return bytes;
  } catch (error) {
    throw new MillraceError(`${what} ${file} cannot be read: ${messageOf(error)}`, { cause: error });
  }
  throw new MillraceError(`${what} ${file} is larger than ${MAX_MANIFEST_BYTES} bytes`);
}

function parseManifest(bytes: Buffer, file: string): Manifest {
  const fail = (why: string): MillraceError =>
    new MillraceError(`the manifest ${file} is not one of Millrace's: ${why}; install the package again`);
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString("utf8"));
  } catch (error) {
    throw fail(messageOf(error));
  }
  const { version, platform, files } = (value ?? {}) as Partial<Manifest>;
  if (typeof version !== "string" || typeof platform !== "string" || typeof files !== "object")
    throw fail("version, platform or files are missing");
  for (const [path, entry] of Object.entries(files)) {
    const isInside = !path.split(/[/\\]/).includes("..") && !/^([/\\]|[A-Za-z]:)/.test(path);
    if (!isInside) throw fail(`it names ${path}`);
    if (typeof entry?.sha256 !== "string" || typeof entry.bytes !== "number")
      throw fail(`no hash of ${path}`);
  }
  return value as Manifest;
}

function checkSignature(
  folder: string,
  bytes: Buffer,
  signingKeyFile: string | undefined,
): Pick<InstallationCheck, "signature" | "keyFingerprint"> {
  const signatureFile = join(folder, "manifest.json.sig");
  const beside = join(folder, "signing-key.pem");
  const given = signingKeyFile === undefined ? undefined : publicKey(signingKeyFile);
  const own = existsSync(beside) ? readablePublicKey(beside) : undefined;
  const keyFingerprint = own === undefined ? undefined : fingerprint(own);
  if (!existsSync(signatureFile)) return { signature: "missing", keyFingerprint };
  const signed = Buffer.from(readFileSync(signatureFile, "utf8").trim(), "base64");
  const fits = (key: KeyObject | undefined): boolean => key !== undefined && verify(null, bytes, key, signed);
  if (fits(given ?? own)) return { signature: "good", keyFingerprint };
  return { signature: given !== undefined && fits(own) ? "other_key" : "wrong", keyFingerprint };
}

/** @throws MillraceError */
function publicKey(file: string): KeyObject {
  const pem = readBytes(file, "the signing key");
  try {
    const key = createPublicKey(pem);
    if (key.asymmetricKeyType === "ed25519") return key;
  } catch (error) {
    throw new MillraceError(`the signing key ${file} is no public key in PEM: ${messageOf(error)}`, {
      cause: error,
    });
  }
  throw new MillraceError(`the signing key ${file} is of another kind than Ed25519`);
}

function readablePublicKey(file: string): KeyObject | undefined {
  try {
    return publicKey(file);
  } catch {
    return undefined;
  }
}

/** SHA-256 of the key's DER (SPKI), hex: what releases are announced with. */
function fingerprint(key: KeyObject): string {
  return createHash("sha256")
    .update(key.export({ format: "der", type: "spki" }))
    .digest("hex");
}

async function checkFile(
  file: string,
  path: string,
  expected: { readonly sha256: string; readonly size: number },
  state: { changed: string[]; missing: string[]; unreadable: string[] },
): Promise<void> {
  try {
    const stats = await lstat(file);
    // A link could lead to anything, also to something else tomorrow.
    if (!stats.isFile() || stats.size !== expected.size) state.changed.push(path);
    else if ((await sha256Of(file)) !== expected.sha256) state.changed.push(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") state.missing.push(path);
    else state.unreadable.push(`${path}: ${messageOf(error)}`);
  }
}

async function sha256Of(file: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer);
  return hash.digest("hex");
}

async function filesOf(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => !entry.isDirectory())
    .slice(0, MAX_FILES)
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).split(sep).join("/"))
    .toSorted();
}
