// The building blocks of unified fields. Every field is optional (the source has no such thing) and nullable (it is empty).
import { Type, type Static, type TSchema } from "typebox";

/** Money and quantities: exact decimal text, never a float. At most 60 characters. */
export const Decimal = Type.String({
  pattern: "^-?(0|[1-9][0-9]*)(\\.[0-9]+)?$",
  maxLength: 60,
  description: "Exact decimal as text",
  examples: ["1250.00"],
});

/** ISO 8601 in UTC with a `Z`; up to 7 fractional digits, as SQL Server has. */
export const Instant = Type.String({
  pattern: "^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}(\\.\\d{1,9})?Z$",
  maxLength: 30,
  description: "UTC instant, ISO 8601",
  examples: ["2026-03-02T08:15:00Z"],
});

export const DateOnly = Type.String({
  pattern: "^\\d{4}-\\d{2}-\\d{2}$",
  maxLength: 10,
  description: "Calendar date, ISO 8601",
  examples: ["2026-03-02"],
});

export const Text = Type.String({ maxLength: 262_144 });
export const ShortText = Type.String({ maxLength: 4_000 });

/** A link to another record of the same connection. `id` is derived from the key, so it is right before the record arrives. */
export const Ref = Type.Object(
  {
    id: Type.String({ format: "uuid" }),
    remote_id: ShortText,
    display: Type.Optional(Type.Union([ShortText, Type.Null()])),
  },
  { description: "Reference to another record of the same connection" },
);
export type Ref = Static<typeof Ref>;

/** Values a source has beyond the model; scalars only. */
export const CustomFields = Type.Record(
  Type.String({ maxLength: 200 }),
  Type.Union([Text, Type.Number(), Type.Boolean(), Type.Null()]),
  { description: "Fields that the source has beyond the model, by the source's own name" },
);

/** An open enumeration: today's values are listed; readers must accept others. */
export function OpenEnum(values: readonly string[]) {
  return Type.String({
    maxLength: 100,
    description: `One of: ${values.join(", ")}. More may be added.`,
    examples: [...values],
  });
}

/** Optional and nullable: how every model field is. */
export function field<Schema extends TSchema>(schema: Schema, description?: string) {
  return Type.Optional(Type.Union([schema, Type.Null()], description === undefined ? {} : { description }));
}

/** On the schema of every field that names people: `"x-personal": true`. */
export const PERSONAL = "x-personal";

/** A field that names people, or says how to reach them. */
export function personal<Schema extends TSchema>(schema: Schema) {
  return Type.Optional(Type.Union([schema, Type.Null()], { [PERSONAL]: true }));
}

/** A postal address, in parts. */
export const Address = Type.Object({
  kind: field(OpenEnum(["main", "billing", "shipping", "other"])),
  lines: field(Type.Array(ShortText, { maxItems: 10 })),
  city: field(ShortText),
  region: field(ShortText),
  postal_code: field(ShortText),
  country: field(ShortText),
});
