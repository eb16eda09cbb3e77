// What a connection can do, as its agent described it: entities, writes with the plant's policy, queries; and its mapping.
import { Type, type Static } from "typebox";
import {
  WritableField,
  type EntityDescription,
  type FieldDescription,
  type QueryDescription,
  type WriteDescription,
} from "#common/contract/description.ts";
import { Problem } from "#relay/core/problem.ts";
import type { ConnectionRow, Scope } from "#relay/core/store.ts";
import { readScope, requireEntity, visibleEntity } from "./access.ts";
import { connectionInScope } from "./connection-routes.ts";
import type { HttpDeps, HttpServer } from "./http-types.ts";
import { answers, Id, nullable, ok, ref } from "./schemas.ts";

/** Records that are looked through for an example of each field. */
const PREVIEW_RECORDS = 20;

const Operation = Type.Object({
  operation: Type.String({
    description: "create, update, delete, adjust, or an action of the source's own",
    examples: ["update"],
  }),
  allowed: Type.Boolean({ description: "Whether the plant lets it through at all, at once or later" }),
  policy: Type.String({
    description:
      "apply: at once; hold: when somebody at the plant approves; window: in stated hours; refuse: never. More may be added.",
    examples: ["apply"],
  }),
  reason: nullable(Type.String({ description: "Why it is refused" })),
  windows: Type.Array(Type.String({ examples: ["mon-fri 06:00-18:00"] })),
  exactly_once: Type.Boolean({
    description: "Whether the source keeps a log of commands, so that none is ever done twice",
  }),
  fields: Type.Array(WritableField, {
    description: "Fields that it takes; those that are required; values that the source takes",
  }),
  children: Type.Array(Type.Object({ name: Type.String(), fields: Type.Array(WritableField) })),
});

const EntityCapability = Type.Object({
  entity: Type.String({ examples: ["work_order"] }),
  read: Type.Boolean(),
  live: Type.Boolean({ description: "Whether source=live works" }),
  create: Type.Boolean(),
  update: Type.Boolean(),
  delete: Type.Boolean(),
  actions: Type.Array(Type.String({ examples: ["change_status"] })),
  read_only_reason: nullable(Type.String({ description: "Why nothing can be written, where that is so" })),
  operations: Type.Array(Operation),
  custom_fields: Type.Array(Type.String()),
});

export const CapabilitiesSchema = Type.Object(
  {
    connection_id: Type.String(),
    known: Type.Boolean({
      description: "Whether the agent has described the connection yet; until then the lists are empty",
    }),
    connector: nullable(Type.String({ examples: ["sql-server"] })),
    pack: nullable(Type.String({ examples: ["maximo"] })),
    mapping_version: nullable(Type.String()),
    entities: Type.Array(EntityCapability),
    queries: Type.Array(
      Type.Object({
        query: Type.String(),
        description: nullable(Type.String()),
        parameters: Type.Array(
          Type.Object({ name: Type.String(), type: Type.String(), required: Type.Boolean() }),
        ),
      }),
      { description: "Named queries that the plant allows" },
    ),
    browse: Type.Boolean({ description: "Whether the source's catalogue may be looked at" }),
    settings_allowed: Type.Array(Type.String(), {
      description: "Members of the settings that the plant lets the relay set",
    }),
  },
  { $id: "Capabilities", description: "What one connection can do" },
);

export const MappingSchema = Type.Object(
  {
    connection_id: Type.String(),
    mapping_version: nullable(Type.String()),
    entities: Type.Array(
      Type.Object({
        entity: Type.String({ examples: ["purchase_order"] }),
        table: Type.String({ examples: ["PO"] }),
        key: Type.Array(Type.String()),
        fields: Type.Array(
          Type.Object({
            field: Type.String({ examples: ["total_amount"] }),
            sources: Type.Array(Type.String({ examples: ["PO.TOTALCOST"] })),
            protection: nullable(
              Type.String({ description: "Masked or pseudonymised by the plant's own file" }),
            ),
            preview: Type.Unknown({
              description: "Its value in a record that is stored; null where none has one",
            }),
          }),
        ),
        custom_fields: Type.Array(Type.String()),
      }),
    ),
  },
  { $id: "Mapping", description: "Where each unified field of one connection comes from" },
);

const EntityQuery = Type.Object(
  {
    entity: Type.Optional(
      Type.String({ maxLength: 100, description: "Only this one", examples: ["purchase_order"] }),
    ),
  },
  { additionalProperties: false },
);

