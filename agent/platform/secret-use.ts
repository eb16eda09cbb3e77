// Which settings of the configuration file are secrets: those that refer to one, and those that stand there as plain text.
import { existsSync, readFileSync } from "node:fs";
import { LineCounter, parseDocument } from "yaml";
import { formatPath } from "#common/runtime/config-file.ts";
import { asSecretReference, hasSecretName, type SecretReference } from "#common/runtime/secret-reference.ts";
import { readYamlDocument, type DocumentPath } from "#common/runtime/yaml-document.ts";

export interface SecretUse {
  /** As the file has it; undefined: the usual place. */
  readonly dataDir: string | undefined;
  readonly references: readonly (SecretReference & { readonly path: string })[];
  /** Paths of settings whose text is the secret itself. */
  readonly inline: readonly { readonly path: string; readonly line: number | undefined }[];
}

const NOTHING: SecretUse = { dataDir: undefined, references: [], inline: [] };
/** Names that end like this say where something is, not what it is. */
const PLACE = /(?:file|path|dir|name|user|url|id)$/i;

/** Reads no secret; a file that cannot be read or is no YAML uses none. */
export function secretUse(configFile: string): SecretUse {
  return existsSync(configFile) ? secretUseOf(readFileSync(configFile, "utf8"), configFile) : NOTHING;
}

export function secretUseOf(text: string, file: string): SecretUse {
  const document = readYamlDocument({ LineCounter, parseDocument }, text, file);
  if (document.issues.length > 0 || !isRecord(document.value)) return NOTHING;
  const references: (SecretReference & { path: string })[] = [];
  const inline: { path: string; line: number | undefined }[] = [];
  const visit = (value: unknown, path: DocumentPath): void => {
    const reference = asSecretReference(value);
    if (reference !== undefined) references.push({ ...reference, path: formatPath(path) });
    else if (Array.isArray(value)) for (const [index, part] of value.entries()) visit(part, [...path, index]);
    else if (isRecord(value)) for (const [key, part] of Object.entries(value)) visit(part, [...path, key]);
    else if (isPlainSecret(value, path.at(-1)))
      inline.push({ path: formatPath(path), line: document.position(path, "value")?.line });
  };
  visit(document.value, []);
  const dataDir = document.value["data_dir"];
  const isPlain = typeof dataDir === "string" && asSecretReference(dataDir) === undefined;
  return { dataDir: isPlain ? dataDir : undefined, references, inline };
}

function isPlainSecret(value: unknown, name: string | number | undefined): boolean {
  if (typeof name !== "string" || typeof value !== "string" || value === "") return false;
  return hasSecretName(name) && !PLACE.test(name);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
