// What entities and fields there are: of the model, and of one connection with where its values come from and what it takes.
import { Type } from "typebox";
import type { ConnectionDescription, EntityDescription } from "#common/contract/description.ts";
import { ENTITIES, ENTITY_NAMES, isEntity, type Entity } from "#common/contract/model/entities.ts";
import { didYouMean } from "#common/runtime/nearest-match.ts";
import { Problem } from "#relay/core/problem.ts";
import { referencePaths } from "#relay/core/records/field-selection.ts";
import {
  bareSchema,
  enumValues,
  isPersonal,
  kindOf,
  recordFields,
  type FieldSchema,
} from "#relay/core/records/model-field.ts";
import { readScope, requireEntity } from "./access.ts";
import type { HttpDeps, HttpServer } from "./http-types.ts";
import { JSON_TYPE } from "./record-routes.ts";
import { answers, ConnectionParameter, entityDescription, nullable, ok, ref } from "./schemas.ts";

export const FieldSchemaView = Type.Object(
  {
    name: Type.String({ examples: ["status", "lines.quantity"] }),
    type: Type.String({
      description:
        "text, enum, decimal, integer, number, boolean, date, instant, reference, object, list, map or any",
      examples: ["enum"],
    }),
    options: Type.Optional(
      Type.Array(Type.String(), { description: "Of an enumeration, as known today; others may come" }),
    ),
    max_length: Type.Optional(Type.Integer()),
    personal: Type.Boolean({ description: "Names people" }),
    custom: Type.Boolean({ description: "By the source's own name, in custom_fields" }),
    filter: Type.Optional(
      Type.String({ description: "Parameter that lists take for it", examples: ["status"] }),
    ),
    description: Type.Optional(Type.String()),
    provided: Type.Optional(Type.Boolean({ description: "Whether the connection fills it" })),
    sources: Type.Optional(Type.Array(Type.String(), { description: "Columns it comes from" })),
    protection: Type.Optional(Type.String({ description: "How the plant protects it" })),
    writable_by: Type.Optional(
      Type.Array(Type.String(), { description: "Operations that take it", examples: [["update"]] }),
    ),
    required_by: Type.Optional(Type.Array(Type.String(), { description: "Operations that need it" })),
    allowed_values: Type.Optional(Type.Array(Type.String(), { description: "What the source takes" })),
  },
  { $id: "Field", description: "A field of an entity, of the model or as a connection has it" },
);

export const EntityInfoSchema = Type.Object(
  {
    entity: Type.String({ examples: ["purchase_order"] }),
    title: Type.String(),
    path: Type.String({ examples: ["/v1/purchase-orders"] }),
    description: Type.String(),
    filters: Type.Array(Type.String(), { description: "Parameters of its list that compare a field" }),
    dates: Type.Array(Type.String(), { description: "Each with `_after` and `_before` in its list" }),
    references: Type.Array(Type.String(), { description: "What `expand` takes" }),
    fields: Type.Optional(Type.Array(ref("Field"))),
    connection_id: Type.Optional(Type.String()),
    table: Type.Optional(nullable(Type.String({ description: "Where the connection has it from" }))),
    live: Type.Optional(Type.Boolean({ description: "Whether source=live works" })),
    operations: Type.Optional(
      Type.Array(Type.String(), { description: "Writes that the connection offers" }),
    ),
  },
  { $id: "EntityInfo", description: "An entity of the unified model" },
);

const Params = Type.Object({
  entity: Type.String({ minLength: 1, maxLength: 100, description: "As in events: purchase_order" }),
});
const Query = Type.Object({ connection_id: ConnectionParameter }, { additionalProperties: false });

export function addFieldRoutes(app: HttpServer, deps: HttpDeps): void {
  addEntities(app);
  const schema = {
    operationId: "getEntityMetadata",
    tags: ["Metadata"],
    summary: "Fields of one entity",
    description:
      "With `connection_id` (or a connection's token) also what that connection fills, from which columns, its custom fields, and which operations take or need a field.",
    params: Params,
    querystring: Query,
    response: answers({ 200: ok("The entity with its fields", ref("EntityInfo")) }, [400, 401, 403, 404]),
  };
  app.get("/v1/metadata/entities/:entity", {
    schema,
    config: { access: "read", narrowsEntities: true },
    handler: async (request, reply) => {
      const { entity } = request.params;
      if (!isEntity(entity)) throw unknownEntity(entity);
      requireEntity(request, entity);
      const scope = readScope(request);
      const [own, ...others] = scope.connectionIds ?? [];
      const id = request.query.connection_id ?? (others.length === 0 ? own : undefined);
      const connection = id === undefined ? undefined : await deps.store.directory.connection(scope, id);
      if (id !== undefined && connection === undefined) {
        const detail = `There is no connection ${id} that this token may see. GET /v1/connections lists them.`;
        throw new Problem("NOT_FOUND", detail, { errors: [{ pointer: "#/query/connection_id", detail }] });
      }
      const described =
        connection === undefined ? {} : connectionPart(connection.id, connection.description, entity);
      const fields = fieldsOf(entity, connection?.description);
      return reply.type(JSON_TYPE).send(JSON.stringify({ ...entityInfo(entity), ...described, fields }));
    },
  });
}

