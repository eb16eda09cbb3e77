// What callers are told about writes, and what the encoder says before a server is asked.
import { describe, expect, it } from "vitest";
import { opcUaPack } from "#agent/connectors/opc-ua/point-mapper.ts";
import type { CompiledWrite } from "#agent/core/mapping/mapping.ts";
import type { EncodedWrite } from "#agent/core/mapping/write-encoder.ts";
import { parsed } from "./harness.ts";

const SPEED = "nsu=urn:x;s=Speed";
const LIST = "nsu=urn:x;s=List";
const BASE = { endpoint: "opc.tcp://plc", server_fingerprint: "0".repeat(64), discover: {} };

function writesOf(write: object): readonly CompiledWrite[] {
  return opcUaPack(parsed({ ...BASE, write }).write).entities[0]?.writes ?? [];
}

function encode(
  values: Readonly<Record<string, unknown>>,
  key: readonly string[] | undefined = [SPEED],
): EncodedWrite {
  const points = [
    { node: SPEED, min: 0, max: 10, max_step: 2 },
    { node: LIST, values: ["a", "b"], array: true },
  ];
  const [update] = writesOf({ allow: true, points });
  if (update === undefined) throw new Error("nothing is written");
  return update.encode({ key, values, commandId: "c" }, { timeZone: "UTC", nowMs: 0 });
}

describe("the pack", () => {
  it("writes nothing unless something is listed", () => {
    expect(writesOf({})).toEqual([]);
    expect(opcUaPack(undefined).entities[0]?.writes).toEqual([]);
  });

  it("describes the field and its limits, briefly", () => {
    const [update] = writesOf({
      points: [
        { node: SPEED, min: 0, max: 10, max_step: 2 },
        { node: LIST, values: ["a", "b"] },
      ],
    });
    expect(update).toMatchObject({
      operation: "update",
      form: "update",
      fields: [
        {
          name: "value",
          isRequired: true,
          type: "any",
          description: `${SPEED}: 0 to 10, in steps of 2 at most; ${LIST}: one of a, b`,
        },
      ],
    });
    const many = Array.from({ length: 100 }, (_, at) => ({ node: `nsu=urn:x;s=Node${at}`, min: 0, max: 1 }));
    const [long] = writesOf({ points: many });
    expect(long?.description?.length).toBe(500);
    expect(long?.fields[0]?.description?.length).toBe(500);
  });

  it("hands values over as what they are: a text is no number, true is no text", () => {
    expect(encode({ value: 5 })).toEqual({ ok: true, values: { value: "5" } });
    expect(encode({ value: "5" })).toEqual({ ok: true, values: { value: '"5"' } });
    expect(encode({ value: true })).toEqual({ ok: true, values: { value: "true" } });
    expect(encode({ value: ["a"] }, [LIST])).toEqual({ ok: true, values: { value: '["a"]' } });
  });

  it.each([
    [{}, [SPEED], "value: is required"],
    [{ value: null }, [SPEED], "value: is required"],
    [{ value: 11 }, [SPEED], "value: 11 is outside what the plant allows, 0 to 10"],
    [{ value: "10.5" }, [SPEED], "value: 10.5 is outside"],
    [{ value: { a: 1 } }, [SPEED], "value: expected text, a number, true or false"],
    [{ value: [1] }, [SPEED], "value: lists are not written to this point"],
    [{ value: [["a"]] }, [LIST], "value: expected text"],
    [{ value: "x".repeat(70_000) }, [LIST], "value: is above 65536 bytes"],
    [{ value: 5, nam: "x" }, [SPEED], "nam: cannot be written here; these can: value"],
    [{ value: 5, values: 1 }, [SPEED], 'values: cannot be written here (did you mean "value"?)'],
    [{ value: 5 }, ["nsu=urn:x;s=Other"], ": nsu=urn:x;s=Other is not among the points that may be written"],
    [{ value: 5 }, undefined, ": no point is not among"],
    [{ value: 5 }, [SPEED, "more"], `: ${SPEED} is not among`],
  ])("refuses %j at %j", (values, key, reason) => {
    const encoded = key === undefined ? encodeWithoutKey(values) : encode(values, key);
    const problems = encoded.ok ? [] : encoded.problems.map(({ field, message }) => `${field}: ${message}`);
    expect(problems).toEqual([expect.stringContaining(reason)]);
  });
});

function encodeWithoutKey(values: Readonly<Record<string, unknown>>): EncodedWrite {
  const [update] = writesOf({ points: [{ node: SPEED, min: 0, max: 10 }] });
  if (update === undefined) throw new Error("nothing is written");
  return update.encode({ key: undefined, values, commandId: "c" }, { timeZone: "UTC", nowMs: 0 });
}
