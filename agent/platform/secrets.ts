// Reads what a secret reference points to: a file, an environment variable, a systemd credential.
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { messageOf } from "#common/runtime/errors.ts";
import type { SecretReader } from "#common/runtime/secret-reference.ts";

/** Secrets are short; a larger file is a mistake. */
const MAX_SECRET_BYTES = 64 * 1024;

/** Relative files start from `baseDir`. A trailing line break does not belong to a secret. */
export function secretReader(baseDir: string, env: NodeJS.ProcessEnv): SecretReader {
  return ({ scheme, name }) => {
    if (scheme === "env") {
      const value = env[name];
      if (value !== undefined) return { ok: true, value };
      return { ok: false, message: `the environment variable ${name} is not set for this process` };
    }
    if (scheme === "file") return readSecretFile(resolve(baseDir, name));
    const folder = env["CREDENTIALS_DIRECTORY"];
    if (folder === undefined)
      return {
        ok: false,
        message: "CREDENTIALS_DIRECTORY is not set; systemd sets it for units with LoadCredential=",
      };
    if (/[/\\]/.test(name)) return { ok: false, message: "a credential's name holds no slashes" };
    return readSecretFile(join(folder, name));
  };
}

function readSecretFile(file: string): ReturnType<SecretReader> {
  try {
    const bytes = readFileSync(file);
    if (bytes.length > MAX_SECRET_BYTES)
      return { ok: false, message: `${file} is larger than ${MAX_SECRET_BYTES} bytes` };
    return { ok: true, value: bytes.toString("utf8").replace(/\r?\n$/, "") };
  } catch (error) {
    return { ok: false, message: messageOf(error) };
  }
}
