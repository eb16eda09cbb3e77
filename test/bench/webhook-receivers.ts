// A process of its own that receives webhooks for a benchmark: says when each delivery came, so that whoever sends is not held up by it.
import { createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import { WebhookCrowd, type CrowdMember } from "#test/support/webhook-crowd.ts";

/** What the benchmark asks; each is answered by one message. */
export type Ask = "counts" | "arrivals";

export interface Ready {
  /** Of the bare receiver that answers everything at once. */
  readonly port: number;
  readonly members: readonly CrowdMember[];
}

export interface Arrival {
  readonly path: string;
  readonly eventId: string;
  /** Wall clock, ms with fractions. */
  readonly atMs: number;
}

const ANSWER = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nthanks";
const HEAD_END = Buffer.from("\r\n\r\n");

let arrivals: Arrival[] = [];
let count = 0;

function wallMs(): number {
  return performance.timeOrigin + performance.now();
}

/** One request at a time on each socket, as the sender does it. No HTTP server, whose cost would be measured. */
function receive(socket: Socket): void {
  let held: Buffer = Buffer.alloc(0);
  let atMs = 0;
  socket.setNoDelay(true).on("error", () => socket.destroy());
  socket.on("data", (chunk: Buffer) => {
    if (held.length === 0) atMs = wallMs();
    held = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
    const headEnd = held.indexOf(HEAD_END);
    if (headEnd < 0) return;
    const head = held.toString("latin1", 0, headEnd);
    const length = Number(/content-length: (\d+)/i.exec(head)?.[1]);
    if (held.length < headEnd + HEAD_END.length + length) return;
    held = Buffer.alloc(0);
    count += 1;
    const path = head.slice("POST ".length, head.indexOf(" HTTP"));
    if (path !== "/count") {
      arrivals.push({ path, eventId: /webhook-id: (\S+)/i.exec(head)?.[1] ?? "", atMs });
    }
    socket.write(ANSWER);
  });
}

const server = createServer(receive);
await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
const crowd = await WebhookCrowd.listen((path, eventId) => arrivals.push({ path, eventId, atMs: wallMs() }));
const ready: Ready = {
  port: (server.address() as AddressInfo).port,
  members: crowd.members(Number(process.argv[2])),
};
process.send?.(ready);
process.on("message", (ask: Ask) => {
  if (ask === "counts") {
    process.send?.(count);
    return;
  }
  process.send?.(arrivals);
  arrivals = [];
});
process.on("disconnect", () => process.exit(0));
