// What an operator does, by command line or admin API alike: workspaces, connections, tokens and agents.
import { ENTITY_NAMES } from "#common/contract/model/entities.ts";
import { didYouMean, nearestMatch } from "#common/runtime/nearest-match.ts";
import { newConnectionRow } from "./connections/new-connection.ts";
import type { AgentRow, Directory, TokenFilter, TokenKind, TokenRow, WorkspaceRow } from "./directory.ts";
import { newId, uuidV7 } from "./identifiers.ts";
import { Problem, type ProblemIssue } from "./problem.ts";
import { ENVIRONMENT } from "./sandbox/sandbox-fill.ts";
import { DuplicateError, type ConnectionKind, type ConnectionRow, type WhenOffline } from "./store.ts";
import { TOKEN_SCOPES, tokenPrefix, tokenText, type Entropy, type MintedToken } from "./tokens.ts";

export interface AdministrationDeps {
  readonly directory: Directory;
  readonly entropy: Entropy;
  nowMs(): number;
}

export interface NewConnection {
  readonly workspaceId: string;
  readonly name: string;
  readonly customer?: string | undefined;
  readonly environment?: string | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  readonly metadata?: Readonly<Record<string, string>> | undefined;
  readonly whenOffline?: WhenOffline | undefined;
  /** agent if not given. */
  readonly kind?: ConnectionKind | undefined;
}

export interface NewToken {
  readonly kind: TokenKind;
  readonly workspaceId?: string | undefined;
  readonly connectionId?: string | undefined;
  readonly name?: string | undefined;
  readonly scopes?: readonly string[] | undefined;
  readonly expiresAtMs?: number | undefined;
  /** For the kind workspace: what of the workspace it sees. */
  readonly filter?: TokenFilter | undefined;
}

const NAME = /^[A-Za-z0-9][A-Za-z0-9 ._-]{0,99}$/;
const CONNECTION_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/;
const HINT_CHARS = 12;

/** @throws Problem INVALID_REQUEST */
export async function createWorkspace(deps: AdministrationDeps, name: string): Promise<WorkspaceRow> {
  checkName(name, NAME, "#/name", "letters, digits, space, dot, dash and underscore");
  const createdAtMs = deps.nowMs();
  const row = { id: newId("ws", createdAtMs, deps.entropy.randomBytes), name, createdAtMs };
  await deps.directory.createWorkspace(row);
  return row;
}

/** @throws Problem NOT_FOUND for the workspace, CONFLICT when the name is taken, INVALID_REQUEST */
export async function createConnection(
  deps: AdministrationDeps,
  input: NewConnection,
): Promise<ConnectionRow> {
  checkName(input.name, CONNECTION_NAME, "#/name", "letters, digits, dot, dash and underscore");
  await workspaceById(deps.directory, input.workspaceId);
  const createdAtMs = deps.nowMs();
  const isSandbox = input.kind === "sandbox";
  if (isSandbox && input.environment === "production") {
    throw invalidRequest("The connection cannot be made", [
      { pointer: "#/environment", detail: "cannot be production for a sandbox" },
    ]);
  }
  const row = newConnectionRow({
    id: uuidV7(createdAtMs, deps.entropy.randomBytes),
    workspaceId: input.workspaceId,
    name: input.name,
    customer: input.customer,
    environment: input.environment ?? (isSandbox ? ENVIRONMENT : "production"),
    labels: input.labels ?? {},
    metadata: input.metadata ?? {},
    whenOffline: input.whenOffline ?? "serve",
    createdAtMs,
    ...(isSandbox ? { kind: "sandbox", reason: "It is about to be filled.", advice: undefined } : {}),
  });
  try {
    await deps.directory.createConnection(row);
  } catch (error) {
    if (!(error instanceof DuplicateError)) throw error;
    throw new Problem("CONFLICT", `The workspace already has a connection named "${input.name}".`, {
      errors: [{ pointer: "#/name", detail: "is taken" }],
    });
  }
  return row;
}

