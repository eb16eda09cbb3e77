// The one way to the API: the typed client, by the session's cookie; unsafe requests carry the session's CSRF token.
import createClient, { type Client } from "openapi-fetch";
import { ApiError, type ProblemDocument } from "#relay/client/api-client.ts";
import type { components, paths } from "#relay/client/api.d.ts";
import { csrfToken, sessionEnded } from "./session-state.ts";

/** The API's named shapes: `Schema<"Connection">`. */
export type Schema<Name extends keyof components["schemas"]> = components["schemas"][Name];

const SAFE = new Set(["GET", "HEAD"]);

export const api: Client<paths> = createClient<paths>({ baseUrl: location.origin, fetch: send });

/** Adds the CSRF token; an answer 401 ends the session everywhere. */
async function send(request: Request): Promise<Response> {
  const token = csrfToken();
  if (!SAFE.has(request.method) && token !== undefined) request.headers.set("x-csrf-token", token);
  const response = await fetch(request);
  if (response.status === 401) sessionEnded();
  return response;
}

/**
 * An address that the description does not have, as the session's own. `body` is sent as JSON.
 * @throws ApiError when the API refused
 */
export async function ask<T>(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<T> {
  const request = new Request(new URL(path, location.origin), {
    method,
    signal: signal ?? null,
    ...(body !== undefined && {
      body: JSON.stringify(body),
      headers: { "content-type": "application/json" },
    }),
  });
  const token = csrfToken();
  if (!SAFE.has(method) && token !== undefined) request.headers.set("x-csrf-token", token);
  const response = await fetch(request);
  if (response.status === 401) sessionEnded();
  const text = await response.text();
  if (response.ok) return (text === "" ? undefined : JSON.parse(text)) as T;
  throw new ApiError(response.status, documentOf(text));
}

/** A proxy between us and the relay may answer in its own words. */
function documentOf(text: string): ProblemDocument {
  try {
    return JSON.parse(text) as ProblemDocument;
  } catch {
    return {} as ProblemDocument;
  }
}
