// Makes links that lead people at a plant through connecting it; a link brings its connection and its enrolment code along.
import { createEnrollmentCode, formatEnrollmentCode } from "#common/contract/enrollment-code.ts";
import type { ConnectionSettingsDocument } from "#common/contract/settings.ts";
import { didYouMean } from "#common/runtime/nearest-match.ts";
import { createConnection, invalidRequest, type AdministrationDeps } from "../administration.ts";
import type { Bus } from "../bus.ts";
import { requireConnected } from "../connections/reachability.ts";
import { createEnrollment, MAX_CODE_TTL_MS } from "../enrollment-codes.ts";
import { newId } from "../identifiers.ts";
import { Problem, type ProblemIssue } from "../problem.ts";
import { desireSettings } from "../settings/desire-settings.ts";
import type { ConnectionRow, Store } from "../store.ts";
import type { Entropy } from "../tokens.ts";
import type { ConnectionLinkRow } from "./link-store.ts";
import { SYSTEM_NAMES } from "./systems.ts";

export interface LinkDeps extends AdministrationDeps {
  readonly store: Store;
  readonly bus: Bus;
  /** Raw Ed25519 public key of the relay, base64url. */
  readonly relayPublicKey: string;
}

export interface NewLink {
  readonly workspaceId: string;
  /** Of one that is there and waits for an agent; otherwise a new one is made. */
  readonly connectionId?: string | undefined;
  readonly name?: string | undefined;
  readonly customer?: string | undefined;
  readonly environment?: string | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  readonly system?: string | undefined;
  readonly webhookUrl?: string | undefined;
  readonly settings?: ConnectionSettingsDocument | undefined;
  readonly ttlMs?: number | undefined;
  /** Id of the token that asks for it. */
  readonly by: string;
}

export interface MadeLink {
  /** Shown once; only its hash is kept. */
  readonly token: string;
  readonly row: ConnectionLinkRow;
  readonly connection: ConnectionRow;
}

const DEFAULT_TTL_MS = 24 * 3_600_000;
const MIN_TTL_MS = 5 * 60_000;
const TOKEN = /^mrc_[A-Za-z0-9_-]{43}$/;
const TOKEN_BYTES = 32;
const SECRET_BYTES = 16;
/** Connections of one customer and system that get names by themselves. */
const MAX_NUMBERED = 1_000;

/** @throws Problem INVALID_REQUEST, NOT_FOUND (the connection), CONFLICT (it is served already, or the name is taken) */
export async function createLink(deps: LinkDeps, input: NewLink): Promise<MadeLink> {
  const ttlMs = input.ttlMs ?? DEFAULT_TTL_MS;
  check(input, ttlMs);
  const connection = await connectionFor(deps, input);
  if (input.settings !== undefined) {
    const { settings, by } = input;
    await desireSettings(deps, connection, { change: () => settings, ifRevision: undefined, by });
  }
  const token = `mrc_${base64url(deps.entropy.randomBytes(TOKEN_BYTES))}`;
  const { row: code } = await createEnrollment(deps, {
    workspaceId: input.workspaceId,
    connectionIds: [connection.id],
    ttlMs,
    relayPublicKey: deps.relayPublicKey,
    secretBytes: secretOf(token, deps.entropy),
  });
  const row: ConnectionLinkRow = {
    id: newId("lnk", code.createdAtMs, deps.entropy.randomBytes),
    workspaceId: input.workspaceId,
    connectionId: connection.id,
    hash: deps.entropy.sha256Hex(token),
    codeId: code.id,
    system: input.system,
    webhookUrl: input.webhookUrl,
    createdAtMs: code.createdAtMs,
    expiresAtMs: code.expiresAtMs,
    revokedAtMs: undefined,
  };
  await deps.store.links.create(row);
  return { token, row, connection };
}

export interface OpenLink {
  readonly row: ConnectionLinkRow;
  readonly connection: ConnectionRow;
  /** Used up by the first agent that shows it. */
  readonly code: string;
}