/** @throws Problem NOT_FOUND for what it is bound to, INVALID_REQUEST for scopes or expiry */
export async function createToken(deps: AdministrationDeps, input: NewToken): Promise<MintedToken> {
  const createdAtMs = deps.nowMs();
  checkToken(input, createdAtMs);
  const bound = await boundTo(deps.directory, input);
  await checkFilter(deps.directory, input);
  const token = tokenText(tokenPrefix(input.kind, bound?.environment), deps.entropy);
  const row: TokenRow = {
    id: newId("tok", createdAtMs, deps.entropy.randomBytes),
    kind: input.kind,
    workspaceId: input.kind === "admin" ? undefined : input.workspaceId,
    connectionId: input.kind === "connection" ? input.connectionId : undefined,
    name: input.name ?? input.kind,
    hash: deps.entropy.sha256Hex(token),
    hint: token.slice(0, HINT_CHARS),
    scopes: input.scopes ?? (input.kind === "admin" ? ["admin"] : ["read"]),
    createdAtMs,
    expiresAtMs: input.expiresAtMs,
    revokedAtMs: undefined,
    ...(input.filter !== undefined && { filter: input.filter }),
  };
  await deps.directory.createToken(row);
  return { token, row };
}

/** @throws Problem NOT_FOUND when it is unknown or already revoked */
export async function revokeToken(
  deps: AdministrationDeps,
  workspaceId: string | undefined,
  id: string,
): Promise<void> {
  if (await deps.directory.revokeToken(workspaceId, id, deps.nowMs())) return;
  throw new Problem("NOT_FOUND", `There is no token ${id} here that could be revoked.`);
}

/** Ends the agent for good: its key is refused from now on. @throws Problem NOT_FOUND */
export async function revokeAgent(
  deps: AdministrationDeps,
  workspaceId: string,
  agentId: string,
): Promise<AgentRow> {
  const agent = await agentById(deps.directory, workspaceId, agentId);
  await deps.directory.revokeAgent(workspaceId, agentId, deps.nowMs());
  return (await deps.directory.agentById(agentId)) ?? agent;
}

/** Lets an agent in again that was quarantined as a clone. @throws Problem NOT_FOUND, CONFLICT */
export async function releaseAgent(
  deps: AdministrationDeps,
  workspaceId: string,
  agentId: string,
): Promise<AgentRow> {
  const agent = await agentById(deps.directory, workspaceId, agentId);
  if (agent.quarantinedAtMs === undefined) {
    throw new Problem("CONFLICT", `The agent ${agentId} is not in quarantine; there is nothing to release.`);
  }
  await deps.directory.setAgentQuarantined(agentId, undefined);
  return { ...agent, quarantinedAtMs: undefined };
}

/** @throws Problem NOT_FOUND */
export async function workspaceById(directory: Directory, id: string): Promise<WorkspaceRow> {
  const row = await directory.workspace(id);
  if (row === undefined) throw new Problem("NOT_FOUND", `There is no workspace ${id}.`);
  return row;
}

/** By id or by name; names need not be unique. @throws Problem NOT_FOUND or CONFLICT, naming the nearest one */
export async function findWorkspace(directory: Directory, idOrName: string): Promise<WorkspaceRow> {
  const all = await directory.workspaces();
  return pick(all, idOrName, "workspace");
}

/** By id or by name, within one workspace. @throws Problem NOT_FOUND naming the nearest one */
export async function findConnection(
  directory: Directory,
  workspaceId: string,
  idOrName: string,
): Promise<ConnectionRow> {
  return pick(await directory.connections({ workspaceId }), idOrName, "connection");
}

/** @throws Problem NOT_FOUND also for an agent of another workspace */
export async function agentById(
  directory: Directory,
  workspaceId: string,
  agentId: string,
): Promise<AgentRow> {
  const agent = await directory.agentById(agentId);
  if (agent === undefined || agent.workspaceId !== workspaceId) {
    throw new Problem("NOT_FOUND", `There is no agent ${agentId} here.`);
  }
  return agent;
}

function pick<Row extends { readonly id: string; readonly name: string }>(
  rows: readonly Row[],
  idOrName: string,
  what: string,
): Row {
  const byId = rows.find((row) => row.id === idOrName);
  if (byId !== undefined) return byId;
  const named = rows.filter((row) => row.name === idOrName);
  if (named.length > 1) {
    throw new Problem(
      "CONFLICT",
      `There are ${named.length} ${what}s named "${idOrName}". Use the id instead.`,
    );
  }
  const [only] = named;
  if (only !== undefined) return only;
  const near = nearestMatch(
    idOrName,
    rows.map((row) => row.name),
  );
  const hint = near === undefined ? "" : ` Did you mean "${near}"?`;
  throw new Problem("NOT_FOUND", `There is no ${what} with the id or name "${idOrName}".${hint}`);
}

