// The OpenAPI 3.1 document, made from the routes' own schemas.
import swagger from "@fastify/swagger";
import type { FastifyContextConfig } from "fastify";
import { ENTITIES, ENTITY_NAMES } from "#common/contract/model/entities.ts";
import type { HttpServer } from "./http-types.ts";
import { ADMIN_SCHEMAS } from "./admin-schemas.ts";
import { AgentSchema } from "./agent-routes.ts";
import { COMMAND_SCHEMAS } from "./command-routes.ts";
import { AuditEntrySchema, AuditVerdictSchema } from "./audit-routes.ts";
import { RequestSchema } from "./request-routes.ts";
import { ConnectionSchema } from "./connection-routes.ts";
import { EventSchema } from "./event-routes.ts";
import { GapSchema, RejectSchema } from "./gap-routes.ts";
import { READ_SCHEMAS } from "./read-routes.ts";
import { entityDescription, ProblemSchema, RECORD_SCHEMAS, SampleSchema } from "./schemas.ts";
import { CapabilitiesSchema, MappingSchema } from "./capability-routes.ts";
import { HealthSchema } from "./health-routes.ts";
import { ConnectionLinkSchema, NewConnectionLinkSchema } from "./link-routes.ts";
import { SandboxSchema } from "./sandbox-routes.ts";
import { SettingsDocumentSchema, SettingsSchema } from "./settings-routes.ts";
import { SourceTestSchema, SyncRequestSchema } from "./sync-control-routes.ts";
import { SyncRunSchema } from "./sync-run-routes.ts";
import { SyncStatusSchema } from "./sync-status-routes.ts";
import { OverviewSchema } from "./overview-routes.ts";
import { NewUserSchema, UserSchema } from "./user-routes.ts";
import { WEBHOOK_SCHEMAS } from "./webhook-schemas.ts";

const DESCRIPTION = `Millrace carries what happens inside a plant to the software outside it. This API serves the unified records that the agents at the plants keep up to date, carries changes back into the plants' systems as far as each plant allows it, and tells what happened by a feed, a stream or webhooks.

**Authentication.** \`Authorization: Bearer <token>\`. A connection's token (\`mr_live_…\`, \`mr_test_…\`) sees that connection only; a workspace's token (\`mr_ws_…\`) sees its workspace; what a token may not see answers 404. Admin tokens (\`mr_admin_…\`) administer and read no data.

**Lists** answer \`{data, next_cursor}\`. Pass \`next_cursor\` back as \`cursor\` with the same filters; null is the end. \`revision\` only grows: keep the greater one.

**Values.** Money and quantities are exact decimal text; instants are UTC, ISO 8601. A field that a source does not have is left out; an empty one is null. Enumerations are open: take values that are not listed for \`unknown\`, and look at the \`native_…\` field beside.

**Problems** are RFC 9457 documents with \`code\`, \`request_id\` and \`retryable\`.`;

/** Before any route is added. */
export async function addOpenApi(app: HttpServer): Promise<void> {
  const schemas = [
    ProblemSchema,
    SampleSchema,
    ...READ_SCHEMAS,
    ...RECORD_SCHEMAS,
    ...COMMAND_SCHEMAS,
    ConnectionSchema,
    AgentSchema,
    SyncStatusSchema,
    SyncRunSchema,
    SyncRequestSchema,
    SourceTestSchema,
    HealthSchema,
    CapabilitiesSchema,
    MappingSchema,
    SettingsDocumentSchema,
    SettingsSchema,
    SandboxSchema,
    ConnectionLinkSchema,
    NewConnectionLinkSchema,
    GapSchema,
    RejectSchema,
    EventSchema,
    ...ADMIN_SCHEMAS,
    RequestSchema,
    AuditEntrySchema,
    AuditVerdictSchema,
    OverviewSchema,
    UserSchema,
    NewUserSchema,
    ...WEBHOOK_SCHEMAS,
  ];
  for (const schema of schemas) app.addSchema(schema);
  await app.register(swagger, {
    openapi: {
      openapi: "3.1.0",
      info: {
        title: "Millrace relay",
        version: "1",
        description: DESCRIPTION,
        license: { name: "Apache-2.0", identifier: "Apache-2.0" },
      },
      servers: [{ url: "/" }],
      tags: tags(),
      components: {
        securitySchemes: {
          data: {
            type: "http",
            scheme: "bearer",
            description:
              "A connection's or workspace's token with the scope read, or write for what changes something; manage: a workspace's token with the scope admin, or a connection's with the scope write for what is its own",
          },
          admin: {
            type: "http",
            scheme: "bearer",
            description: "An admin token, or a workspace's token with the scope admin",
          },
        },
      },
    },
    convertConstToEnum: false,
    refResolver: {
      buildLocalReference: (json, _baseUri, _fragment, index) =>
        typeof json.$id === "string" ? json.$id : `schema-${index}`,
    },
    transform: ({ schema, url, route }) => ({ schema: { ...schema, ...securityOf(route.config) }, url }),
  });
}

function securityOf(config: FastifyContextConfig | undefined): {
  security?: readonly Record<string, string[]>[];
} {
  const access = config?.access;
  // OpenAPI 3.1: the roles that the scheme must give.
  if (access === "read" || access === "write" || access === "manage")
    return { security: [{ data: [access] }] };
  return access === "admin" ? { security: [{ admin: [] }] } : {};
}

function tags(): { name: string; description: string }[] {
  const records = ENTITY_NAMES.map((entity) => ({
    name: `${ENTITIES[entity].title}s`,
    description: entityDescription(entity),
  }));
  return [
    ...records,
    { name: "Custom entities", description: "Records of entities beyond the model" },
    { name: "Export", description: "All records at once" },
    { name: "Metadata", description: "What entities and fields there are" },
    { name: "Operations", description: "Writes on their way to the plants, and how they ended" },
    { name: "Queries", description: "Named queries of the plants, passed through" },
    { name: "Events", description: "The change feed" },
    { name: "Overview", description: "How everything is" },
    { name: "Connections", description: "Source systems and their status" },
    { name: "Agents", description: "The daemons at the plants" },
    { name: "Sandbox", description: "What is only to be had of sandbox connections" },
    { name: "Sync", description: "How reading stands, and what was lost or rejected" },
    { name: "Webhooks", description: "Receivers of events, and what became of each delivery" },
    { name: "Administration", description: "Workspaces, connections, tokens, enrolment codes and agents" },
    { name: "System", description: "For those who run the relay" },
  ];
}
