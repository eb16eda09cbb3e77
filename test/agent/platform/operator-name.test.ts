// The person behind sudo is named; nobody else can name himself another.
import { userInfo } from "node:os";
import { expect, it } from "vitest";
import { operatorName } from "#agent/platform/operator-name.ts";

it.each([
  ["root", { SUDO_USER: "anna" }, "anna"],
  ["millrace-agent", { SUDO_USER: "anna" }, "anna"],
  ["millrace-agent", {}, "millrace-agent"],
  ["root", { SUDO_USER: "" }, "root"],
  ["eve", { SUDO_USER: "anna" }, "eve"],
])("%s with %j is %s", (account, env, expected) => {
  expect(operatorName(env, account)).toBe(expected);
});

it("asks the system for the account", () => {
  expect(operatorName({})).toBe(userInfo().username);
});