/** Undefined for what is no link, unknown, expired or revoked: one answer for all of them. */
export async function openLink(
  deps: Pick<LinkDeps, "store" | "entropy" | "relayPublicKey" | "nowMs">,
  token: string,
): Promise<OpenLink | undefined> {
  if (!TOKEN.test(token)) return undefined;
  const row = await deps.store.links.byHash(deps.entropy.sha256Hex(token));
  if (row === undefined || row.revokedAtMs !== undefined || row.expiresAtMs <= deps.nowMs()) return undefined;
  const { workspaceId, connectionId } = row;
  const connection = await deps.store.directory.connection({ workspaceId }, connectionId);
  if (connection === undefined || connection.disconnectedAtMs !== undefined) return undefined;
  const secret = secretOf(token, deps.entropy);
  const code = createEnrollmentCode(deps.relayPublicKey, () => secret);
  return { row, connection, code: formatEnrollmentCode(code) };
}

/** @throws Problem NOT_FOUND */
export async function revokeLink(
  { store, nowMs }: Pick<LinkDeps, "store" | "nowMs">,
  workspaceId: string,
  id: string,
): Promise<void> {
  if (await store.links.revoke(workspaceId, id, nowMs())) return;
  throw new Problem("NOT_FOUND", `There is no connection link ${id} here that could be revoked.`);
}

/** The enrolment code follows from the link's token: the page can show it again, and nothing that is stored gives it away. */
function secretOf(token: string, entropy: Pick<Entropy, "sha256Hex">): Uint8Array {
  const hex = entropy.sha256Hex(`millrace connection link ${token}`);
  return Uint8Array.from({ length: SECRET_BYTES }, (_, at) =>
    Number.parseInt(hex.slice(2 * at, 2 * at + 2), 16),
  );
}

async function connectionFor(deps: LinkDeps, input: NewLink): Promise<ConnectionRow> {
  const { workspaceId, connectionId, name, customer, environment, labels } = input;
  if (connectionId !== undefined) {
    const found = await deps.directory.connection({ workspaceId }, connectionId);
    if (found === undefined) throw new Problem("NOT_FOUND", `There is no connection ${connectionId} here.`);
    requireConnected(found);
    if (found.agentId === undefined) return found;
    throw new Problem("CONFLICT", "An agent serves this connection already; it needs no link.");
  }
  const given = { workspaceId, customer, environment, labels };
  if (name !== undefined) return createConnection(deps, { ...given, name });
  const taken = new Set((await deps.directory.connections({ workspaceId })).map((row) => row.name));
  return createConnection(deps, { ...given, name: freeName(input, taken) });
}

function freeName({ customer = "", system = "plant" }: NewLink, taken: ReadonlySet<string>): string {
  const ascii = customer
    .normalize("NFKD")
    .replaceAll(/\p{M}/gu, "")
    .replaceAll(/[^A-Za-z0-9]+/g, "-");
  const stem = `${ascii
    .replaceAll(/^-+|-+$/g, "")
    .toLowerCase()
    .slice(0, 60)}-${system}`.replace(/^-/, "");
  for (let number = 1; number <= MAX_NUMBERED; number += 1) {
    const name = number === 1 ? stem : `${stem}-${number}`;
    if (!taken.has(name)) return name;
  }
  throw new Problem("CONFLICT", `More than ${MAX_NUMBERED} connections are named ${stem}. Give a name.`);
}

function check({ system, webhookUrl }: NewLink, ttlMs: number): void {
  const errors: ProblemIssue[] = [];
  if (system !== undefined && !SYSTEM_NAMES.includes(system)) {
    const hint = didYouMean(system, SYSTEM_NAMES);
    errors.push({
      pointer: "#/system",
      detail: `is not a system that there is a guide for${hint === "" ? `; known: ${SYSTEM_NAMES.join(", ")}` : hint}`,
    });
  }
  if (webhookUrl !== undefined && !/^https:\/\/[^\s/@]+(\/\S*)?$/.test(webhookUrl)) {
    errors.push({ pointer: "#/webhook_url", detail: "must be an https:// address without user or password" });
  }
  if (!(ttlMs >= MIN_TTL_MS && ttlMs <= MAX_CODE_TTL_MS)) {
    errors.push({
      pointer: "#/expires_in",
      detail: "must be between 300 (5 minutes) and 604800 (7 days) seconds",
    });
  }
  if (errors.length > 0) throw invalidRequest("The link cannot be made", errors);
}

function base64url(bytes: Uint8Array): string {
  const text = btoa(String.fromCharCode(...bytes));
  return text.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}
