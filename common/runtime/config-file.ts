// A configuration document checked against its schema: the value, or every problem at once with its place.
import type { TSchema } from "typebox";
import type { ConfigNode } from "./config-schema.ts";
import type { Issue } from "./errors.ts";
import { didYouMean } from "./nearest-match.ts";
import { asSecretReference, hasSecretName, maskUrlPassword, type SecretReader } from "./secret-reference.ts";
import { MAX_DURATION, parseDuration, parseSize } from "./units.ts";
import type { DocumentPath, YamlDocument } from "./yaml-document.ts";

export type ConfigResult<T> =
  | {
      readonly ok: true;
      /** As the schema's static type says: defaults filled in, durations in ms, sizes in bytes, secrets resolved. */
      readonly value: T;
      /** `path = value` for everything that the file says, secrets masked: the start-up summary. */
      readonly summary: readonly string[];
      /** Every secret's text, for the log's redaction. */
      readonly secrets: readonly string[];
    }
  | { readonly ok: false; readonly issues: readonly Issue[] };

/** Never throws. Unknown keys are problems, with the nearest known one named. */
export function checkConfig<T>(
  document: YamlDocument,
  schema: TSchema,
  readSecret: SecretReader,
): ConfigResult<T> {
  if (document.issues.length > 0) return { ok: false, issues: document.issues };
  const check = new ConfigCheck(document, readSecret);
  const value = check.node(schema, document.value ?? {}, []);
  if (check.issues.length > 0) return { ok: false, issues: check.issues };
  return { ok: true, value: value as T, summary: check.summary, secrets: check.secrets };
}

/** `connections[0].poll`, as issues name it. */
export function formatPath(path: DocumentPath): string {
  let text = "";
  for (const step of path) {
    if (typeof step === "number") text += `[${step}]`;
    else text += text === "" ? step : `.${step}`;
  }
  return text;
}

/** Given by a default: there is no place in the file, and nothing to tell in the summary. */
type Origin = "file" | "default";

class ConfigCheck {
  readonly issues: Issue[] = [];
  readonly summary: string[] = [];
  readonly secrets: string[] = [];
  readonly #document: YamlDocument;
  readonly #readSecret: SecretReader;

  constructor(document: YamlDocument, readSecret: SecretReader) {
    this.#document = document;
    this.#readSecret = readSecret;
  }

  /** The value that a node of the schema makes of what the file holds; after an issue, anything. */
  node(schema: ConfigNode, given: unknown, path: DocumentPath, origin: Origin = "file"): unknown {
    const reference = origin === "file" ? asSecretReference(given) : undefined;
    if (reference !== undefined) return this.#referenced(schema, reference, path);
    if (schema.anyOf !== undefined) return this.#oneOf(schema.anyOf, given, path, origin);
    if (schema.kind === "duration" || schema.kind === "size")
      return this.#quantity(schema, schema.kind, given, path, origin);
    if (schema.type === "object") return this.#object(schema, given, path, origin);
    if (schema.type === "array") return this.#array(schema, given, path, origin);
    if (schema.kind === undefined && schema.type === undefined) return this.#free(given, path);
    return this.#scalar(schema, given, path, origin);
  }

  #problem(path: DocumentPath, message: string, part: "key" | "value" = "value"): undefined {
    const position = this.#document.position(path, part);
    this.issues.push({ path: formatPath(path), message, file: this.#document.file, ...position });
    return undefined;
  }

  #note(path: DocumentPath, value: unknown, origin: Origin, isSecret = false): void {
    if (origin === "default") return;
    const masked = isSecret || path.some((step) => typeof step === "string" && hasSecretName(step));
    this.summary.push(`${formatPath(path)} = ${masked ? "***" : maskUrlPassword(quote(value))}`);
    if (masked && typeof value === "string" && value !== "") this.secrets.push(value);
  }

