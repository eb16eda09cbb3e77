// agent.db: durable, private, checked; and one agent per folder.
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { AgentIdentity } from "#agent/core/agent-identity.ts";
import { AgentDatabase, AgentDatabaseError } from "#agent/platform/agent-database.ts";
import { FolderInUseError, lockDataDir } from "#agent/platform/instance-lock.ts";

const identity: AgentIdentity = {
  agentId: "agt_1",
  name: "plant 1",
  workspaceId: "ws_1",
  workspaceName: "Acme",
  relayUrl: "wss://relay.example.com/agent",
  relayKey: "relay-key",
  secretKey: "secret-key",
  enrolledAtMs: 1_000,
};

let dir: string;
let file: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "millrace-agent-db-"));
  file = join(dir, "data", "agent.db");
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

/** Changes the file as a broken disk or another version would. */
function tamper(sql: string): void {
  const db = new Database(file);
  db.exec(sql);
  db.close();
}

describe("AgentDatabase", () => {
  it("keeps identity and bindings across a restart", () => {
    {
      using db = AgentDatabase.open(file);
      expect(db.identity()).toBeUndefined();
      db.saveEnrolment(identity, [{ id: "c1", name: "erp" }]);
      db.bindConnections([
        { id: "c2", name: "opc" },
        { id: "c1", name: "erp" },
      ]);
    }
    using db = AgentDatabase.open(file);
    expect(db.identity()).toEqual(identity);
    expect(db.connections()).toEqual([
      { id: "c1", name: "erp" },
      { id: "c2", name: "opc" },
    ]);
  });

  it.skipIf(process.platform === "win32")("lets nobody but its owner read the key, WAL included", () => {
    using db = AgentDatabase.open(file);
    db.saveEnrolment(identity, []);
    const modes = [file, `${file}-wal`, `${file}-shm`].map((path) => statSync(path).mode & 0o777);
    expect(modes).toEqual([0o600, 0o600, 0o600]);
    expect(statSync(join(dir, "data")).mode & 0o777).toBe(0o700);
  });

  it("drops the facts of another relay or workspace, and keeps them for the same", () => {
    using db = AgentDatabase.open(file);
    db.saveEnrolment(identity, []);
    db.setFact("c1", "head", "7");
    db.saveEnrolment({ ...identity, agentId: "agt_2" }, []);
    expect(db.fact("c1", "head")).toBe("7");
    db.saveEnrolment({ ...identity, workspaceId: "ws_2" }, []);
    expect(db.fact("c1", "head")).toBeUndefined();
  });

  it("takes a fact that does not check out as absent", () => {
    using db = AgentDatabase.open(file);
    db.setFact("c1", "head", "7");
    db.setFact("c1", "tail", "3");
    tamper("UPDATE fact SET value = '8' WHERE key = 'head'");
    expect(db.fact("c1", "head")).toBeUndefined();
    expect(db.fact("c1", "tail")).toBe("3");
    db.setFact("c1", "tail", undefined);
    expect(db.fact("c1", "tail")).toBeUndefined();
  });

  it("refuses a damaged identity and takes a new enrolment in its place", () => {
    using db = AgentDatabase.open(file);
    db.saveEnrolment(identity, []);
    tamper("UPDATE identity SET body = replace(body, 'agt_1', 'agt_9')");
    expect(() => db.identity()).toThrow(/damaged.*enrol this agent again/);
    db.saveEnrolment(identity, []);
    expect(db.identity()).toEqual(identity);
  });

  it("keeps the newest of a long history", () => {
    using db = AgentDatabase.open(file);
    for (let index = 0; index < 1_250; index += 1)
      db.recordEvent({ atMs: index, level: "info", connection: "erp", message: `event ${index}` });
    expect(db.recentEvents(2).map(({ message }) => message)).toEqual(["event 1249", "event 1248"]);
    const kept = db.recentEvents(10_000).length;
    expect(kept).toBeGreaterThanOrEqual(1_000);
    expect(kept).toBeLessThan(1_100);
  });

  it("refuses a file of a newer version that says so, and opens one that does not mind", () => {
    AgentDatabase.open(file)[Symbol.dispose]();
    tamper("PRAGMA user_version = 9");
    AgentDatabase.open(file)[Symbol.dispose]();
    tamper("UPDATE meta SET value = '9' WHERE name = 'min_reader'");
    expect(() => AgentDatabase.open(file)).toThrow(AgentDatabaseError);
    expect(() => AgentDatabase.open(file)).toThrow(/newer Millrace/);
  });
});

describe("lockDataDir", () => {
  it("lets one holder in at a time", () => {
    const lock = lockDataDir(dir);
    expect(() => lockDataDir(dir)).toThrow(FolderInUseError);
    lock[Symbol.dispose]();
    lockDataDir(dir)[Symbol.dispose]();
  });
});
