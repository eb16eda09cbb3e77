// Setpoints and methods of machines from the API through relay and agent, as processes, to a real OPC UA server and back.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { MACHINES_NAMESPACE, startOpcUaServer, type TestOpcUaServer } from "#test/support/opcua-server.ts";
import { ProcessStack } from "#test/support/process-stack.ts";
import { until } from "#test/support/until.ts";

const WAIT_MS = 60_000;
const USER = { name: "millrace", password: "secret" };
const PRESS = `nsu=${MACHINES_NAMESPACE};s=Line1.Press`;

interface Answer {
  readonly status: number;
  // oxlint-disable-next-line typescript/no-explicit-any -- tests look into arbitrary answers
  readonly body: any;
  readonly headers: Headers;
}

interface Sample {
  readonly value: unknown;
  readonly backfilled: boolean;
}

const dir = mkdtempSync(join(tmpdir(), "millrace-opcua-writes-"));
let server: TestOpcUaServer;
let stack: ProcessStack;
let token = "";
/** Ids of the points' records, by the last part of their names. */
const points = new Map<string, string>();

beforeAll(async () => {
  server = await startOpcUaServer({ pkiDir: join(dir, "pki"), users: { [USER.name]: USER.password } });
  stack = await ProcessStack.create({ connections: { machines: connection(server) } });
  const scopes = ["--scope", "read", "--scope", "write"];
  const made = await stack.command("relay", ["token", "create", "--workspace", "stack", ...scopes]);
  token = /mr_ws_\w+/.exec(made)?.[0] ?? "";
  stack.startAgent();
  await until("the points and what can be done with them", isReady, WAIT_MS);
});

afterAll(async () => {
  await stack[Symbol.asyncDispose]();
  await server.stop();
  rmSync(dir, { recursive: true, force: true });
});

function connection({ endpointUrl, certificate }: TestOpcUaServer) {
  return {
    connector: "opc-ua",
    settings: {
      endpoint: endpointUrl,
      user: USER,
      server_fingerprint: certificate.fingerprint,
      publishing_ms: 50,
      sampling_ms: 50,
      discover: { include: ["Line1/Press/*"] },
      write: {
        allow: true,
        points: [{ node: `${PRESS}.SpeedSetpoint`, min: 0, max: 1500, max_step: 300 }],
        methods: [
          {
            name: "reset_counter",
            object: PRESS,
            method: `${PRESS}.ResetCounter`,
            points: [`${PRESS}.Count`],
            inputs: [{ name: "reason", type: "String", values: ["new batch", "maintenance"] }],
          },
        ],
      },
    },
    more: {
      allow: { live_reads: true, writes: { telemetry_point: { update: "apply", reset_counter: "apply" } } },
    },
  };
}

async function isReady(): Promise<boolean> {
  const { body } = await send("GET", capabilitiesPath());
  const { body: page } = await send("GET", "/v1/telemetry-points?limit=50");
  for (const point of page.data ?? []) points.set(point.name, point.id);
  return body.known === true && points.has("SpeedSetpoint") && points.has("Count");
}

function capabilitiesPath(): string {
  return `/v1/connections/${stack.connectionId("machines")}/capabilities`;
}

function pathOf(point: string): string {
  return `/v1/telemetry-points/${points.get(point)}`;
}

