// What the `secret` command works with: this machine's store, and what the configuration file refers to.
import { dirname, resolve } from "node:path";
import type { SecretDesk } from "#agent/commands/secret.ts";
import { defaultDataDir } from "#agent/platform/config.ts";
import { isSecretName, secretPlaces } from "#agent/platform/secret-places.ts";
import { openSecretStore } from "#agent/platform/secret-store.ts";
import { secretUse } from "#agent/platform/secret-use.ts";

/** Works with a configuration file that is unfinished, or not there yet. @throws MillraceError */
export function openSecretDesk(configFile: string, env: NodeJS.ProcessEnv): SecretDesk {
  const file = resolve(configFile);
  const { dataDir = defaultDataDir(env), references, inline } = secretUse(file);
  const places = secretPlaces(file, resolve(dirname(file), dataDir), env);
  const store = openSecretStore({ places, env });
  const uses = new Map<string, string[]>();
  for (const { scheme, name, path } of references)
    if (scheme === "credential") uses.set(name, [...(uses.get(name) ?? []), path]);
  return {
    list: () => store.list(),
    put: (name, value) => store.put(name, value),
    drop: (name) => store.drop(name),
    isName: isSecretName,
    restart: store.restart,
    uses,
    inline: inline.map(({ path }) => path),
  };
}
