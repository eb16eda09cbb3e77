// Every route that reads records: lists, single ones, their history and trace, all of them as an export, and what fields there are.
import { ENTITY_NAMES } from "#common/contract/model/entities.ts";
import { addCustomRoutes, CustomEntitySchema } from "./custom-routes.ts";
import { addExportRoutes } from "./export-routes.ts";
import { addFieldRoutes, EntityInfoSchema, FieldSchemaView } from "./field-routes.ts";
import { FreshnessSchema, RecentConnections } from "./freshness.ts";
import { addHistory, RunRefSchema, VersionSchema } from "./history-routes.ts";
import type { HttpDeps, HttpServer } from "./http-types.ts";
import { PageCache } from "./page-cache.ts";
import { PageMarks } from "./page-marks.ts";
import { addRecordList } from "./record-routes.ts";
import { addSingleRecord } from "./single-record-routes.ts";
import { addTrace, TraceSchema } from "./trace-routes.ts";

/** Named schemas of these routes. */
export const READ_SCHEMAS = [
  FreshnessSchema,
  RunRefSchema,
  VersionSchema,
  TraceSchema,
  FieldSchemaView,
  EntityInfoSchema,
  CustomEntitySchema,
];

export function addReadRoutes(app: HttpServer, deps: HttpDeps): void {
  const parts = {
    cache: new PageCache(),
    marks: new PageMarks(deps.clock),
    recent: new RecentConnections(deps),
  };
  for (const entity of ENTITY_NAMES) {
    addRecordList(app, deps, entity, parts);
    addSingleRecord(app, deps, entity, parts);
    addHistory(app, deps, entity);
    addTrace(app, deps, entity);
  }
  addCustomRoutes(app, deps, parts);
  addExportRoutes(app, deps);
  addFieldRoutes(app, deps);
}
