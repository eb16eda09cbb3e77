// Bare Fastify as a process of its own: one token's requests get a prepared 429, all others a prepared 200. Says its port.
import type { AddressInfo } from "node:net";
import Fastify from "fastify";

const [flooder = "", served = "{}", refused = "{}"] = process.argv.slice(2);
const app = Fastify();
app.get("/*", (request, reply) => {
  const isFlooder = request.headers.authorization === `Bearer ${flooder}`;
  return reply
    .code(isFlooder ? 429 : 200)
    .header("content-type", "application/json; charset=utf-8")
    .send(isFlooder ? refused : served);
});
await app.listen({ host: "127.0.0.1", port: 0 });
process.stdout.write(`${(app.server.address() as AddressInfo).port}\n`);
// Ends with whoever started it.
process.stdin.resume().once("end", () => process.exit(0));
