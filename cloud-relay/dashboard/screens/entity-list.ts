// The entities that a connection has, with the addresses of their records: those of the model, and its own.
import { unwrap } from "#relay/client/api-client.ts";
import { api, ask, type Schema } from "../api/client.ts";

export interface EntityPlace {
  readonly entity: string;
  readonly title: string;
  /** `/v1/purchase-orders`. */
  readonly path: string;
  /** Beyond the model: no history, no filters by fields. */
  readonly isCustom: boolean;
}

/** Of the model in its order, then the connection's own. @throws ApiError */
export async function loadEntities(id: string, signal: AbortSignal): Promise<readonly EntityPlace[]> {
  const query = { connection_id: id };
  const [model, custom] = await Promise.all([
    unwrap(api.GET("/v1/metadata/entities", { signal })),
    unwrap(api.GET("/v1/custom", { params: { query }, signal })),
  ]);
  return [
    ...model.data.map(({ entity, title, path }) => ({ entity, title, path, isCustom: false })),
    ...custom.data.map(({ entity, path }) => ({ entity, title: entity, path, isCustom: true })),
  ];
}

/** What the connection fills of an entity of the model. @throws ApiError */
export function loadEntity(entity: string, id: string, signal: AbortSignal): Promise<Schema<"EntityInfo">> {
  const params = { path: { entity }, query: { connection_id: id } };
  return unwrap(api.GET("/v1/metadata/entities/{entity}", { params, signal }));
}

export type AnyRecord = Readonly<Record<string, unknown>> & {
  readonly id: string;
  readonly remote_id?: string;
  readonly revision: number;
  readonly updated_at: string;
  readonly presence: string;
};

export interface RecordPage {
  readonly data: readonly AnyRecord[];
  readonly next_cursor: string | null;
}

/** `query`: as `recordsQuery` makes it. @throws ApiError */
export function loadRecords(path: string, query: string, signal: AbortSignal): Promise<RecordPage> {
  return ask<RecordPage>("GET", `${path}?${query}`, undefined, signal);
}
