// What a new epoch names as continued: as much as the relay may still stand in, and no more than it takes.
import { describe, expect, it } from "vitest";
import { takeOver, type TakenOver } from "#agent/core/room/room-store.ts";
import { MAX_TAKEN_OVER_EPOCHS } from "#common/contract/limits.ts";

const OLD: readonly TakenOver[] = [
  { epoch: "b", firstSeq: 1 },
  { epoch: "a", firstSeq: 9 },
];

describe("takeOver", () => {
  it("names an epoch that the relay has come to, and none before it", () => {
    expect(takeOver({ epoch: "c", ackedSeq: 4, takenOver: OLD }, "corruption")).toEqual([
      { epoch: "c", firstSeq: 5 },
    ]);
  });

  it("names all that the relay may stand in while it has acknowledged nothing, newest first", () => {
    expect(takeOver({ epoch: "c", ackedSeq: 0, takenOver: OLD }, "corruption")).toEqual([
      { epoch: "c", firstSeq: 1 },
      ...OLD,
    ]);
  });

  it("forgets the oldest beyond the limit", () => {
    let takenOver: readonly TakenOver[] = takeOver({ epoch: "e0", ackedSeq: 6, takenOver: [] }, "corruption");
    for (let count = 1; count <= MAX_TAKEN_OVER_EPOCHS; count += 1) {
      expect(takenOver).toHaveLength(count);
      expect(takenOver.at(-1)).toEqual({ epoch: "e0", firstSeq: 7 });
      takenOver = takeOver({ epoch: `e${count}`, ackedSeq: 0, takenOver }, "corruption");
    }
    expect(takenOver).toHaveLength(MAX_TAKEN_OVER_EPOCHS);
    expect(takenOver.at(-1)).toEqual({ epoch: "e1", firstSeq: 1 });
  });

  it("names nothing for a restored agent", () => {
    expect(takeOver({ epoch: "c", ackedSeq: 0, takenOver: OLD }, "agent_restored")).toEqual([]);
  });
});
