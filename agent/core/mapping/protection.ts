// Fields that leave the plant only masked or under a pseudonym: which they are, and what is written in their place.
import { ENTITIES, ENTITY_NAMES } from "#common/contract/model/entities.ts";
import { PERSONAL } from "#common/contract/model/fields.ts";
import type { Issue } from "#common/runtime/errors.ts";
import { didYouMean } from "#common/runtime/nearest-match.ts";
import { BadValue } from "./bad-value.ts";
import type { Writer } from "./field-writer.ts";
import { unifiedFields, type FieldKind, type UnifiedFields } from "./unified-fields.ts";

/** Fields as `entity.field`, those of lists as `vendor.contacts.name`; a name also covers what is below it. */
export interface Protection {
  /** Null in their place. */
  readonly mask: readonly string[];
  /** `p_` and a keyed hash in their place: equal values have equal pseudonyms, in every field and entity. */
  readonly pseudonymise: readonly string[];
}

export interface FieldProtection extends Protection {
  /** The same for the same text, and not to be turned back without the plant's key. */
  readonly pseudonym: (text: string) => string;
}

export type ProtectedAs = "masked" | "pseudonymised";

export const UNPROTECTED: Protection = { mask: [], pseudonymise: [] };

/** Every field of the model that names people, as `entity.field`. */
export function personalFields(): readonly string[] {
  return ENTITY_NAMES.flatMap((entity) => personalIn(ENTITIES[entity].schema, entity));
}

/** Of what the plant's file says; what it protects by name is never released. */
export function effectiveProtection(file: {
  readonly mask: readonly string[];
  readonly pseudonymise: readonly string[];
  readonly release: readonly string[];
  readonly releasePersonal: boolean;
}): Protection {
  const { mask, pseudonymise, release, releasePersonal } = file;
  const personal = releasePersonal
    ? []
    : personalFields().filter((field) => !isWithin(field, release) && !isWithin(field, pseudonymise));
  return { mask, pseudonymise: [...pseudonymise, ...personal] };
}

export function protectedAs(
  { mask, pseudonymise }: Protection,
  entity: string,
  path: string,
): ProtectedAs | undefined {
  const name = `${entity}.${path}`;
  // The source's own word for an enumeration says the same.
  const plain = name.replace(/\.native_([^.]+)$/, ".$1");
  const isIn = (names: readonly string[]): boolean => isWithin(name, names) || isWithin(plain, names);
  if (isIn(mask)) return "masked";
  return isIn(pseudonymise) ? "pseudonymised" : undefined;
}

/** What of a protection concerns one entity: another one makes other records of it. */
export function protectionPart({ mask, pseudonymise }: Protection, entity: string): readonly string[] {
  const own = (names: readonly string[]): readonly string[] =>
    names.filter((name) => name.startsWith(`${entity}.`)).toSorted();
  return [
    ...own(mask).map((name) => `mask ${name}`),
    ...own(pseudonymise).map((name) => `pseudonym ${name}`),
  ];
}

export function protectedWriter(
  as: ProtectedAs,
  write: Writer,
  path: string,
  pseudonym: (text: string) => string,
): Writer {
  // Not even read: a value that does not fit would be quoted in the reason.
  if (as === "masked") return () => "null";
  return (row, scope) => {
    const text = quietly(() => write(row, scope), path);
    return text === undefined || text === "null" ? text : pseudonymised(text, pseudonym);
  };
}

function quietly<T>(write: () => T, path: string): T {
  try {
    return write();
  } catch (error) {
    if (!(error instanceof BadValue)) throw error;
    throw new BadValue(
      error.code,
      `${path}: the value does not fit; it is not shown, since it stays in the plant`,
    );
  }
}

/** Of a text, of each text of a list, and of a reference's words; the reference's id stays, so that it still leads there. */
function pseudonymised(json: string, pseudonym: (text: string) => string): string {
  const value = JSON.parse(json) as unknown;
  if (Array.isArray(value))
    return JSON.stringify(value.map((one) => (typeof one === "string" ? pseudonym(one) : null)));
  if (typeof value === "object" && value !== null)
    return JSON.stringify(
      Object.fromEntries(
        Object.entries(value).map(([name, part]) => [
          name,
          typeof part === "string" && name !== "id" ? pseudonym(part) : part,
        ]),
      ),
    );
  return typeof value === "string" ? JSON.stringify(pseudonym(value)) : "null";
}

/** Names that no field has: mistyped, they would protect nothing. Only texts and references can have pseudonyms. */
export function protectionIssues(
  part: "mask" | "pseudonymise" | "release",
  names: readonly string[],
): readonly Issue[] {
  const kinds = new Map<string, FieldKind>();
  for (const entity of ENTITY_NAMES) addKinds(kinds, entity, unifiedFields(entity));
  return names.flatMap((name, at) => {
    const kind = kinds.get(name);
    const path = `[${at}]`;
    if (kind === undefined)
      return [{ path, message: `the unified model has no field ${name}${didYouMean(name, kinds.keys())}` }];
    if (part !== "pseudonymise" || isText(kind)) return [];
    return [{ path, message: `${name} is no text; mask or hide it` }];
  });
}

function isText(kind: FieldKind): boolean {
  return kind.kind === "list" ? isText(kind.item) : kind.kind === "text" || kind.kind === "reference";
}

function addKinds(into: Map<string, FieldKind>, path: string, { byName }: UnifiedFields): void {
  for (const [name, kind] of byName) {
    into.set(`${path}.${name}`, kind);
    const item = kind.kind === "list" ? kind.item : kind;
    if (item.kind === "object") addKinds(into, `${path}.${name}`, item.fields);
  }
}

function isWithin(path: string, names: readonly string[]): boolean {
  return names.some((name) => path === name || path.startsWith(`${name}.`));
}

interface SchemaNode {
  readonly type?: string;
  readonly [PERSONAL]?: boolean;
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly items?: SchemaNode;
  readonly anyOf?: readonly SchemaNode[];
}

function personalIn(node: SchemaNode, path: string): readonly string[] {
  if (node[PERSONAL] === true) return [path];
  const parts = [...(node.anyOf ?? []), ...(node.items === undefined ? [] : [node.items])];
  return [
    ...parts.flatMap((part) => personalIn(part, path)),
    ...Object.entries(node.properties ?? {}).flatMap(([name, part]) => personalIn(part, `${path}.${name}`)),
  ];
}
