// What writes take, as the API's description shows it; what counts is checked against the connection (write-check.ts).
import type { FastifySchemaCompiler } from "fastify";
import { Type, type TSchema } from "typebox";
import { ENTITIES, ENTITY_NAMES, type Entity } from "#common/contract/model/entities.ts";
import { Ref } from "#common/contract/model/fields.ts";
import { ref, schemaName } from "./schemas.ts";
import { validatorCompiler } from "./validation.ts";

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
  const properties = fields.map(([name, schema]) => [name, writable(schema)] as const);
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

export const WRITE_SCHEMAS: readonly TSchema[] = [ReferenceSchema, ...ENTITY_NAMES.map(writeSchema)];

export function writableSchema(entity: Entity): TSchema {
  return ref(`${schemaName(entity)}Write`);
}
