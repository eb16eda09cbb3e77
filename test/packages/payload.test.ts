// What packages carry, run as it is installed: bundled agent and relay, without the checkout and its npm packages.
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { stagePayload, type Payload } from "../../installer/payload.ts";
import type { Platform } from "../../installer/platforms.ts";
import { MACHINES_NAMESPACE, startOpcUaServer, type TestOpcUaServer } from "#test/support/opcua-server.ts";
import { Plant, untilEqual } from "#test/support/plant-stack.ts";
import { ProcessStack } from "#test/support/process-stack.ts";
import { until } from "#test/support/until.ts";

const WAIT_MS = 120_000;
const run = promisify(execFile);
const HERE: Platform = process.arch === "arm64" ? "linux-arm64" : "linux-x64";

const dir = mkdtempSync(join(tmpdir(), "millrace-payload-"));
let agent: Payload;
let relay: Payload;

beforeAll(async () => {
  agent = await stagePayload({ product: "agent", platform: HERE, into: join(dir, "agent") });
  relay = await stagePayload({ product: "relay", platform: HERE, into: join(dir, "relay") });
}, WAIT_MS);

afterAll(() => rmSync(dir, { recursive: true, force: true }));

function command({ folder }: Payload): readonly string[] {
  return [join(folder, "node"), join(folder, "main.mjs")];
}

/** A command of the agent to its end; what it printed, whatever its exit code. */
async function agentSays(...args: readonly string[]): Promise<string> {
  const [program = "", script = ""] = command(agent);
  try {
    const { stdout, stderr } = await run(program, [script, ...args], { cwd: dir });
    return stdout + stderr;
  } catch (error) {
    return ["stdout", "stderr"].map((name) => String(Reflect.get(Object(error), name))).join("");
  }
}

describe("the agent alone", () => {
  test("names the version that it was staged with", async () => {
    expect((await agentSays("--version")).trim()).toBe(agent.version);
    const older = await stagePayload({
      product: "agent",
      platform: HERE,
      into: join(dir, "older"),
      version: "0.0.7",
    });
    expect(older.folder.endsWith(join("versions", "0.0.7"))).toBe(true);
    const [program = "", script = ""] = command(older);
    expect((await run(program, [script, "--version"])).stdout.trim()).toBe("0.0.7");
  });

  test("says what is missing in a sentence", async () => {
    expect(await agentSays("status", "--config", join(dir, "none.yaml"))).toContain("cannot be read");
  });
});

describe("bundled agent and bundled relay", () => {
  let plant: Plant;
  let machines: TestOpcUaServer;
  let stack: ProcessStack;

  beforeAll(async () => {
    plant = new Plant();
    machines = await startOpcUaServer({
      pkiDir: join(dir, "pki"),
      users: { millrace: "secret" },
      stepMs: 200,
    });
    stack = await ProcessStack.create({
      connections: {
        plant: plant.connection(),
        machines: {
          connector: "opc-ua",
          settings: {
            endpoint: machines.endpointUrl,
            user: { name: "millrace", password: "secret" },
            server_fingerprint: machines.certificate.fingerprint,
            nodes: [{ node: `nsu=${MACHINES_NAMESPACE};s=Line1.Press.Count` }],
          },
        },
      },
      programs: { agent: command(agent), relay: command(relay) },
    });
    stack.startAgent();
  }, WAIT_MS);

  afterAll(async () => {
    await stack[Symbol.asyncDispose]();
    await machines.stop();
    plant[Symbol.dispose]();
  });

  async function firstPointWithValue(): Promise<object | undefined> {
    const { body } = await stack.get("/v1/telemetry-points?limit=10");
    const { data } = body as { readonly data: readonly { readonly last_value: object | null }[] };
    return data.find(({ last_value }) => last_value !== null);
  }

  test("a room reads a database, and the relay holds what the plant holds", async () => {
    await untilEqual(stack, "plant", plant, WAIT_MS);
    plant.change(20);
    await expect(untilEqual(stack, "plant", plant, WAIT_MS)).resolves.toBeUndefined();
  });

  test("a room reads an OPC UA server, over a signed and encrypted channel", async () => {
    const point = await until("a point with its value", firstPointWithValue, WAIT_MS);
    expect(point).toMatchObject({ last_value: { quality: "good" } });
  });

  test("the agent knows the packs, and drafts from the catalogue", async () => {
    expect(await stack.command("agent", ["status"])).toContain("plant");
    expect(await stack.command("agent", ["discover", "plant"])).toContain("demo-cmms");
  });

  test("the relay serves its dashboard and its description", async () => {
    const page = await fetch(`http://127.0.0.1:${stack.relayPort}/dashboard/`);
    const html = await page.text();
    expect(page.status).toBe(200);
    const [, script = ""] = /<script[^>]+src="([^"]+)"/.exec(html) ?? [];
    expect((await fetch(`http://127.0.0.1:${stack.relayPort}${script}`)).status).toBe(200);
    const description = await fetch(`http://127.0.0.1:${stack.relayPort}/v1/openapi.json`);
    expect(await description.json()).toMatchObject({ openapi: expect.stringMatching(/^3\.1/) });
  });

  test("the check of a whole file finds its thread and its driver", async () => {
    const script = join(dir, "check.mjs");
    const thread = JSON.stringify(join(agent.folder, "integrity-thread.mjs"));
    const lines = [
      'import { Worker } from "node:worker_threads";',
      `const worker = new Worker(${thread}, { workerData: { file: ${JSON.stringify(plant.file)} } });`,
      'worker.on("message", (answer) => console.log(JSON.stringify(answer)));',
    ];
    writeFileSync(script, lines.join("\n"));
    const { stdout } = await run(join(agent.folder, "node"), [script]);
    expect(JSON.parse(stdout)).toEqual({ said: "ok" });
  });
});

test("every connector's driver is in the bundle: a source that is not there is said to be away", async () => {
  const away = { database: "x", user: "u", password: "p", port: 1 };
  const sources = {
    postgres: { pack: "demo-cmms", settings: { host: "127.0.0.1", ...away } },
    "sql-server": { pack: "business-central", settings: { server: "127.0.0.1", ...away } },
    oracle: {
      pack: "oracle-ebs",
      settings: { host: "127.0.0.1", port: 1, service_name: "x", user: "u", password: "p" },
    },
  };
  const connections = Object.entries(sources).map(([connector, { pack, settings }]) => {
    return { name: connector, connector, pack, time_zone: "UTC", settings };
  });
  const config = join(dir, "away.yaml");
  const data_dir = join(dir, "away");
  writeFileSync(config, JSON.stringify({ relay: { url: "ws://127.0.0.1:1" }, data_dir, connections }));
  for (const { name } of connections)
    expect(await agentSays("discover", name, "--config", config)).toContain("ECONNREFUSED");
});
