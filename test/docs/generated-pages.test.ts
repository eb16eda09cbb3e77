// Pages made from the code are as the code makes them, and their example is a file that the agent takes.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { parseAgentConfig } from "#agent/platform/config.ts";
import { DOC_PAGES, EXAMPLE_AGENT_CONFIG } from "#test/support/doc-pages.ts";

it.each(DOC_PAGES)("$file is up to date (npm run docs)", ({ file, render }) => {
  const text = readFileSync(fileURLToPath(new URL(`../../${file}`, import.meta.url)), "utf8");
  expect(text).toBe(render());
});

it("the example of docs/configuration.md is valid but for its secrets, which this machine has not", () => {
  const plain = EXAMPLE_AGENT_CONFIG.replaceAll(/"\{(file|credential):[^}]+\}"/g, '"{env:SECRET}"');
  expect(plain).not.toBe(EXAMPLE_AGENT_CONFIG);
  const { config } = parseAgentConfig(plain, "/etc/millrace-agent/agent.yaml", { SECRET: "s3cret" });
  expect(config.connections[0]?.settings).toMatchObject({ password: "s3cret" });
});
