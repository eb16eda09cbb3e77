// `fields=number,vendor.id`: which members of a record an answer has.
import { didYouMean } from "#common/runtime/nearest-match.ts";
import { bareSchema, ENVELOPE_MEMBERS, fieldAt, recordFields } from "./model-field.ts";

/** True: all that is below. */
export interface FieldTree {
  readonly [name: string]: FieldTree | true;
}

/** Paths in one list. */
const MAX_PATHS = 100;
const ALWAYS = ["id", "revision"];
/** Members of a record that are neither the source's nor the envelope's. */
const ADDED = ["last_value", "raw", "provenance", "freshness"];

/** Paths as they were written, in order; what is wrong with them goes to `wrong`. */
export function splitPaths(text: string, wrong: (detail: string) => void): readonly string[] {
  const paths = text.split(",").map((path) => path.trim());
  if (paths.length > MAX_PATHS) wrong(`has ${paths.length} fields; ${MAX_PATHS} are possible`);
  if (paths.includes(""))
    wrong("has an empty name; write names separated by commas: number,status,vendor.id");
  return paths.filter((path) => path !== "").slice(0, MAX_PATHS);
}

/** `expanded`: paths of references that stand for whole records, below which any name may be. */
export function parseFields(
  entity: string,
  text: string,
  expanded: readonly string[],
  wrong: (detail: string) => void,
): FieldTree {
  const fields = recordFields(entity);
  const envelope = new Set<string>([...ENVELOPE_MEMBERS, ...ADDED]);
  const tree: MutableTree = {};
  for (const name of ALWAYS) tree[name] = true;
  for (const path of splitPaths(text, wrong)) {
    const names = path.split(".");
    const isFree = expanded.some((prefix) => path.startsWith(`${prefix}.`));
    const found = isFree || envelope.has(path) ? undefined : fieldAt(fields, names);
    if (found !== undefined && "unknown" in found)
      wrong(unknownPath(path, found, envelope) + behindReference(entity, path));
    else plant(tree, names);
  }
  return tree;
}

/** `vendor.name`: a member of a record that is only referred to. */
function behindReference(entity: string, path: string): string {
  const reference = referencePaths(entity).find((prefix) => path.startsWith(`${prefix}.`));
  if (reference === undefined) return "";
  return `; with expand=${reference} it is the whole record, and any of its fields can be named`;
}

function unknownPath(
  path: string,
  { unknown, known }: { readonly unknown: string; readonly known: readonly string[] },
  more: Iterable<string> = [],
): string {
  const names = [...known, ...more];
  const hint = didYouMean(unknown, names) || ` (known: ${names.slice(0, 30).join(", ")})`;
  return `${path}: there is no ${unknown}${hint}`;
}

/** The value with the members of the tree only; lists item by item. */
export function selectFields(value: unknown, tree: FieldTree | true): unknown {
  if (tree === true || typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map((item) => selectFields(item, tree));
  const selected: Record<string, unknown> = {};
  for (const [name, member] of Object.entries(value)) {
    const below = Object.hasOwn(tree, name) ? tree[name] : undefined;
    if (below !== undefined) selected[name] = selectFields(member, below);
  }
  return selected;
}

/** Paths to the references of an entity, also within lists: what `expand` can name. */
export function referencePaths(entity: string): readonly string[] {
  const paths: string[] = [];
  const walk = (fields: ReturnType<typeof recordFields>, before: string): void => {
    for (const [name, schema] of Object.entries(fields)) {
      const bare = bareSchema(schema);
      const inner = bare.items === undefined ? bare : bareSchema(bare.items);
      const { properties } = inner;
      if (properties === undefined) continue;
      if ("id" in properties && "remote_id" in properties) paths.push(before + name);
      else walk(properties, `${before}${name}.`);
    }
  };
  walk(recordFields(entity), "");
  return paths;
}

interface MutableTree {
  [name: string]: MutableTree | true;
}

function plant(tree: MutableTree, [name = "", ...rest]: readonly string[]): void {
  const below = Object.hasOwn(tree, name) ? tree[name] : undefined;
  if (below === true) return;
  if (rest.length === 0) {
    tree[name] = true;
    return;
  }
  const next: MutableTree = below ?? {};
  tree[name] = next;
  plant(next, rest);
}
