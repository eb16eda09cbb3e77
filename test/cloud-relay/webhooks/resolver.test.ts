// Names: found in DNS or by the machine itself, and whose fault it is when they are not.
import { createSocket } from "node:dgram";
import { expect, onTestFinished, test } from "vitest";
import { systemResolver } from "#relay/webhooks/resolver.ts";

const RCODE = { ok: 0, failure: 2, unknown: 3 } as const;
const TYPE_A = 1;

/** `reply`: an IPv4 address, one of the codes, or `silence`. */
async function nameServer(reply: (name: string) => string): Promise<string> {
  const socket = createSocket("udp4");
  socket.on("message", (question, { address, port }) => {
    const name = readName(question);
    const given = reply(name);
    if (given !== "silence") socket.send(answerTo(question, name, given), port, address);
  });
  await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
  onTestFinished(() => void socket.close());
  return `127.0.0.1:${socket.address().port}`;
}

/** RFC 1035, section 4.1.2: labels after the 12 bytes of the header. */
function readName(question: Buffer): string {
  const labels: string[] = [];
  for (let at = 12; ;) {
    const length = question[at] ?? 0;
    if (length === 0) return labels.join(".");
    labels.push(question.toString("latin1", at + 1, at + 1 + length));
    at += 1 + length;
  }
}

function answerTo(question: Buffer, name: string, given: string): Buffer {
  const end = 12 + (name === "" ? 1 : name.length + 2) + 4;
  const code = given in RCODE ? RCODE[given as keyof typeof RCODE] : RCODE.ok;
  const hasAddress = !(given in RCODE) && question.readUInt16BE(end - 4) === TYPE_A;
  const head = Buffer.from(question.subarray(0, end));
  head.writeUInt16BE(0x8180 | code, 2);
  head.writeUInt16BE(hasAddress ? 1 : 0, 6);
  head.writeUInt16BE(0, 10);
  if (!hasAddress) return head;
  const address = Buffer.from(given.split(".").map(Number));
  return Buffer.concat([head, Buffer.from("c00c000100010000003c0004", "hex"), address]);
}

const lookup = (name: string): Promise<readonly string[]> =>
  name === "plant-host"
    ? Promise.resolve(["10.0.0.9"])
    : Promise.reject(Object.assign(new Error("not found"), { code: "ENOTFOUND" }));

test("a name's addresses come from DNS", async () => {
  const server = await nameServer(() => "93.184.216.34");
  expect(await systemResolver({ servers: [server], lookup })("example.com")).toEqual(["93.184.216.34"]);
});

test("localhost is this machine, whatever a name server says", async () => {
  const server = await nameServer(() => "93.184.216.34");
  const resolve = systemResolver({ servers: [server], lookup });
  expect(await resolve("localhost")).toEqual(["127.0.0.1", "::1"]);
  expect(await resolve("my.localhost")).toEqual(["127.0.0.1", "::1"]);
});

test("a name that DNS does not know may be known to the machine", async () => {
  const server = await nameServer(() => "unknown");
  const resolve = systemResolver({ servers: [server], lookup });
  expect(await resolve("plant-host")).toEqual(["10.0.0.9"]);
  await expect(resolve("nobody.example")).rejects.toMatchObject({
    error: "dns_failed",
    message: "the name does not exist",
  });
});

test("many names that only the machine may know are looked up two at a time, and all get an answer", async () => {
  let running = 0;
  let most = 0;
  const server = await nameServer(() => "unknown");
  const slow = async (): Promise<readonly string[]> => {
    most = Math.max(most, ++running);
    await new Promise((resolve) => setImmediate(resolve));
    running -= 1;
    return ["10.0.0.1"];
  };
  const resolve = systemResolver({ servers: [server], lookup: slow });
  const found = await Promise.all(Array.from({ length: 20 }, (_, index) => resolve(`host-${index}`)));
  expect(found).toEqual(found.map(() => ["10.0.0.1"]));
  expect(most).toBe(2);
});

test("a name whose servers fail is the receiver's fault while the name server knows others", async () => {
  const server = await nameServer((name) => (name === "" ? "ok" : "failure"));
  await expect(systemResolver({ servers: [server], lookup })("broken.example")).rejects.toMatchObject({
    error: "dns_failed",
    message: "the name's servers do not answer",
  });
});

test.each(["failure", "silence"] as const)(
  "a name server that answers nothing but %s is our fault",
  async (reply) => {
    const server = await nameServer(() => reply);
    const resolve = systemResolver({ servers: [server], lookup, dnsTimeoutMs: 50 });
    await expect(resolve("example.com")).rejects.toMatchObject({ error: "local_fault" });
  },
);
