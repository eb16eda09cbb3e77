// Reads what a pack says about custom fields: a table's own columns beyond the model, and companion tables full of them.
import type { DocumentPath } from "#common/runtime/yaml-document.ts";
import { didYouMean } from "#common/runtime/nearest-match.ts";
import { wildcard } from "./code-parser.ts";
import type { CustomFieldsSpec } from "./field-spec.ts";
import { show, type PackObject, type PackReader } from "./pack-reader.ts";

/** A lookup whose columns are custom fields. */
export interface Companion {
  readonly lookup: string;
  readonly custom: CustomFieldsSpec;
  /** The child whose rows it belongs to; undefined: the record itself. */
  readonly child: string | undefined;
  /** The companion's column equals the child row's. */
  readonly match: readonly { readonly other: string; readonly own: string }[];
}

/** `rest`, or a list of columns, patterns such as `U_*`, and `rest` for what is not named. */
export function parseCustom(
  reader: PackReader,
  value: unknown,
  path: DocumentPath,
  unified: { readonly hasCustomFields: boolean },
): CustomFieldsSpec | undefined {
  // Empty: a setting that nobody gave.
  if (value === undefined || value === "") return undefined;
  if (!unified.hasCustomFields) return reader.problem(path, "the unified model has no custom fields here");
  if (value === "rest") return { rest: true, columns: [], patterns: [] };
  const names = reader.texts(value, path, "a column, a pattern such as U_*, or the word rest");
  const patterns = names.filter((name) => name.includes("*")).map(wildcard);
  const columns = names.filter((name) => !name.includes("*") && name !== "rest");
  return { rest: names.includes("rest"), columns, patterns };
}

/** Undefined for a lookup that only gives values. */
export function parseCompanion(
  reader: PackReader,
  lookup: { readonly name: string; readonly written: PackObject; readonly path: DocumentPath },
  children: readonly string[],
): Companion | undefined {
  const { name, written, path } = lookup;
  const { into, match } = written;
  const custom = parseCustom(reader, written["custom_fields"], [...path, "custom_fields"], {
    hasCustomFields: true,
  });
  if (custom === undefined) {
    for (const key of ["into", "match"])
      if (written[key] !== undefined)
        reader.problem([...path, key], "only a lookup with custom_fields goes into a child", "key");
    return undefined;
  }
  if (into === undefined) return { lookup: name, custom, child: undefined, match: [] };
  if (typeof into !== "string" || !children.includes(into)) {
    const hint =
      didYouMean(typeof into === "string" ? into : "", children) ||
      `; children: ${children.join(", ") || "none"}`;
    return reader.problem([...path, "into"], `no child is called ${show(into)}${hint}`);
  }
  const pairs = Object.entries(reader.mapping(match ?? {}, [...path, "match"]) ?? {});
  if (pairs.length === 0)
    return reader.problem([...path, "match"], "missing; expected { column here: column of the child's row }");
  return {
    lookup: name,
    custom,
    child: into,
    match: pairs.flatMap(([other, own]) => {
      const text = reader.text(own, [...path, "match", other], "a column");
      return text === undefined ? [] : [{ other, own: text }];
    }),
  };
}
