// kill -9 of a process that writes a room's file while another one reads it through its own handle, again and again.
import { fork } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, it } from "vitest";
import { BatchReader } from "#agent/outbox/batch-reader.ts";
import { seeded } from "./room-files-support.ts";
import type { WriterMessage } from "./room-files-writer.ts";

const WRITER = fileURLToPath(new URL("room-files-writer.ts", import.meta.url));
const KILLS = 20;

let dir: string;
let child: ChildProcess | undefined;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "millrace-kill-"));
});
afterEach(() => {
  child?.kill("SIGKILL");
  rmSync(dir, { recursive: true });
});

it(`keeps order and everything committed through ${KILLS} kills under a reader`, async () => {
  const random = seeded(42);
  let reader: BatchReader | undefined;
  let nextSeq = 1;
  let readUpTo = 0;
  let committed = 0;
  const wrong: string[] = [];
  const readAlong = (): void => {
    const batches = reader?.read(nextSeq, 64 * 1024) ?? [];
    for (const { seq, blob } of batches) {
      const counter = Number(Buffer.from(blob).toString().split(" ")[0]);
      if (seq !== nextSeq || counter !== readUpTo + 1)
        wrong.push(`seq ${seq} (${nextSeq}), counter ${counter} (${readUpTo + 1})`);
      nextSeq = seq + 1;
      readUpTo = counter;
    }
  };
  for (let kill = 0; kill < KILLS; kill += 1) {
    const commits = 1 + random(60);
    let seen = 0;
    const writer = fork(WRITER, [dir], { stdio: "inherit" });
    child = writer;
    const done = once(writer, "exit");
    writer.on("message", (message: WriterMessage) => {
      if (message.type === "wrong") wrong.push(message.detail);
      else if (message.type === "opened") {
        if (kill > 0 && message.reason !== "resumed") wrong.push(`kill ${kill}: ${message.reason}`);
        if (message.counter < committed) wrong.push(`lost: ${message.counter} of ${committed}`);
        reader ??= BatchReader.open(message.file);
      } else {
        committed = message.counter;
        seen += 1;
        if (seen >= commits) writer.kill("SIGKILL");
        else if (seen % 5 === 0 && nextSeq > 1) writer.send({ ackedSeq: nextSeq - 1 });
      }
    });
    while (writer.exitCode === null && writer.signalCode === null) {
      readAlong();
      await setImmediate();
    }
    await done;
    // The reader works on after the writer was killed.
    while ((reader?.position().nextSeq ?? 1) > nextSeq) readAlong();
    expect(wrong).toEqual([]);
    expect(readUpTo).toBeGreaterThanOrEqual(committed);
  }
  expect(readUpTo).toBeGreaterThan(KILLS);
  reader?.close();
});
