// The journal in memory keeps to the suite of every command journal.
import { MemoryJournal } from "#agent/core/commands/memory-journal.ts";
import { sha256 } from "#agent/platform/command-journal.ts";
import { journalSuite } from "./suite.ts";

journalSuite(() => {
  const journal = new MemoryJournal(sha256);
  return { journal, reopened: () => journal, [Symbol.dispose]: () => {} };
});
