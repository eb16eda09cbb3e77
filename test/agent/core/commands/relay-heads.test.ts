// The relay's head in the plant's trail: noted, answered with a head that covers it, and noticed when it goes back.
import { expect, test } from "vitest";
import { MemoryJournal } from "#agent/core/commands/memory-journal.ts";
import { lastRelayHead, RelayHeads } from "#agent/core/commands/relay-heads.ts";
import { sha256 } from "#agent/platform/command-journal.ts";
import type { PlantAudit, RelayAudit } from "#common/contract/messages.ts";
import { FakeClock } from "#test/support/fake-clock.ts";
import { recordingLogger } from "#test/support/recording-logger.ts";

function heads(workspace = "ws_1", journal = new MemoryJournal(sha256)) {
  const clock = new FakeClock();
  const logger = recordingLogger();
  const told: PlantAudit[] = [];
  const deps = { clock, logger, journal, workspaceId: () => workspace };
  const made = new RelayHeads({ ...deps, answer: (answer) => told.push(answer) > 0 });
  return { made, clock, logger, journal, told };
}

function head(seq: number, hash = `${seq}`): RelayAudit {
  return { type: "relay_audit", seq, hash: hash.padStart(64, "0") };
}

test("a head is noted, and answered with the plant's own, which covers it", () => {
  const { made, journal, told } = heads();
  made.take(head(7));
  const [entry] = journal.audit(0, 10);
  expect(JSON.parse(entry?.text ?? "")).toMatchObject({
    event: "relay_head",
    workspace: "ws_1",
    relay_seq: 7,
  });
  expect(told).toEqual([{ type: "plant_audit", seq: 1, hash: entry?.hash }]);
  expect(lastRelayHead(journal)).toMatchObject({ workspaceId: "ws_1", seq: 7, hash: head(7).hash });
});

test("one that stands before the last, or is another, is noted with it and warned of", () => {
  const { made, clock, logger, journal } = heads();
  for (const next of [head(7), head(8), head(8, "other"), head(3)]) {
    made.take(next);
    clock.advance(60_000);
  }
  const notes = journal
    .audit(0, 10)
    .map(({ text }) => (JSON.parse(text) as { instead_of?: number }).instead_of);
  expect(notes).toEqual([undefined, undefined, 8, 8]);
  expect(logger.lines.map(({ level }) => level)).toEqual(["warn", "warn"]);
});

test("another workspace's trail is another trail", () => {
  const { made, journal } = heads();
  made.take(head(7));
  const moved = heads("ws_2", journal);
  moved.made.take(head(1));
  expect(moved.logger.lines).toEqual([]);
  expect(lastRelayHead(journal, "ws_1")?.seq).toBe(7);
  expect(lastRelayHead(journal)?.seq).toBe(1);
});

test("a relay that sends many fills no trail", () => {
  const { made, clock, journal } = heads();
  for (let seq = 1; seq <= 100; seq += 1) made.take(head(seq));
  expect(journal.audit(0, 10)).toHaveLength(1);
  clock.advance(60_000);
  made.take(head(101));
  expect(journal.audit(0, 10)).toHaveLength(2);
});

test("the last one is found behind many other entries", () => {
  const { made, journal } = heads();
  made.take(head(7));
  const facts = Array.from({ length: 2_500 }, () => ({
    atMs: 0,
    event: "asked",
    connection: "",
    detail: {},
  }));
  journal.commit({ facts });
  expect(lastRelayHead(journal)?.seq).toBe(7);
});
