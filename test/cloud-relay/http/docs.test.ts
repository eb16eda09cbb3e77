// The pages under docs/ say what the code does.
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { afterAll, expect, test } from "vitest";
import { COMMANDS } from "#relay/cli/commands.ts";
import { RelayConfigSchema } from "#relay/config.ts";
import { PROBLEM_KINDS } from "#relay/core/problem.ts";
import { relayFixture } from "./relay-fixture.ts";

const docs = resolve(import.meta.dirname, "../../../docs");
const api = readFileSync(resolve(docs, "api.md"), "utf8");
const cli = readFileSync(resolve(docs, "relay-cli.md"), "utf8");
const relay = await relayFixture();
afterAll(() => relay[Symbol.asyncDispose]());

test("docs/api.md lists every problem code with its status and whether to retry", () => {
  const rows = Object.entries(PROBLEM_KINDS).map(
    ([code, { status, retryable }]) => `| \`${code}\` | ${status} | ${retryable ? "yes" : "no"} |`,
  );
  const listed = api.split("\n").filter((line) => /^\| `[A-Z_]+` \| \d{3} \|/.test(line));
  expect(listed).toEqual(rows);
});

test("docs/api.md names every list, and no address that is not served", () => {
  const { paths } = relay.app.swagger() as { paths: Record<string, unknown> };
  const known = new Set(Object.keys(paths));
  expect([...known].filter((path) => !path.includes("{") && !api.includes(path))).toEqual([]);
  const patterns = [...known].map((path) => new RegExp(`^${path.replaceAll(/\{\w+\}/g, "[^/]+")}$`));
  const isServed = (path: string): boolean => patterns.some((pattern) => pattern.test(path));
  const named = [...api.matchAll(/(?:\$API|`)(\/(?:v1|admin)[a-z0-9/{}._-]*)/g)].map(
    (match) => match[1] ?? "",
  );
  expect(named.length).toBeGreaterThan(20);
  expect(named.filter((path) => path !== "/admin/v1" && !isServed(path) && !path.endsWith("/"))).toEqual([]);
});

test("docs/relay-cli.md names every command and every setting", () => {
  for (const { words } of COMMANDS) expect(cli).toContain(words.join(" "));
  for (const name of Object.keys(RelayConfigSchema.properties))
    expect(cli).toContain(`\`${name === "tls" ? "tls.cert" : name}\``);
});
