// The unified model's fields as the mapper sees them, read off the contract's schemas once.
import { DateOnly, Decimal, Instant } from "#common/contract/model/fields.ts";
import { ENTITIES, type Entity } from "#common/contract/model/entities.ts";

export type FieldKind =
  | { readonly kind: "text"; readonly maxLength: number }
  | { readonly kind: "enum"; readonly values: readonly string[] }
  | { readonly kind: "decimal" | "instant" | "date" | "boolean" | "number" | "reference" }
  | { readonly kind: "object"; readonly fields: UnifiedFields }
  | { readonly kind: "list"; readonly item: FieldKind; readonly maxItems: number };

/** Field name → kind, in the schema's order, which is the order in every record. */
export interface UnifiedFields {
  readonly byName: ReadonlyMap<string, FieldKind>;
  readonly hasCustomFields: boolean;
}

export const REFERENCE_TARGETS: readonly string[] = Object.keys(ENTITIES);

export function unifiedFields(entity: Entity): UnifiedFields {
  let fields = known.get(entity);
  if (fields === undefined) {
    fields = fieldsOf(ENTITIES[entity].schema);
    known.set(entity, fields);
  }
  return fields;
}

const known = new Map<Entity, UnifiedFields>();

/** What a schema says that matters here; schemas are plain JSON Schema. */
interface SchemaNode {
  readonly type?: string;
  readonly pattern?: string;
  readonly maxLength?: number;
  readonly maxItems?: number;
  readonly examples?: readonly string[];
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly items?: SchemaNode;
  readonly anyOf?: readonly SchemaNode[];
}

function fieldsOf(schema: SchemaNode): UnifiedFields {
  const entries = Object.entries(schema.properties ?? {});
  const own = entries.filter(([name]) => name !== "custom_fields");
  return {
    byName: new Map(own.map(([name, property]) => [name, kindOf(property)])),
    hasCustomFields: own.length < entries.length,
  };
}

/** TypeBox keeps a pattern in the schema, but not in its type. */
export function patternOf(schema: object): string | undefined {
  return (schema as SchemaNode).pattern;
}

function kindOf(property: SchemaNode): FieldKind {
  const schema = property.anyOf?.[0] ?? property;
  if (schema.type === "boolean" || schema.type === "number") return { kind: schema.type };
  if (schema.type === "array")
    return { kind: "list", item: kindOf(schema.items ?? {}), maxItems: schema.maxItems ?? Infinity };
  if (schema.type === "object") {
    if (schema.properties !== undefined && "remote_id" in schema.properties) return { kind: "reference" };
    return { kind: "object", fields: fieldsOf(schema) };
  }
  if (schema.pattern === patternOf(Decimal)) return { kind: "decimal" };
  if (schema.pattern === patternOf(Instant)) return { kind: "instant" };
  if (schema.pattern === patternOf(DateOnly)) return { kind: "date" };
  if (schema.examples !== undefined) return { kind: "enum", values: schema.examples };
  return { kind: "text", maxLength: schema.maxLength ?? 4_000 };
}
