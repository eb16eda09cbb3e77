// What a failed command becomes for the caller of the API.
import { expect, test } from "vitest";
import { COMMAND_FAILURES } from "#common/contract/commands.ts";
import type { CommandResult } from "#common/contract/messages.ts";
import { problemOf } from "#relay/core/commands/command-problem.ts";
import { problemDocument } from "#relay/core/problem.ts";

const failed: CommandResult = { type: "command_result", command_id: "c", outcome: "failed" };

test("every failure has a problem of its own words; an unknown one is the plant's", () => {
  for (const code of COMMAND_FAILURES) {
    const problem = problemOf({ ...failed, code });
    expect(problem.status).toBeGreaterThanOrEqual(400);
    expect(problem.message).not.toBe("The plant did not carry it out.");
  }
  expect(problemOf({ ...failed, code: "SOMETHING_NEW", detail: "words" })).toMatchObject({
    code: "SOURCE_ERROR",
    message: "words",
  });
});

test("fields become pointers; the source's words, code and time to wait go along", () => {
  const problem = problemOf({
    ...failed,
    code: "INVALID_VALUES",
    errors: [
      { field: "lines[0].quantity", detail: "is required" },
      { field: "custom_fields.a/b", detail: "is unknown" },
      { field: "", detail: "nothing is to be written" },
    ],
  });
  expect(problem.status).toBe(422);
  expect(problem.extras.errors?.map(({ pointer }) => pointer)).toEqual([
    "#/lines/0/quantity",
    "#/custom_fields/a~1b",
    "#",
  ]);
  const refused = problemOf({
    ...failed,
    code: "REFUSED_BY_SOURCE",
    detail: "CK_PO violated",
    source_code: "547",
  });
  expect(problemDocument(refused, "req_1")).toMatchObject({
    status: 422,
    detail: "CK_PO violated",
    source_code: "547",
  });
  const limited = problemOf({ ...failed, code: "RATE_LIMITED", retry_after_ms: 1_200 });
  expect(limited.extras.retryAfterSeconds).toBe(2);
  expect(problemDocument(limited, "r")["type"]).toBe(
    "https://iana.org/assignments/http-problem-types#quota-exceeded",
  );
});

test("trouble at the plant tells how the connection stands; what is not known is not retryable", () => {
  const status = { state: "degraded", reason: "no answer", advice: undefined } as const;
  expect(problemOf({ ...failed, code: "SYSTEM_UNREACHABLE" }, status).extras.connectionStatus).toEqual({
    state: "degraded",
    reason: "no answer",
  });
  const unknown = problemOf({ ...failed, outcome: "unknown_outcome", detail: "the line broke" });
  expect(problemDocument(unknown, "r")).toMatchObject({ code: "UNKNOWN_OUTCOME", retryable: false });
});
