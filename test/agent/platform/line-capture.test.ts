// A room's output as log lines: bounded, whole characters, and the words that matter at its end.
import { beforeEach, describe, expect, it } from "vitest";
import { LineCapture } from "#agent/platform/line-capture.ts";
import { FakeClock } from "#test/support/fake-clock.ts";

let lines: string[];
let clock: FakeClock;
let capture: LineCapture;

beforeEach(() => {
  lines = [];
  clock = new FakeClock();
  capture = new LineCapture(clock, (line) => void lines.push(line));
});

function write(text: string): void {
  capture.write(Buffer.from(text));
}

describe("LineCapture", () => {
  it("puts lines and characters together across chunks", () => {
    const bytes = Buffer.from("grüße\nzwei");
    for (const byte of bytes) capture.write(Uint8Array.of(byte));
    expect(lines).toEqual(["grüße"]);
    capture.end();
    expect(lines).toEqual(["grüße", "zwei"]);
  });

  it("cuts a line without end", () => {
    for (let chunk = 0; chunk < 100; chunk += 1) write("x".repeat(1_000));
    write("\n");
    expect(lines.map((line) => line.length)).toEqual([4_000]);
  });

  it("lets a hundred lines through in ten seconds and counts the rest", () => {
    for (let line = 0; line < 150; line += 1) write(`line ${line}\n`);
    expect(lines.length).toBe(100);
    clock.advance(10_000);
    write("later\n");
    expect(lines.slice(100)).toEqual(["(50 more lines left out)", "later"]);
  });

  it("finds the last words before a stack and Node's trailer", () => {
    write(
      "started\nfile:///x.ts:3\n    throw new TypeError('boom')\n    ^\n\nTypeError: boom\n    at f (x.ts:3:1)\n\nNode.js v24.21.0\n",
    );
    expect(capture.lastWords).toBe("TypeError: boom");
  });

  it("knows V8's", () => {
    write(
      "\n<--- Last few GCs --->\n[1] Mark-sweep\nFATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory\n----- Native stack trace -----\n 1: 0xb7c9d8 node::OOMErrorHandler\n",
    );
    expect(capture.lastWords).toMatch(/^FATAL ERROR: Reached heap limit/);
  });

  it("takes the last line when none names an error, and has none without output", () => {
    expect(capture.lastWords).toBeUndefined();
    write("one\ntwo\n");
    expect(capture.lastWords).toBe("two");
  });
});
