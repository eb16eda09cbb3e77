// Schemas for readers: one row for each member, those of objects inside beneath it.
import { html, line, table, type Html } from "./html.ts";

export type Json = Readonly<Record<string, unknown>>;

/** A schema by its name: where a reader finds it. */
export type Address = (name: string) => string;

/** Members inside members are shown down to here; named schemas are linked instead. */
const MAX_DEPTH = 4;

export function schemaTable(schema: Json, address: Address): Html {
  const rows = memberRows(schema, address, "", 0);
  if (rows.length === 0) return html`<p>${typeWords(schema, address)}</p>`;
  return table(["Member", "Type", "Meaning"], rows);
}

function memberRows(schema: Json, address: Address, prefix: string, depth: number): readonly Html[] {
  const required = new Set((schema["required"] as readonly string[] | undefined) ?? []);
  return Object.entries(json(schema["properties"])).flatMap(([name, value]) => {
    const member = json(value);
    const path = `${prefix}${name}`;
    const row = html`<tr>
      <td><code>${path}</code>${required.has(name) ? html` <small>always</small>` : undefined}</td>
      <td>${typeWords(member, address)}</td>
      <td>${meaning(member)}</td>
    </tr>`;
    const inner = objectIn(member);
    if (inner === undefined || depth >= MAX_DEPTH) return [row];
    const isList = itemsOf(member) !== undefined;
    return [row].concat(memberRows(inner, address, `${path}${isList ? "[]" : ""}.`, depth + 1));
  });
}

/** `text or null`, `list of SyncRun`, `one of a, b`. */
export function typeWords(schema: Json, address: Address): Html {
  const name = nameOf(schema);
  if (name !== undefined) return html`<a href="${address(name)}">${name}</a>`;
  const branches = branchesOf(schema);
  if (branches.length > 0) return joined(branches.map((branch) => typeWords(branch, address)));
  if (Array.isArray(schema["enum"])) return html`one of ${schema["enum"].map(String).join(", ")}`;
  if ("const" in schema) return html`<code>${JSON.stringify(schema["const"])}</code>`;
  const items = schema["items"];
  if (items !== undefined) return html`list of ${typeWords(json(items), address)}`;
  const { type, examples } = schema;
  if (Array.isArray(examples) && DATE.test(examples.join(" "))) return html`date or timestamp`;
  if (Array.isArray(type)) return html`${type.map(String).join(" or ")}`;
  return html`${typeof type === "string" ? (WORDS[type] ?? type) : "anything"}${bounds(schema)}`;
}

/** The examples of what takes either. */
const DATE = /^\d{4}-\d{2}-\d{2} \d{4}-\d{2}-\d{2}T/;
const WORDS: Readonly<Record<string, string>> = {
  string: "text",
  integer: "whole number",
  boolean: "true or false",
};
/** Bounds as large as these bound nothing that a reader cares for. */
const LONG_TEXT = 500;

function bounds(schema: Json): string {
  const { format, maxLength, minimum, maximum } = schema;
  const words: string[] = [];
  if (format === "uuid" || format === "date-time") words.push(format);
  else if (typeof maxLength === "number" && maxLength < LONG_TEXT)
    words.push(`up to ${maxLength} characters`);
  const isReal = (value: unknown): value is number =>
    typeof value === "number" && Number.isSafeInteger(value);
  if (isReal(minimum) && minimum > Number.MIN_SAFE_INTEGER) words.push(`from ${minimum}`);
  if (isReal(maximum) && maximum < Number.MAX_SAFE_INTEGER) words.push(`to ${maximum}`);
  return words.length === 0 ? "" : ` (${words.join(" ")})`;
}

function meaning(schema: Json): Html {
  const own = schema["description"] ?? branchesOf(schema)[0]?.["description"];
  return typeof own === "string" ? line(own) : html``;
}

function joined(words: readonly Html[]): Html {
  return html`${words.map((word, at) => (at === 0 ? word : html` or ${word}`))}`;
}

/** The object whose members stand in a member of this type, if they are not named elsewhere. */
function objectIn(schema: Json): Json | undefined {
  if (nameOf(schema) !== undefined) return undefined;
  if (schema["properties"] !== undefined) return schema;
  const items = itemsOf(schema);
  if (items !== undefined) return objectIn(items);
  return branchesOf(schema)
    .map(objectIn)
    .find((found) => found !== undefined);
}

function itemsOf(schema: Json): Json | undefined {
  if (schema["items"] !== undefined) return json(schema["items"]);
  return branchesOf(schema)
    .map(itemsOf)
    .find((found) => found !== undefined);
}

function branchesOf(schema: Json): readonly Json[] {
  return (schema["anyOf"] ?? schema["oneOf"] ?? []) as readonly Json[];
}

function nameOf(schema: Json): string | undefined {
  const ref = schema["$ref"];
  return typeof ref === "string" ? ref.split("/").at(-1) : undefined;
}

export function json(value: unknown): Json {
  return typeof value === "object" && value !== null ? (value as Json) : {};
}