  #referenced(
    schema: ConfigNode,
    reference: { scheme: "file" | "env" | "credential"; name: string },
    path: DocumentPath,
  ): unknown {
    const read = this.#readSecret(reference);
    const written = `{${reference.scheme}:${reference.name}}`;
    if (!read.ok) return this.#problem(path, `${written} cannot be read: ${read.message}`);
    this.secrets.push(read.value);
    this.summary.push(`${formatPath(path)} = *** from ${written}`);
    if (schema.kind === undefined && schema.type === undefined) return read.value;
    // The text of a secret must not end up in a message, so only whether it fits is told.
    const probe = new ConfigCheck(this.#document, this.#readSecret);
    const isNumber = schema.type === "integer" || schema.type === "number";
    const value = probe.node(schema, isNumber ? Number(read.value) : read.value, path, "default");
    if (probe.issues.length === 0) return value;
    return this.#problem(path, `what ${written} holds does not fit here: expected ${describe(schema)}`);
  }

  #oneOf(choices: readonly ConfigNode[], given: unknown, path: DocumentPath, origin: Origin): unknown {
    const literals = choices.map((choice) => choice.const).filter((value) => value !== undefined);
    if (literals.length === choices.length) {
      const hit = literals.find((literal) => literal === given);
      if (hit === undefined)
        return this.#problem(
          path,
          `expected one of ${literals.join(", ")}, not ${quote(given)}${didYouMean(String(given), literals.map(String))}`,
        );
      this.#note(path, given, origin);
      return hit;
    }
    const choice = choices.find((each) => hasShapeOf(each, given));
    if (choice !== undefined) return this.node(choice, given, path, origin);
    return this.#problem(path, `expected ${choices.map(describe).join(" or ")}, not ${quote(given)}`);
  }

  #quantity(
    schema: ConfigNode,
    kind: "duration" | "size",
    given: unknown,
    path: DocumentPath,
    origin: Origin,
  ): unknown {
    const parse = kind === "duration" ? parseDuration : parseSize;
    const value = typeof given === "string" ? parse(given) : undefined;
    if (value === undefined) {
      const isBare = typeof given === "number" || (typeof given === "string" && /^[\d.]+$/.test(given));
      const hint = isBare ? `; add a unit, e.g. "${given}${kind === "duration" ? "s" : "MiB"}"` : "";
      return this.#problem(path, `expected ${describe(schema)}, not ${quote(given)}${hint}`);
    }
    const minimum = schema.minimum ?? (kind === "duration" ? "1ms" : "1B");
    const maximum = schema.maximum ?? (kind === "duration" ? MAX_DURATION : undefined);
    if (value < (parse(String(minimum)) ?? 0))
      return this.#problem(path, `expected at least ${minimum}, not ${quote(given)}`);
    if (maximum !== undefined && value > (parse(String(maximum)) ?? 0))
      return this.#problem(path, `expected at most ${maximum}, not ${quote(given)}`);
    this.#note(path, given, origin);
    return value;
  }

  #object(schema: ConfigNode, given: unknown, path: DocumentPath, origin: Origin): unknown {
    if (!isRecord(given)) return this.#problem(path, `expected a mapping, not ${quote(given)}`);
    const properties = schema.properties ?? {};
    const wildcard = Object.values(schema.patternProperties ?? {})[0];
    const value: Record<string, unknown> = {};
    for (const [key, part] of Object.entries(given)) {
      const known = Object.hasOwn(properties, key) ? properties[key] : wildcard;
      if (known === undefined) {
        const hint =
          didYouMean(key, Object.keys(properties)) || `; known: ${Object.keys(properties).join(", ")}`;
        this.#problem([...path, key], `unknown setting${hint}`, "key");
      } else if (part !== null) define(value, key, this.node(known, part, [...path, key], origin));
    }
    for (const [key, property] of Object.entries(properties)) {
      if (Object.hasOwn(given, key) && given[key] !== null) continue;
      if (property.default !== undefined)
        define(value, key, this.node(property, property.default, [...path, key], "default"));
      else if (schema.required?.includes(key) === true)
        this.#problem([...path, key], `missing; expected ${describe(property)}`);
    }
    return value;
  }

  #array(schema: ConfigNode, given: unknown, path: DocumentPath, origin: Origin): unknown {
    if (!Array.isArray(given)) return this.#problem(path, `expected a list, not ${quote(given)}`);
    if (schema.maxItems !== undefined && given.length > schema.maxItems)
      this.#problem(path, `expected at most ${schema.maxItems} entries, not ${given.length}`);
    if (schema.minItems !== undefined && given.length < schema.minItems)
      this.#problem(path, `expected at least ${schema.minItems} entries, not ${given.length}`);
    return given.map((part: unknown, index) => this.node(schema.items ?? {}, part, [...path, index], origin));
  }

  /** Settings that another schema checks later: only references are resolved. */
  #free(given: unknown, path: DocumentPath): unknown {
    if (Array.isArray(given))
      return given.map((part: unknown, index) => this.node({}, part, [...path, index]));
    if (!isRecord(given)) {
      this.#note(path, given, "file");
      return given;
    }
    const value: Record<string, unknown> = {};
    for (const [key, part] of Object.entries(given)) define(value, key, this.node({}, part, [...path, key]));
    return value;
  }

  #scalar(schema: ConfigNode, given: unknown, path: DocumentPath, origin: Origin): unknown {
    const problem = scalarProblem(schema, given);
    if (problem !== undefined) {
      const isSecret = schema.kind === "secret";
      return this.#problem(path, isSecret ? `expected ${describe(schema)}` : problem);
    }
    this.#note(path, given, origin, schema.kind === "secret");
    return given;
  }
}

