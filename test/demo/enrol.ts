// Sets the demo up as a customer would: workspace, connections and tokens at the relay, then the agent by a one-time code.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { agentYaml, pointYaml, type PlantAddresses } from "./agent-yaml.ts";
import { runCommand } from "./child.ts";
import type { DemoConnection, DemoFolder, DemoState, DemoUser } from "./demo-folder.ts";
import { RelayApi } from "./relay-api.ts";

export const RELAY = fileURLToPath(new URL("../../cloud-relay/bin.mjs", import.meta.url));
export const AGENT = fileURLToPath(new URL("../../agent/bin.mjs", import.meta.url));

const CONNECTIONS = ["plant-erp", "plant-machines"] as const;
/** What can be done with them is for the plant's own file to say. */
const SCOPES = ["read", "write"] as const;

export interface Enrolled {
  readonly workspaceKey: string;
  /** Who may sign in to the dashboard. */
  readonly dashboard: DemoUser;
  readonly connections: Readonly<Record<string, DemoConnection>>;
}

/** What an earlier start has set up, or a new set-up. */
export async function enrolOrResume(
  folder: DemoFolder,
  api: string,
  plant: PlantAddresses,
  signal: AbortSignal,
): Promise<Enrolled> {
  const state = folder.state();
  if (!isComplete(state) || !existsSync(folder.agentConfig))
    return await enrol(folder, api, CONNECTIONS, agentYaml(plant), signal);
  const before = readFileSync(folder.agentConfig, "utf8");
  const now = pointYaml(before, plant);
  if (now !== before) writeFileSync(folder.agentConfig, now, { mode: 0o600 });
  return { workspaceKey: state.workspaceKey, dashboard: state.dashboard, connections: state.connections };
}

/** A new workspace with these connections, and the agent that serves them by the given configuration. */
export async function enrol(
  folder: DemoFolder,
  api: string,
  names: readonly string[],
  yaml: string,
  signal: AbortSignal,
): Promise<Enrolled> {
  const { admin, workspaceId, ...enrolled } = await administer(folder, api, names, signal);
  writeFileSync(folder.agentConfig, yaml, { mode: 0o600 });
  const owned = { workspace_id: workspaceId, connections: names };
  const { code } = await admin.post<{ code: string }>("/admin/v1/enrollment-codes", owned);
  // By a variable: an option would show in the list of processes.
  await runCommand(AGENT, ["enroll", "--name", "demo-agent", "--config", folder.agentConfig], {
    env: { MILLRACE_ENROLLMENT_CODE: code },
    signal,
  });
  return enrolled;
}

export function isComplete(state: DemoState | undefined): state is Required<DemoState> {
  return (
    state?.isSetUp === true &&
    [state.workspaceKey, state.connections, state.dashboard].every((part) => part !== undefined)
  );
}

interface Administered extends Enrolled {
  readonly workspaceId: string;
  readonly admin: RelayApi;
}

/** The operator's token by the command line, all else through the admin API. */
async function administer(
  folder: DemoFolder,
  api: string,
  names: readonly string[],
  signal: AbortSignal,
): Promise<Administered> {
  const minted = await runCommand(
    RELAY,
    [
      "token",
      "create",
      "--admin",
      "--name",
      "demo",
      "--expires",
      "1h",
      "--json",
      "--data-dir",
      folder.relayDir,
    ],
    { signal },
  );
  const admin = new RelayApi(api, (JSON.parse(minted) as { token: string }).token);
  const workspace = await admin.post<{ id: string }>("/admin/v1/workspaces", { name: "demo" });
  const owned = { workspace_id: workspace.id };
  const connections: Record<string, DemoConnection> = {};
  for (const name of names) {
    const body = { ...owned, name, customer: "Demo plant" };
    const { id } = await admin.post<{ id: string }>("/admin/v1/connections", body);
    const bound = { ...owned, kind: "connection", connection_id: id, name: `demo ${name}`, scopes: SCOPES };
    const { token } = await admin.post<{ token: string }>("/admin/v1/tokens", bound);
    connections[name] = { id, token };
  }
  const whole = { ...owned, kind: "workspace", name: "demo", scopes: SCOPES };
  const { token } = await admin.post<{ token: string }>("/admin/v1/tokens", whole);
  const user = { ...owned, email: "demo@example.com", name: "Demo", role: "admin" };
  const { email, password } = await admin.post<DemoUser>("/admin/v1/users", user);
  return {
    workspaceKey: token,
    dashboard: { email, password },
    connections,
    workspaceId: workspace.id,
    admin,
  };
}
