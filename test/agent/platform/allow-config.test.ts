// What the relay may ask for, as the agent's file says it: nothing by default, every form of a rule, every mistake named.
import { describe, expect, it } from "vitest";
import { NOTHING_ALLOWED, type PlantPolicy } from "#agent/core/commands/plant-policy.ts";
import { parseAgentConfig } from "#agent/platform/config.ts";
import { ConfigError } from "#common/runtime/errors.ts";

function policyOf(allow: string): PlantPolicy | undefined {
  const text = `connections:\n  - name: erp\n    connector: sqlite\n    pack: demo-cmms\n${allow}`;
  return parseAgentConfig(text, "/etc/agent.yaml", {}).config.connections[0]?.allow;
}

function problemsOf(allow: string): string {
  try {
    policyOf(allow);
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  return "";
}

describe("allow", () => {
  it("is nothing where the file says nothing", () => {
    expect(policyOf("")).toEqual({ ...NOTHING_ALLOWED, writesPerMinute: 30 });
  });

  it("takes a rule as a word or as a mapping, and queries with what they are given", () => {
    const policy = policyOf(`    allow:
      live_reads: true
      writes:
        work_order:
          update: apply
          create: hold
          close: { windows: ["mon-fri 06:00-18:00"] }
          cancel: { policy: hold, windows: ["22:00-05:00"] }
          delete: { policy: refuse, reason: never }
      queries:
        orders: { statement: "SELECT :v", parameters: { v: { type: decimal, required: false } }, description: Orders }
      settings: [schedules]
`);
    expect(policy).toMatchObject({ liveReads: true, sync: false, browse: false, settings: ["schedules"] });
    expect(policy?.writes).toEqual({
      work_order: {
        update: { mode: "apply", windows: [] },
        create: { mode: "hold", windows: [] },
        close: { mode: "apply", windows: ["mon-fri 06:00-18:00"] },
        cancel: { mode: "hold", windows: ["22:00-05:00"] },
        delete: { mode: "refuse", windows: [], reason: "never" },
      },
    });
    expect(policy?.queries).toEqual({
      orders: {
        statement: "SELECT :v",
        parameters: { v: { type: "decimal", isRequired: false } },
        maxRows: 500,
        description: "Orders",
      },
    });
  });

  it.each([
    ["a policy", "writes: { work_order: { update: aply } }", /allow.writes.work_order.update: .*apply/],
    [
      "hours",
      'writes: { work_order: { update: { windows: ["6-18"] } } }',
      /windows\[0\]: expected hours such as/,
    ],
    ["a setting", "live_read: true", /allow.live_read: unknown setting.*live_reads/],
    ["a member of the settings", "settings: [schedule]", /settings\[0\]: .*schedules/],
    [
      "a parameter's type",
      'queries: { q: { statement: "SELECT 1", parameters: { v: { type: float } } } }',
      /v.type/,
    ],
    ["a query without a statement", "queries: { q: {} }", /queries.q.statement: missing/],
    ["rows", 'queries: { q: { statement: "SELECT 1", max_rows: 20000 } }', /max_rows: .*10000/],
    ["a rate", "writes_per_minute: 0", /writes_per_minute/],
  ])("names what is wrong with %s", (_what, text, wanted) => {
    expect(problemsOf(`    allow: { ${text} }\n`)).toMatch(wanted);
  });
});
