// A typed client of the relay's API: the types are made from its OpenAPI document, so that a change of one is a change of the other.
import createClient, { type Client } from "openapi-fetch";
import type { components, paths } from "./api.d.ts";

export type ProblemDocument = components["schemas"]["Problem"];

export interface ApiClientOptions {
  /** Of the relay, without a path. */
  readonly url: string;
  readonly token: string;
  /** How often a request that may be repeated is sent again after 429 or 503; 3 if not given. */
  readonly retries?: number;
  readonly fetch?: (request: Request) => Promise<Response>;
}

/** What the API refused; `problem` is its document. */
export class ApiError extends Error {
  override name = "ApiError";
  readonly status: number;
  readonly problem: ProblemDocument;

  constructor(status: number, problem: ProblemDocument) {
    super(`${problem.code}: ${problem.detail} (request ${problem.request_id})`);
    this.status = status;
    this.problem = problem;
  }
}

const DEFAULT_RETRIES = 3;
/** A relay that names a longer time is not waited for. */
const MAX_WAIT_S = 60;
const REPEATABLE = new Set(["GET", "HEAD", "PUT", "DELETE"]);

/** Requests answer `{ data, error, response }`; `unwrap` makes an error of a problem. */
export function apiClient({ url, token, retries = DEFAULT_RETRIES, fetch }: ApiClientOptions): Client<paths> {
  const send = fetch ?? ((request: Request) => globalThis.fetch(request));
  return createClient<paths>({
    baseUrl: url,
    headers: { authorization: `Bearer ${token}` },
    fetch: (request) => patiently(send, request, retries),
  });
}

/** The answer's data. @throws ApiError when the API refused */
export async function unwrap<Data>(
  request: Promise<{ readonly data?: Data; readonly error?: unknown; readonly response: Response }>,
): Promise<Data> {
  const { data, error, response } = await request;
  if (error !== undefined) throw new ApiError(response.status, error as ProblemDocument);
  return data as Data;
}

/** Every item of a list, page after page. `page` asks for one: `(cursor) => unwrap(client.GET(…, { params: { query: { cursor } } }))`. */
export async function* everyItem<Item>(
  page: (
    cursor: string | undefined,
  ) => Promise<{ readonly data: readonly Item[]; readonly next_cursor: string | null }>,
): AsyncGenerator<Item> {
  let cursor: string | undefined;
  do {
    const { data, next_cursor } = await page(cursor);
    yield* data;
    cursor = next_cursor ?? undefined;
  } while (cursor !== undefined);
}

/** A write is repeated only under an idempotency key: then it has one effect, however often it is sent. */
async function patiently(
  send: (request: Request) => Promise<Response>,
  request: Request,
  retries: number,
): Promise<Response> {
  const isRepeatable = REPEATABLE.has(request.method) || request.headers.has("idempotency-key");
  for (let left = isRepeatable ? retries : 0; ; left -= 1) {
    const response = await send(left > 0 ? request.clone() : request);
    const waitS = Number(response.headers.get("retry-after") ?? Number.NaN);
    const isBusy = response.status === 429 || response.status === 503;
    if (left <= 0 || !isBusy || !(waitS <= MAX_WAIT_S)) return response;
    await response.body?.cancel();
    await new Promise((resolve) => setTimeout(resolve, waitS * 1_000));
  }
}