export function addCapabilityRoutes(app: HttpServer, deps: HttpDeps): void {
  const capabilities = {
    operationId: "getCapabilities",
    tags: ["Connections"],
    summary: "What a connection can do",
    description:
      "Per entity what can be read and written, with the plant's policy, the fields that a write needs and the values that the source takes. As the agent last described it.",
    params: Type.Object({ id: Id }),
    querystring: EntityQuery,
    response: answers({ 200: ok("Its capabilities", ref("Capabilities")) }, [400, 401, 403, 404]),
  };
  app.get("/v1/connections/:id/capabilities", {
    schema: capabilities,
    config: { access: "read", narrowsEntities: true },
    handler: async (request) => {
      const { entity } = request.query;
      if (entity !== undefined) requireEntity(request, entity);
      const connection = await connectionInScope(deps, readScope(request), request.params.id);
      return capabilitiesView(
        connection,
        ({ entity: name }) => (entity ?? name) === name && visibleEntity(request, name),
      );
    },
  });

  const mapping = {
    operationId: "getMapping",
    tags: ["Connections"],
    summary: "Where each field comes from",
    description: "Field by field with its columns and a value out of a stored record.",
    params: Type.Object({ id: Id }),
    querystring: EntityQuery,
    response: answers({ 200: ok("Its mapping", ref("Mapping")) }, [400, 401, 403, 404]),
  };
  app.get("/v1/connections/:id/mapping", {
    schema: mapping,
    config: { access: "read", narrowsEntities: true },
    handler: async (request) => {
      const { entity: only } = request.query;
      if (only !== undefined) requireEntity(request, only);
      const connection = await connectionInScope(deps, readScope(request), request.params.id);
      const described = (connection.description?.entities ?? []).filter(
        ({ entity }) => (only ?? entity) === entity && visibleEntity(request, entity),
      );
      if (only !== undefined && described.length === 0) {
        throw new Problem("NOT_FOUND", `The connection's agent has described no entity ${only}.`);
      }
      const entities = [];
      for (const entity of described) entities.push(await mappingView(deps, connection, entity));
      return {
        connection_id: connection.id,
        mapping_version: connection.description?.mapping_version ?? null,
        entities,
      };
    },
  });
}

function capabilitiesView(
  { id, description }: ConnectionRow,
  isShown: (entity: EntityDescription) => boolean,
): Static<typeof CapabilitiesSchema> {
  return {
    connection_id: id,
    known: description !== undefined,
    connector: description?.connector ?? null,
    pack: description?.pack ?? null,
    mapping_version: description?.mapping_version ?? null,
    entities: (description?.entities ?? [])
      .filter(isShown)
      .map((entity) => entityView(entity, description?.read_only)),
    queries: (description?.queries ?? []).map(queryView),
    browse: description?.browse ?? false,
    settings_allowed: [...(description?.settings_allowed ?? [])],
  };
}

const PLAIN = ["create", "update", "delete"] as const;

function entityView(
  { entity, live, writes, custom_fields }: EntityDescription,
  readOnly: string | undefined,
): Static<typeof EntityCapability> {
  const allowed = new Set(
    writes.filter(({ policy }) => policy !== "refuse").map(({ operation }) => operation),
  );
  const actions = [...allowed].filter((name) => !(PLAIN as readonly string[]).includes(name));
  const none =
    allowed.size > 0 ? null : (readOnly ?? writes[0]?.reason ?? "The mapping writes nothing here.");
  return {
    entity,
    read: true,
    live,
    create: allowed.has("create"),
    update: allowed.has("update"),
    delete: allowed.has("delete"),
    actions,
    read_only_reason: none,
    operations: writes.map(operationView),
    custom_fields: [...custom_fields],
  };
}

function operationView(write: WriteDescription): Static<typeof Operation> {
  const { operation, policy, reason, windows = [], exactly_once, fields, children = [] } = write;
  return {
    operation,
    allowed: policy !== "refuse",
    policy,
    reason: reason ?? null,
    windows: [...windows],
    exactly_once,
    fields: [...fields],
    children: children.map(({ name, fields: of }) => ({ name, fields: [...of] })),
  };
}

function queryView({ query, description, parameters }: QueryDescription) {
  return { query, description: description ?? null, parameters: [...parameters] };
}

async function mappingView(deps: HttpDeps, connection: ConnectionRow, described: EntityDescription) {
  const { entity, table, key, fields, custom_fields } = described;
  const scope: Scope = { workspaceId: connection.workspaceId, connectionIds: [connection.id] };
  const stored = await deps.store.reader.listRecords(scope, {
    entity,
    afterRevision: 0,
    beforeRevision: undefined,
    includeDeleted: false,
    includeRaw: false,
    limit: PREVIEW_RECORDS,
  });
  const records = stored.map(({ text }) => JSON.parse(text) as unknown);
  return {
    entity,
    table,
    key: [...key],
    fields: fields.map((field) => fieldView(field, records)),
    custom_fields: [...custom_fields],
  };
}

function fieldView({ name, sources, protection }: FieldDescription, records: readonly unknown[]) {
  const path = name.split(".");
  const preview = records
    .map((record) => valueAt(record, path))
    .find((value) => value !== undefined && value !== null);
  return { field: name, sources: [...sources], protection: protection ?? null, preview: preview ?? null };
}

/** Of a list, what its first item has. */
function valueAt(value: unknown, path: readonly string[]): unknown {
  const [name, ...rest] = path;
  if (name === undefined) return value;
  const within: unknown = Array.isArray(value) ? value[0] : value;
  if (typeof within !== "object" || within === null || !Object.hasOwn(within, name)) return undefined;
  return valueAt((within as Record<string, unknown>)[name], rest);
}
