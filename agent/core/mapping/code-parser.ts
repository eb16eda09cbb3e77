// Reads the tables that turn a source's codes into the model's enumerations.
import { didYouMean } from "#common/runtime/nearest-match.ts";
import type { DocumentPath } from "#common/runtime/yaml-document.ts";
import { show, type PackObject, type PackReader } from "./pack-reader.ts";

/** The pack's named code tables, as written, under `codes`. */
export type CodeLists = ReadonlyMap<string, PackObject>;

export interface Codes {
  readonly codes: ReadonlyMap<string, string>;
  readonly patterns: readonly { readonly test: RegExp; readonly value: string }[];
}

/** A table given in place, or the name of one under `codes`. Every value must be one that the model lists. */
export function parseCodes(
  reader: PackReader,
  lists: CodeLists,
  value: unknown,
  path: DocumentPath,
  values: readonly string[],
): Codes | undefined {
  if (typeof value === "string") {
    const list = lists.get(value);
    if (list !== undefined) return readCodes(reader, list, ["codes", value], values);
    return reader.problem(path, `no table of this name under codes${didYouMean(value, lists.keys())}`);
  }
  if (value === undefined)
    return reader.problem(path, `missing; expected a table of codes, e.g. { APPR: ${values[0] ?? "…"} }`);
  const table = reader.mapping(value, path);
  return table && readCodes(reader, table, path, values);
}

function readCodes(
  reader: PackReader,
  table: PackObject,
  path: DocumentPath,
  values: readonly string[],
): Codes {
  const codes = new Map<string, string>();
  const patterns: { test: RegExp; value: string }[] = [];
  for (const [code, meaning] of Object.entries(table)) {
    if (typeof meaning !== "string" || !values.includes(meaning)) {
      const hint = didYouMean(String(meaning), values) || `; known: ${values.join(", ")}`;
      reader.problem([...path, code], `the model has no value ${show(meaning)} here${hint}`);
    } else if (code.includes("*")) patterns.push({ test: wildcard(code), value: meaning });
    else codes.set(code, meaning);
  }
  return { codes, patterns };
}

/** `U_*` as a pattern over the whole text; `*` stands for anything, also for nothing. */
export function wildcard(text: string): RegExp {
  const escaped = text.replaceAll(/[.+?^${}()|[\]\\]/g, String.raw`\$&`);
  return new RegExp(`^${escaped.replaceAll("*", ".*")}$`, "su");
}
