// The examples in the documents run as they are, in a shell, against a relay with a sandbox.
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createToken } from "#relay/core/administration.ts";
import { entropy } from "./relay-fixture.ts";
import { sandboxFixture, type SandboxFixture } from "./sandbox-fixture.ts";

const DOCS = resolve(import.meta.dirname, "../../../docs");
const CURL = resolve(import.meta.dirname, "../../support/curl.ts");

/** Each call is a process of its own. */
const RUN_TIMEOUT_MS = 180_000;

let sandbox: SandboxFixture;
let workspaceToken = "";
let operatorToken = "";
let folder = "";
beforeAll(async () => {
  sandbox = await sandboxFixture();
  folder = mkdtempSync(join(tmpdir(), "millrace-docs-"));
  const { directory } = sandbox.relay.store;
  const [workspace] = await directory.workspaces();
  const administration = { directory, entropy, nowMs: () => Date.now() };
  const scopes = ["read", "write"];
  const workspaceId = workspace?.id ?? "";
  workspaceToken = (await createToken(administration, { kind: "workspace", workspaceId, scopes })).token;
  operatorToken = (await createToken(administration, { kind: "admin" })).token;
});
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await sandbox[Symbol.asyncDispose]();
});

interface Called {
  readonly status: number;
  readonly url: string;
}

/** Runs all of a page's commands in one shell. Resolves with what was called. */
async function runPage(
  page: string,
  variables: Readonly<Record<string, string>>,
): Promise<readonly Called[]> {
  const text = readFileSync(join(DOCS, page), "utf8");
  const blocks = [...text.matchAll(/^```sh\n([\s\S]*?)^```/gm)].map(([, block = ""]) => block);
  const commands = blocks.filter((block) => block.includes("curl "));
  const log = join(folder, `${page}.jsonl`);
  const script = [
    "set -eu",
    `curl() { "$NODE" "$CURL" "$@"; }`,
    ...Object.entries(variables).map(([name, value]) => `${name}='${value}'`),
    // Where the relay is, and with which token, is this test's to say.
    ...commands.map((block) => block.replaceAll(/^export .*$/gm, "")),
  ];
  const env = { ...process.env, NODE: process.execPath, CURL, CURL_LOG: log };
  await promisify(execFile)("bash", ["-c", script.join("\n")], { env, maxBuffer: 64 * 1024 * 1024 });
  return readFileSync(log, "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Called);
}

test.each([
  ["api.md", 20, () => operatorToken],
  ["connections.md", 2, () => sandbox.adminToken],
  ["sandbox.md", 1, () => sandbox.adminToken],
])(
  "every curl of docs/%s is answered with success",
  { timeout: RUN_TIMEOUT_MS },
  async (page, least, admin) => {
    const { relay, connectionId } = sandbox;
    const called = await runPage(page, {
      API: relay.url,
      RELAY: relay.url,
      ID: connectionId,
      TOKEN: workspaceToken,
      ADMIN: admin(),
    });
    expect(called.length).toBeGreaterThanOrEqual(least);
    expect(called.filter(({ status }) => status >= 300)).toEqual([]);
  },
);

test("the problem that docs/api.md shows is the one that is answered", async () => {
  const text = readFileSync(join(DOCS, "api.md"), "utf8");
  const [shown, ...others] = [...text.matchAll(/^```json\n([\s\S]*?)^```/gm)].map(([, json = ""]) => json);
  expect(others).toEqual([]);
  const problem = JSON.parse(shown ?? "") as Record<string, unknown>;
  const answer = await sandbox.request("GET", "/v1/vendors?limitt=1");
  const body = (await answer.json()) as Record<string, unknown>;
  expect({ ...body, request_id: "" }).toEqual({ ...problem, request_id: "" });
});
