// The request log: a logged request as a command that a shell takes as it stands.
import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";
import { curlText, readableBody } from "#relay/dashboard/screens/curl-text.ts";
import { toneOfStatus } from "#relay/dashboard/screens/http-tone.ts";

/** The words that a POSIX shell makes of the command. */
function words(command: string): readonly string[] {
  const script = command.replace(/^curl/, `printf '%s\\0'`);
  const text = execFileSync("/bin/sh", ["-c", script], { encoding: "utf8", env: { MILLRACE_TOKEN: "mr_x" } });
  return text.split("\0").slice(0, -1);
}

test("a read is asked again with the reader's own token", () => {
  const text = curlText(
    { method: "GET", url: "/v1/work-orders?q=a%27b&limit=2", request_body: null },
    "https://relay.example",
  );
  expect(text).not.toContain("mr_");
  expect(words(text)).toEqual([
    "https://relay.example/v1/work-orders?q=a%27b&limit=2",
    "-H",
    "Authorization: Bearer mr_x",
  ]);
});

test("whatever a body holds, the shell gives it on as it is", () => {
  const body = String.raw`{"a":"it's $HOME \"x\" \\ ${"`"}id${"`"}"}` + "\n";
  const text = curlText(
    { method: "PATCH", url: "/v1/assets/1", request_body: body },
    "https://relay.example",
  );
  expect(words(text)).toEqual([
    "-X",
    "PATCH",
    "https://relay.example/v1/assets/1",
    "-H",
    "Authorization: Bearer mr_x",
    "-H",
    "Content-Type: application/json",
    "--data",
    body,
  ]);
});

test("a body that was cut is shown as it is", () => {
  expect(readableBody('{"a":1}')).toEqual({ a: 1 });
  expect(readableBody('{"a":1')).toBe('{"a":1');
});

test("an answer's tone says whose it is", () => {
  expect([200, 304, 404, 503].map(toneOfStatus)).toEqual(["good", "idle", "warn", "bad"]);
});
