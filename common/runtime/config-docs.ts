// The reference of a configuration file, as Markdown tables made from its schema.
import type { TSchema } from "typebox";
import { describe } from "./config-file.ts";
import type { ConfigNode } from "./config-schema.ts";

/** One section for the top level and one for each nested mapping or list of mappings. */
export function renderConfigReference(schema: TSchema): string {
  const sections: string[] = [];
  renderSection(schema, "", sections);
  return sections.join("\n");
}

function renderSection(node: ConfigNode, path: string, sections: string[]): void {
  const nested: [string, ConfigNode][] = [];
  const rows: string[] = [];
  for (const [name, property] of Object.entries(node.properties ?? {})) {
    const isOptional = node.required?.includes(name) !== true;
    const child = sectionOf(property);
    const childPath = `${path === "" ? "" : `${path}.`}${name}${property.type === "array" ? "[]" : ""}`;
    if (child !== undefined) nested.push([childPath, child]);
    rows.push(
      `| \`${name}\` | ${cell(kindOf(property))} | ${cell(defaultOf(property, isOptional))} | ${cell(property.description ?? "")} |`,
    );
  }
  const title = path === "" ? "Top level" : `\`${path}\``;
  sections.push(
    `## ${title}\n\n| setting | value | default | meaning |\n|---|---|---|---|\n${rows.join("\n")}\n`,
  );
  for (const [childPath, child] of nested) renderSection(child, childPath, sections);
}

function sectionOf(property: ConfigNode): ConfigNode | undefined {
  if (property.properties !== undefined) return property;
  return property.items?.properties === undefined ? undefined : property.items;
}

function kindOf(property: ConfigNode): string {
  if (property.type === "array") {
    if (property.items?.properties !== undefined) return "a list of mappings, see below";
    return `a list of ${describe(property.items ?? {})}`;
  }
  if (property.properties !== undefined) return "a mapping, see below";
  const { minimum, maximum } = property;
  if (property.kind !== "duration" && property.kind !== "size") return describe(property);
  const limits = [
    minimum === undefined ? "" : `at least ${minimum}`,
    maximum === undefined ? "" : `at most ${maximum}`,
  ];
  return [describe(property), ...limits.filter((limit) => limit !== "")].join(", ");
}

function defaultOf(property: ConfigNode, isOptional: boolean): string {
  if (property.defaultText !== undefined) return property.defaultText;
  if (property.properties !== undefined) return "";
  if (property.default === undefined) return isOptional ? "none" : "must be given";
  return `\`${typeof property.default === "string" ? property.default : JSON.stringify(property.default)}\``;
}

function cell(text: string): string {
  return text.replaceAll("|", String.raw`\|`).replaceAll("\n", " ");
}
