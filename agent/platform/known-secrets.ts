// Every secret that this installation knows, so that a text can be searched for them: also when its configuration is wrong.
import { existsSync, readFileSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { parseDocument } from "yaml";
import { asSecretReference, hasSecretName } from "#common/runtime/secret-reference.ts";
import { AgentDatabase } from "./agent-database.ts";
import { PSEUDONYM_KEY_FACT } from "./pseudonyms.ts";
import { secretPlaces } from "./secret-places.ts";
import { MAX_SECRET_BYTES, secretReader } from "./secrets.ts";

/** Files of one folder, at most. */
const MAX_FILES = 1_000;
/** Words that stand in every text; as a secret nobody means them. */
const ORDINARY = /^(?:true|false|yes|no|on|off|none|null|undefined|\d{1,5})$/i;
/** Variables that say where something is. */
const PLACE = /(?:DIRECTORY|FILE|PATH|DIR|SOCK)$/i;
/** `password: what` in a file that is no YAML any more. */
const LINE = /^[\s-]*["']?([\w.-]+)["']?\s*[:=]\s*(.+?)\s*(?:\s#.*)?$/gm;

export interface SecretSources {
  readonly configFile: string;
  readonly dataDir: string;
  readonly env: NodeJS.ProcessEnv;
  /** As the configuration resolved them; none while it is wrong. */
  readonly resolved: readonly string[];
  /** Whether agent.db may be opened: it holds the identity's key. */
  readonly mayOpen: boolean;
}

/** Never throws: what cannot be read here cannot be in a text from here either. */
export function knownSecrets(sources: SecretSources): readonly string[] {
  const { configFile, dataDir, env, resolved } = sources;
  const places = secretPlaces(configFile, dataDir, env);
  const found = [
    ...resolved,
    ...Object.entries(env).flatMap(([name, value = ""]) =>
      hasSecretName(name) && !PLACE.test(name) ? [value] : embeddedSecrets(value),
    ),
    ...folderTexts(env["CREDENTIALS_DIRECTORY"]),
    ...folderTexts(places.plainDir),
    ...configTexts(configFile, secretReader(places, env)),
    ...(sources.mayOpen ? databaseTexts(dataDir) : []),
  ];
  const parts = found.concat(found.flatMap(embeddedSecrets));
  return [...new Set(parts)].filter((text) => text.trim() !== "" && !ORDINARY.test(text.trim()));
}

/** Passwords within connection strings and addresses: they turn up by themselves in a driver's messages. */
export function embeddedSecrets(text: string): readonly string[] {
  const found: string[] = [];
  for (const [, userinfo = ""] of text.matchAll(/:\/\/([^\s/]*)@/g)) {
    const at = userinfo.indexOf(":");
    const password = at === -1 ? userinfo : userinfo.slice(at + 1);
    found.push(password, decoded(password));
  }
  for (const [, braced, quoted, bare = ""] of text.matchAll(
    /(?:password|passwd|pwd|secret|token|key)\s*=\s*(?:\{([^}]*)\}|["']([^"']*)["']|([^\s;,&]+))/gi,
  ))
    found.push(braced ?? quoted ?? bare, decoded(braced ?? quoted ?? bare));
  for (const [, password = ""] of text.matchAll(/\b[\w$#]+\/([^\s/@]+)@/g)) found.push(password);
  return found;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function configTexts(file: string, read: ReturnType<typeof secretReader>): readonly string[] {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch {
    return [];
  }
  const found: string[] = [];
  for (const [, name = "", value = ""] of text.matchAll(LINE))
    if (hasSecretName(name)) found.push(value.replace(/^(["'])(.*)\1$/, "$2"));
  const visit = (value: unknown, name: string): void => {
    const reference = asSecretReference(value);
    if (reference !== undefined) {
      const answer = read(reference);
      if (answer.ok) found.push(answer.value);
    } else if (typeof value === "object" && value !== null)
      for (const [key, inner] of Object.entries(value)) visit(inner, Array.isArray(value) ? name : key);
    else if (typeof value === "string")
      found.push(...(hasSecretName(name) ? [value] : embeddedSecrets(value)));
  };
  try {
    visit(parseDocument(text).toJS(), "");
  } catch {
    // No YAML: the lines have been looked at.
  }
  // References are no secrets themselves.
  return found.filter((one) => asSecretReference(one) === undefined);
}

function folderTexts(folder: string | undefined): readonly string[] {
  if (folder === undefined || !existsSync(folder)) return [];
  try {
    return readdirSync(folder)
      .slice(0, MAX_FILES)
      .flatMap((name) => fileText(join(folder, name)));
  } catch {
    return [];
  }
}

function fileText(file: string): readonly string[] {
  try {
    if (statSync(file).size > MAX_SECRET_BYTES) return [];
    return [readFileSync(file, "utf8").replace(/\r?\n$/, "")];
  } catch {
    return [];
  }
}

function databaseTexts(dataDir: string): readonly string[] {
  try {
    using database = AgentDatabase.openExisting(join(dataDir, "agent.db"));
    const texts = [database?.identity()?.secretKey, database?.fact("agent", PSEUDONYM_KEY_FACT)];
    return texts.filter((text) => text !== undefined);
  } catch {
    return [];
  }
}
