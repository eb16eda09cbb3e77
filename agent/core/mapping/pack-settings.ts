// What one installation says about a pack: its database's variant, and values for the pack's `{placeholders}`.
import type { ConnectionSettingsDocument } from "#common/contract/settings.ts";
import { didYouMean } from "#common/runtime/nearest-match.ts";
import type { DocumentPath } from "#common/runtime/yaml-document.ts";
import { PackReader, show, type Locate, type PackObject } from "./pack-reader.ts";

/** Settings that every pack has: where its tables are, and which of its entities are wanted. */
const COMMON_SETTINGS = ["schema", "entities"];
/** Levels of a document; an alias that holds itself has no end. */
const MAX_DEPTH = 32;
const PLACEHOLDER = /\{([a-z][a-z0-9_]*)\}/g;

export interface Installation {
  /** The connector's type; undefined: the pack as it is, without any variant. */
  readonly connector: string | undefined;
  /** `pack_settings` of the connection. Undefined: nobody says anything, examples stand for what is required. */
  readonly settings: PackObject | undefined;
  /** What the relay has set on top; judged already. */
  readonly overlay?: ConnectionSettingsDocument | undefined;
}

export const NO_INSTALLATION: Installation = { connector: undefined, settings: undefined };

export interface InstalledPack {
  /** The document with its variant merged in and its placeholders filled. */
  readonly document: PackObject;
  /** Names of the entities that are wanted; undefined: all. */
  readonly entities: readonly string[] | undefined;
  readonly reader: PackReader;
}

/** Undefined only if the document is no mapping at all; otherwise look at `reader.issues`. */
export function installPack(
  document: unknown,
  installation: Installation,
  locate: Locate,
): InstalledPack | undefined {
  const { connector } = installation;
  // What a variant says stands in the variant's part of the file.
  const variantPath = ["variants", connector ?? ""];
  const reader = new PackReader((path, part) =>
    locate(hasPath(document, [...variantPath, ...path]) ? [...variantPath, ...path] : path, part),
  );
  const written = reader.mapping(document, []);
  if (written === undefined) {
    return undefined;
  }
  const { variants, settings: declared, ...base } = written;
  const known = reader.mapping(variants ?? {}, ["variants"]) ?? {};
  for (const [name, variant] of Object.entries(known))
    reader.object(variant, ["variants", name], ["defaults", "entities"]);
  const variant = connector === undefined ? undefined : known[connector];
  const merged = variant === undefined ? base : (merge(base, variant) as PackObject);
  const { values, entities } = readSettings(reader, declared, installation.settings);
  const filled = fill(reader, merged, values, []) as PackObject;
  const schema = installation.settings?.["schema"];
  if (schema === undefined) return { document: filled, entities, reader };
  return { document: merge(filled, { defaults: { schema } }) as PackObject, entities, reader };
}

/** Mappings member by member; everything else is replaced. */
function merge(base: unknown, over: unknown): unknown {
  if (!isMapping(base) || !isMapping(over)) return over;
  const merged: Record<string, unknown> = { ...base };
  for (const [name, value] of Object.entries(over))
    merged[name] = name in base ? merge(base[name], value) : value;
  return merged;
}

interface SettingValues {
  readonly values: ReadonlyMap<string, string>;
  readonly entities: readonly string[] | undefined;
}

/** `settings: { client: { description: …, example: "100", required: true, default: … } }`. */
function readSettings(reader: PackReader, declared: unknown, given: PackObject | undefined): SettingValues {
  const known = reader.mapping(declared ?? {}, ["settings"]) ?? {};
  const values = new Map<string, string>();
  for (const [name, value] of Object.entries(known)) {
    const path = ["settings", name];
    if (COMMON_SETTINGS.includes(name)) reader.problem(path, "every pack has this setting already", "key");
    const setting = reader.object(value, path, ["description", "example", "required", "default"]) ?? {};
    const what = reader.text(setting["description"], [...path, "description"], "what the setting is for");
    const example = reader.text(setting["example"], [...path, "example"], "an example") ?? "";
    const isRequired = reader.flag(setting["required"], [...path, "required"]);
    const own = given?.[name];
    if (own === undefined && isRequired && given !== undefined)
      reader.problem(
        ["pack_settings", name],
        `missing: ${what ?? ""}; add it to the connection, e.g. pack_settings: { ${name}: "${example}" }`,
      );
    const fallback = isRequired ? example : (setting["default"] ?? "");
    values.set(name, textOf(reader, own ?? fallback, name));
  }
  for (const name of Object.keys(given ?? {})) {
    const all = [...COMMON_SETTINGS, ...values.keys()];
    if (!all.includes(name))
      reader.problem(
        ["pack_settings", name],
        `the pack has no such setting${didYouMean(name, all) || `; it has ${all.join(", ")}`}`,
      );
  }
  const entities = given?.["entities"];
  return {
    values,
    entities:
      entities === undefined ? undefined : reader.texts(entities, ["pack_settings", "entities"], "an entity"),
  };
}

function textOf(reader: PackReader, value: unknown, name: string): string {
  if (typeof value === "string") return value;
  if (typeof value === "number") return String(value);
  reader.problem(["pack_settings", name], `expected text, not ${show(value)}`);
  return "";
}

/** Replaces placeholders in every text, codes and names included; keys stay as they are. */
function fill(
  reader: PackReader,
  value: unknown,
  values: ReadonlyMap<string, string>,
  path: DocumentPath,
): unknown {
  if (path.length > MAX_DEPTH) return reader.problem(path, `nested deeper than ${MAX_DEPTH} levels`);
  if (typeof value === "string") {
    return value.replaceAll(PLACEHOLDER, (whole, name: string) => {
      const text = values.get(name);
      if (text === undefined)
        reader.problem(path, `no setting is called ${name}${didYouMean(name, values.keys())}`);
      return text ?? whole;
    });
  }
  if (Array.isArray(value))
    return value.map((part: unknown, at) => fill(reader, part, values, [...path, at]));
  if (!isMapping(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, part]) => [name, fill(reader, part, values, [...path, name])]),
  );
}

function hasPath(document: unknown, path: DocumentPath): boolean {
  let part = document;
  for (const step of path) {
    if (typeof part !== "object" || part === null || !(step in part)) return false;
    part = (part as Record<string, unknown>)[step];
  }
  return true;
}

function isMapping(value: unknown): value is PackObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