function scalarProblem(schema: ConfigNode, given: unknown): string | undefined {
  const wrong = `expected ${describe(schema)}, not ${quote(given)}`;
  if (schema.const !== undefined) return given === schema.const ? undefined : wrong;
  if (schema.type === "boolean") return typeof given === "boolean" ? undefined : wrong;
  if (schema.type === "integer" || schema.type === "number") {
    const fits = typeof given === "number" && Number.isFinite(given);
    if (!fits || (schema.type === "integer" && !Number.isSafeInteger(given))) return wrong;
    const isBelow = schema.minimum !== undefined && given < Number(schema.minimum);
    const isAbove = schema.maximum !== undefined && given > Number(schema.maximum);
    return isBelow || isAbove || given <= (schema.exclusiveMinimum ?? -Infinity) ? wrong : undefined;
  }
  if (typeof given !== "string") return `${wrong}${typeof given === "number" ? "; put it in quotes" : ""}`;
  if (given.length < (schema.minLength ?? 0)) return wrong;
  if (given.length > (schema.maxLength ?? Infinity)) return `expected at most ${schema.maxLength} characters`;
  if (schema.pattern !== undefined && !new RegExp(schema.pattern, "u").test(given)) return wrong;
  return undefined;
}

/** What a node wants, in words. */
export function describe(schema: ConfigNode): string {
  if (schema.kind === "duration") return "a duration such as 250ms, 30s, 5m, 1h or 1d";
  if (schema.kind === "size") return "a size such as 512KiB, 64MiB or 4GiB";
  if (schema.kind === "secret") return "text, or a reference such as {file:…}, {env:…} or {credential:…}";
  if (schema.anyOf !== undefined) {
    const literals = schema.anyOf.map((choice) => choice.const).filter((value) => value !== undefined);
    if (literals.length === schema.anyOf.length) return `one of ${literals.join(", ")}`;
    return schema.anyOf.map(describe).join(", or ");
  }
  if (schema.type === "integer" || schema.type === "number") {
    const noun = schema.type === "integer" ? "a whole number" : "a number";
    const low =
      schema.minimum ?? (schema.exclusiveMinimum === undefined ? undefined : schema.exclusiveMinimum);
    const above = schema.minimum === undefined && schema.exclusiveMinimum !== undefined ? "above " : "";
    if (low !== undefined && schema.maximum !== undefined)
      return `${noun} from ${above}${low} to ${schema.maximum}`;
    if (low !== undefined) return above === "" ? `${noun} of at least ${low}` : `${noun} above ${low}`;
    return noun;
  }
  if (schema.type === "boolean") return "true or false";
  if (schema.type === "array") return "a list";
  if (schema.type === "object")
    return schema.patternProperties === undefined ? "a mapping" : "a mapping by name";
  if (schema.type === "string")
    return schema.patternText ?? ((schema.minLength ?? 0) > 0 ? "text, not empty" : "text");
  return "a value";
}

/** Enough to tell the alternatives of a union apart. */
function hasShapeOf(schema: ConfigNode, value: unknown): boolean {
  if (isRecord(value)) return schema.type === "object";
  return (schema.type === "array") === Array.isArray(value) && schema.type !== "object";
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Sets a property even if its name is `__proto__`. */
function define(target: Record<string, unknown>, key: string, value: unknown): void {
  if (value === undefined) return;
  Object.defineProperty(target, key, { value, enumerable: true, configurable: true, writable: true });
}

function quote(value: unknown): string {
  const text = JSON.stringify(value) ?? "nothing";
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}
