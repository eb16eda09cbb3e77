// Second process of the bare pipe: reads committed blobs through a handle of its own and sends them over one WebSocket.
import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import Database from "better-sqlite3";
import { WebSocket } from "ws";

const WINDOW_BYTES = 1024 * 1024;
const [, , sourceFile = "", outboxFile = "", port = ""] = process.argv;
const room = fork(fileURLToPath(new URL("room.ts", import.meta.url)), [sourceFile, outboxFile]);
const socket = new WebSocket(`ws://127.0.0.1:${port}`, { perMessageDeflate: false });
let read: Database.Statement<[number], Buffer> | undefined;
let committed = 0;
let sent = 0;
let inFlight = 0;
const sizes: number[] = [];

process.on("disconnect", () => process.exit(0));
process.on("message", (pass: string) => room.send(pass));
socket.on("open", () => process.send?.({ ready: room.pid }));
socket.on("message", () => {
  inFlight -= sizes.shift() ?? 0;
  pump();
});
room.on("message", (seq: number) => {
  committed = seq;
  pump();
});

function pump(): void {
  while (sent < committed && inFlight < WINDOW_BYTES) {
    read ??= new Database(outboxFile, { readonly: true })
      .prepare<[number], Buffer>("SELECT blob FROM batches WHERE seq = ?")
      .pluck();
    const blob = read.get(sent + 1);
    if (blob === undefined) return;
    sent += 1;
    sizes.push(blob.length);
    inFlight += blob.length;
    socket.send(blob);
  }
}
