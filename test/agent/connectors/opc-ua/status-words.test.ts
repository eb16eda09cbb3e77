// What status codes mean for a write.
import { StatusCode, StatusCodes } from "node-opcua";
import { describe, expect, it } from "vitest";
import { isBad, isNotHeard, isPerhapsDone, wordsOf } from "#agent/connectors/opc-ua/status-words.ts";

describe("status codes", () => {
  it("are refusals, doubts or deafness", () => {
    const { BadNotWritable, BadTimeout, BadSessionIdInvalid, BadCommunicationError, Good } = StatusCodes;
    const all = [Good, BadNotWritable, BadTimeout, BadSessionIdInvalid, BadCommunicationError];
    expect(all.map(isBad)).toEqual([false, true, true, true, true]);
    expect(all.map(isPerhapsDone)).toEqual([false, false, true, false, true]);
    expect(all.map(isNotHeard)).toEqual([false, false, false, true, false]);
  });

  it("are the same with info bits", () => {
    const doubtful = StatusCode.makeStatusCode(StatusCodes.BadTimeout, "HistorianPartial");
    expect(doubtful.name).not.toBe("BadTimeout");
    expect(isPerhapsDone(doubtful)).toBe(true);
    const refused = StatusCode.makeStatusCode(StatusCodes.BadNotWritable, "HistorianPartial");
    expect(wordsOf(refused)).toMatch(/^BadNotWritable#\S+: the server does not let this node be written$/);
  });

  it("without words of ours have the standard's", () => {
    expect(wordsOf(StatusCodes.BadResourceUnavailable)).toMatch(/^BadResourceUnavailable: .+[^.]$/);
  });
});
