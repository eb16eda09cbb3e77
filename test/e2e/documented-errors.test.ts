// Every problem that docs/api.md documents, provoked over HTTP: by a sandbox and its token wherever one can, else by a relay in trouble.
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { PROBLEM_KINDS, type ProblemCode } from "#relay/core/problem.ts";
import { ErrorLab, type Refusal } from "#test/support/error-lab.ts";
import { PROVOCATIONS } from "#test/support/provocations.ts";

/** A request whose head never ends is waited for by the relay itself. */
const WAIT_MS = 120_000;
/** Shorter cannot say what happened and what to do. */
const SHORTEST_DETAIL = 40;

const api = readFileSync(resolve(import.meta.dirname, "../../docs/api.md"), "utf8");
const documented = [...api.matchAll(/^\| `([A-Z_]+)` \| (\d{3}) \| (yes|no) \|/gm)].map(
  ([, code = "", status, again]) => ({ code, status: Number(status), retryable: again === "yes" }),
);

let lab: ErrorLab;
beforeAll(async () => {
  lab = await ErrorLab.open();
}, WAIT_MS);
afterAll(() => lab[Symbol.asyncDispose](), 2 * WAIT_MS);

test("the documented problems are those that there are, and each can be provoked", () => {
  const codes = documented.map(({ code }) => code).toSorted();
  expect(codes).toEqual(Object.keys(PROBLEM_KINDS).toSorted());
  expect(Object.keys(PROVOCATIONS).toSorted()).toEqual(codes);
});

test.each(documented)(
  "$status $code",
  async ({ code, status, retryable }) => {
    for (const [how, provoke] of Object.entries(PROVOCATIONS[code as ProblemCode])) {
      const refusal = await provoke(lab);
      expect([how, refusal.status, refusal.body["code"]]).toEqual([how, status, code]);
      expectWellSaid(refusal, code as ProblemCode, retryable);
    }
  },
  WAIT_MS,
);

function expectWellSaid({ body, headers }: Refusal, code: ProblemCode, retryable: boolean): void {
  const { title, errorType } = PROBLEM_KINDS[code];
  expect(body).toMatchObject({ title, error_type: errorType, retryable, status: PROBLEM_KINDS[code].status });
  expect(headers.get("content-type")).toMatch(/^application\/problem\+json/);
  expect(body["request_id"]).toBe(headers.get("x-request-id") ?? "none");
  expect(String(body["type"])).toMatch(/^(urn:millrace:problem:|https:\/\/iana\.org\/)/);
  const detail = String(body["detail"]);
  expect(detail.length < SHORTEST_DETAIL ? detail : "").toBe("");
  // A source ends its own words as it likes.
  expect(detail).toMatch(code === "REFUSED_BY_SOURCE" ? /^SB-\d+: / : /[.)]$/);
  expect(detail).not.toMatch(/\.\.|undefined|\[object|null\b/);
  // Whoever may try again is told when, and nobody else is.
  const retryAfter = headers.get("retry-after");
  expect(Number(retryAfter) >= 1).toBe(retryable);
  expect(retryAfter === null).toBe(!retryable);
}