async function send(
  method: string,
  path: string,
  body?: object,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  const response = await fetch(`http://127.0.0.1:${stack.relayPort}${path}`, {
    method,
    headers: {
      authorization: `Bearer ${token}`,
      ...(body === undefined ? {} : { "content-type": "application/json" }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: response.status, body: await response.json(), headers: response.headers };
}

/** What the server itself has. */
function valueOf(name: string): unknown {
  return server.variable(`Line1.Press.${name}`).readValue().value.value;
}

async function samplesOf(point: string): Promise<readonly Sample[]> {
  const { body } = await send("GET", `${pathOf(point)}/samples?limit=1000`);
  return body.data;
}

async function sampled(point: string, value: unknown): Promise<readonly Sample[]> {
  return until(
    `${point} = ${String(value)} by the stream`,
    async () => {
      const samples = await samplesOf(point);
      return samples.at(-1)?.value === value ? samples : undefined;
    },
    WAIT_MS,
  );
}

describe("what the plant lets be written", () => {
  test("is told before: the point, its limits, the method and its inputs", async () => {
    const { body } = await send("GET", capabilitiesPath());
    const [entity] = body.entities;
    expect(entity).toMatchObject({ entity: "telemetry_point", update: true, create: false, delete: false });
    expect(entity.actions).toEqual(["reset_counter"]);
    const [update, reset] = entity.operations;
    expect(update).toMatchObject({ operation: "update", policy: "apply" });
    expect(update.fields[0].description).toContain("SpeedSetpoint: 0 to 1500, in steps of 300 at most");
    expect(reset.fields).toMatchObject([
      { name: "reason", required: true, values: ["new batch", "maintenance"] },
    ]);
    const [speed, setpoint] = await Promise.all([
      send("GET", pathOf("Speed")),
      send("GET", pathOf("SpeedSetpoint")),
    ]);
    expect([speed.body.writable, setpoint.body.writable]).toEqual([false, true]);
  });

  test("a setpoint is written, read back, and comes by the stream once", async () => {
    const done = await send("PATCH", pathOf("SpeedSetpoint"), { value: 1250 });
    expect([done.status, done.body.detail]).toEqual([200, undefined]);
    expect(done.body.written.outputs).toMatchObject({ value: "1250", status: "Good" });
    expect(valueOf("SpeedSetpoint")).toBe(1250);
    const samples = await sampled("SpeedSetpoint", 1250);
    // A mark behind it: what would come twice would have come before.
    const next = await send("PATCH", pathOf("SpeedSetpoint"), { value: 1260 });
    expect(next.status).toBe(200);
    const after = await sampled("SpeedSetpoint", 1260);
    expect(samples.filter(({ value }) => value === 1250)).toHaveLength(1);
    expect(after.filter(({ value }) => value === 1250)).toHaveLength(1);
    const { body } = await send("GET", pathOf("SpeedSetpoint"));
    expect(body.last_value.value).toBe(1260);
  });

  test("the same request again is the same write: the machine is told once", async () => {
    const key = { "idempotency-key": "setpoint-1" };
    const first = await send("PATCH", pathOf("SpeedSetpoint"), { value: 1200 }, key);
    await send("PATCH", pathOf("SpeedSetpoint"), { value: 1210 });
    const again = await send("PATCH", pathOf("SpeedSetpoint"), { value: 1200 }, key);
    expect([first.status, again.status, again.headers.get("idempotency-replayed")]).toEqual([
      200,
      200,
      "true",
    ]);
    expect(valueOf("SpeedSetpoint")).toBe(1210);
  });

  test("a method is called at its point, with its outputs in the answer", async () => {
    const path = `${pathOf("Count")}/actions/reset_counter`;
    const dry = await send("POST", `${path}?dry_run=true`, { reason: "new batch" });
    expect([dry.status, dry.body.written.dry_run, dry.body.written.outputs]).toEqual([200, true, {}]);
    const done = await send("POST", path, { reason: "new batch" });
    expect([done.status, done.body.detail]).toEqual([200, undefined]);
    // Beyond what a number of JSON holds; and the dry run has reset nothing.
    expect(done.body.written.outputs).toEqual({ Previous: "9007199254740993" });
    const again = await send("POST", path, { reason: "maintenance" });
    expect(again.body.written.outputs).toEqual({ Previous: "0" });
  });
});

test("whoever set it up is told by doctor what may be written, without a warning", async () => {
  const told = await stack.command("agent", ["doctor", "machines"]);
  expect(told).toContain("points that may be written: 1; methods: reset_counter");
  expect(told).toContain("telemetry_point.update (apply), telemetry_point.reset_counter (apply)");
  expect(told).not.toContain("WARNING");
});

describe("what is refused, with the machine as it was", () => {
  test.each([
    [
      "beyond its range",
      { value: 1501 },
      "VALIDATION_FAILED",
      "1501 is outside what the plant allows, 0 to 1500",
    ],
    [
      "too far at once",
      { value: 100 },
      "REFUSED_BY_SOURCE",
      "is more than the plant allows in one write (300)",
    ],
    ["of another type", { value: "fast" }, "REFUSED_BY_SOURCE", 'expected a number, not "fast"'],
    ["of another field", { valeu: 1 }, "VALIDATION_FAILED", 'did you mean "value"?'],
    ["of nothing", {}, "VALIDATION_FAILED", "value is required"],
  ])("a value %s", async (_, values, code, words) => {
    const before = valueOf("SpeedSetpoint");
    const refused = await send("PATCH", pathOf("SpeedSetpoint"), values);
    expect([refused.status, refused.body.code]).toEqual([422, code]);
    expect(refused.body.detail).toContain(words);
    expect(valueOf("SpeedSetpoint")).toBe(before);
  });

  test("a point that the plant's file does not list, though the server would take it", async () => {
    const before = valueOf("State");
    const refused = await send("PATCH", pathOf("State"), { value: "Setup" });
    expect([refused.status, refused.body.code]).toEqual([403, "NOT_ALLOWED_BY_PLANT"]);
    expect(refused.body.detail).toContain("Line1.Press.State is not among the points that may be written");
    expect(valueOf("State")).toBe(before);
  });

  test("a method at another point, with inputs of its own, or one that is not listed", async () => {
    const at = (point: string, name: string): string => `${pathOf(point)}/actions/${name}`;
    const elsewhere = await send("POST", at("Speed", "reset_counter"), { reason: "new batch" });
    expect([elsewhere.status, elsewhere.body.code]).toEqual([422, "VALIDATION_FAILED"]);
    expect(elsewhere.body.detail).toContain(`it belongs to ${PRESS}`);
    const bored = await send("POST", at("Count", "reset_counter"), { reason: "boredom" });
    expect([bored.status, bored.body.errors[0].pointer]).toEqual([422, "#/reason"]);
    const unknown = await send("POST", at("Count", "reset_conter"), { reason: "new batch" });
    expect([unknown.status, unknown.body.code]).toEqual([501, "UNSUPPORTED_OPERATION"]);
    expect(unknown.body.detail).toContain('did you mean "reset_counter"?');
    expect((await send("DELETE", pathOf("Count"))).status).toBe(501);
  });

  test("a dry run, and one whose If-Match is of another day", async () => {
    const before = valueOf("SpeedSetpoint");
    const dry = await send("PATCH", `${pathOf("SpeedSetpoint")}?dry_run=true`, { value: 1300 });
    expect([dry.status, dry.body.written.dry_run, dry.body.written.outputs.value]).toEqual([
      200,
      true,
      "1300",
    ]);
    const stale = await send("PATCH", pathOf("SpeedSetpoint"), { value: 1300 }, { "if-match": '"1-x"' });
    expect([stale.status, stale.body.code]).toEqual([412, "PRECONDITION_FAILED"]);
    expect(valueOf("SpeedSetpoint")).toBe(before);
    const { headers } = await send("GET", pathOf("SpeedSetpoint"));
    const fresh = await send(
      "PATCH",
      pathOf("SpeedSetpoint"),
      { value: 1190 },
      { "if-match": headers.get("etag") ?? "" },
    );
    expect([fresh.status, valueOf("SpeedSetpoint")]).toEqual([200, 1190]);
  });
});

describe("what is away", () => {
  test("the server: the source is unreachable, and nothing is done when it is back", async () => {
    const before = valueOf("SpeedSetpoint");
    await server.stop();
    const refused = await send("PATCH", pathOf("SpeedSetpoint"), { value: 1000 });
    expect([refused.status, refused.body.code, refused.body.retryable]).toEqual([
      503,
      "SYSTEM_UNREACHABLE",
      true,
    ]);
    await server.start();
    const done = await until(
      "a write after the server's return",
      async () => {
        const answer = await send("PATCH", pathOf("SpeedSetpoint"), { value: 1201 });
        return answer.status === 200 ? answer : undefined;
      },
      WAIT_MS,
    );
    expect(done.body.written.outputs.value).toBe("1201");
    const samples = await sampled("SpeedSetpoint", 1201);
    expect(samples.map(({ value }) => value)).not.toContain(1000);
    expect(before).not.toBe(1000);
  });

  test("the agent: nothing waits for it, however much the caller asks for that", async () => {
    const before = valueOf("SpeedSetpoint");
    await stack.stopAgent();
    await stack.relay?.says("agent disconnected", WAIT_MS);
    const refused = await send("PATCH", pathOf("SpeedSetpoint"), { value: 1300 });
    expect([refused.status, refused.body.code, refused.body.retryable]).toEqual([503, "AGENT_OFFLINE", true]);
    const asked = "queue_if_offline=true&ttl=3600";
    const queued = await send("PATCH", `${pathOf("SpeedSetpoint")}?${asked}`, { value: 1300 });
    expect([queued.status, queued.body.code]).toEqual([400, "INVALID_REQUEST"]);
    expect(queued.body.detail).toContain(
      "what is written to a machine does not wait for an agent that is away",
    );
    const called = await send("POST", `${pathOf("Count")}/actions/reset_counter?${asked}`, {
      reason: "new batch",
    });
    expect(called.status).toBe(400);
    const { body: open } = await send("GET", "/v1/operations?limit=200");
    expect(
      open.data.filter(({ is_finished: isFinished }: { readonly is_finished: boolean }) => !isFinished),
    ).toEqual([]);
    stack.startAgent();
    const mark = await until(
      "a write after the agent's return",
      async () => {
        const answer = await send("PATCH", pathOf("SpeedSetpoint"), { value: 1202 });
        return answer.status === 200 ? answer : undefined;
      },
      WAIT_MS,
    );
    expect(mark.body.written.outputs.value).toBe("1202");
    const samples = await sampled("SpeedSetpoint", 1202);
    expect(samples.map(({ value }) => value)).not.toContain(1300);
    expect(before).not.toBe(1300);
  });
});
