// The overview: what needs somebody first, and its sums; the wizard's commands and the agent that came.
import { describe, expect, test } from "vitest";
import { attentionOf } from "#relay/dashboard/screens/attention.ts";
import { arrivedAgent, enrolCommand } from "#relay/dashboard/screens/enrolment.ts";
import { onlineOf, shareOf } from "#relay/dashboard/screens/overview-shares.ts";

const AT = "2026-03-01T08:00:00Z";

function connection(id: string, status: string, goneAt: string | null = null) {
  return {
    id,
    name: id,
    customer: "Nordwerk",
    status,
    status_reason: `${status} because`,
    status_advice: null,
    status_changed_at: AT,
    disconnected_at: goneAt,
  };
}

function sync(id: string, status: string, error: string | null, outcome: string | null = "ok") {
  return {
    connection_id: id,
    connection_name: id,
    connection_status: status,
    entity: "work_order",
    error,
    last_success_at: AT,
    last_run: { outcome },
  };
}

describe("what needs attention", () => {
  test("has webhook endpoints that are paused or were disabled for us, not those that people disabled", () => {
    const health = (breaker: string) => ({ breaker, failing_since: AT });
    const off = (reason: string) => ({ reason, detail: "gone", at: AT });
    const endpoints = [
      { id: "well", name: "well", disabled: null, health: health("closed") },
      { id: "paused", name: "paused", disabled: null, health: health("open") },
      { id: "ours", name: "ours", disabled: off("by_user"), health: health("open") },
      { id: "gone", name: "gone", disabled: off("gone"), health: health("closed") },
    ];
    const found = attentionOf([connection("plant", "offline")], [], [], endpoints);
    expect(found.map(({ key }) => key)).toEqual(["plant", "paused", "gone"]);
    expect(found.map(({ endpointId }) => endpointId)).toEqual([undefined, "paused", "gone"]);
  });

  test("is ordered by how bad it is, whatever the order of the lists", () => {
    const connections = [
      "degraded",
      "online",
      "offline",
      "reauthorization_required",
      "pending",
      "paused",
    ].map((status) => connection(status, status));
    const syncs = [sync("online", "online", "no table WORKORDER"), sync("held", "online", null, "held")];
    const agents = [{ id: "agt_1", name: "plant-1", status: "quarantined", quarantined_at: AT }];
    expect(attentionOf(connections, syncs, agents).map(({ title }) => title)).toEqual([
      "reauthorization_required (Nordwerk) needs a new login to its source",
      "plant-1 is quarantined",
      "offline (Nordwerk) is offline",
      "held: deletes of work order wait for a decision",
      "degraded (Nordwerk) is degraded",
      "online: work order cannot be read",
    ]);
  });

  test("says what a whole connection suffers once, but always that deletes wait", () => {
    const found = attentionOf(
      [connection("a", "offline")],
      [sync("a", "offline", "unreachable"), sync("a", "offline", null, "held")],
      [],
    );
    expect(found.map(({ key }) => key)).toEqual(["a", "a work_order"]);
  });

  test("leaves out what was taken away and what is well", () => {
    const connections = [connection("a", "offline", AT), connection("b", "online")];
    const agents = [{ id: "agt_1", name: "plant-1", status: "online", quarantined_at: null }];
    expect(attentionOf(connections, [sync("b", "online", null)], agents)).toEqual([]);
  });
});

test("connections that are in touch count as online, whatever else is wrong", () => {
  expect(onlineOf({ online: 3, degraded: 1, synchronizing: 1, paused: 1, offline: 9, pending: 9 })).toBe(6);
  expect([shareOf(0, 0), shareOf(3, 4)]).toEqual([undefined, 0.75]);
});

describe("the enrolment wizard", () => {
  const code = { created_at: AT, connection_ids: ["c1", "c2"] };
  const agent = (id: string, createdAt: string, ...ids: readonly string[]) => ({
    id,
    created_at: createdAt,
    connection_ids: ids,
  });

  test("sees the newest agent that came by the code, and no other", () => {
    const agents = [
      agent("before", "2026-03-01T07:59:59Z", "c1"),
      agent("elsewhere", "2026-03-01T08:00:05Z", "c9"),
      agent("first", "2026-03-01T08:00:05Z", "c2"),
      agent("second", "2026-03-01T08:00:06Z", "c1", "c7"),
    ];
    expect(arrivedAgent(agents, code)?.id).toBe("second");
    expect(arrivedAgent(agents.slice(0, 3), code)?.id).toBe("first");
    expect(arrivedAgent(agents.slice(0, 2), code)).toBeUndefined();
  });

  test("gives the code by a variable, which no list of processes shows", () => {
    expect(enrolCommand("linux", "https://relay.example.com", "mre_1")).toBe(
      "sudo MILLRACE_ENROLLMENT_CODE=mre_1 millrace-agent enroll --relay wss://relay.example.com",
    );
    expect(enrolCommand("windows", "http://127.0.0.1:8080", "mre_1")).toBe(
      '$env:MILLRACE_ENROLLMENT_CODE = "mre_1"; millrace-agent enroll --relay ws://127.0.0.1:8080',
    );
  });
});
