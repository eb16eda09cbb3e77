// Settings from the relay, through main and room to a real source: judged, in effect without a restart, kept, and never beyond the plant's file.
import { describe, expect, test } from "vitest";
import { join } from "node:path";
import { AgentDatabase } from "#agent/platform/agent-database.ts";
import type { ReportedSettings } from "#common/contract/settings.ts";
import { TRIAL_MS } from "#agent/core/settings/settings-trial.ts";
import { askAgent } from "#agent/platform/control-socket.ts";
import type { AgentStatus } from "#agent/core/agent-status.ts";
import { FakeClock } from "#test/support/fake-clock.ts";
import { AgentAtRelay, type AgentAtRelayOptions } from "#test/support/agent-at-relay.ts";
import { Plant } from "#test/support/plant-stack.ts";
import { until } from "#test/support/until.ts";

const WAIT_MS = 90_000;
const ALL = ["schedules", "entities", "custom_fields", "custom_entities", "remap", "initial_window_days"];

async function started(
  plant: Plant,
  settings: readonly string[],
  more: Record<string, unknown> = {},
  options: Partial<AgentAtRelayOptions> = {},
): Promise<AgentAtRelay> {
  const { connector, pack, settings: own, more: rest } = plant.connection(more);
  const connection = { name: "plant", connector, pack, settings: own, ...rest, allow: { settings } };
  const agent = await AgentAtRelay.start({ connections: [connection], ...options });
  await agent.online("plant");
  await agent.openStream("plant");
  return agent;
}

function wish(agent: AgentAtRelay, revision: number, document: object): Promise<ReportedSettings> {
  const before = agent.ofType("reported_settings").length;
  agent.tell({ type: "desired_settings", connection_id: "c-plant", revision, document });
  return until(
    `a report of settings ${revision}`,
    () =>
      agent
        .ofType("reported_settings")
        .slice(before)
        .find((reported) => reported.revision === revision),
    WAIT_MS,
  );
}

function beganSnapshots(agent: AgentAtRelay): readonly string[] {
  return agent.marks("snapshot_begin");
}

/** How many there were, once all have come. */
function firstReadings(agent: AgentAtRelay): Promise<number> {
  return until(
    "the first readings",
    () => {
      const ended = agent.marks("snapshot_end").length;
      return ended > 10 && ended === beganSnapshots(agent).length ? ended : undefined;
    },
    WAIT_MS,
  );
}

