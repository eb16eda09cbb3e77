// The server of the OPC UA benchmark, in a process of its own: N items that all change once a period.
import { startOpcUaServer } from "#test/support/opcua-server.ts";

export type ToBenchServer =
  | { readonly type: "tick"; readonly everyMs: number }
  | { readonly type: "stop_ticking" }
  | { readonly type: "cut" }
  | { readonly type: "kill_sessions"; readonly keepSubscriptions: boolean };

export type FromBenchServer =
  | { readonly type: "ready"; readonly endpointUrl: string; readonly fingerprint: string }
  | { readonly type: "stopped_ticking"; readonly ticks: number };

const [, , pkiDir = "", items = "0"] = process.argv;
const server = await startOpcUaServer({ pkiDir, items: Number(items), anonymous: true });
let timer: NodeJS.Timeout | undefined;
let ticks = 0;

function handle(message: ToBenchServer): void {
  switch (message.type) {
    case "tick":
      ticks = 0;
      clearInterval(timer);
      timer = setInterval(() => {
        ticks += 1;
        server.setItems(Math.random());
      }, message.everyMs);
      break;
    case "stop_ticking":
      clearInterval(timer);
      say({ type: "stopped_ticking", ticks });
      break;
    case "cut":
      server.cutConnections();
      break;
    case "kill_sessions":
      server.killSessions(message.keepSubscriptions);
  }
}

function say(message: FromBenchServer): void {
  process.send?.(message);
}

process.on("message", handle);
process.once("disconnect", () => process.exit(0));
say({ type: "ready", endpointUrl: server.endpointUrl, fingerprint: server.certificate.fingerprint });
