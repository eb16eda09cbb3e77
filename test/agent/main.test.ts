// The agent as a real process: refusals, a run, its status, and its orderly end.
import { execFile, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import Database from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { AgentDatabase } from "#agent/platform/agent-database.ts";
import { askAgent } from "#agent/platform/control-socket.ts";
import { testIdentity } from "#test/support/command-context.ts";

const bin = fileURLToPath(new URL("../../agent/bin.mjs", import.meta.url));
let dir: string;
let config: string;
let agent: ChildProcess | undefined;
let log = "";

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "millrace-main-"));
  config = join(dir, "agent.yaml");
  writeFileSync(config, 'data_dir: data\nrelay: { url: "wss://127.0.0.1:1" }\n');
});

afterEach(async () => {
  if (agent !== undefined && agent.exitCode === null && agent.signalCode === null) {
    agent.kill("SIGKILL");
    await once(agent, "exit");
  }
  agent = undefined;
  rmSync(dir, { recursive: true, force: true });
});

function cli(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [bin, ...argv, "--config", config], (error, out, err) => {
      resolve({ code: error === null ? 0 : Number(error.code), out, err });
    });
  });
}

/** Starts `run` and waits until its control socket answers. */
async function startAgent(channel: "ignore" | "ipc" = "ignore"): Promise<ChildProcess> {
  const child = spawn(process.execPath, [bin, "run", "--config", config], {
    stdio: ["ignore", "pipe", "pipe", channel],
  });
  agent = child;
  log = "";
  child.stdout?.on("data", (chunk: Buffer) => (log += chunk.toString()));
  child.stderr?.on("data", (chunk: Buffer) => (log += chunk.toString()));
  await vi.waitFor(() => askAgent(join(dir, "data"), { command: "status" }), {
    timeout: 20_000,
    interval: 50,
  });
  return child;
}

function enrolByHand(): void {
  using db = AgentDatabase.open(join(dir, "data", "agent.db"));
  db.saveEnrolment(testIdentity, []);
}

const PACK = `name: acme
system: Acme ERP
codes:
  vendor_status: { 10: active, 20: inactive }
entities:
  vendor:
    table: VENDORS
    key: CODE
    changes: full_scan
    fields:
      code: CODE
      status: { column: STATE, map: vendor_status }
`;

/** A source of one table beside the configuration, named by relative paths. */
function plantSource(): void {
  const db = new Database(join(dir, "erp.db"));
  db.exec(
    "CREATE TABLE VENDORS (CODE TEXT PRIMARY KEY, STATE INTEGER); INSERT INTO VENDORS VALUES ('V1', 10)",
  );
  db.close();
  writeFileSync(join(dir, "acme.yaml"), PACK);
  writeFileSync(
    config,
    "data_dir: data\nconnections:\n  - { name: erp, connector: sqlite, pack: acme.yaml, settings: { file: erp.db } }\n",
  );
}

