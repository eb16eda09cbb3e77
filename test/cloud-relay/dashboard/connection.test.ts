// A connection in detail: its timeline out of the feed, its syncs, its tokens.
import { describe, expect, test } from "vitest";
import {
  heldMs,
  timelineEntry,
  walkFeed,
  type TimelineEvent,
  type Walked,
} from "#relay/dashboard/screens/connection-timeline.ts";
import { isReading, progressText, runLook, shareOf } from "#relay/dashboard/screens/sync-look.ts";
import { endOfDay, tokensOf, tokenState } from "#relay/dashboard/screens/token-list.ts";

const AT = "2026-03-01T10:00:00.000Z";

function event(type: string, data: Record<string, unknown>, entity: string | null = null): TimelineEvent {
  return { id: "evt_1", type, at: AT, entity, data };
}

describe("the timeline", () => {
  test("says how a connection stood, why, and what to do", () => {
    const offline = { status: "offline", reason: "the agent is not connected", advice: "Look there." };
    expect(timelineEntry(event("connection.offline", offline))).toMatchObject({
      tone: "bad",
      title: "Offline",
      details: ["the agent is not connected", "Look there."],
    });
    // A first sync is told as online too: that it is one comes as a detail.
    expect(timelineEntry(event("connection.online", { status: "synchronizing" }))).toMatchObject({
      title: "Online",
      details: ["Synchronizing"],
    });
    expect(timelineEntry(event("system.error", { status: "degraded", reason: null })).details).toEqual([]);
  });

  test("tells a failed pass from one that waits for a decision", () => {
    const run = { entity: "work_order", pass: "reconcile", error: "no answer within 30 s" };
    const failed = timelineEntry(event("sync.failed", { ...run, outcome: "failed" }));
    expect(failed).toMatchObject({ tone: "bad", title: "Work order: reconcile failed" });
    expect(failed.details).toEqual(["no answer within 30 s"]);
    expect(timelineEntry(event("sync.failed", { ...run, outcome: "held" }))).toMatchObject({
      tone: "warn",
      title: "Work order: reconcile is held: it would delete very much",
    });
  });

  test("says of a gap what, why and how long, and shows what it does not know by its name", () => {
    const gap = { reason: "queue_overflow", from_ms: 1_000, to_ms: 61_000, detail: "12 samples" };
    expect(timelineEntry(event("gap.recorded", gap, "telemetry_point"))).toMatchObject({
      title: "Gap of telemetry point: queue overflow",
      details: ["12 samples", "over 1 min"],
    });
    expect(timelineEntry(event("gap.recorded", { ...gap, from_ms: undefined })).details).toEqual([
      "12 samples",
    ]);
    expect(timelineEntry(event("plant.closed", {})).title).toBe("plant.closed");
  });

  test("says how long each state held: the newest until now", () => {
    const entries = [{ at: "2026-03-01T10:01:00Z" }, { at: "2026-03-01T10:00:00Z" }];
    expect(heldMs(entries, 1, Date.parse("2026-03-01T12:00:00Z"))).toBe(60_000);
    expect(heldMs(entries, 0, Date.parse("2026-03-01T10:01:05Z"))).toBe(5_000);
  });

  test("is walked to the feed's end, and from there on the next time", async () => {
    const feed = Array.from({ length: 25 }, (_, index) => index);
    const asked: (string | undefined)[] = [];
    const page = (cursor: string | undefined) => {
      asked.push(cursor);
      const from = Number(cursor ?? 0);
      const data = feed.slice(from, from + 10);
      const end = from + data.length;
      return Promise.resolve({ data, next_cursor: String(end), has_more: end < feed.length });
    };
    const first = await walkFeed<number>(undefined, page);
    expect(first).toEqual({ cursor: "25", events: feed.toReversed(), isCut: false });
    feed.push(25);
    const second = await walkFeed(first, page);
    expect(second.events.slice(0, 3)).toEqual([25, 24, 23]);
    expect(asked).toEqual([undefined, "10", "20", "25"]);
  });

  test("gives up after so many pages, says so, and goes on from there", async () => {
    const page = (cursor: string | undefined) => {
      const at = Number(cursor ?? 0) + 1;
      return Promise.resolve({ data: [at], next_cursor: String(at), has_more: at < 30 });
    };
    let walked: Walked<number> | undefined = await walkFeed<number>(undefined, page);
    expect(walked).toMatchObject({ isCut: true, cursor: "20" });
    walked = await walkFeed(walked, page);
    expect(walked).toMatchObject({ isCut: false, cursor: "30" });
    expect(walked.events[0]).toBe(30);
  });
});

describe("syncs", () => {
  test("tell their share where the source can say how much there is", () => {
    expect(shareOf({ read: 1_200, total: 3_015 })).toBeCloseTo(0.398);
    expect(shareOf({ read: 9, total: 3 })).toBe(1);
    for (const progress of [null, { read: 1, total: null }, { read: 0, total: 0 }])
      expect(shareOf(progress)).toBeUndefined();
    expect(progressText({ read: 1_200, total: 3_015 })).toBe("1,200 of 3,015 (39.8 %)");
    expect(progressText({ read: 1_200, total: null })).toBe("1,200 so far");
  });

  test("that read something can be cancelled; those that wait cannot", () => {
    expect(["snapshot", "reconcile"].every((state) => isReading({ state }))).toBe(true);
    expect(["polling", "waiting", "failed"].some((state) => isReading({ state }))).toBe(false);
  });

  test("show a state that is not known by its own word", () => {
    expect(runLook("failed").tone).toBe("bad");
    expect(runLook("half_done")).toMatchObject({ label: "Half done", tone: "idle" });
  });
});

describe("tokens", () => {
  const token = {
    kind: "connection",
    connection_id: "c1",
    created_at: AT,
    expires_at: null as string | null,
    revoked_at: null as string | null,
  };

  test("of one connection, the newest first", () => {
    const newer = { ...token, created_at: "2026-03-02T00:00:00Z" };
    const workspace = { ...token, kind: "workspace", connection_id: null };
    expect(tokensOf([token, workspace, newer, { ...token, connection_id: "c2" }], "c1")).toEqual([
      newer,
      token,
    ]);
  });

  test("are revoked, expired or valid, in this order", () => {
    const nowMs = Date.parse(AT);
    expect(tokenState(token, nowMs)).toBe("valid");
    expect(tokenState({ ...token, expires_at: AT }, nowMs)).toBe("expired");
    expect(tokenState({ ...token, expires_at: "2026-03-01T10:00:01Z" }, nowMs)).toBe("valid");
    expect(tokenState({ ...token, expires_at: AT, revoked_at: AT }, nowMs)).toBe("revoked");
  });

  test("hold to the end of the reader's day", () => {
    const end = new Date(endOfDay("2026-03-01"));
    expect([end.getDate(), end.getHours(), end.getMinutes()]).toEqual([1, 23, 59]);
  });
});
