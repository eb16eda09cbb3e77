// The journal in agent.db keeps to the suite of every command journal; and what is particular to a file.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import { expect, it } from "vitest";
import { ChainCheck } from "#agent/core/commands/audit-chain.ts";
import { AgentDatabase } from "#agent/platform/agent-database.ts";
import { sha256 } from "#agent/platform/command-journal.ts";
import { testIdentity } from "#test/support/command-context.ts";
import { entry, fact, journalSuite, type JournalUnderTest } from "./suite.ts";

class JournalFile implements JournalUnderTest {
  readonly file: string;
  readonly #dir = mkdtempSync(join(tmpdir(), "millrace-journal-"));
  database: AgentDatabase;

  constructor() {
    this.file = join(this.#dir, "agent.db");
    this.database = AgentDatabase.open(this.file);
  }

  get journal(): AgentDatabase["journal"] {
    return this.database.journal;
  }

  reopened(): AgentDatabase["journal"] {
    this.database[Symbol.dispose]();
    this.database = AgentDatabase.open(this.file);
    return this.journal;
  }

  /** Somebody with another program. */
  tamper(text: string): void {
    const db = new Database(this.file);
    db.exec(text);
    db.close();
  }

  problem(): string | undefined {
    const { anchor, head } = this.journal.auditBounds();
    const check = new ChainCheck(anchor, sha256);
    for (const one of this.journal.audit(0, 1_000)) check.take(one);
    check.end(head);
    return check.problem;
  }

  [Symbol.dispose](): void {
    this.database[Symbol.dispose]();
    rmSync(this.#dir, { recursive: true, force: true });
  }
}

journalSuite(() => new JournalFile());

it.each([
  ["another text", `UPDATE audit SET text = replace(text, '"n":1', '"n":2') WHERE seq = 3`, /entry 3 is not/],
  ["another time", `UPDATE audit SET text = replace(text, '1970', '1971') WHERE seq = 2`, /entry 2 is not/],
  [
    "another actor, one byte",
    `UPDATE audit SET text = replace(text, 'plant', 'Plant') WHERE seq = 1`,
    /entry 1 is not/,
  ],
  [
    "another hash",
    `UPDATE audit SET hash = replace(hash, substr(hash, 1, 1), 'x') WHERE seq = 4`,
    /entry 4 is not/,
  ],
  ["a hash made anew, alone", "", /entry 3 is not/],
  ["a missing entry", "DELETE FROM audit WHERE seq = 3", /entry 3 is missing/],
  ["a missing first entry", "DELETE FROM audit WHERE seq = 1", /entry 1 is missing/],
  ["a missing end", "DELETE FROM audit WHERE seq >= 4", /ends with entry 3; the last one noted is 5/],
  ["everything missing", "DELETE FROM audit", /ends with entry 0/],
  [
    "two entries that changed places",
    "UPDATE audit SET seq = -1 WHERE seq = 2; UPDATE audit SET seq = 2 WHERE seq = 3; UPDATE audit SET seq = 3 WHERE seq = -1",
    /entry 2 is not/,
  ],
  [
    "an entry put in between",
    "INSERT INTO audit SELECT 6, command, event, text, hash FROM audit WHERE seq = 5",
    /entry 6 is not/,
  ],
])("an audit trail with %s is found out, and nothing else is", (what, text, problem) => {
  using file = new JournalFile();
  const facts = ["received", "started", "finished", "refused", "asked"].map((event, at) =>
    fact(event, `c${at}`),
  );
  file.journal.commit({ facts });
  expect(file.problem()).toBeUndefined();
  if (text === "") {
    // With its own hash right again, the one after it is not.
    const changed = JSON.stringify({ seq: 2, forged: true });
    const [before] = file.journal.audit(0, 1);
    const hash = sha256(`${before?.hash ?? ""}\n${changed}`);
    file.tamper(`UPDATE audit SET text = '${changed}', hash = '${hash}' WHERE seq = 2`);
  } else file.tamper(text);
  expect(`${what}: ${file.problem() ?? "nothing"}`).toMatch(problem);
});

it("passes over an entry that the disk has changed, and still knows that it was taken", () => {
  using file = new JournalFile();
  file.journal.commit({ entries: [entry("a"), entry("b")], facts: [fact("received", "a")] });
  file.tamper("UPDATE command SET body = replace(body, 'title', 'tatle') WHERE id = 'a'");
  expect(file.journal.open().map(({ id }) => id)).toEqual(["b"]);
  expect(file.journal.wasTaken("a")).toBe(true);
});

it("forgets another relay's commands at an enrolment, and never the trail or what is halted", () => {
  using file = new JournalFile();
  file.database.saveEnrolment(testIdentity, []);
  file.journal.commit({ entries: [entry("a")], facts: [fact("received", "a")], halts: { writes: true } });
  file.database.saveEnrolment({ ...testIdentity, name: "renamed" }, []);
  expect(file.journal.open()).toHaveLength(1);
  file.database.saveEnrolment({ ...testIdentity, workspaceId: "ws_2" }, []);
  expect(file.journal.open()).toHaveLength(0);
  expect(file.journal.halted()).toEqual(new Set(["writes"]));
  expect(file.problem()).toBeUndefined();
});

it("gives a file of an earlier version its journal, and leaves what it has", () => {
  using file = new JournalFile();
  file.database.setFact("agent", "kept", "yes");
  file.database[Symbol.dispose]();
  file.tamper(
    `DROP TABLE command; DROP TABLE audit; DROP TABLE audit_bound; DROP TABLE halt;
     DROP TABLE egress_fields; DROP TABLE egress; PRAGMA user_version = 1`,
  );
  file.database = AgentDatabase.open(file.file);
  expect(file.database.fact("agent", "kept")).toBe("yes");
  file.journal.commit({ entries: [entry("a")] });
  expect(file.journal.open()).toHaveLength(1);
});
