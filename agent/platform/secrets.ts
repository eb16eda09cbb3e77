// Reads what a secret reference points to: a file, an environment variable, a secret stored on this machine.
import { readFileSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { messageOf } from "#common/runtime/errors.ts";
import type { SecretReader } from "#common/runtime/secret-reference.ts";
import { isSecretName, type SecretPlaces } from "./secret-places.ts";

/** Secrets are short; a larger file is a mistake. */
export const MAX_SECRET_BYTES = 64 * 1024;
/** POSIX: for the group and for others. */
const NOT_PRIVATE = 0o077;

type Reading = ReturnType<SecretReader>;

/** Relative files start from the configuration's folder. A trailing line break does not belong to a secret. */
export function secretReader(places: SecretPlaces, env: NodeJS.ProcessEnv): SecretReader {
  return ({ scheme, name }) => {
    if (scheme === "env") {
      const value = env[name];
      if (value !== undefined) return { ok: true, value };
      return { ok: false, message: `the environment variable ${name} is not set for this process` };
    }
    if (scheme === "file") return readSecretFile(resolve(places.configDir, name));
    return readCredential(name, places, env);
  };
}

/** What systemd hands over comes first, then what DPAPI protects, then the file that is readable by its owner alone. */
function readCredential(name: string, places: SecretPlaces, env: NodeJS.ProcessEnv): Reading {
  if (!isSecretName(name))
    return {
      ok: false,
      message: `"${name}" cannot be a secret's name: letters, digits, ".", "_" and "-", beginning with a letter or digit`,
    };
  const handedOver = env["CREDENTIALS_DIRECTORY"];
  if (handedOver !== undefined && isThere(join(handedOver, name)))
    return readSecretFile(join(handedOver, name));
  const sealed = join(places.sealedDir, name);
  if (places.unseal !== undefined && isThere(sealed)) return trimmed(places.unseal(sealed));
  const plain = join(places.plainDir, name);
  if (!isThere(plain)) return { ok: false, message: missing(name, places) };
  return readPrivateFile(plain);
}

function missing(name: string, { setCommand, isAdministered }: SecretPlaces): string {
  const restart = isAdministered ? ", then start the service again" : "";
  return `no secret of this name is stored on this machine; store it: ${setCommand(name)}${restart}`;
}

/** Refused while anybody but its owner may read it: then it is no secret any more. */
function readPrivateFile(file: string): Reading {
  const { mode } = statSync(file);
  if (process.platform !== "win32" && (mode & NOT_PRIVATE) !== 0) {
    const shown = (mode & 0o777).toString(8).padStart(4, "0");
    return {
      ok: false,
      message: `${file} may be read by others than its owner (mode ${shown}); make it private, chmod 600 ${file}, and change the secret if somebody may have seen it`,
    };
  }
  return readSecretFile(file);
}

function isThere(file: string): boolean {
  return statSync(file, { throwIfNoEntry: false })?.isFile() === true;
}

function readSecretFile(file: string): Reading {
  try {
    const bytes = readFileSync(file);
    if (bytes.length > MAX_SECRET_BYTES)
      return { ok: false, message: `${file} is larger than ${MAX_SECRET_BYTES} bytes` };
    return trimmed({ ok: true, value: bytes.toString("utf8") });
  } catch (error) {
    return { ok: false, message: messageOf(error) };
  }
}

function trimmed(reading: Reading): Reading {
  return reading.ok ? { ok: true, value: reading.value.replace(/\r?\n$/, "") } : reading;
}
