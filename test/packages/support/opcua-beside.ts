// A plant's OPC UA server as a program of its own, so that a test can run it in a machine's network: prints where it is, ends
// with its standard input.
import { MACHINES_NAMESPACE, startOpcUaServer } from "#test/support/opcua-server.ts";

const [pkiDir = ""] = process.argv.slice(2);
const server = await startOpcUaServer({ pkiDir, users: { millrace: "secret" }, stepMs: 200 });
const { endpointUrl: endpoint, certificate } = server;
const node = `nsu=${MACHINES_NAMESPACE};s=Line1.Press.Count`;
process.stdout.write(`${JSON.stringify({ endpoint, fingerprint: certificate.fingerprint, node })}\n`);
process.stdin.resume().once("end", () => process.exit());
