// What agents were asked shows in the metrics, by kind and outcome, and nothing of whom it was for.
import { Registry } from "prom-client";
import { expect, test } from "vitest";
import type { CommandResult } from "#common/contract/messages.ts";
import type { CommandCall } from "#relay/core/commands/command-target.ts";
import { Problem } from "#relay/core/problem.ts";
import { meteredCommands } from "#relay/http/command-metrics.ts";
import { FakeClock } from "#test/support/fake-clock.ts";

test("counts answers by their outcome and measures how long they took", async () => {
  const registry = new Registry();
  const clock = new FakeClock();
  const answers: (CommandResult | Error)[] = [
    { type: "command_result", command_id: "c", outcome: "succeeded" },
    { type: "command_result", command_id: "c", outcome: "failed", code: "TIMEOUT" },
    new Problem("AGENT_OFFLINE", "away"),
    new TypeError("a bug"),
  ];
  const target = meteredCommands(
    {
      ask: () => {
        clock.advance(20);
        const answer = answers.shift();
        return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer as CommandResult);
      },
    },
    registry,
    clock,
  );
  const call = { kind: "read" } as CommandCall;
  expect(await target.ask(call)).toMatchObject({ outcome: "succeeded" });
  await target.ask(call);
  await expect(target.ask(call)).rejects.toThrow("away");
  await expect(target.ask(call)).rejects.toThrow("a bug");
  const text = await registry.metrics();
  for (const outcome of ["succeeded", "TIMEOUT", "AGENT_OFFLINE", "failed"])
    expect(text).toContain(`millrace_commands_total{kind="read",outcome="${outcome}"} 1`);
  expect(text).toContain('millrace_command_duration_seconds_bucket{le="0.01",kind="read"} 0');
  expect(text).toContain('millrace_command_duration_seconds_bucket{le="0.025",kind="read"} 4');
});
