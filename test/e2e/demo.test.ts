// The demo as a new user meets it: both starts, the lines it prints, its file, its mistakes, its end.
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { AgentStatus } from "#agent/core/agent-status.ts";
import { askAgent } from "#agent/platform/control-socket.ts";
import { ENTITIES } from "#common/contract/model/entities.ts";
import type { DemoFile } from "#test/demo/demo-folder.ts";
import { RelayApi } from "#test/demo/relay-api.ts";
import { DemoProcess, isAlive, type DemoEnd, readDemoFile, runToEnd } from "#test/support/demo-process.ts";

/** A small plant: what is tried does not depend on its size. */
const SMALL = ["--scale", "0.1", "--rate", "20"];
const SLOW = { timeout: 90_000, interval: 200 };

interface Page<T> {
  readonly data: readonly T[];
  readonly next_cursor: string | null;
}

const folder = mkdtempSync(join(tmpdir(), "millrace-demo-"));
const dataDir = join(folder, "data");
const start = (...args: readonly string[]): readonly string[] => [...SMALL, "--data-dir", dataDir, ...args];

let first: DemoEnd;
let demo: DemoProcess;
let file: DemoFile;

function fileOf(dir: string): DemoFile {
  const found = readDemoFile(dir);
  if (found === undefined) throw new Error(`no demo.json in ${dir}`);
  return found;
}

beforeAll(async () => {
  first = await runToEnd(start("--once", "--port", "0"));
  file = fileOf(dataDir);
  demo = new DemoProcess(start());
  await demo.says(/Ctrl-C stops/);
}, 240_000);

afterAll(async () => {
  await demo[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

it("--once ends well when the first sync is complete", () => {
  expect(first.err).toBe("");
  expect(first.out).toMatch(/first sync complete: [\d,]+ records/);
  expect(first.code).toBe(0);
});

describe("a second start", () => {
  it("goes on with the same address, ids and tokens, in files for their owner alone", async () => {
    expect(Object.values(file.pids).some(isAlive)).toBe(false);
    const { pids, ...rest } = fileOf(dataDir);
    const { pids: before, ...kept } = file;
    expect(rest).toEqual(kept);
    expect(Object.values(pids).every(isAlive)).toBe(true);
    expect(pids).not.toEqual(before);
    expect(Object.keys(rest.connections)).toEqual(["plant-erp", "plant-machines"]);
    const modes = ["demo.json", "state.json", "agent.yaml"].map((name) => statSync(join(dataDir, name)).mode);
    expect(modes.map((mode) => mode & 0o077)).toEqual([0, 0, 0]);
    const api = new RelayApi(file.api, file.workspaceKey);
    const connections = await api.connections();
    expect(connections.map(({ name }) => name)).toEqual(["plant-erp", "plant-machines"]);
    expect((await api.get<Page<unknown>>("/v1/agents")).data).toHaveLength(1);
  });

  it("prints three lines to try, and each of them answers", async () => {
    const lines = [...demo.out.matchAll(/^ +curl .*$/gm)].map(([line]) => line);
    expect(lines).toHaveLength(3);
    for (const line of lines) {
      const headers = [...line.matchAll(/-H "([^:]+): ([^"]+)"/g)].map(([, name = "", value = ""]) => [
        name,
        value,
      ]);
      const url = /"(http[^"]+)"/.exec(line)?.[1] ?? "";
      const answer = await fetch(url, { headers: Object.fromEntries(headers) as Record<string, string> });
      expect(answer.status).toBe(200);
      const reader = answer.body?.getReader();
      const chunk = await reader?.read();
      expect(chunk?.value?.byteLength).toBeGreaterThan(0);
      await reader?.cancel();
    }
  });

  it("serves every entity, telemetry that moves, and changes as they happen", async () => {
    const api = new RelayApi(file.api, file.workspaceKey);
    for (const { path } of Object.values(ENTITIES)) {
      const { data } = await api.get<Page<{ id: string }>>(`/v1/${path}?limit=3`);
      expect([path, data.length]).toEqual([path, 3]);
    }
    const values = async (): Promise<string> =>
      JSON.stringify((await api.get<Page<{ last_value: unknown }>>("/v1/telemetry-points?limit=50")).data);
    const before = await values();
    await vi.waitFor(async () => expect(await values()).not.toBe(before), SLOW);
    let { next_cursor: cursor } = await api.get<Page<unknown>>("/v1/events?cursor=latest");
    const seen: string[] = [];
    await vi.waitFor(async () => {
      const page = await api.get<Page<{ type: string; connection_id: string }>>(
        `/v1/events?cursor=${cursor}`,
      );
      cursor = page.next_cursor;
      seen.push(...page.data.map(({ type }) => type));
      expect(
        seen.filter((type) => /^(purchase|work)_order\.(created|updated|deleted)$/.test(type)),
      ).not.toEqual([]);
    }, SLOW);
  });

  it("takes writes as its file says: one point of one machine, orders only with an approval", async () => {
    const api = new RelayApi(file.api, file.workspaceKey);
    const { data } = await api.get<Page<{ name: string }>>("/v1/telemetry-points?writable=true");
    expect(data.map(({ name }) => name)).toEqual(["SpeedSetpoint"]);
    const erp = new RelayApi(file.api, file.connections["plant-erp"]?.token ?? "");
    const order = { site: "BRNO", title: "Check pump 7" };
    const held = await erp.post<{ id: string; state: string }>("/v1/work-orders", order);
    expect(held.state).toBe("held");
    await askAgent(join(dataDir, "agent"), { command: "approve", id: held.id, by: "anna" });
    await vi.waitFor(async () => {
      const operation = await erp.get<{ state: string }>(`/v1/operations/${held.id}`);
      expect(operation).toMatchObject({ state: "succeeded", result: { title: "Check pump 7" } });
    }, SLOW);
  });

  it("keeps a connection's token to that connection", async () => {
    const token = file.connections["plant-machines"]?.token ?? "";
    const machines = new RelayApi(file.api, token);
    expect((await machines.connections()).map(({ name }) => name)).toEqual(["plant-machines"]);
    expect((await machines.get<Page<unknown>>("/v1/purchase-orders")).data).toEqual([]);
  });
});

