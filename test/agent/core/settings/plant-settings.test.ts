// The life of settings in the agent: judged, in effect on trial, passed or taken back, over restarts of the agent.
import { beforeEach, describe, expect, test } from "vitest";
import { PlantSettings, type PlantSettingsDeps } from "#agent/core/settings/plant-settings.ts";
import { TRIAL_MS } from "#agent/core/settings/settings-trial.ts";
import type { ReportedSettings } from "#common/contract/settings.ts";
import { FakeClock } from "#test/support/fake-clock.ts";

const ID = "c-1";

class Rig {
  readonly clock = new FakeClock();
  readonly facts = new Map<string, string>();
  readonly asked: number[] = [];
  readonly reports: ReportedSettings[] = [];
  restarts = 0;
  isOnline = true;
  hasRoom = true;
  isFull = false;
  settings: PlantSettings;

  constructor() {
    this.settings = this.#make();
  }

  #make(): PlantSettings {
    const deps: PlantSettingsDeps = {
      clock: this.clock,
      facts: {
        read: (id) => this.facts.get(id),
        keep: (id, text) => {
          if (this.isFull) return false;
          this.facts.set(id, text);
          return true;
        },
      },
      judge: (_id, revision) => {
        if (this.hasRoom) this.asked.push(revision);
        return this.hasRoom;
      },
      restart: () => {
        this.restarts += 1;
      },
      report: (reported) => void this.reports.push(reported),
      isOnline: () => this.isOnline,
      note: () => {},
    };
    return new PlantSettings(deps);
  }

  restartAgent(): void {
    this.settings.stop();
    this.settings = this.#make();
    this.settings.resume(ID);
  }

  desire(revision: number, document: object = { entities: [`e${revision}`] }): void {
    this.settings.desired({ type: "desired_settings", connection_id: ID, revision, document });
  }

  /** Wished, found good, and the room has started with it. */
  applied(revision: number): void {
    this.desire(revision);
    this.settings.judged(ID, revision, []);
    this.settings.roomEnded(ID, "stopped", false);
  }

  inEffect(): unknown {
    return this.settings.inEffect(ID)?.entities;
  }

  last(): Partial<ReportedSettings> | undefined {
    return this.reports.at(-1);
  }
}

let rig: Rig;
beforeEach(() => {
  rig = new Rig();
  rig.settings.sourceOpened(ID);
});

describe("judging", () => {
  test("is the room's; what it refuses changes nothing", () => {
    rig.desire(1);
    expect(rig.asked).toEqual([1]);
    expect(rig.reports).toEqual([]);
    rig.settings.judged(ID, 1, [{ pointer: "/entities/0", detail: "no" }]);
    expect(rig.last()).toMatchObject({ revision: 1, state: "refused", in_effect: 0 });
    expect(rig.inEffect()).toBeUndefined();
    expect(rig.restarts).toBe(0);
  });

  test("waits for a room, and for a source that cannot be asked now", () => {
    rig.hasRoom = false;
    rig.desire(1);
    rig.hasRoom = true;
    rig.settings.sourceOpened(ID);
    expect(rig.asked).toEqual([1]);
    rig.settings.judged(ID, 1, undefined);
    expect(rig.reports).toEqual([]);
    rig.clock.advance(60_000);
    expect(rig.asked).toEqual([1, 1]);
  });

  test("only of the newest wish counts", () => {
    rig.desire(1);
    rig.desire(2);
    rig.settings.judged(ID, 1, []);
    expect(rig.inEffect()).toBeUndefined();
    rig.settings.judged(ID, 2, []);
    expect(rig.inEffect()).toEqual(["e2"]);
  });

  test("the same again is answered as before, and another one under the same number judged anew", () => {
    rig.applied(1);
    rig.desire(1);
    expect(rig.asked).toEqual([1]);
    expect(rig.reports).toHaveLength(2);
    rig.desire(1, { entities: ["other"] });
    expect(rig.asked).toEqual([1, 1]);
  });

  test("what could not be written down is not in effect", () => {
    rig.isFull = true;
    rig.applied(1);
    expect(rig.inEffect()).toBeUndefined();
    expect(rig.reports).toEqual([]);
    expect(rig.restarts).toBe(0);
  });
});

