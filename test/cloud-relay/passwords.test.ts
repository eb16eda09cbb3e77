// Hashed passwords: only the right one fits, and the text says how it was made.
import { expect, it } from "vitest";
import { ScryptPasswords } from "#relay/passwords.ts";

const QUICK = { N: 1_024, r: 8, p: 1 };

it("only the right password fits, however it is written in Unicode", async () => {
  const passwords = new ScryptPasswords(QUICK);
  const hash = await passwords.hash("Ça va bien?");
  expect(hash).toMatch(/^scrypt\$1024\$8\$1\$[\w-]{22}\$[\w-]{43}$/);
  expect(await passwords.verify("C\u0327a va bien?", hash)).toBe(true);
  expect(await passwords.verify("ça va bien?", hash)).toBe(false);
  expect(await passwords.verify("Ça va bien?", undefined)).toBe(false);
  expect(await passwords.verify("Ça va bien?", "plain text")).toBe(false);
  const flipped = hash.slice(0, -1) + (hash.endsWith("A") ? "E" : "A");
  expect(await passwords.verify("Ça va bien?", flipped)).toBe(false);
});

it("salts every hash, and reads those made at another cost", async () => {
  const passwords = new ScryptPasswords(QUICK);
  expect(await passwords.hash("same")).not.toBe(await passwords.hash("same"));
  const older = await new ScryptPasswords({ N: 512, r: 4, p: 1 }).hash("same");
  expect(await passwords.verify("same", older)).toBe(true);
});

it("many at once all end, at the cost that is used", async () => {
  const passwords = new ScryptPasswords();
  const hash = await passwords.hash("right");
  const verdicts = await Promise.all(
    ["right", "wrong", "right", "wrong", "right"].map((p) => passwords.verify(p, hash)),
  );
  expect(verdicts).toEqual([true, false, true, false, true]);
});
