// The demo plant's OPC UA server as a process of its own: `node test/demo/plant/opcua-server.ts --port 0 --pki <folder>`.
import { parseArgs } from "node:util";
import { startOpcUaServer } from "#test/support/opcua-server.ts";

/** Sent to the parent once the server listens. */
export interface PlantServerReady {
  readonly type: "ready";
  readonly port: number;
  readonly endpointUrl: string;
  readonly certificateFile: string;
  /** SHA-256, lower-case hex: for `server_fingerprint`. */
  readonly fingerprint: string;
  readonly user: string;
  readonly password: string;
}

const STEP_MS = 1_000;

const { values } = parseArgs({
  options: {
    port: { type: "string", default: "0" },
    pki: { type: "string" },
    user: { type: "string", default: "millrace" },
    password: { type: "string", default: "demo-plant" },
    "step-ms": { type: "string", default: String(STEP_MS) },
  },
});
if (values.pki === undefined) {
  process.stderr.write("opcua-server: --pki <folder> is missing: say where keys and certificates are kept\n");
  process.exit(2);
}

const server = await startOpcUaServer({
  port: Number(values.port),
  pkiDir: values.pki,
  users: { [values.user]: values.password },
  anonymous: false,
  stepMs: Number(values["step-ms"]),
});

let stopping: Promise<void> | undefined;
function stop(): void {
  stopping ??= server.stop().finally(() => process.exit(0));
}
process.once("SIGTERM", stop);
process.once("SIGINT", stop);
process.once("disconnect", stop);

const ready: PlantServerReady = {
  type: "ready",
  port: server.port,
  endpointUrl: server.endpointUrl,
  certificateFile: server.certificate.certificateFile,
  fingerprint: server.certificate.fingerprint,
  user: values.user,
  password: values.password,
};
if (process.send === undefined) process.stdout.write(`${JSON.stringify(ready)}\n`);
else process.send(ready);
