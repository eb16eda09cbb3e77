// A process full of idle agents: the product's own uplink and handshake for each, nothing behind them.
import { Uplink } from "#agent/core/uplink/uplink.ts";
import { connectAgent } from "#agent/uplink/socket.ts";
import { loadIdentityKey } from "#common/contract/identity-key.ts";
import { systemClock } from "#common/runtime/clock.ts";
import { silentLogger } from "#common/runtime/logger.ts";

export interface AgentsOrder {
  readonly url: string;
  readonly ca: string;
  readonly relayKey: string;
  readonly agents: readonly { readonly id: string; readonly secret: string }[];
}

const REPORT_EVERY_MS = 250;
const stopping = new AbortController();

process.on("message", ({ url, ca, relayKey, agents }: AgentsOrder) => {
  // One list for all: reading the usual roots for each would take longer than everything else together.
  const authorities = [ca];
  const uplinks = agents.map(({ id, secret }, index) => {
    const identity = loadIdentityKey(secret);
    const uplink = new Uplink({
      clock: systemClock,
      logger: silentLogger,
      random: Math.random,
      sources: [],
      bound: () => {},
      directive: () => {},
      welcomed: () => {},
      connect: (open, signal) =>
        connectAgent({
          url,
          ca: authorities,
          identity,
          clock: systemClock,
          agentId: id,
          relayKey,
          agentVersion: "0.0.0",
          instanceId: `bench-${index}`,
          platform: "bench",
          signal,
          open,
        }),
    });
    void uplink.run(stopping.signal);
    return uplink;
  });
  setInterval(() => {
    process.send?.(uplinks.filter((uplink) => uplink.state.state === "online").length);
  }, REPORT_EVERY_MS);
});
process.on("disconnect", () => process.exit(0));
