// What the build makes: small enough at first load, nothing inline, nothing from elsewhere.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, expect, test } from "vitest";
import { buildDashboard, firstLoad } from "#relay/dashboard/build.mjs";

const FIRST_LOAD_BYTES = 60_000;

let outDir = "";

beforeAll(async () => {
  outDir = mkdtempSync(join(tmpdir(), "millrace-dashboard-"));
  await buildDashboard({ outDir });
});
afterAll(() => rmSync(outDir, { recursive: true, force: true }));

test("the first load, gzipped, is under 60 kB, with its script and styles among it", () => {
  const files = firstLoad(outDir);
  const bytes = files.reduce((sum, file) => sum + gzipSync(readFileSync(file)).length, 0);
  expect(files.some((file) => file.endsWith(".js"))).toBe(true);
  expect(files.some((file) => file.endsWith(".css"))).toBe(true);
  expect(bytes).toBeGreaterThan(10_000);
  expect(bytes).toBeLessThan(FIRST_LOAD_BYTES);
});

test("screens come when they are opened: their code is not in the first load", () => {
  const first = new Set(firstLoad(outDir));
  const scripts = readdirSync(join(outDir, "assets")).filter((name) => name.endsWith(".js"));
  const screens = ["overview", "connections", "agents"];
  const files = screens.map((screen) => scripts.find((name) => name.startsWith(`${screen}-`)));
  expect(files.every((file) => file !== undefined)).toBe(true);
  expect(files.filter((file) => first.has(join(outDir, "assets", file ?? "")))).toEqual([]);
});

test("the page holds no inline script or style and names nothing from elsewhere", () => {
  const html = readFileSync(join(outDir, "index.html"), "utf8");
  expect(html).not.toMatch(/<script(?![^>]*\bsrc=)/);
  expect(html).not.toMatch(/<style|\bstyle=|\bon[a-z]+=/);
  const addresses = [...html.matchAll(/\b(?:src|href)="([^"]*)"/g)].map(([, address]) => address);
  expect(addresses.length).toBeGreaterThan(2);
  expect(addresses.filter((address) => address?.startsWith("/dashboard/assets/") !== true)).toEqual([]);
});

test("no script makes code from text, and no style asks another host", () => {
  const found: string[] = [];
  for (const name of readdirSync(join(outDir, "assets"))) {
    const text = readFileSync(join(outDir, "assets", name), "utf8");
    const forbidden = name.endsWith(".css")
      ? /url\(["']?(?:https?:|data:|\/\/)/
      : /\beval\(|\bnew Function\(/;
    if (forbidden.test(text)) found.push(name);
  }
  expect(found).toEqual([]);
});
