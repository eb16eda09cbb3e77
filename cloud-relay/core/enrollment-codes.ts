// Making enrolment codes: one code, one agent, a stated list of connections, a short life.
import {
  createEnrollmentCode,
  formatEnrollmentCode,
  hashEnrollmentSecret,
} from "#common/contract/enrollment-code.ts";
import { invalidRequest, workspaceById, type AdministrationDeps } from "./administration.ts";
import { newId } from "./identifiers.ts";
import { Problem } from "./problem.ts";
import type { EnrollmentCodeRow } from "./directory.ts";

export const DEFAULT_CODE_TTL_MS = 30 * 60_000;
export const MIN_CODE_TTL_MS = 60_000;
export const MAX_CODE_TTL_MS = 7 * 24 * 3_600_000;
/** Connections that one agent serves at most; the wire's limit on streams. */
const MAX_CONNECTIONS = 256;

export interface NewEnrollmentCode {
  readonly workspaceId: string;
  readonly connectionIds: readonly string[];
  readonly ttlMs?: number | undefined;
  /** The relay's raw Ed25519 public key, base64url; its fingerprint becomes part of the code. */
  readonly relayPublicKey: string;
  /** 16 secret bytes that the code is made of; random ones if not given. */
  readonly secretBytes?: Uint8Array;
}

/** The code is shown once and never stored. @throws Problem NOT_FOUND or INVALID_REQUEST */
export async function createEnrollment(
  deps: AdministrationDeps,
  input: NewEnrollmentCode,
): Promise<{ readonly code: string; readonly row: EnrollmentCodeRow }> {
  const ttlMs = input.ttlMs ?? DEFAULT_CODE_TTL_MS;
  await workspaceById(deps.directory, input.workspaceId);
  await checkEnrollment(deps, input, ttlMs);
  const { secretBytes } = input;
  const { randomBytes } = deps.entropy;
  const code = createEnrollmentCode(input.relayPublicKey, (count) => secretBytes ?? randomBytes(count));
  const createdAtMs = deps.nowMs();
  const row: EnrollmentCodeRow = {
    id: newId("enr", createdAtMs, deps.entropy.randomBytes),
    workspaceId: input.workspaceId,
    hash: hashEnrollmentSecret(code.secret),
    connectionIds: [...new Set(input.connectionIds)],
    createdAtMs,
    expiresAtMs: createdAtMs + ttlMs,
    usedAtMs: undefined,
    agentId: undefined,
  };
  await deps.directory.createEnrollmentCode(row);
  return { code: formatEnrollmentCode(code), row };
}

async function checkEnrollment(
  deps: AdministrationDeps,
  input: NewEnrollmentCode,
  ttlMs: number,
): Promise<void> {
  const { workspaceId, connectionIds } = input;
  if (connectionIds.length === 0 || connectionIds.length > MAX_CONNECTIONS) {
    const detail = `must name 1 to ${MAX_CONNECTIONS} connections that the agent will serve`;
    throw invalidRequest("The code cannot be made", [{ pointer: "#/connections", detail }]);
  }
  if (!(ttlMs >= MIN_CODE_TTL_MS && ttlMs <= MAX_CODE_TTL_MS)) {
    const detail = "must be between 1 minute and 7 days";
    throw invalidRequest("The code cannot be made", [{ pointer: "#/ttl_seconds", detail }]);
  }
  for (const id of connectionIds) {
    const connection = await deps.directory.connection({ workspaceId }, id);
    if (connection?.kind === "sandbox") {
      throw new Problem(
        "CONFLICT",
        `${connection.name} is a sandbox: it lives in the relay, and no agent serves it.`,
      );
    }
    if (connection !== undefined) continue;
    throw new Problem("NOT_FOUND", `There is no connection ${id} in the workspace ${workspaceId}.`);
  }
}
