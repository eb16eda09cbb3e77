// What every command journal must do, held against the port alone.
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { AuditFact } from "#agent/core/commands/audit-chain.ts";
import { ChainCheck, EMPTY_HEAD, MAX_AUDIT_ENTRIES } from "#agent/core/commands/audit-chain.ts";
import {
  MAX_JOURNAL_BYTES,
  MAX_OPEN_COMMANDS,
  MAX_SETTLED_COMMANDS,
  settledEntry,
  type CommandJournal,
  type JournalEntry,
} from "#agent/core/commands/journal.ts";
import { sha256 } from "#agent/platform/command-journal.ts";

export interface JournalUnderTest extends Disposable {
  readonly journal: CommandJournal;
  /** What is there after the process has been started anew. */
  reopened(): CommandJournal;
}

export function entry(id: string, more: Partial<JournalEntry> = {}): JournalEntry {
  return {
    id,
    connectionId: "c1",
    connection: "plant",
    state: "started",
    body: { entity: "work_order", operation: "update", key: '["1"]', values: { title: "x" } },
    receivedAtMs: 1_000,
    expiresAtMs: 61_000,
    ...more,
  };
}

export function fact(event: string, commandId?: string): AuditFact {
  const named = commandId === undefined ? {} : { commandId };
  return { atMs: 1_000, event, connection: "plant", ...named, detail: { n: 1 } };
}

export function journalSuite(make: () => JournalUnderTest): void {
  let under: JournalUnderTest;
  let journal: CommandJournal;
  beforeEach(() => {
    under = make();
    ({ journal } = under);
  });
  afterEach(() => under[Symbol.dispose]());

  describe("commands", () => {
    it("are open until they are settled, in the order in which they came, and outlive the process", () => {
      journal.commit({ entries: [entry("b"), entry("a", { state: "held" })] });
      const result = {
        type: "command_result",
        command_id: "b",
        outcome: "succeeded",
        result: { key: "k" },
      } as const;
      journal.commit({ entries: [entry("b", { state: "finished", result })] });
      const again = under.reopened();
      expect(again.open().map(({ id, state }) => [id, state])).toEqual([
        ["b", "finished"],
        ["a", "held"],
      ]);
      expect(again.find("b")?.result).toEqual(result);
      again.commit({ entries: [settledEntry(again.find("b") ?? entry("b"))] });
      expect(again.open().map(({ id }) => id)).toEqual(["a"]);
      expect(again.find("b")).toMatchObject({ state: "settled", body: { values: {} } });
      expect(again.find("b")?.result).not.toHaveProperty("result");
      expect(again.recent(1).map(({ id }) => id)).toEqual(["a"]);
      expect(again.recent(9)).toHaveLength(2);
    });

    it("are known by their id for longer than their entries are kept", () => {
      const done = Array.from({ length: MAX_SETTLED_COMMANDS + 5 }, (_, at) => `c${at}`);
      for (let from = 0; from < done.length; from += 2_001) {
        const ids = done.slice(from, from + 2_001);
        journal.commit({
          entries: ids.map((id) => entry(id, { state: "settled" })),
          facts: ids.map((id) => fact("received", id)),
        });
      }
      expect(journal.find("c0")).toBeUndefined();
      expect(journal.find("c4")).toBeUndefined();
      expect(journal.find("c5")).toBeDefined();
      expect(journal.wasTaken("c0")).toBe(true);
      expect(journal.wasTaken("never")).toBe(false);
    });

    it("are bounded in number and bytes, and settled ones give way", () => {
      const many = Array.from({ length: MAX_OPEN_COMMANDS }, (_, at) => entry(`o${at}`));
      journal.commit({ entries: many.slice(1) });
      expect(journal.hasRoom()).toBe(true);
      journal.commit({ entries: many.slice(0, 1) });
      expect(journal.hasRoom()).toBe(false);
      journal.commit({ entries: many.map((one) => Object.assign({}, one, { state: "settled" })) });
      expect(journal.hasRoom()).toBe(true);
      const values = { text: "x".repeat(MAX_JOURNAL_BYTES / 16) };
      const large = Array.from({ length: 17 }, (_, at) =>
        entry(`l${at}`, { body: { entity: "a", operation: "b", values } }),
      );
      for (const one of large) journal.commit({ entries: [one] });
      expect(journal.hasRoom()).toBe(false);
      expect(journal.find("o1")).toBeUndefined();
      expect(journal.find("l0")).toBeDefined();
    });
  });

  it("remembers what is halted", () => {
    expect(journal.halted()).toEqual(new Set());
    journal.commit({ halts: { writes: true, egress: true } });
    journal.commit({ halts: { egress: false } });
    expect(under.reopened().halted()).toEqual(new Set(["writes"]));
  });

  describe("the audit trail", () => {
    it("is a chain that goes on after a restart, and gives its head", () => {
      expect(journal.auditBounds()).toEqual({ anchor: EMPTY_HEAD, head: EMPTY_HEAD });
      expect(journal.commit({ entries: [entry("a")] })).toEqual(EMPTY_HEAD);
      journal.commit({ facts: [fact("received", "a"), fact("started", "a")] });
      const again = under.reopened();
      const head = again.commit({ facts: [fact("finished", "a")] });
      expect(head.seq).toBe(3);
      expect(again.auditBounds().head).toEqual(head);
      expect(again.audit(1, 1).map(({ seq }) => seq)).toEqual([2]);
      const check = new ChainCheck(EMPTY_HEAD, sha256);
      for (const one of again.audit(0, 10)) check.take(one);
      check.end(head);
      expect([check.problem, check.head]).toEqual([undefined, head]);
    });

    it("keeps its newest entries, and begins at an anchor then", { timeout: 60_000 }, () => {
      const surplus = 10;
      for (let at = 0; at < MAX_AUDIT_ENTRIES + surplus; at += 10_005)
        journal.commit({
          facts: Array.from({ length: Math.min(10_005, MAX_AUDIT_ENTRIES + surplus - at) }, () =>
            fact("asked"),
          ),
        });
      const { anchor, head } = journal.auditBounds();
      expect([anchor.seq, head.seq]).toEqual([surplus, MAX_AUDIT_ENTRIES + surplus]);
      const [first] = journal.audit(0, 1);
      expect(first?.seq).toBe(surplus + 1);
      const check = new ChainCheck(anchor, sha256);
      for (const one of journal.audit(0, 1_000)) check.take(one);
      expect(check.problem).toBeUndefined();
    });
  });
}
