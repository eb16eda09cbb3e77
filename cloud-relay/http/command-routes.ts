// Everything that asks something of a plant beside reading: writes of all entities, their operations, named queries.
import { ENTITY_NAMES } from "#common/contract/model/entities.ts";
import { addBulkRoute, BulkResultSchema } from "./bulk-routes.ts";
import type { HttpDeps, HttpServer } from "./http-types.ts";
import { addOperationRoutes } from "./operation-routes.ts";
import { addQueryRoutes, QueryResultSchema, QuerySchema } from "./query-routes.ts";
import { OperationSchema } from "./write-answer.ts";
import { addWriteRoutes } from "./write-routes.ts";
import { WRITE_SCHEMAS } from "./write-schemas.ts";

export const COMMAND_SCHEMAS = [
  ...WRITE_SCHEMAS,
  OperationSchema,
  BulkResultSchema,
  QuerySchema,
  QueryResultSchema,
];

export function addCommandRoutes(app: HttpServer, deps: HttpDeps): void {
  // RFC 7396: a merge patch is JSON.
  app.addContentTypeParser(
    "application/merge-patch+json",
    { parseAs: "string" },
    app.getDefaultJsonParser("error", "error"),
  );
  for (const entity of ENTITY_NAMES) {
    addWriteRoutes(app, deps, entity);
    addBulkRoute(app, deps, entity);
  }
  addOperationRoutes(app, deps);
  addQueryRoutes(app, deps);
}