function addEntities(app: HttpServer): void {
  const schema = {
    operationId: "listEntityMetadata",
    tags: ["Metadata"],
    summary: "Entities of the model",
    description: "Every entity that the token may see, with what its list can be narrowed by.",
    querystring: Type.Object({}, { additionalProperties: false }),
    response: answers(
      { 200: ok("All entities", Type.Object({ data: Type.Array(ref("EntityInfo")) })) },
      [400, 401, 403],
    ),
  };
  app.get("/v1/metadata/entities", {
    schema,
    config: { access: "read", narrowsEntities: true },
    handler: async (request, reply) => {
      const visible = request.principal?.entities;
      const names = ENTITY_NAMES.filter((entity) => visible?.includes(entity) ?? true);
      return reply.type(JSON_TYPE).send(JSON.stringify({ data: names.map(entityInfo) }));
    },
  });
}

function entityInfo(entity: Entity): object {
  const { title, path, filters, dates } = ENTITIES[entity];
  return {
    entity,
    title,
    path: `/v1/${path}`,
    description: entityDescription(entity),
    filters: Object.keys(filters),
    dates,
    references: referencePaths(entity),
  };
}

function connectionPart(id: string, description: ConnectionDescription | undefined, entity: Entity): object {
  const entry = entryOf(description, entity);
  return {
    connection_id: id,
    table: entry?.table ?? null,
    live: entry?.live ?? false,
    operations: (entry?.writes ?? [])
      .filter(({ policy }) => policy !== "refuse")
      .map(({ operation }) => operation),
  };
}

function fieldsOf(entity: Entity, description: ConnectionDescription | undefined): readonly object[] {
  const entry = entryOf(description, entity);
  const filters = new Map(
    Object.entries(ENTITIES[entity].filters).map(([name, path]: [string, string]) => [path, name]),
  );
  const model = flat(recordFields(entity), "").map(([name, schema]) =>
    Object.assign(
      modelField(name, schema),
      filters.has(name) ? { filter: filters.get(name) } : {},
      entry === undefined ? {} : connectionField(entry, name),
    ),
  );
  const custom = (entry?.custom_fields ?? []).map((name) => {
    const field = {
      name: `custom_fields.${name}`,
      type: "any",
      personal: false,
      custom: true,
      provided: true,
    };
    return Object.assign(field, entry === undefined ? {} : writes(entry, field.name));
  });
  return [...model, ...custom];
}

function modelField(name: string, schema: FieldSchema): object {
  const bare = bareSchema(schema);
  const kind = kindOf(schema);
  const options = enumValues(schema);
  const words = schema.description ?? (kind === "enum" ? undefined : bare.description);
  return {
    name,
    type: kind,
    ...(options === undefined ? {} : { options }),
    ...(kind === "text" && bare.maxLength !== undefined ? { max_length: bare.maxLength } : {}),
    personal: isPersonal(schema),
    custom: false,
    ...(words === undefined ? {} : { description: words }),
  };
}

function connectionField(entry: EntityDescription, name: string): object {
  const told = entry.fields.find((candidate) => candidate.name === name);
  return {
    provided: told !== undefined,
    ...(told === undefined ? {} : { sources: told.sources }),
    ...(told?.protection === undefined ? {} : { protection: told.protection }),
    ...writes(entry, name),
  };
}

function writes({ writes: operations }: EntityDescription, name: string): object {
  const writable: string[] = [];
  const required: string[] = [];
  const values = new Set<string>();
  for (const { operation, policy, fields, children = [] } of operations) {
    if (policy === "refuse") continue;
    const own = fields.find((field) => field.name === name);
    const dot = name.indexOf(".");
    const child = children.find((each) => each.name === name.slice(0, dot));
    const taken = own ?? child?.fields.find((field) => field.name === name.slice(dot + 1));
    if (taken === undefined) continue;
    writable.push(operation);
    if (taken.required) required.push(operation);
    for (const value of taken.values ?? []) values.add(value);
  }
  return {
    writable_by: writable,
    required_by: required,
    ...(values.size === 0 ? {} : { allowed_values: [...values] }),
  };
}

/** With the fields of lists and objects by their paths; references and maps are one field each. */
function flat(
  fields: Readonly<Record<string, FieldSchema>>,
  before: string,
): readonly (readonly [name: string, schema: FieldSchema])[] {
  const found: (readonly [name: string, schema: FieldSchema])[] = [];
  for (const [name, schema] of Object.entries(fields)) {
    found.push([before + name, schema]);
    const bare = bareSchema(schema);
    const inner = bare.items === undefined ? bare : bareSchema(bare.items);
    if (inner.properties === undefined || kindOf(inner) === "reference") continue;
    found.push(...flat(inner.properties, `${before}${name}.`));
  }
  return found;
}

function entryOf(
  description: ConnectionDescription | undefined,
  entity: Entity,
): EntityDescription | undefined {
  return description?.entities.find((candidate) => candidate.entity === entity);
}

function unknownEntity(name: string): Problem {
  const hint = didYouMean(name, ENTITY_NAMES) || `; known: ${ENTITY_NAMES.join(", ")}`;
  return new Problem("NOT_FOUND", `There is no entity ${name.slice(0, 100)}${hint}.`);
}