async function boundTo(directory: Directory, input: NewToken): Promise<ConnectionRow | undefined> {
  if (input.kind === "admin") return undefined;
  await workspaceById(directory, input.workspaceId ?? "");
  if (input.kind === "workspace") return undefined;
  const connection = await directory.connection(
    { workspaceId: input.workspaceId ?? "" },
    input.connectionId ?? "",
  );
  if (connection !== undefined) return connection;
  throw new Problem("NOT_FOUND", `There is no connection ${input.connectionId} in the workspace.`);
}

/** @throws Problem INVALID_REQUEST, NOT_FOUND for connections of another workspace */
async function checkFilter(
  directory: Directory,
  { kind, workspaceId, filter, scopes }: NewToken,
): Promise<void> {
  if (filter === undefined) return;
  const errors: ProblemIssue[] = [];
  if (kind !== "workspace")
    errors.push({ pointer: "#/filter", detail: "is for tokens of the kind workspace" });
  if (scopes?.includes("admin") === true) {
    errors.push({ pointer: "#/filter", detail: "a token with the scope admin cannot have one" });
  }
  const names = filter.entities === undefined ? [] : await entityNames(directory, workspaceId ?? "");
  for (const [index, entity] of (filter.entities ?? []).entries()) {
    if (names.includes(entity)) continue;
    const hint = didYouMean(entity, names);
    errors.push({ pointer: `#/filter/entities/${index}`, detail: `"${entity}" is no entity${hint}` });
  }
  if (errors.length > 0) throw invalidRequest("The token cannot be made", errors);
  for (const id of filter.connectionIds ?? []) {
    if ((await directory.connection({ workspaceId: workspaceId ?? "" }, id)) !== undefined) continue;
    throw new Problem("NOT_FOUND", `There is no connection ${id} in the workspace.`);
  }
}

/** Of the model, and those beyond it that connections of the workspace offer. */
async function entityNames(directory: Directory, workspaceId: string): Promise<readonly string[]> {
  const connections = await directory.connections({ workspaceId });
  const offered = connections.flatMap(({ description }) => description?.entities ?? []);
  return [...new Set([...ENTITY_NAMES, ...offered.map(({ entity }) => entity)])];
}

function checkToken(input: NewToken, nowMs: number): void {
  const errors: ProblemIssue[] = [];
  for (const [index, scope] of (input.scopes ?? []).entries()) {
    if ((TOKEN_SCOPES as readonly string[]).includes(scope)) continue;
    const near = nearestMatch(scope, TOKEN_SCOPES);
    const hint = near === undefined ? `known: ${TOKEN_SCOPES.join(", ")}` : `did you mean "${near}"?`;
    errors.push({ pointer: `#/scopes/${index}`, detail: `"${scope}" is not a scope (${hint})` });
  }
  if (input.kind === "connection" && input.scopes?.includes("admin") === true) {
    errors.push({ pointer: "#/scopes", detail: "a connection's token cannot have the scope admin" });
  }
  if (input.expiresAtMs !== undefined && input.expiresAtMs <= nowMs) {
    errors.push({ pointer: "#/expires_at", detail: "lies in the past" });
  }
  if (input.name !== undefined && !NAME.test(input.name)) {
    errors.push({
      pointer: "#/name",
      detail: "must be 1 to 100 letters, digits, space, dot, dash or underscore",
    });
  }
  if (errors.length > 0) throw invalidRequest("The token cannot be made", errors);
}

function checkName(name: string, pattern: RegExp, pointer: string, allowed: string): void {
  if (pattern.test(name)) return;
  throw invalidRequest("The name is not usable", [
    { pointer, detail: `must be 1 to 100 characters of ${allowed}, and begin with a letter or digit` },
  ]);
}

/** The detail repeats the issues, so that it can be read alone. */
export function invalidRequest(what: string, errors: readonly ProblemIssue[]): Problem {
  const list = errors.map(({ pointer, detail }) => `${pointer.replace(/^#\/(query\/)?/, "")} ${detail}`);
  return new Problem("INVALID_REQUEST", `${what}: ${list.join("; ")}.`, { errors });
}
