// The history of a telemetry point, with the gaps that are known in it.
import { Type } from "typebox";
import { invalidRequest } from "#relay/core/administration.ts";
import { encodeCursor, fingerprint } from "#relay/core/cursors.ts";
import type { ProblemIssue } from "#relay/core/problem.ts";
import { revisionAt } from "#relay/core/revisions.ts";
import type { Scope, StoredRecord } from "#relay/core/store.ts";
import { readScope } from "./access.ts";
import { gapView, type GapView } from "./gap-routes.ts";
import type { HttpDeps, HttpServer } from "./http-types.ts";
import { cursorContext, cursorPosition, pageByInstant } from "./paging.ts";
import { JSON_TYPE } from "./record-routes.ts";
import { missingRecord } from "./single-record-routes.ts";
import { sampleText } from "#relay/core/records/record-text.ts";
import { answers, CursorParameter, Id, nullable, ok, ref } from "./schemas.ts";

const DEFAULT_SAMPLES = 200;
const MAX_SAMPLES = 1_000;
/** Gaps beside one page, the newest; and how many of the connection's are looked through. */
const MAX_GAPS = 200;
const MAX_GAPS_READ = 2_000;
/** Later than every source time. */
const END_OF_TIME_MS = 8.64e15;

const Query = Type.Object(
  {
    limit: Type.Optional(
      Type.Integer({ minimum: 1, maximum: MAX_SAMPLES, description: "Samples per page; 200 if not given" }),
    ),
    cursor: CursorParameter,
    after: Type.Optional(
      Type.String({
        maxLength: 40,
        description: "Source time, date or timestamp; exclusive",
        examples: ["2026-03-02T08:00:00Z"],
      }),
    ),
    before: Type.Optional(
      Type.String({ maxLength: 40, description: "Source time, date or timestamp; exclusive" }),
    ),
  },
  { additionalProperties: false },
);

export function addTelemetryRoutes(app: HttpServer, deps: HttpDeps): void {
  const schema = {
    operationId: "listSamples",
    tags: ["Telemetry points"],
    summary: "History of a telemetry point",
    description:
      "Samples in source time order, oldest first. `gaps` lists the intervals in which samples were or may have been lost; a point without gaps has every sample that its source reported.",
    params: Type.Object({ id: Id }),
    querystring: Query,
    response: answers(
      {
        200: ok(
          "A page of samples",
          Type.Object({
            data: Type.Array(ref("Sample")),
            gaps: Type.Array(ref("Gap")),
            next_cursor: nullable(Type.String()),
          }),
        ),
      },
      [400, 401, 403, 404, 410],
    ),
  };
  app.get("/v1/telemetry-points/:id/samples", {
    schema,
    config: { access: "read" },
    handler: async (request, reply) => {
      const { query } = request;
      const scope = readScope(request);
      const { id } = request.params;
      const point = await deps.store.reader.getRecord(scope, "telemetry_point", id, false);
      if (point === undefined) throw await missingRecord(deps, scope, "telemetry_point", id);
      const bounds = boundsOf(query.after, query.before);
      const context = await cursorContext(deps.store, fingerprint([point.id, query.after, query.before]));
      const position = cursorPosition(query.cursor, "page", context);
      const afterMs = position === undefined ? bounds.afterMs : Number(position);
      const { rows, lastMs } = await pageByInstant(
        query.limit ?? DEFAULT_SAMPLES,
        (limit) => deps.store.reader.samples(point.connectionId, point.key, afterMs, bounds.beforeMs, limit),
        (sample) => sample.sourceMs ?? sample.serverMs ?? 0,
      );
      const gaps = await gapsOf(deps, scope, point, afterMs, lastMs ?? bounds.beforeMs);
      const next =
        lastMs === undefined ? null : encodeCursor({ kind: "page", position: String(lastMs), ...context });
      const data = rows.map(sampleText).join(",");
      const text = `{"data":[${data}],"gaps":${JSON.stringify(gaps)},"next_cursor":${JSON.stringify(next)}}`;
      return reply.header("cache-control", "no-store").type(JSON_TYPE).send(text);
    },
  });
}

/** Gaps of the point or of its whole connection that touch the page's interval. */
async function gapsOf(
  deps: HttpDeps,
  scope: Scope,
  point: StoredRecord,
  afterMs: number,
  beforeMs: number,
): Promise<readonly GapView[]> {
  const { connectionId, key } = point;
  const all = await deps.store.reader.gaps(scope, { connectionId, afterMs: 0, limit: MAX_GAPS_READ });
  return all
    .filter((gap) => gap.key === undefined || gap.key === key)
    .filter((gap) => gap.entity === undefined || gap.entity === "telemetry_point")
    .filter((gap) => gap.to_ms > afterMs && (gap.from_ms ?? gap.to_ms) < beforeMs)
    .slice(-MAX_GAPS)
    .map(gapView);
}

function boundsOf(
  after: string | undefined,
  before: string | undefined,
): { afterMs: number; beforeMs: number } {
  const issues: ProblemIssue[] = [];
  const ms = (name: string, text: string | undefined, otherwise: number): number => {
    if (text === undefined) return otherwise;
    const revision = revisionAt(text);
    if (revision !== undefined) return revision / 1000;
    const detail = "must be a date (2026-03-02) or a timestamp with its zone (2026-03-02T08:15:00Z)";
    issues.push({ pointer: `#/query/${name}`, detail });
    return otherwise;
  };
  const bounds = { afterMs: ms("after", after, 0), beforeMs: ms("before", before, END_OF_TIME_MS) };
  if (issues.length > 0) throw invalidRequest("The request is not valid", issues);
  return bounds;
}
