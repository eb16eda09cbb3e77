// What a version must be able to read is noted beside the data, and never lowered.
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { DATA_FORMATS, DATA_FORMATS_FILE, rememberDataFormats } from "#agent/data-formats.ts";

let dir: string;
beforeEach(() => void (dir = mkdtempSync(join(tmpdir(), "millrace-formats-"))));
afterEach(() => rmSync(dir, { recursive: true, force: true }));

function noted(): string {
  return readFileSync(join(dir, DATA_FORMATS_FILE), "utf8");
}

test("a line for each kind of file: what is written, and what reads it", () => {
  rememberDataFormats(dir);
  const lines = DATA_FORMATS.map(({ file, format, minReader }) => `${file} ${format} ${minReader}\n`);
  expect(noted()).toBe(lines.join(""));
  expect(readdirSync(dir)).toEqual([DATA_FORMATS_FILE]);
});

test("an older version that may read the data lowers nothing", () => {
  rememberDataFormats(dir, [{ file: "agent.db", format: 9, minReader: 2 }]);
  rememberDataFormats(dir, [{ file: "agent.db", format: 3, minReader: 1 }]);
  expect(noted()).toBe("agent.db 9 2\n");
});

test("a newer version raises it, and keeps what it does not know", () => {
  rememberDataFormats(dir, [{ file: "else", format: 1, minReader: 1 }]);
  rememberDataFormats(dir, [{ file: "agent.db", format: 4, minReader: 4 }]);
  rememberDataFormats(dir, [{ file: "agent.db", format: 5, minReader: 4 }]);
  expect(noted()).toBe("else 1 1\nagent.db 5 4\n");
});

test("lines that are none are not carried on", () => {
  writeFileSync(join(dir, DATA_FORMATS_FILE), "agent.db x y\n\u0000\u0000");
  rememberDataFormats(dir, [{ file: "agent.db", format: 3, minReader: 1 }]);
  expect(noted()).toBe("agent.db 3 1\n");
});
