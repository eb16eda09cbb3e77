// The demo plant's OPC UA server as the process that it is.
import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it, vi } from "vitest";
import { opcUaDefinition } from "#agent/connectors/opc-ua/definition.ts";
import { systemClock } from "#common/runtime/clock.ts";
import { silentLogger } from "#common/runtime/logger.ts";
import type { PlantServerReady } from "#test/demo/plant/opcua-server.ts";
import { Subscriber, WAIT, parsed, rowsOf } from "./harness.ts";

const SERVER = fileURLToPath(new URL("../../../demo/plant/opcua-server.ts", import.meta.url));

it("the demo plant's server runs as its own process, moves its values, and ends with its parent's channel", async () => {
  const folder = mkdtempSync(join(tmpdir(), "millrace-demo-"));
  const child = fork(SERVER, ["--port", "0", "--pki", join(folder, "pki"), "--step-ms", "100"], {
    silent: true,
  });
  try {
    const [ready] = (await once(child, "message")) as [PlantServerReady];
    const settings = parsed({
      endpoint: ready.endpointUrl,
      user: { name: ready.user, password: ready.password },
      trusted_certificates: [ready.certificateFile],
      discover: { namespaces: ["urn:demo-plant:machines"] },
      publishing_ms: 100,
      sampling_ms: 100,
    });
    expect(ready.fingerprint).toMatch(/^[0-9a-f]{64}$/);
    await using connector = opcUaDefinition.create(settings, {
      connection: "machines",
      plans: [],
      timeZone: "UTC",
      clock: systemClock,
      logger: silentLogger,
      dataDir: folder,
    });
    await connector.open(AbortSignal.timeout(15_000));
    expect((await rowsOf(connector)).length).toBeGreaterThan(90);
    await using reader = new Subscriber(connector);
    await vi.waitUntil(() => reader.of("Line3.Robot.Count").length > 3, WAIT);
    const counts = reader.of("Line3.Robot.Count").map(({ value }) => BigInt(String(value)));
    expect(counts.at(-1)).toBeGreaterThan(2n ** 53n);
  } finally {
    const exited = once(child, "exit");
    child.disconnect();
    expect(await exited).toEqual([0, null]);
    rmSync(folder, { recursive: true, force: true });
  }
});