describe("millrace-agent", () => {
  it("previews source rows beside unified records, without an enrolment", async () => {
    plantSource();
    const text = await cli("preview", "erp", "vendor");
    expect(text).toMatchObject({ code: 0, err: "" });
    expect(text.out).toMatch(/STATE +10[^]*status +active/);
    const json = JSON.parse((await cli("preview", "erp", "vendor", "--json")).out) as unknown;
    expect(json).toMatchObject([{ source: { key: ["V1"] }, record: { code: "V1", status: "active" } }]);
    const unknown = await cli("preview", "erp", "vendr");
    expect(unknown.code).toBe(2);
    expect(unknown.err).toContain('did you mean "vendor"?');
  });

  it("previews documents of the window that the file sets, and says which these are", async () => {
    const db = new Database(join(dir, "erp.db"));
    db.exec(
      `CREATE TABLE INVOICES (NUM TEXT PRIMARY KEY, DAY TEXT);
       INSERT INTO INVOICES VALUES ('old', '2001-01-01'), ('undated', NULL), ('young', '2999-01-01')`,
    );
    db.close();
    const entity = "    table: INVOICES\n    key: NUM\n    changes: full_scan\n    document_date: DAY\n";
    const pack = `name: acme\nsystem: Acme ERP\nentities:\n  invoice:\n${entity}    fields: { number: NUM }\n`;
    writeFileSync(join(dir, "acme.yaml"), pack);
    writeFileSync(
      config,
      "data_dir: data\nconnections:\n  - { name: erp, connector: sqlite, pack: acme.yaml, settings: { file: erp.db }, initial_window_days: 30 }\n",
    );
    const { code, out, err } = await cli("preview", "erp", "invoice");
    expect({ code, err }).toEqual({ code: 0, err: "" });
    expect(out).toMatch(/Documents from \d{4}-\d\d-\d\d on by DAY \(initial_window_days: 30\)\./);
    expect(out).toContain("young");
    expect(out).toContain("undated");
    expect(out).not.toContain("old");
  });

  it("looks around in a source that has no pack yet, one level at a time, and says which pack fits", async () => {
    const db = new Database(join(dir, "erp.db"));
    for (const table of ["PO", "POLINE", "WORKORDER", "ASSET", "INVENTORY", "INVBALANCES", "ITEM"])
      db.exec(`CREATE TABLE ${table} (SITEID TEXT, ROWSTAMP INTEGER)`);
    for (const table of [
      "PR",
      "PRLINE",
      "MATRECTRANS",
      "INVOICE",
      "TICKET",
      "PM",
      "LOCATIONS",
      "METERREADING",
    ])
      db.exec(`CREATE TABLE ${table} (SITEID TEXT)`);
    for (const table of ["COMPANIES", "INVCOST", "WPLABOR", "WPMATERIAL", "LABTRANS", "MATUSETRANS"])
      db.exec(`CREATE TABLE ${table} (ORGID TEXT)`);
    db.close();
    const settings = "settings: { file: erp.db }";
    writeFileSync(
      config,
      `data_dir: data\nconnections:\n  - { name: erp, connector: sqlite, ${settings} }\n`,
    );
    const top = await cli("discover", "erp");
    expect(top).toMatchObject({ code: 0, err: "" });
    expect(top.out).toMatch(/^table +WORKORDER/m);
    expect(top.out).toMatch(/^  maximo \(IBM Maximo\): \d+ of \d+ tables$/m);
    expect(top.out).not.toContain("epicor");
    expect(top.out).toContain("Further: millrace-agent discover erp ASSET");
    const columns = JSON.parse((await cli("discover", "erp", "PO", "--json")).out) as unknown;
    expect(columns).toMatchObject([
      { path: ["PO", "SITEID"], kind: "column", detail: { type: "TEXT" } },
      { path: ["PO", "ROWSTAMP"], kind: "column" },
    ]);
    expect((await cli("discover", "erp", "NOPE")).out).toContain("Nothing is to be seen in NOPE");
  });

  it("examines connections step by step, and fails for what does not work", async () => {
    plantSource();
    const good = await cli("doctor");
    expect(good).toMatchObject({ code: 0, err: "" });
    expect(good.out).toMatch(
      /^Configuration\n  ok +.*is good: 1 connection[^]*\nConnection erp\n  ok +settings and pack acme[^]*ok +opened in[^]*followed by full_scan/,
    );
    expect(good.out).toContain("vendor: first record read");
    expect(good.out).toMatch(/WARNING +this agent is not enrolled[^]*All \d+ checks passed, \d+ warning/);
    writeFileSync(join(dir, "acme.yaml"), PACK.replace("key: CODE", "key: CDE"));
    const bad = await cli("doctor", "erp", "--json");
    expect(bad.code).toBe(1);
    expect(JSON.parse(bad.out)).toMatchObject({
      format: 1,
      healthy: false,
      sections: [
        {
          section: "connections",
          connection: "erp",
          checks: [
            { check: "settings", outcome: "ok" },
            {
              check: "connection",
              outcome: "failed",
              text: expect.stringMatching(/^misconfigured: [^]*VENDORS\.CDE.*"CODE"/),
            },
          ],
        },
      ],
    });
  });

  it("tells all that is wrong with the configuration as a failed check, and goes on with what needs none", async () => {
    writeFileSync(config, "data_dri: data\nconnections:\n  - { name: erp, connector: sqlite, pol: 2s }\n");
    const { code, out } = await cli("doctor");
    expect(code).toBe(1);
    expect(out).toMatch(
      /FAILED +configuration .*2 problems\n.*agent.yaml:1:1 data_dri: unknown setting[^]*pol: /,
    );
    expect(out).toMatch(/\nInstallation\n  ok/);
    expect(out).not.toContain("Permissions");
    const unknown = await cli("doctor", "--only", "netwrk");
    expect(unknown).toMatchObject({ code: 2, err: expect.stringContaining('did you mean "network"?') });
  });

  it("says whether a connection may write, and by what form", async () => {
    plantSource();
    const writes =
      '    writes:\n      update: { fields: { status: { column: STATE, map: { active: "10" } } } }\n';
    writeFileSync(join(dir, "acme.yaml"), PACK + writes);
    expect((await cli("doctor")).out).toContain("only reads: the pack could write vendor");
    const text = readFileSync(config, "utf8");
    writeFileSync(config, text.replace("settings: {", "settings: { write: { allow: true },"));
    const writing = await cli("doctor");
    expect(writing.out).toContain("vendor: may be written: update by update; no command log");
  });

  it("prints a script of rights, for sources that have rights", async () => {
    plantSource();
    expect(await cli("grants", "erp")).toMatchObject({
      code: 1,
      err: expect.stringContaining("sqlite makes no"),
    });
    const settings = "{ server: erp-db, database: erp, user: reader, password: x }";
    writeFileSync(
      config,
      `data_dir: data\nconnections:\n  - { name: erp, connector: sql-server, pack: acme.yaml, settings: ${settings} }\n`,
    );
    expect(await cli("grants", "erp")).toMatchObject({
      code: 0,
      out: expect.stringMatching(/GRANT SELECT ON OBJECT::\[dbo\]\.\[\w+\] TO \[reader\];/),
    });
  });

  it("checks connectors' settings and packs with their places, without the source", async () => {
    plantSource();
    expect(await cli("check-config")).toMatchObject({ code: 0, err: "" });
    writeFileSync(join(dir, "acme.yaml"), PACK.replace("code: CODE", "cod: CODE"));
    writeFileSync(
      config,
      [
        "connections:",
        "  - { name: a, connector: sqlit, pack: acme.yaml }",
        "  - name: b",
        "    connector: sqlite",
        "    settings: { fil: erp.db }",
        "",
      ].join("\n"),
    );
    const { code, err } = await cli("check-config");
    expect(code).toBe(2);
    expect(err).toMatch(/agent\.yaml:2:\d+ connections\[0\]\.connector: .*did you mean "sqlite"/);
    expect(err).toMatch(/acme\.yaml:11:7 .*did you mean "code"/);
    expect(err).toMatch(/agent\.yaml:5:\d+ connections\[1\]\.settings/);
    expect(err).toMatch(/connections\[1\]\.pack: missing/);
  });

  it("refuses to run before it is enrolled", async () => {
    const { code, err } = await cli("run");
    // Trying again is of no use: its service manager takes its time.
    expect(code).toBe(2);
    expect(err).toContain("not enrolled");
    expect(err).toContain("millrace-agent enroll");
  });

  it("enrols with nobody: exit 1, advice, and no identity", async () => {
    const code = `mre_${"0".repeat(26)}_${"A".repeat(43)}`;
    const failed = await cli("enroll", "--code", code);
    expect(failed).toMatchObject({ code: 1, out: "" });
    expect(failed.err).toMatch(/Enrolment failed: .*127\.0\.0\.1:1/);
    expect((await cli("status")).out).toContain("not enrolled");
  });

  // Windows has no SIGTERM: it ends a process at once.
  const orders = ["SIGTERM", "stop", "disconnect"].slice(process.platform === "win32" ? 1 : 0);
  it.each(orders)("ends on %s under a parent that holds a channel to it", async (order) => {
    enrolByHand();
    const child = await startAgent("ipc");
    const exited = once(child, "exit");
    if (order === "SIGTERM") child.kill("SIGTERM");
    else if (order === "stop") await cli("stop");
    else child.disconnect();
    expect(await exited).toEqual([0, null]);
    expect(log).toContain("agent stopped");
  });

  it("runs, tells its status, keeps a second one out, and stops when asked", async () => {
    enrolByHand();
    const child = await startAgent();
    const status = JSON.parse((await cli("status", "--json")).out) as Record<string, unknown>;
    expect(status).toMatchObject({ pid: child.pid, agentId: testIdentity.agentId, connections: [] });
    const second = await cli("run");
    expect(second.code).toBe(1);
    expect(second.err).toContain("another Millrace agent is using");
    expect((await cli("enroll", "--code", "x")).err).toContain("another Millrace agent is using");
    const ended = once(child, "exit");
    expect((await cli("stop")).code).toBe(0);
    expect(await ended).toEqual([0, null]);
    expect(log).not.toContain(testIdentity.secretKey);
    const atRest = await cli("status");
    expect(atRest.code).toBe(1);
    expect(atRest.out).toMatch(/does not run[^]*agent stopped/);
  });

  it.skipIf(process.platform === "win32")(
    "ends cleanly on SIGTERM, and starts again after a kill",
    async () => {
      enrolByHand();
      const child = await startAgent();
      const killed = once(child, "exit");
      child.kill("SIGKILL");
      await killed;
      const again = await startAgent();
      const ended = once(again, "exit");
      again.kill("SIGTERM");
      expect(await ended).toEqual([0, null]);
    },
  );
});
