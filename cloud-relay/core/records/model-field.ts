// The unified model's fields as data: what a path leads to, which fields can be compared, and how.
import { ENTITIES, isEntity, RecordEnvelope, type Entity } from "#common/contract/model/entities.ts";
import { CustomFields, PERSONAL } from "#common/contract/model/fields.ts";

/** The part of JSON Schema that the model uses. */
export interface FieldSchema {
  readonly type?: unknown;
  readonly anyOf?: readonly FieldSchema[];
  readonly properties?: Readonly<Record<string, FieldSchema>>;
  readonly patternProperties?: Readonly<Record<string, FieldSchema>>;
  readonly items?: FieldSchema;
  readonly pattern?: string;
  readonly format?: string;
  readonly description?: string;
  readonly examples?: readonly unknown[];
  readonly maxLength?: number;
}

export type FieldKind =
  | "text"
  | "enum"
  | "decimal"
  | "integer"
  | "number"
  | "boolean"
  | "date"
  | "instant"
  | "reference"
  | "object"
  | "list"
  | "map"
  | "any";

/** Members that the relay puts in front of every record. */
export const ENVELOPE_MEMBERS = [
  "id",
  "connection_id",
  "revision",
  "created_at",
  "updated_at",
  "deleted_at",
  "presence",
  "delete_reason",
  "incarnation",
  "origin",
  "remote_version",
  "content_hash",
  "mapping_version",
] as const;

const ENUM = "One of: ";

const fieldsOf = new Map<Entity, Readonly<Record<string, FieldSchema>>>();

/** Of every entity beyond the model. */
const CUSTOM_RECORD = { ...RecordEnvelope.properties, custom_fields: CustomFields } as Readonly<
  Record<string, FieldSchema>
>;

/** Of an entity's record as the source gives it: its own fields and what the agent adds. */
export function recordFields(entity: string): Readonly<Record<string, FieldSchema>> {
  if (!isEntity(entity)) return CUSTOM_RECORD;
  const known = fieldsOf.get(entity);
  if (known !== undefined) return known;
  const own = ENTITIES[entity].schema.properties as Readonly<Record<string, FieldSchema>>;
  const fields = { ...(RecordEnvelope.properties as Readonly<Record<string, FieldSchema>>), ...own };
  fieldsOf.set(entity, fields);
  return fields;
}

/** Without the null that every field may be. */
export function bareSchema(schema: FieldSchema): FieldSchema {
  const [only, ...others] = (schema.anyOf ?? []).filter(({ type }) => type !== "null");
  return only === undefined || others.length > 0 ? schema : only;
}

export function isPersonal(schema: FieldSchema): boolean {
  return (schema as Readonly<Record<string, unknown>>)[PERSONAL] === true;
}

export function kindOf(field: FieldSchema): FieldKind {
  const { type, properties, patternProperties, pattern, description, anyOf } = bareSchema(field);
  if (type === "string") {
    if (description?.startsWith(ENUM) === true) return "enum";
    if (pattern === undefined) return "text";
    if (pattern.includes("T\\d{2}")) return "instant";
    if (pattern.startsWith("^\\d{4}-")) return "date";
    return pattern.startsWith("^-?(0|") ? "decimal" : "text";
  }
  if (type === "object") {
    if (patternProperties !== undefined) return "map";
    return properties !== undefined && "remote_id" in properties && "id" in properties
      ? "reference"
      : "object";
  }
  if (type === "array") return "list";
  if (type === "integer" || type === "number" || type === "boolean") return type;
  return anyOf === undefined ? "any" : "text";
}

/** Values of today, where the field is an enumeration; others may come. */
export function enumValues(field: FieldSchema): readonly string[] | undefined {
  const bare = bareSchema(field);
  return kindOf(field) === "enum" ? (bare.examples ?? []).map(String) : undefined;
}

/**
 * What a path such as `lines.item` leads to; lists are walked through. `known`: the names at the place where the path left the
 * model, for a message. A map's members, such as `custom_fields.PROJECT`, are always there.
 */
export function fieldAt(
  fields: Readonly<Record<string, FieldSchema>>,
  path: readonly string[],
): { readonly schema: FieldSchema } | { readonly unknown: string; readonly known: readonly string[] } {
  const [name = "", ...rest] = path;
  const schema = Object.hasOwn(fields, name) ? fields[name] : undefined;
  if (schema === undefined) return { unknown: name, known: Object.keys(fields) };
  if (rest.length === 0) return { schema };
  const bare = bareSchema(schema);
  const inner = bare.items === undefined ? bare : bareSchema(bare.items);
  if (inner.patternProperties !== undefined) return { schema: {} };
  return fieldAt(inner.properties ?? {}, rest);
}
