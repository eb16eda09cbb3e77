// A tier whose program is missing is named to the runner, and is a failure where nothing may be missing.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { requireTier } from "./tiers.ts";

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "millrace-tiers-"));
  vi.stubEnv("MILLRACE_MISSING_TIERS_FILE", join(folder, "missing.jsonl"));
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true, force: true });
});

it("lets a tier run that has what it needs", () => {
  vi.stubEnv("CI", "true");
  expect(requireTier("nats", true, "unused")).toBe(true);
});

it("names a tier that cannot run", () => {
  vi.stubEnv("CI", "");
  expect(requireTier("nats", false, "nats-server is not installed")).toBe(false);
  expect(readFileSync(join(folder, "missing.jsonl"), "utf8")).toBe(
    '{"name":"nats","reason":"nats-server is not installed"}\n',
  );
});

it("fails with CI=true", () => {
  vi.stubEnv("CI", "true");
  expect(() => requireTier("nats", false, "nats-server is not installed")).toThrow(/nats.*not installed/);
});
