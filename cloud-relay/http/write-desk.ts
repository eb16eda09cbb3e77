// What all write routes share: the key that makes a repeat harmless, keeping, sending, and waiting for the plant.
import type { FastifyRequest } from "fastify";
import type { IdempotencyClaim } from "#relay/core/operations/operation-store.ts";
import { isFinished, isParked, type OperationRow } from "#relay/core/operations/operation.ts";
import type { Submission } from "#relay/core/operations/operations.ts";
import { Problem } from "#relay/core/problem.ts";
import type { ConnectionRow, Scope, StoredRecord } from "#relay/core/store.ts";
import { readScope } from "./access.ts";
import type { HttpDeps } from "./http-types.ts";
import type { AskedTerms } from "./write-terms.ts";

/** An answer of an earlier request with the same key. */
export const REPLAYED = "idempotency-replayed";
const IN_PROGRESS_RETRY_S = 1;

export interface Performed {
  readonly rows: readonly OperationRow[];
  readonly isReplayed: boolean;
}

/**
 * Does what `plan` says, unless the caller's key stands for an earlier request. `connectionId` is what the key belongs to.
 * @throws Problem IDEMPOTENCY_KEY_REUSED, IDEMPOTENCY_IN_PROGRESS, and what `plan` throws
 */
export async function perform(
  deps: HttpDeps,
  request: FastifyRequest,
  terms: AskedTerms,
  connectionId: string,
  plan: () => Promise<readonly Submission[]>,
): Promise<Performed> {
  const { operations, store } = deps;
  const claim = claimOf(deps, request, terms, connectionId);
  if (claim !== undefined) {
    const before = await store.operations.claimed(claim);
    if (before.kind === "taken") return replayed(before, claim, terms);
  }
  const submissions = await plan();
  const created = await operations.submit(submissions, claim);
  if (created.kind === "taken" && claim !== undefined) return replayed(created, claim, terms);
  const ids = submissions.map(({ row }) => row.id);
  return { rows: await operations.settled(ids, terms.waitMs, request.signal), isReplayed: false };
}

function claimOf(
  { entropy, clock }: HttpDeps,
  request: FastifyRequest,
  { idempotencyKey: key }: AskedTerms,
  connectionId: string,
): IdempotencyClaim | undefined {
  if (key === undefined) return undefined;
  const { workspaceId } = readScope(request);
  const text = JSON.stringify([request.method, request.url, request.body ?? null]);
  return {
    workspaceId,
    connectionId,
    key,
    fingerprint: entropy.sha256Hex(text).slice(0, 32),
    atMs: clock.nowMs(),
  };
}

function replayed(
  taken: { readonly fingerprint: string; readonly operations: readonly OperationRow[] },
  claim: IdempotencyClaim,
  terms: AskedTerms,
): Performed {
  if (taken.fingerprint !== claim.fingerprint) {
    throw new Problem(
      "IDEMPOTENCY_KEY_REUSED",
      "This Idempotency-Key stands for another request (method, address or body differ). Use a key of its own for each write.",
    );
  }
  const { operations: rows } = taken;
  const underWay = rows.find((row) => !isFinished(row) && !isParked(row));
  if (underWay === undefined || terms.isAsync) return { rows, isReplayed: true };
  throw new Problem(
    "IDEMPOTENCY_IN_PROGRESS",
    "The first request with this Idempotency-Key is under way. Ask again for its answer, or look at its operation.",
    { operationId: underWay.id, retryAfterSeconds: IN_PROGRESS_RETRY_S },
  );
}

/** The connection that a record belongs to; it is in the scope because the record is. */
export async function connectionOf(
  deps: HttpDeps,
  scope: Scope,
  record: StoredRecord,
): Promise<ConnectionRow> {
  const connection = await deps.store.directory.connection(scope, record.connectionId);
  if (connection !== undefined) return connection;
  throw new Problem("NOT_FOUND", "The record's connection is gone.");
}

/** The connection that is to have a new record: the token's own, or the one that is named. @throws Problem INVALID_REQUEST, NOT_FOUND */
export async function namedConnection(
  deps: HttpDeps,
  scope: Scope,
  connectionId: unknown,
  pointer: string,
): Promise<ConnectionRow> {
  const only = scope.connectionIds?.length === 1 ? scope.connectionIds[0] : undefined;
  const wanted = connectionId ?? only;
  if (typeof wanted !== "string") {
    const detail =
      connectionId === undefined
        ? "is needed, because the token sees several connections"
        : "must be text: the id of a connection";
    throw new Problem("INVALID_REQUEST", `connection_id ${detail}. GET /v1/connections lists them.`, {
      errors: [{ pointer, detail }],
    });
  }
  const connection = await deps.store.directory.connection(scope, wanted);
  if (connection !== undefined) return connection;
  const detail = `There is no connection ${wanted.slice(0, 100)} that this token may see. GET /v1/connections lists them.`;
  throw new Problem("NOT_FOUND", detail, { errors: [{ pointer, detail }] });
}
