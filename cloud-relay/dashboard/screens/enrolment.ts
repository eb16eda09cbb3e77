// What the enrolment wizard says and looks for: the commands for the plant, and which agent has come by the code.

export type Platform = "linux" | "windows";

/** The agent's address of a relay whose dashboard is at `origin`. */
export function agentAddress(origin: string): string {
  return origin.replace(/^http/, "ws");
}

/** The code goes by a variable: an option would show in the machine's list of processes. */
export function enrolCommand(platform: Platform, origin: string, code: string): string {
  const relay = agentAddress(origin);
  return platform === "linux"
    ? `sudo MILLRACE_ENROLLMENT_CODE=${code} millrace-agent enroll --relay ${relay}`
    : `$env:MILLRACE_ENROLLMENT_CODE = "${code}"; millrace-agent enroll --relay ${relay}`;
}

interface SeenAgent {
  readonly id: string;
  readonly created_at: string;
  readonly connection_ids: readonly string[];
}

/** The newest agent that enrolled since the code was made, for one of its connections. */
export function arrivedAgent<Agent extends SeenAgent>(
  agents: readonly Agent[],
  code: { readonly created_at: string; readonly connection_ids: readonly string[] },
): Agent | undefined {
  return agents
    .filter((agent) => Date.parse(agent.created_at) >= Date.parse(code.created_at))
    .filter((agent) => agent.connection_ids.some((id) => code.connection_ids.includes(id)))
    .toSorted((a, b) => Date.parse(b.created_at) - Date.parse(a.created_at))[0];
}
