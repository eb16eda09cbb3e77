// Lists that screens need as a whole: page after page, up to a limit that is said on the screen.
import { unwrap } from "#relay/client/api-client.ts";
import { api, type Schema } from "./client.ts";

export interface Whole<Item> {
  readonly items: readonly Item[];
  /** There are more than the limit. */
  readonly isCut: boolean;
}

/** What a browser filters and orders at once without anybody waiting for it. */
export const MAX_LISTED = 2_000;
const PAGE_ITEMS = 200;

interface Page<Item> {
  readonly data: readonly Item[];
  readonly next_cursor: string | null;
}
interface PageQuery {
  readonly limit: number;
  readonly cursor?: string;
}

/** @throws ApiError */
export function allConnections(signal: AbortSignal): Promise<Whole<Schema<"Connection">>> {
  return whole((query) => unwrap(api.GET("/v1/connections", { params: { query }, signal })));
}

/** @throws ApiError */
export function allAgents(signal: AbortSignal): Promise<Whole<Schema<"Agent">>> {
  return whole((query) => unwrap(api.GET("/v1/agents", { params: { query }, signal })));
}

/** @throws ApiError */
export function allEndpoints(signal: AbortSignal): Promise<Whole<Schema<"WebhookEndpoint">>> {
  return whole((query) => unwrap(api.GET("/v1/webhook-endpoints", { params: { query }, signal })));
}

/** Of every connection and entity, or of one connection. @throws ApiError */
export function allSyncStatus(
  signal: AbortSignal,
  connectionId?: string,
): Promise<Whole<Schema<"SyncStatus">>> {
  const own = connectionId === undefined ? {} : { connection_id: connectionId };
  return whole((query) =>
    unwrap(api.GET("/v1/sync-status", { params: { query: { ...query, ...own } }, signal })),
  );
}

async function whole<Item>(page: (query: PageQuery) => Promise<Page<Item>>): Promise<Whole<Item>> {
  const items: Item[] = [];
  let cursor: string | undefined;
  do {
    const { data, next_cursor: next } = await page({
      limit: PAGE_ITEMS,
      ...(cursor !== undefined && { cursor }),
    });
    items.push(...data);
    cursor = next ?? undefined;
  } while (cursor !== undefined && items.length < MAX_LISTED);
  return { items, isCut: cursor !== undefined };
}
