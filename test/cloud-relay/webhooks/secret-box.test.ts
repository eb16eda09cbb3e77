// What is sealed opens in its own place under its own key only, and the key is its owner's.
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { MillraceError } from "#common/runtime/errors.ts";
import { openSecretBox, SECRETS_FILE } from "#relay/webhooks/secret-box.ts";

const CANARY = "whsec_canary-that-nobody-may-find";
const PLACE = "endpoint/whe_1/secret/whs_1";

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "millrace-box-"));
  onTestFinished(() => rm(path, { recursive: true }));
  return path;
}

test("sealed texts show nothing, differ each time, and open again after a restart", async () => {
  const dir = await folder();
  const box = await openSecretBox(dir);
  const sealed = [CANARY, CANARY, "", "ü".repeat(1_000)].map((text) => box.seal(text, PLACE));
  expect(new Set(sealed).size).toBe(4);
  for (const text of sealed) {
    expect(text).toMatch(/^[\w-]+$/);
    expect(Buffer.from(text, "base64url").includes("canary")).toBe(false);
  }
  const again = await openSecretBox(dir);
  expect(sealed.map((text) => again.open(text, PLACE))).toEqual([CANARY, CANARY, "", "ü".repeat(1_000)]);
});

test("a text that was moved to another place, altered in any byte, or sealed under another key does not open", async () => {
  const box = await openSecretBox(await folder());
  const other = await openSecretBox(await folder());
  const sealed = box.seal(CANARY, PLACE);
  expect(() => box.open(sealed, "endpoint/whe_2/secret/whs_1")).toThrow(MillraceError);
  expect(() => box.open(other.seal(CANARY, PLACE), PLACE)).toThrow(/sealed by another key/);
  const bytes = Buffer.from(sealed, "base64url");
  for (let at = 0; at < bytes.length; at++) {
    const altered = Buffer.from(bytes);
    altered[at] = (altered[at] ?? 0) ^ 1;
    expect(() => box.open(altered.toString("base64url"), PLACE), `byte ${at}`).toThrow(MillraceError);
  }
  for (const text of ["", "AQ", sealed.slice(0, -1), `${sealed}AA`])
    expect(() => box.open(text, PLACE)).toThrow(MillraceError);
});

test("a refusal does not repeat what was sealed", async () => {
  const box = await openSecretBox(await folder());
  const sealed = box.seal(CANARY, PLACE);
  expect(() => box.open(sealed, "elsewhere")).toThrow(
    expect.objectContaining({ message: expect.not.stringContaining("canary") as string }) as Error,
  );
});

test("several that start at once share one key", async () => {
  const dir = await folder();
  const boxes = await Promise.all(Array.from({ length: 8 }, () => openSecretBox(dir)));
  const sealed = boxes.map((box) => box.seal(CANARY, PLACE));
  for (const box of boxes) for (const text of sealed) expect(box.open(text, PLACE)).toBe(CANARY);
});

test("what an earlier key sealed opens beside a newer one", async () => {
  const dir = await folder();
  const path = join(dir, SECRETS_FILE);
  const before = (await openSecretBox(dir)).seal(CANARY, PLACE);
  const file = JSON.parse(await readFile(path, "utf8")) as { keys: Record<string, string> };
  const keys = { ...file.keys, 2: Buffer.alloc(32, 7).toString("base64") };
  await writeFile(path, JSON.stringify({ current: 2, keys }));
  const box = await openSecretBox(dir);
  expect(box.open(before, PLACE)).toBe(CANARY);
  const after = box.seal(CANARY, PLACE);
  expect(Buffer.from(after, "base64url")[0]).toBe(2);
  expect(box.open(after, PLACE)).toBe(CANARY);
});

test.runIf(process.platform !== "win32")(
  "the key is its owner's alone, and one that others may read is refused",
  async () => {
    const dir = await folder();
    await openSecretBox(dir);
    const path = join(dir, SECRETS_FILE);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    await chmod(path, 0o640);
    await expect(openSecretBox(dir)).rejects.toThrow(/chmod 600/);
  },
);

test.each(["", "{}", "[]", '{"current":1,"keys":{"1":"c2hvcnQ="}}', '{"current":2,"keys":{"1":""}}'])(
  "a damaged key file (%j) is not replaced but reported",
  async (text) => {
    const dir = await folder();
    await writeFile(join(dir, SECRETS_FILE), text, { mode: 0o600 });
    await expect(openSecretBox(dir)).rejects.toThrow(/put it back from a backup/);
    expect(await readFile(join(dir, SECRETS_FILE), "utf8")).toBe(text);
  },
);
