// `expand=vendor,lines.item`: referenced records in the place of their references.
import { didYouMean } from "#common/runtime/nearest-match.ts";
import { referencePaths, splitPaths } from "./field-selection.ts";

/** Paths that one request may expand. */
const MAX_EXPANDED_PATHS = 10;

interface Reference {
  readonly id: string;
  readonly [name: string]: unknown;
}

export function parseExpand(
  entity: string,
  text: string,
  wrong: (detail: string) => void,
): readonly string[] {
  const known = referencePaths(entity);
  const paths = splitPaths(text, wrong);
  if (paths.length > MAX_EXPANDED_PATHS) {
    wrong(`names ${paths.length} references; ${MAX_EXPANDED_PATHS} are possible`);
  }
  for (const path of paths) {
    if (known.includes(path)) continue;
    const hint = didYouMean(path, known) || ` (known: ${known.join(", ") || "none"})`;
    wrong(`${path}: there is no such reference${hint}`);
  }
  return paths;
}

/** Ids of what the paths refer to. */
export function referencedIds(record: unknown, paths: readonly string[]): readonly string[] {
  const ids: string[] = [];
  for (const path of paths)
    replaceAt(record, path.split("."), (reference) => (ids.push(reference.id), reference));
  return ids;
}

/** Puts the records in place, in the record itself; a reference whose record is not there stays as it is. */
export function expandReferences(
  record: unknown,
  paths: readonly string[],
  recordOf: (id: string) => object | undefined,
): void {
  for (const path of paths) {
    replaceAt(record, path.split("."), (reference) => {
      const found = recordOf(reference.id);
      const { id, remote_id: remoteId, display } = reference;
      return found === undefined
        ? reference
        : { id, remote_id: remoteId, ...(display === undefined ? {} : { display }), ...found };
    });
  }
}

function replaceAt(
  value: unknown,
  path: readonly string[],
  replace: (reference: Reference) => unknown,
): void {
  const [name, ...rest] = path;
  if (name === undefined || typeof value !== "object" || value === null) return;
  if (Array.isArray(value)) {
    for (const item of value) replaceAt(item, path, replace);
    return;
  }
  const holder = value as Record<string, unknown>;
  const member = holder[name];
  if (rest.length > 0) replaceAt(member, rest, replace);
  else if (Array.isArray(member)) {
    holder[name] = member.map((item: unknown) => (isReference(item) ? replace(item) : item));
  } else if (isReference(member)) holder[name] = replace(member);
}

function isReference(value: unknown): value is Reference {
  return typeof value === "object" && value !== null && "id" in value && typeof value.id === "string";
}
