// A one-time code makes one agent.
import { randomBytes } from "node:crypto";
import { describe, expect, test } from "vitest";
import { hashEnrollmentSecret } from "#common/contract/enrollment-code.ts";
import { enrolAgent } from "#relay/core/agents/enrolment.ts";
import { PLANT, RelayRig, WORKSPACE } from "#test/cloud-relay/core/ingest/relay-rig.ts";

const SECRET = "a-secret-of-many-bits";

async function rigWithCode(ttlMs: number): Promise<RelayRig> {
  const rig = await RelayRig.create();
  const createdAtMs = rig.clock.nowMs();
  await rig.store.directory.createEnrollmentCode({
    id: "enr_1",
    workspaceId: WORKSPACE,
    hash: hashEnrollmentSecret(SECRET),
    connectionIds: [PLANT],
    createdAtMs,
    expiresAtMs: createdAtMs + ttlMs,
    usedAtMs: undefined,
    agentId: undefined,
  });
  return rig;
}

function enrol(rig: RelayRig, secret = SECRET): ReturnType<typeof enrolAgent> {
  const { directory } = rig.store;
  const deps = { directory, nowMs: rig.clock.nowMs(), randomBytes: (count: number) => randomBytes(count) };
  return enrolAgent(deps, { secret, agentKey: "key", name: "plant-server" });
}

describe("enrolment", () => {
  test("a code makes an agent that serves the code's connections", async () => {
    const rig = await rigWithCode(1_000);
    const answer = await enrol(rig);
    if ("refused" in answer) throw new TypeError(answer.refused);
    expect(answer).toMatchObject({
      type: "enrolled",
      workspace_id: WORKSPACE,
      connections: [{ id: PLANT, name: "plant" }],
    });
    expect(await rig.store.directory.agentById(answer.agent_id)).toMatchObject({
      name: "plant-server",
      publicKey: "key",
    });
  });

  test("of many who show it at once, one gets in", async () => {
    const rig = await rigWithCode(1_000);
    const answers = await Promise.all(Array.from({ length: 8 }, () => enrol(rig)));
    expect(answers.filter((answer) => !("refused" in answer))).toHaveLength(1);
  });

  test("used, expired and unknown codes get the same answer, and bind nothing", async () => {
    const rig = await rigWithCode(1_000);
    const before = await rig.store.directory.connectionsOfAgent("agt_test");
    const unknown = await enrol(rig, "another");
    rig.clock.advance(1_001);
    const expired = await enrol(rig);
    expect(unknown).toEqual(expired);
    expect(unknown).toMatchObject({ refused: expect.stringContaining("enrollment-code create") as string });
    expect(await rig.store.directory.connectionsOfAgent("agt_test")).toEqual(before);
  });
});