describe("settings from the relay", () => {
  test("a custom field, another column and a table of its own appear; only what they concern is read again; the agent's restart keeps them", async () => {
    using plant = new Plant();
    plant.db.prepare("UPDATE COMPANIES SET HOMEPAGE = 'https://page.example', CONTACT = 'a contact'").run();
    await using agent = await started(plant, ALL);
    const before = await firstReadings(agent);
    const document = {
      remap: { vendor: { code: { column: "HOMEPAGE" } } },
      custom_fields: { vendor: ["CONTACT"] },
      custom_entities: [
        { entity: "acme_contact", table: "COMPCONTACT", key: ["ORGID", "COMPANY", "CONTACT"] },
      ],
      schedules: { vendor: { poll_s: 1 } },
    };
    expect(await wish(agent, 1, document)).toMatchObject({ state: "applied", in_effect: 1 });
    await until("the new records", () => agent.streamed('"code":"https://page.example"'));
    await until("the custom entity", () => agent.streamed('"entity":"acme_contact"'));
    expect(agent.streamed('"CONTACT":"a contact"')).toBe(true);
    await until("both readings", () => beganSnapshots(agent).length >= before + 2);
    expect(beganSnapshots(agent).slice(before).toSorted()).toEqual(["acme_contact", "vendor"]);

    await agent.stopAgent();
    await agent.startAgent();
    await agent.online("plant");
    const again = await until("the report again", () => agent.lastReport());
    expect(again).toMatchObject({ revision: 1, state: "applied", in_effect: 1 });
    expect(beganSnapshots(agent).length).toBe(before + 2);
  });

  test("what the source does not have, or gives in another type, is refused with everything that is wrong, and nothing changes", async () => {
    using plant = new Plant();
    await using agent = await started(plant, ALL);
    const missing = await wish(agent, 1, {
      custom_fields: { vendor: ["NOT_THERE"] },
      custom_entities: [{ entity: "acme", table: "NO_TABLE", key: ["ID"] }],
      remap: { vendor: { code: { column: "NEITHER" } } },
    });
    expect(missing).toMatchObject({ state: "refused", in_effect: 0 });
    const pointers = missing.problems?.map(({ pointer }) => pointer);
    expect(pointers).toEqual(
      expect.arrayContaining([
        "/custom_fields/vendor/0",
        "/remap/vendor/code/column",
        "/custom_entities/0/table",
      ]),
    );
    const mistyped = await wish(agent, 2, {
      remap: { purchase_order: { subtotal: { column: "DESCRIPTION" } } },
    });
    expect(mistyped).toMatchObject({ state: "refused", in_effect: 0 });
    expect(mistyped.problems?.[0]?.pointer).toBe("/remap/purchase_order/subtotal");
  });

  test("what the file does not allow is refused; when the file changes its mind, what was in effect goes", async () => {
    using plant = new Plant();
    await using agent = await started(plant, ["custom_fields"]);
    const refused = await wish(agent, 1, { custom_fields: { vendor: ["CONTACT"] }, entities: ["vendor"] });
    expect(refused).toMatchObject({ state: "refused", in_effect: 0 });
    expect(refused.problems).toEqual([
      { pointer: "/entities", detail: expect.stringContaining("only custom_fields") },
    ]);
    expect(await wish(agent, 2, { custom_fields: { vendor: ["CONTACT"] } })).toMatchObject({
      state: "applied",
    });

    await agent.stopAgent();
    agent.changeConnection(0, { hide: ["COMPANIES.CONTACT"] });
    await agent.startAgent();
    const gone = await until("the refusal", () => {
      const last = agent.lastReport();
      return last?.state === "refused" && last.revision === 2 ? last : undefined;
    });
    expect(gone).toMatchObject({ in_effect: 0, problems: [{ pointer: "/custom_fields/vendor/0" }] });
  });
});

function keptSettings(agent: AgentAtRelay): {
  readonly reported?: ReportedSettings;
  readonly trialStarts?: number;
} {
  using database = AgentDatabase.open(join(agent.dataDir, "agent.db"));
  return JSON.parse(database.fact("c-plant", "settings") ?? "{}");
}

/** An agent whose room runs with new settings, which are on trial by the clock. */
async function onTrial(plant: Plant, clock: FakeClock): Promise<AgentAtRelay> {
  const agent = await started(plant, ALL, {}, { settingsClock: clock });
  await firstReadings(agent);
  expect(await wish(agent, 1, { custom_fields: { vendor: ["CONTACT"] } })).toMatchObject({
    state: "applied",
    in_effect: 1,
  });
  // The room that reads with them has opened its source before it reads.
  await until(
    "the new reading",
    () => agent.marks("snapshot_end").filter((one) => one === "vendor").length > 1,
    WAIT_MS,
  );
  expect(keptSettings(agent).trialStarts).toBe(0);
  return agent;
}

async function uplinkState(agent: AgentAtRelay): Promise<string> {
  return ((await askAgent(agent.dataDir, { command: "status" })) as AgentStatus).relay.state;
}

test("settings under which the relay is lost are taken back by the agent alone, and told when the relay is there again", async () => {
  using plant = new Plant();
  const clock = new FakeClock();
  await using agent = await onTrial(plant, clock);
  const { sessions } = agent;
  agent.away(true);
  await until("the agent to notice", async () => (await uplinkState(agent)) !== "online", WAIT_MS);
  clock.advance(TRIAL_MS);
  const { reported } = keptSettings(agent);
  expect(reported).toMatchObject({ revision: 1, state: "reverted", in_effect: 0 });
  expect(reported?.problems?.[0]?.detail).toContain("the relay, which had been there, was not reached");
  expect(agent.sessions).toBe(sessions);
  agent.away(false);
  const told = await until("the report", () => agent.sessions > sessions && agent.lastReport(), WAIT_MS);
  expect(told).toMatchObject({ revision: 1, state: "reverted", in_effect: 0 });
});

