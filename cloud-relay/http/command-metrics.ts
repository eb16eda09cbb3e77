// Counts what agents are asked and how long they take; operations are counted where their end is an event.
import { Counter, Histogram, type Registry } from "prom-client";
import type { Clock } from "#common/runtime/clock.ts";
import type { CommandTarget } from "#relay/core/commands/command-target.ts";
import { Problem } from "#relay/core/problem.ts";

const BUCKETS_S = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** The same target, measured. `outcome`: the agent's code or `succeeded`, or why there was no answer. */
export function meteredCommands(target: CommandTarget, registry: Registry, clock: Clock): CommandTarget {
  const registers = [registry];
  const asked = new Counter({
    name: "millrace_commands_total",
    help: "Commands that agents were asked, by kind and outcome; writes are operations and not among them",
    labelNames: ["kind", "outcome"],
    registers,
  });
  const took = new Histogram({
    name: "millrace_command_duration_seconds",
    help: "Time from asking an agent until its answer, waiting for a place included",
    labelNames: ["kind"],
    buckets: BUCKETS_S,
    registers,
  });
  return {
    async ask(call) {
      const { kind } = call;
      const startedMs = clock.monotonicMs();
      try {
        const result = await target.ask(call);
        asked.inc({
          kind,
          outcome: result.outcome === "succeeded" ? "succeeded" : (result.code ?? result.outcome),
        });
        return result;
      } catch (error) {
        asked.inc({ kind, outcome: error instanceof Problem ? error.code : "failed" });
        throw error;
      } finally {
        took.observe({ kind }, (clock.monotonicMs() - startedMs) / 1_000);
      }
    },
  };
}
