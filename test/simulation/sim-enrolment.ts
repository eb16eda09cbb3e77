// What enrolment would have left behind at the simulated relay, and the way of an agent to it.
import type { ConnectToRelay } from "#agent/core/uplink/uplink.ts";
import { newConnectionRow } from "#relay/core/connections/new-connection.ts";
import type { Directory } from "#relay/core/directory.ts";
import type { SimNetwork } from "./sim-network.ts";
import { never, type SimProcess } from "./sim-process.ts";
import type { SimRandom } from "./sim-random.ts";
import type { SimRelay } from "./sim-relay.ts";

export const WORKSPACE = "ws_sim";
export const PLANT = "11111111-1111-4111-8111-111111111111";
export const MACHINES = "22222222-2222-4222-8222-222222222222";
const AGENT = "agent_sim";

export async function setUpDirectory(directory: Directory, createdAtMs: number): Promise<void> {
  await directory.createWorkspace({ id: WORKSPACE, name: "sim", createdAtMs });
  await directory.createAgent({
    id: AGENT,
    workspaceId: WORKSPACE,
    name: "sim",
    publicKey: "",
    createdAtMs,
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
  for (const [id, name] of [
    [PLANT, "plant"],
    [MACHINES, "machines"],
  ] as const) {
    await directory.createConnection(
      newConnectionRow({ id, workspaceId: WORKSPACE, name, environment: "test", createdAtMs }),
    );
  }
  await directory.bindConnections(WORKSPACE, [PLANT, MACHINES], AGENT);
}

export function connectThrough(
  network: SimNetwork,
  relay: SimRelay,
  random: SimRandom,
): (process: SimProcess, instanceId: string) => ConnectToRelay {
  return (process, instanceId) => async (open, signal) => {
    await new Promise<void>((resolve) => void process.clock.setTimer(random.between(5, 100), resolve));
    if (signal.aborted) return never();
    const node = relay.process;
    const proven = { agentId: AGENT, instanceId, agentVersion: "sim", platform: "sim" };
    const channel = network.connect(process, node, open, (far, attach) =>
      node.guard(() => relay.accept(proven, far, attach)),
    );
    if (channel === undefined) throw new Error("the relay cannot be reached");
    return channel;
  };
}