describe("the trial", () => {
  test("is passed by a room that opens its source and has records; the next one that fails goes back to it", () => {
    rig.applied(1);
    rig.settings.sourceOpened(ID);
    rig.settings.mapped(ID, 10, 2);
    rig.clock.advance(TRIAL_MS);
    expect(rig.inEffect()).toEqual(["e1"]);
    rig.applied(2);
    expect(rig.inEffect()).toEqual(["e2"]);
    rig.clock.advance(TRIAL_MS);
    expect(rig.inEffect()).toEqual(["e1"]);
    expect(rig.last()).toMatchObject({ revision: 2, state: "reverted", in_effect: 1 });
    expect(rig.last()?.problems?.[0]?.detail).toContain("was not opened");
    expect(rig.restarts).toBe(3);
  });

  test.each<[string, (rig: Rig) => void, string]>([
    ["the room says that it cannot run", (r) => r.settings.roomEnded(ID, "bad pack", true), "bad pack"],
    ["many rows give no record", (r) => r.settings.mapped(ID, 0, 200), "none of 200 rows"],
  ])("ends at once when %s", (_name, happen, reason) => {
    rig.applied(1);
    happen(rig);
    expect(rig.last()).toMatchObject({ revision: 1, state: "reverted", in_effect: 0 });
    expect(rig.last()?.problems?.[0]?.detail).toContain(reason);
  });

  test("is failed when the relay was there and is not reached again", () => {
    rig.applied(1);
    rig.settings.sourceOpened(ID);
    rig.isOnline = false;
    rig.clock.advance(TRIAL_MS);
    expect(rig.last()).toMatchObject({ state: "reverted" });
    rig.reports.length = 0;
    rig.settings.welcomed();
    expect(rig.last()).toMatchObject({ revision: 1, state: "reverted", in_effect: 0 });
  });

  test("takes nothing back that did not work before either", () => {
    rig.settings.roomEnded(ID, "crashed", false);
    rig.applied(1);
    rig.clock.advance(TRIAL_MS);
    expect(rig.last()).toMatchObject({ state: "applied", in_effect: 1 });
  });

  test("what is wished during a trial does not make its predecessor trusted", () => {
    rig.applied(1);
    rig.applied(2);
    rig.settings.mapped(ID, 0, 200);
    expect(rig.last()).toMatchObject({ revision: 2, state: "reverted", in_effect: 0 });
  });

  test("goes on after a restart of the agent, and ends when the agent does not stay up", () => {
    rig.applied(1);
    rig.restartAgent();
    expect(rig.inEffect()).toEqual(["e1"]);
    rig.settings.sourceOpened(ID);
    rig.clock.advance(TRIAL_MS);
    expect(rig.inEffect()).toEqual(["e1"]);
    rig.applied(2);
    for (let starts = 0; starts < 4; starts += 1) rig.restartAgent();
    expect(rig.inEffect()).toEqual(["e1"]);
    rig.reports.length = 0;
    rig.settings.welcomed();
    expect(rig.last()).toMatchObject({ revision: 2, state: "reverted", in_effect: 1 });
  });
});

test("what does not fit the plant's own file any more goes at once", () => {
  rig.applied(1);
  rig.settings.outdated(ID, [{ pointer: "/entities", detail: "not allowed" }]);
  expect(rig.inEffect()).toBeUndefined();
  expect(rig.last()).toMatchObject({ revision: 1, state: "refused", in_effect: 0 });
  rig.restartAgent();
  expect(rig.inEffect()).toBeUndefined();
});
