// When a file is due for its weekly check, and what becomes of each outcome.
import { expect, test } from "vitest";
import { CHECK_EVERY_MS, IntegrityRounds, type FileCheck } from "#agent/core/integrity-rounds.ts";
import { FakeClock } from "#test/support/fake-clock.ts";
import { recordingLogger } from "#test/support/recording-logger.ts";

class Rig {
  readonly clock = new FakeClock();
  readonly logger = recordingLogger();
  last: FileCheck | undefined;
  checked = 0;
  readonly damages: string[] = [];
  /** What the next checks come to. */
  outcome: () => string = () => "ok";
  keep: (check: FileCheck) => void = (check) => {
    this.last = check;
  };
  readonly #rounds = new IntegrityRounds({
    check: async () => {
      this.checked += 1;
      return this.outcome();
    },
    nowMs: () => this.clock.nowMs(),
    random: () => 0.25,
    logger: this.logger,
  });

  async look(): Promise<void> {
    const { last } = this;
    this.#rounds.look({
      file: "x.db",
      last,
      keep: (check) => this.keep(check),
      damaged: (detail) => this.damages.push(detail),
    });
    await this.#rounds.settled();
  }
}

test("a new file is due within a week, then every week", async () => {
  const rig = new Rig();
  await rig.look();
  expect(rig.last).toEqual({ atMs: rig.clock.nowMs() - CHECK_EVERY_MS / 4, detail: "" });
  rig.clock.advance((CHECK_EVERY_MS * 3) / 4 - 1);
  await rig.look();
  expect(rig.checked).toBe(0);
  rig.clock.advance(1);
  await rig.look();
  expect(rig.last).toEqual({ atMs: rig.clock.nowMs(), detail: "ok" });
  await rig.look();
  rig.clock.advance(CHECK_EVERY_MS);
  await rig.look();
  expect(rig.checked).toBe(2);
  expect(rig.logger.lines.map(({ message }) => message)).toEqual(["weekly check: ok", "weekly check: ok"]);
});

test("a wall clock that stepped back does not put it off", async () => {
  const rig = new Rig();
  rig.last = { atMs: rig.clock.nowMs() + 1, detail: "ok" };
  await rig.look();
  expect(rig.checked).toBe(1);
});

test("damage is told, and kept as what came of it", async () => {
  const rig = new Rig();
  rig.last = { atMs: 0, detail: "ok" };
  rig.outcome = () => "row 3 missing from index";
  await rig.look();
  expect(rig.damages).toEqual(["row 3 missing from index"]);
  expect(rig.last).toEqual({ atMs: rig.clock.nowMs(), detail: "row 3 missing from index" });
  expect(rig.logger.lines).toMatchObject([{ level: "error" }]);
});

test.each(["check", "keep"])("what fails otherwise (%s) is tried again in an hour", async (what) => {
  const rig = new Rig();
  rig.last = { atMs: 0, detail: "ok" };
  const fails = (): never => {
    throw new Error("no space");
  };
  if (what === "check") rig.outcome = fails;
  else rig.keep = fails;
  await rig.look();
  await rig.look();
  expect([rig.checked, rig.damages]).toEqual([1, []]);
  rig.clock.advance(3_600_000);
  await rig.look();
  expect(rig.checked).toBe(2);
});