describe("mistakes", () => {
  it.each([
    [["--prot", "1"], /unknown option --prot \(did you mean "--port"\?\)/],
    [["--data", "x"], /unknown option --data \(did you mean "--data-dir"\?\)/],
    [["--port", "99999"], /--port: expected a whole number from 0 to 65535, not "99999"/],
    [["--once=yes"], /--once takes no value/],
    [["--data-dir"], /--data-dir needs a value/],
    [["now"], /unexpected argument "now"/],
  ])("%j is explained", async (args, words) => {
    const end = await runToEnd(args);
    expect(end.err).toMatch(words);
    expect(end.code).toBe(2);
  });

  it("--help says what there is", async () => {
    const end = await runToEnd(["--help"]);
    expect(end.code).toBe(0);
    for (const word of ["--port", "--data-dir", "--once", "8080", ".millrace"])
      expect(end.out).toContain(word);
  });

  it("a data directory in use, and a port in use, are one sentence and harm nothing", async () => {
    const taken = await runToEnd(start("--port", "0"));
    expect(taken.err.trim().split("\n")).toEqual([
      `another demo runs in ${dataDir}; stop it first, or give this one a folder of its own by --data-dir`,
    ]);
    expect(taken.code).toBe(1);
    const other = join(folder, "other");
    const { port } = new URL(file.api);
    const end = await runToEnd([...SMALL, "--data-dir", other, "--port", port]);
    expect(end.err.trim().split("\n")).toHaveLength(1);
    expect(end.err).toMatch(
      new RegExp(`listening on 127\\.0\\.0\\.1:${port} failed: another program uses the port`),
    );
    expect(end.code).toBe(1);
    expect(Object.values(fileOf(dataDir).pids).every(isAlive)).toBe(true);
    await expect(new RelayApi(file.api, file.workspaceKey).connections()).resolves.toHaveLength(2);
  });
});

describe("ends", () => {
  it("starts a program again that died, and says so", async () => {
    const { relay } = fileOf(dataDir).pids;
    process.kill(relay, "SIGKILL");
    await demo.says(/the relay ended \(SIGKILL\); starting it again/);
    await vi.waitFor(() => expect(fileOf(dataDir).pids.relay).not.toBe(relay), SLOW);
    await vi.waitFor(async () => {
      const api = new RelayApi(file.api, file.workspaceKey);
      expect((await api.connections()).map(({ status }) => status)).toEqual(["online", "online"]);
    }, SLOW);
  });

  it("Ctrl-C stops everything, even what is dead already", async () => {
    const { pids } = fileOf(dataDir);
    const status = (await askAgent(join(dataDir, "agent"), { command: "status" })) as AgentStatus;
    const rooms = status.connections.map(({ room }) => room.pid ?? 0);
    expect(rooms.every((pid) => pid > 0 && isAlive(pid))).toBe(true);
    process.kill(pids.machines, "SIGKILL");
    const end = await demo.interrupt();
    expect(end.code).toBe(0);
    expect(end.err).toBe("");
    expect([...Object.values(pids), ...rooms].filter(isAlive)).toEqual([]);
  });

  it("its programs end when it is killed", async () => {
    await using killed = new DemoProcess(start());
    await killed.says(/Ctrl-C stops/);
    const { pids } = fileOf(dataDir);
    const status = (await askAgent(join(dataDir, "agent"), { command: "status" })) as AgentStatus;
    const rooms = status.connections.map(({ room }) => room.pid ?? 0);
    killed.child.kill("SIGKILL");
    await killed.ended;
    await vi.waitFor(() => expect([...Object.values(pids), ...rooms].filter(isAlive)).toEqual([]), SLOW);
  });
});
