// The calls that the reference shows are answered by a sandbox as they stand: those of the first day, and every example of a write.
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { STEPS } from "#relay/http/reference/guide.ts";
import { WRITE_EXAMPLES } from "#relay/http/reference/write-examples.ts";
import { sandboxFixture, type SandboxFixture } from "./sandbox-fixture.ts";

const CURL = resolve(import.meta.dirname, "../../support/curl.ts");
/** Each call is a process of its own. */
const RUN_TIMEOUT_MS = 180_000;
/** Records that may be changed: others are refused by the product's rules. */
const CHANGEABLE: Readonly<Record<string, string>> = {
  "purchase-orders": "status=draft",
  "work-orders": "status=approved",
  "maintenance-requests": "status=new",
};
const ACTED: Readonly<Record<string, string>> = {
  "purchase-orders": "status=pending_approval",
  "work-orders": "status=approved",
  requisitions: "status=pending_approval",
};

let sandbox: SandboxFixture;
beforeAll(async () => {
  sandbox = await sandboxFixture();
});
afterAll(() => sandbox[Symbol.asyncDispose]());

async function idOf(list: string, filter = ""): Promise<string> {
  const answer = await sandbox.request("GET", `/v1/${list}?${filter === "" ? "" : `${filter}&`}limit=1`);
  const { data } = (await answer.json()) as { readonly data?: readonly { readonly id: string }[] };
  return data?.[0]?.id ?? `nothing in ${list} with ${filter}`;
}

test("every call of the first day is answered with success", { timeout: RUN_TIMEOUT_MS }, async () => {
  const folder = mkdtempSync(join(tmpdir(), "millrace-guide-"));
  try {
    const log = join(folder, "calls.jsonl");
    const set = {
      API: sandbox.relay.url,
      TOKEN: sandbox.token,
      ID: await idOf("work-orders", "status=approved"),
    };
    const script = [
      "set -eu",
      `curl() { "$NODE" "$CURL" "$@"; }`,
      ...Object.entries(set).map(([name, value]) => `${name}='${value}'`),
      ...STEPS.map(({ shell }) => shell),
    ];
    const env = { ...process.env, NODE: process.execPath, CURL, CURL_LOG: log };
    await promisify(execFile)("bash", ["-c", script.join("\n")], { env, maxBuffer: 64 * 1024 * 1024 });
    const called = readFileSync(log, "utf8")
      .trim()
      .split("\n")
      .map((text) => JSON.parse(text) as { readonly status: number; readonly url: string });
    expect(called.length).toBe(STEPS.flatMap(({ shell }) => shell.match(/^curl /gm) ?? []).length);
    expect(called.filter(({ status }) => status >= 300)).toEqual([]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test.each(Object.entries(WRITE_EXAMPLES))(
  "the examples of writes to %s are taken",
  async (list, examples) => {
    const { create, update, action } = examples;
    const taken = async (method: string, path: string, body: object): Promise<void> => {
      const answer = await sandbox.request(method, `/v1/${list}${path}?dry_run=true`, body);
      expect([method, path, answer.status, answer.ok ? "" : await answer.text()]).toEqual([
        method,
        path,
        200,
        "",
      ]);
    };
    if (create !== undefined) await taken("POST", "", create);
    if (update !== undefined) await taken("PATCH", `/${await idOf(list, CHANGEABLE[list])}`, update);
    if (action !== undefined) {
      await taken("POST", `/${await idOf(list, ACTED[list])}/actions/${action.operation}`, action.body);
    }
  },
);