test("settings with which the relay stays are kept after their trial", async () => {
  using plant = new Plant();
  const clock = new FakeClock();
  await using agent = await onTrial(plant, clock);
  clock.advance(TRIAL_MS);
  expect(keptSettings(agent).reported?.problems).toBeUndefined();
  expect(keptSettings(agent).trialStarts).toBeUndefined();
  expect(keptSettings(agent).reported).toMatchObject({ revision: 1, state: "applied", in_effect: 1 });
});

test("nothing that the plant keeps to itself is in any frame, whatever the relay sets and asks for", async () => {
  using plant = new Plant();
  plant.db
    .prepare(
      "UPDATE COMPANIES SET TAXREGISTRATION = 'canary-hidden', PAYMENTTERMS = 'canary-masked', PHONE = 'canary-person', EMAIL = 'canary-mail'",
    )
    .run();
  plant.db.prepare("UPDATE COMPCONTACT SET VOICEPHONE = 'canary-contact'").run();
  await using agent = await started(plant, ALL, {
    raw: true,
    release_personal: false,
    hide: ["COMPANIES.TAXREGISTRATION"],
    mask: ["vendor.payment_terms"],
    pseudonymise: ["vendor.phone", "vendor.email"],
  });
  await firstReadings(agent);
  const wishes = [
    { custom_fields: { vendor: ["TAXREGISTRATION"] } },
    { custom_fields: { vendor: ["paymentterms"] } },
    { remap: { vendor: { code: { column: "PHONE" } } } },
    {
      remap: {
        vendor: { code: { column: "EMAIL" } },
        purchase_order: { subtotal: { column: "DESCRIPTION" } },
      },
    },
    { custom_entities: [{ entity: "mine", table: "COMPANIES", key: ["COMPANY"] }] },
    { custom_entities: [{ entity: "mine", table: "main.companies", key: ["COMPANY"], columns: ["Phone"] }] },
    {
      custom_entities: [{ entity: "mine", table: "COMPCONTACT", key: ["COMPANY"], columns: ["VOICEPHONE"] }],
    },
  ];
  for (const [at, document] of wishes.entries())
    expect(await wish(agent, at + 1, document)).toMatchObject({ state: "refused" });
  // What may be set does not bring it along either.
  const revision = wishes.length + 1;
  const harmless = {
    custom_fields: { vendor: ["CONTACT"] },
    remap: { vendor: { code: { column: "HOMEPAGE" } } },
  };
  expect(await wish(agent, revision, harmless)).toMatchObject({ state: "applied" });
  await until(
    "vendors again",
    () => agent.marks("snapshot_end").filter((entity) => entity === "vendor").length > 1,
  );
  expect(agent.streamed('"tax_id"')).toBe(false);
  expect(agent.streamed('"payment_terms":null')).toBe(true);
  expect(agent.streamed('"phone":"p_')).toBe(true);
  expect(agent.streamed("canary")).toBe(false);
  expect(JSON.stringify(agent.said)).not.toContain("canary");
  await agent.stopAgent();
  using database = AgentDatabase.open(join(agent.dataDir, "agent.db"));
  const vendors = database.egress.since("").filter(({ entity }) => entity === "vendor");
  const count = plant.db.prepare("SELECT count(*) FROM COMPANIES").pluck().get() as number;
  expect(vendors.reduce((sum, { rows }) => sum + rows, 0)).toBeGreaterThanOrEqual(2 * count);
  const fields = vendors.flatMap((entry) => entry.fields);
  expect(fields).toContainEqual({ field: "payment_terms", as: "masked" });
  expect(fields).toContainEqual({ field: "contacts.phone", as: "pseudonymised" });
  expect(fields).toContainEqual({ field: "name" });
  expect(fields.map(({ field }) => field)).not.toContain("tax_id");
});
