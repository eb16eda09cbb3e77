// Stores secrets bound to this machine: encrypted by systemd-creds or DPAPI, or else as files that only their owner reads.
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { userInfo } from "node:os";
import { MillraceError, messageOf } from "#common/runtime/errors.ts";
import {
  isPackagedUnit,
  isSecretName,
  ownerOf,
  runTool,
  serviceHost,
  type SecretPlaces,
  type Tool,
} from "./secret-places.ts";

/**
 * sealed    only this machine opens it: systemd-creds (its key, or its TPM) or DPAPI
 * root      a file that only root reads; systemd hands it to the service
 * file      a file that only the agent's account reads
 */
export type SecretBinding = "sealed" | "root" | "file";

export interface StoredSecret {
  readonly name: string;
  readonly binding: SecretBinding;
}

export interface SecretStore {
  /** By name. */
  list(): readonly StoredSecret[];
  /** Replaces one of the same name. @throws MillraceError saying what stood in the way; what was there before then stays */
  put(
    name: string,
    value: string,
  ): StoredSecret & { readonly file: string; readonly notes: readonly string[] };
  /** False: there is none. @throws MillraceError */
  drop(name: string): boolean;
  /** What makes the running agent see a change. */
  readonly restart: string;
}

export interface SecretStoreOptions {
  readonly places: SecretPlaces;
  readonly env: NodeJS.ProcessEnv;
  readonly tool?: Tool;
  /** Of the service's unit; another one in tests. */
  readonly dropInDir?: string;
  /** Whether this is the store of a Linux package's service; default: looked at. */
  readonly isUnit?: boolean;
}

const DROP_IN_DIR = "/etc/systemd/system/millrace-agent.service.d";
const DROP_IN = "credentials.conf";
const DROP_IN_HEAD =
  "# Written by `millrace-agent secret`: which secrets systemd hands to the agent.\n[Service]\n";
const PRIVATE_FILE = 0o600;
const PRIVATE_DIR = 0o700;

/** @throws MillraceError when only root may manage this installation's secrets */
export function openSecretStore(options: SecretStoreOptions): SecretStore {
  const { places, env, tool = runTool } = options;
  if (options.isUnit ?? isPackagedUnit(places.configDir)) {
    if (options.isUnit === undefined && userInfo().uid !== 0)
      throw new MillraceError(
        `the service's secrets are root's to manage; run: sudo millrace-agent secret …`,
      );
    return new UnitSecrets(places, options.dropInDir ?? DROP_IN_DIR, tool);
  }
  const host = serviceHost(env);
  return host === undefined ? new FileSecrets(places) : new SealedByHost(places, host, tool);
}

/** Linux packages: systemd decrypts them at the service's start, into a folder that only the service sees. */
class UnitSecrets implements SecretStore {
  readonly restart = "sudo systemctl restart millrace-agent";
  readonly #places: SecretPlaces;
  readonly #dropIn: string;
  readonly #dropInDir: string;
  readonly #tool: Tool;

  constructor(places: SecretPlaces, dropInDir: string, tool: Tool) {
    this.#places = places;
    this.#dropInDir = dropInDir;
    this.#dropIn = join(dropInDir, DROP_IN);
    this.#tool = tool;
  }

