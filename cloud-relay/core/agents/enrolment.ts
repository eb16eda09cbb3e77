// Turns a one-time code and a key into an agent.
import { hashEnrollmentSecret } from "#common/contract/enrollment-code.ts";
import type { Enrolled } from "#common/contract/messages.ts";
import { newId } from "../identifiers.ts";
import type { Directory } from "../directory.ts";

export interface EnrolmentDeps {
  readonly directory: Directory;
  readonly nowMs: number;
  readonly randomBytes: (count: number) => Uint8Array;
}

/** The code is used up by the first who shows it; the same answer for unknown, used and expired ones tells a guesser nothing. */
export async function enrolAgent(
  deps: EnrolmentDeps,
  request: { readonly secret: string; readonly agentKey: string; readonly name: string },
): Promise<Enrolled | { readonly refused: string }> {
  const { directory, nowMs, randomBytes } = deps;
  const agentId = newId("agt", nowMs, randomBytes);
  const code = await directory.useEnrollmentCode(hashEnrollmentSecret(request.secret), agentId, nowMs);
  const workspace = code === undefined ? undefined : await directory.workspace(code.workspaceId);
  if (code === undefined || workspace === undefined) {
    return {
      refused:
        "the enrolment code is unknown, expired or already used; make a new one with: millrace-relay enrollment-code create",
    };
  }
  await directory.createAgent({
    id: agentId,
    workspaceId: workspace.id,
    name: request.name,
    publicKey: request.agentKey,
    createdAtMs: nowMs,
    revokedAtMs: undefined,
    quarantinedAtMs: undefined,
    session: 0,
    instanceId: undefined,
    version: undefined,
    platform: undefined,
    connectedAtMs: undefined,
    lastSeenAtMs: undefined,
    isOnline: false,
  });
  await directory.bindConnections(workspace.id, code.connectionIds, agentId);
  const bound = await directory.connectionsOfAgent(agentId);
  return {
    type: "enrolled",
    agent_id: agentId,
    workspace_id: workspace.id,
    workspace_name: workspace.name,
    connections: bound.map(({ id, name }) => ({ id, name })),
  };
}
