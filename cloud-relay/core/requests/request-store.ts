// The log of API requests as a port: who asked what and what came of it, for some days.
import type { Scope } from "../store.ts";

export interface LoggedRequest {
  /** As in X-Request-Id and in problem documents. */
  readonly id: string;
  readonly atMs: number;
  readonly workspaceId: string;
  /** Of a connection's token, or the one that the request named. */
  readonly connectionId: string | undefined;
  readonly tokenId: string;
  readonly method: string;
  /** Template, `/v1/work-orders/{id}`. */
  readonly route: string;
  /** As asked, query included, without secrets. */
  readonly url: string;
  readonly status: number;
  /** Of the problem. */
  readonly code: string | undefined;
  readonly durationMs: number;
  readonly sentBytes: number;
  readonly remoteAddress: string;
  readonly userAgent: string | undefined;
  readonly traceparent: string | undefined;
  /** JSON text without secrets, cut at MAX_LOGGED_CHARS; of writes and refusals only. */
  readonly requestBody: string | undefined;
  readonly answerBody: string | undefined;
}

export interface RequestQuery {
  readonly id?: string | undefined;
  readonly connectionId?: string | undefined;
  readonly method?: string | undefined;
  readonly status?: number | undefined;
  readonly code?: string | undefined;
  /** Beginning of the address. */
  readonly path?: string | undefined;
  readonly afterMs?: number | undefined;
  readonly beforeMs?: number | undefined;
  /** Older than this entry: where the last page ended. */
  readonly olderThan?: number | undefined;
  readonly limit: number;
}

/** `place` orders entries as they were written; pages continue by it. */
export interface StoredRequest extends LoggedRequest {
  readonly place: number;
}

export interface RequestCounts {
  /** That were logged: of reads that went well, a share. */
  readonly requests: number;
  /** Answers 4xx and 5xx: all of them. */
  readonly clientErrors: number;
  readonly serverErrors: number;
}

export interface RequestStore {
  append(requests: readonly LoggedRequest[]): Promise<void>;
  /** Newest first. */
  list(scope: Scope, query: RequestQuery): Promise<readonly StoredRequest[]>;
  /** Since the instant. */
  counts(scope: Scope, sinceMs: number): Promise<RequestCounts>;
  /** Removes what is older, in bounded steps; whether more is left. */
  prune(beforeMs: number): Promise<boolean>;
}

export const MAX_LOGGED_CHARS = 16 * 1024;