  list(): readonly StoredSecret[] {
    const encrypted = this.#lines();
    return namesIn(this.#places.sealedDir).map((name) => ({
      name,
      binding: encrypted.get(name) === false ? "root" : "sealed",
    }));
  }

  put(name: string, value: string): ReturnType<SecretStore["put"]> {
    const sealed = this.#tool("systemd-creds", ["encrypt", `--name=${name}`, "-", "-"], value);
    const isUnknown = !sealed.ok && /ENOENT/.test(sealed.message);
    if (!sealed.ok && !isUnknown)
      throw new MillraceError(`encrypting ${name} failed: ${sealed.message}; nothing was changed`);
    const file = writePrivate(this.#places.sealedDir, name, sealed.ok ? sealed.output : value);
    const lines = this.#lines();
    lines.set(name, sealed.ok);
    const notes = this.#write(lines);
    const binding = sealed.ok ? "sealed" : "root";
    return { name, binding, file, notes };
  }

  drop(name: string): boolean {
    if (!namesIn(this.#places.sealedDir).includes(name)) return false;
    const lines = this.#lines();
    lines.delete(name);
    // First the line: a unit that names a file which is not there does not start.
    this.#write(lines);
    rmSync(join(this.#places.sealedDir, name));
    return true;
  }

  /** By name: whether it is encrypted. */
  #lines(): Map<string, boolean> {
    const text = existsSync(this.#dropIn) ? readFileSync(this.#dropIn, "utf8") : "";
    const found = text.matchAll(/^LoadCredential(Encrypted)?=([^:\n]+):/gm);
    return new Map([...found].map(([, encrypted, name = ""]) => [name, encrypted !== undefined]));
  }

  #write(lines: ReadonlyMap<string, boolean>): readonly string[] {
    const text = [...lines]
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(
        ([name, isEncrypted]) =>
          `LoadCredential${isEncrypted ? "Encrypted" : ""}=${name}:${join(this.#places.sealedDir, name)}\n`,
      );
    mkdirSync(this.#dropInDir, { recursive: true, mode: 0o755 });
    replaceFile(this.#dropIn, DROP_IN_HEAD + text.join(""), 0o644);
    const reloaded = this.#tool("systemctl", ["daemon-reload"], "");
    return reloaded.ok
      ? []
      : [`systemd did not read its units again (${reloaded.message}); run: systemctl daemon-reload`];
  }
}

/** Windows: DPAPI, by the service host. */
class SealedByHost implements SecretStore {
  readonly restart = "millrace-agent service restart";
  readonly #places: SecretPlaces;
  readonly #host: string;
  readonly #tool: Tool;

  constructor(places: SecretPlaces, host: string, tool: Tool) {
    this.#places = places;
    this.#host = host;
    this.#tool = tool;
  }

  list(): readonly StoredSecret[] {
    return namesIn(this.#places.sealedDir).map((name) => ({ name, binding: "sealed" }));
  }

  put(name: string, value: string): ReturnType<SecretStore["put"]> {
    const sealed = this.#tool(this.#host, ["protect"], value);
    if (!sealed.ok)
      throw new MillraceError(`protecting ${name} failed: ${sealed.message}; nothing was changed`);
    const file = writePrivate(this.#places.sealedDir, name, sealed.output);
    return { name, binding: "sealed", file, notes: [] };
  }

  drop(name: string): boolean {
    return dropFrom(this.#places.sealedDir, name);
  }
}

/** Wherever nothing binds them to the machine. */
class FileSecrets implements SecretStore {
  readonly restart = "restart the agent";
  readonly #places: SecretPlaces;

  constructor(places: SecretPlaces) {
    this.#places = places;
  }

  list(): readonly StoredSecret[] {
    return namesIn(this.#places.plainDir).map((name) => ({ name, binding: "file" }));
  }

  put(name: string, value: string): ReturnType<SecretStore["put"]> {
    const file = writePrivate(this.#places.plainDir, name, value);
    const owner = ownerOf(join(this.#places.plainDir, ".."));
    if (owner !== undefined)
      for (const path of [this.#places.plainDir, file]) chownSync(path, owner.uid, owner.gid);
    return { name, binding: "file", file, notes: [] };
  }

  drop(name: string): boolean {
    return dropFrom(this.#places.plainDir, name);
  }
}

function namesIn(folder: string): readonly string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder).filter(isSecretName).toSorted();
}

function dropFrom(folder: string, name: string): boolean {
  const file = join(folder, name);
  if (!isSecretName(name) || !existsSync(file)) return false;
  rmSync(file);
  return true;
}

function writePrivate(folder: string, name: string, content: Uint8Array | string): string {
  const file = join(folder, name);
  try {
    mkdirSync(folder, { recursive: true, mode: PRIVATE_DIR });
    if (process.platform !== "win32") chmodSync(folder, PRIVATE_DIR);
    replaceFile(file, content, PRIVATE_FILE);
    return file;
  } catch (error) {
    throw new MillraceError(
      `storing ${name} in ${folder} failed: ${messageOf(error)}; use the account that the agent runs under, or root`,
      { cause: error },
    );
  }
}

/** Whole or not at all, whatever instant the power goes. Never readable by others, not even for a moment. */
function replaceFile(file: string, content: Uint8Array | string, mode: number): void {
  const fresh = `${file}.new~`;
  rmSync(fresh, { force: true });
  const handle = openSync(fresh, "wx", mode);
  try {
    writeSync(handle, typeof content === "string" ? Buffer.from(content) : content);
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
  if (process.platform !== "win32") chmodSync(fresh, mode);
  renameSync(fresh, file);
}
