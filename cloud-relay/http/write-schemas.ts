// What writes take, as the API's description shows it; what counts is checked against the connection (write-check.ts).
import type { FastifySchemaCompiler } from "fastify";
import { Type, type TSchema } from "typebox";
import { ENTITIES, ENTITY_NAMES, RecordEnvelope, type Entity } from "#common/contract/model/entities.ts";
import { Ref } from "#common/contract/model/fields.ts";
import { ref, schemaName } from "./schemas.ts";
import { validatorCompiler } from "./validation.ts";
import { WrittenSchema } from "./write-answer.ts";

export const ReferenceSchema = Type.Object(
  {
    id: Type.Optional(Type.String({ description: "Of a record of the same connection" })),
    remote_id: Type.Optional(Type.String({ description: "The source's own key, where it has one part" })),
    remote_key: Type.Optional(
      Type.Array(Type.String(), { description: "The source's own key, part by part, in order" }),
    ),
  },
  { $id: "WriteReference", description: "Names another record of the same connection: one of the members" },
);

/** Bodies are judged by what the connection takes, so that a wrong field answers 422 with every problem at once. */
export const checkedByHand: FastifySchemaCompiler<TSchema> = (route) =>
  route.httpPart === "body" ? () => true : validatorCompiler(route);

function writeSchema(entity: Entity): TSchema {
  const fields = Object.entries(ENTITIES[entity].schema.properties as Record<string, TSchema>);
  // Whatever is left out stays as it is, or as the source begins it.
  const properties = fields.map(([name, schema]) => [name, Type.Optional(writable(schema))] as const);
  return Type.Object(
    {
      connection_id: Type.Optional(
        Type.String({ description: "Of a create: where, if the token sees several connections" }),
      ),
      ...Object.fromEntries(properties),
    },
    {
      $id: `${schemaName(entity)}Write`,
      description:
        "Fields of the model; which of them a connection takes, and what else, its capabilities tell",
    },
  );
}

/** References are given by fewer members than they are shown with. */
function writable(schema: TSchema): TSchema {
  const text = JSON.stringify(schema);
  const reference = JSON.stringify(Ref);
  if (!text.includes(reference)) return schema;
  return JSON.parse(text.replaceAll(reference, JSON.stringify(ref("WriteReference")))) as TSchema;
}

/** A record as its source has it after a write: what it has of the entity's fields, and how it was written. */
function writtenSchema(entity: Entity): TSchema {
  const record = { ...RecordEnvelope.properties, ...ENTITIES[entity].schema.properties };
  return Type.Object(
    { ...Type.Partial(Type.Object(record)).properties, ...WrittenSchema.properties },
    {
      $id: `${schemaName(entity)}Written`,
      description:
        "A write that is done: the record as its source has it now, and how it was written. Its revision comes with the change, by the feed",
    },
  );
}

export const WRITE_SCHEMAS: readonly TSchema[] = [
  ReferenceSchema,
  ...ENTITY_NAMES.map(writeSchema),
  ...ENTITY_NAMES.map(writtenSchema),
];

/** What a write of the entity answers. */
export function written(entity: Entity): TSchema {
  return ref(`${schemaName(entity)}Written`);
}

export function writableSchema(entity: Entity): TSchema {
  return ref(`${schemaName(entity)}Write`);
}
