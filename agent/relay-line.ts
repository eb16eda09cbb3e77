// How the agent's main process reaches its relay: address, proxy, certificates and keys put together.
import { randomBytes } from "node:crypto";
import type { AgentConfig } from "#agent/core/agent-config.ts";
import type { AgentIdentity } from "#agent/core/agent-identity.ts";
import type { ConnectToRelay } from "#agent/core/uplink/uplink.ts";
import { readCaFile } from "#agent/platform/ca-file.ts";
import { VERSION } from "#agent/platform/version.ts";
import { connectAgent } from "#agent/uplink/socket.ts";
import { loadIdentityKey } from "#common/contract/identity-key.ts";
import { systemClock } from "#common/runtime/clock.ts";

/** How this agent reaches its relay. */
export function relayLine(config: AgentConfig, identity: AgentIdentity): ConnectToRelay {
  const { url, caFile, proxy, allowInsecure } = config.relay;
  const instanceId = randomBytes(8).toString("hex");
  const key = loadIdentityKey(identity.secretKey);
  const ca = readCaFile(caFile);
  const platform = `${process.platform} ${process.arch}, Node ${process.versions.node}`;
  return (open, signal) =>
    connectAgent({
      url: url ?? identity.relayUrl,
      identity: key,
      clock: systemClock,
      agentId: identity.agentId,
      relayKey: identity.relayKey,
      agentVersion: VERSION,
      instanceId,
      platform,
      ca,
      proxy,
      allowInsecure,
      signal,
      open,
    });
}
