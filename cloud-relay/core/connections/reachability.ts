// Whether a connection's source can be asked, and what people at the plant do when it cannot: one text for every answer.
import { Problem } from "../problem.ts";
import type { ConnectionRow, ConnectionStatus } from "../store.ts";

export interface Reauthorization {
  readonly required: boolean;
  readonly reason: string | undefined;
  /** Steps in order; none where nothing is required. */
  readonly instructions: readonly string[];
}

/** What gives the login new life, by the connector's type; other types get the last one. */
const RENEWALS: Readonly<Record<string, string>> = {
  "sql-server":
    "On the SQL Server, as an administrator: ALTER LOGIN [<the agent's login>] WITH PASSWORD = '<new password>' UNLOCK; and, where it is disabled, ALTER LOGIN [<the agent's login>] ENABLE;",
  oracle:
    'On the Oracle database, as an administrator: ALTER USER <the agent\'s user> IDENTIFIED BY "<new password>" ACCOUNT UNLOCK;',
  postgres:
    "On the PostgreSQL server, as an administrator: ALTER ROLE <the agent's role> LOGIN PASSWORD '<new password>' VALID UNTIL 'infinity';",
  "opc-ua":
    "In the OPC UA server's administration: let the user of the agent in again, or trust the agent's certificate (millrace-agent doctor shows its thumbprint).",
  sqlite: "Let the agent's account read the database file again.",
};
const RENEW_ANY = "At the source, as its administrator: renew or unlock the login that the agent uses.";

export function reauthorizationOf(status: ConnectionStatus, connector: string | undefined): Reauthorization {
  if (status.state !== "reauthorization_required")
    return { required: false, reason: undefined, instructions: [] };
  return { required: true, reason: status.reason, instructions: renewalSteps(connector) };
}

/** The steps in one sentence each, numbered, for the text of a problem. */
export function howToReconnect(connector: string | undefined): string {
  const steps = renewalSteps(connector).map((step, index) => `${index + 1}. ${step}`);
  return `How to reconnect: ${steps.join(" ")}`;
}

function renewalSteps(connector: string | undefined): readonly string[] {
  const renewal = (connector === undefined ? undefined : RENEWALS[connector]) ?? RENEW_ANY;
  return [
    renewal,
    "On the agent's machine: put the new secret where the connection's settings in agent.yaml refer to (a file, a variable or a credential); a password never stands in agent.yaml itself.",
    "On the agent's machine: run `millrace-agent check-config`, then `millrace-agent doctor`; the connection's login must be reported as good.",
    "Restart the agent. The connection goes on by itself from where it stood: nothing is lost and nothing needs to be enrolled again.",
  ];
}

/**
 * For what must ask the source: live reads, writes, tests.
 * @throws Problem CONFLICT (disconnected), AGENT_OFFLINE (nobody serves it), CONNECTION_REAUTH_REQUIRED, SYSTEM_UNREACHABLE
 */
export function requireSource(connection: ConnectionRow): void {
  requireConnected(connection);
  if (connection.state === "reauthorization_required") throw reauthorizationProblem(connection);
  if (isSourceDown(connection)) throw unreachable(connection);
}

/** @throws Problem CONFLICT */
export function requireConnected(connection: ConnectionRow): void {
  if (connection.disconnectedAtMs === undefined) return;
  throw new Problem(
    "CONFLICT",
    "This connection was disconnected: its source is not asked any more. An administrator can reconnect it: POST /admin/v1/connections/{id}/reconnect.",
  );
}

/** The agent is there and says that its source is not. False also where that is not known. */
export function isSourceDown({ state, report }: ConnectionRow): boolean {
  return state === "offline" && report?.status === "offline";
}

const RETRY_AFTER_S = 30;

function reauthorizationProblem(connection: ConnectionRow): Problem {
  const { reason } = connection;
  const why = reason === undefined ? "" : ` (${reason})`;
  return new Problem(
    "CONNECTION_REAUTH_REQUIRED",
    `The source refuses the agent's login${why}. ${howToReconnect(connection.description?.connector)}`,
    { connectionStatus: statusOf(connection) },
  );
}

function unreachable(connection: ConnectionRow): Problem {
  const { reason, advice } = connection;
  const detail = `The agent is there, but its source cannot be reached${reason === undefined ? "" : `: ${reason}`}. The agent goes on trying by itself.${advice === undefined ? "" : ` ${advice}`}`;
  return new Problem("SYSTEM_UNREACHABLE", detail, {
    connectionStatus: statusOf(connection),
    retryAfterSeconds: RETRY_AFTER_S,
  });
}

function statusOf({ state, reason, advice }: ConnectionStatus) {
  return { state, ...(reason === undefined ? {} : { reason }), ...(advice === undefined ? {} : { advice }) };
}
