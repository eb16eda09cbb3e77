// When a breaker opens, how long it parks, what closes it, and when an endpoint has failed for too long.
import { describe, expect, it } from "vitest";
import { AttemptWindow, breakerAt } from "#relay/core/webhooks/breaker.ts";
import { healthAfter, type HealthChange } from "#relay/core/webhooks/endpoint-health.ts";
import { HEALTHY, type EndpointHealth } from "#relay/core/webhooks/endpoint.ts";
import type { Outcome } from "#relay/core/webhooks/outcome.ts";

const START_MS = 1_748_736_000_000;
const DAY_MS = 86_400_000;
const OK: Outcome = { kind: "delivered", disables: undefined };
const FAILED = {
  kind: "failed",
  why: "HTTP 500",
  isThrottled: false,
  retryAfterMs: undefined,
  isFinal: false,
  disables: undefined,
} as const satisfies Outcome;

class Course {
  health: EndpointHealth = HEALTHY;
  atMs = START_MS;
  readonly window = new AttemptWindow();

  take(outcome: Outcome, startedAtMs = this.atMs): HealthChange {
    const change = healthAfter(this.health, { outcome, startedAtMs, endedAtMs: this.atMs }, this.window);
    this.health = change.health;
    return change;
  }

  fail(times: number, everyMs = 1_000): (string | undefined)[] {
    return Array.from({ length: times }, () => {
      this.atMs += everyMs;
      return this.take(FAILED).turn;
    });
  }

  get parkedForMs(): number {
    return (this.health.parkedUntilMs ?? this.atMs) - this.atMs;
  }
}

describe("the breaker", () => {
  it("opens with the tenth failure in a row, says so once, and parks for 30 s", () => {
    const course = new Course();
    const turns = course.fail(10);
    expect(turns.filter((turn) => turn !== undefined)).toEqual(["failing"]);
    expect(turns[9]).toBe("failing");
    expect(course.health.breaker).toBe("open");
    expect(course.parkedForMs).toBe(30_000);
  });

  it("opens when 7 of 10 attempts within five minutes failed, and not when they are spread wider", () => {
    const dense = new Course();
    const wide = new Course();
    const turns: Record<"dense" | "wide", unknown[]> = { dense: [], wide: [] };
    for (let index = 0; index < 20; index += 1) {
      const outcome = index % 4 === 0 ? OK : FAILED;
      dense.atMs += 10_000;
      wide.atMs += 60_000;
      turns.dense.push(dense.take(outcome).turn);
      turns.wide.push(wide.take(outcome).turn);
    }
    expect(turns.dense).toContain("failing");
    expect(turns.wide).not.toContain("failing");
  });

  it("stays closed at 6 of 10", () => {
    const course = new Course();
    for (let index = 0; index < 100; index += 1) {
      course.atMs += 1_000;
      course.take(index % 5 < 2 ? OK : FAILED);
    }
    expect(course.health.breaker).toBe("closed");
  });

  it("parks longer with every failed probe, up to five minutes", () => {
    const course = new Course();
    course.fail(10);
    const parks: number[] = [];
    for (let probe = 0; probe < 8; probe += 1) {
      course.atMs = course.health.parkedUntilMs ?? 0;
      expect(breakerAt(course.health, course.atMs)).toBe("half_open");
      course.take(FAILED);
      parks.push(course.parkedForMs / 1_000);
    }
    expect(parks.every((park, index) => park >= (parks[index - 1] ?? 30))).toBe(true);
    expect(parks.at(-1)).toBe(300);
    expect(parks[1]).toBeGreaterThan(60);
  });

  it("is not parked anew by attempts that began before it opened", () => {
    const course = new Course();
    course.fail(10);
    const until = course.health.parkedUntilMs;
    course.atMs += 5_000;
    course.take(FAILED, course.atMs - 10_000);
    expect(course.health.parkedUntilMs).toBe(until);
  });

  it("closes with one success, says so, and begins to count anew", () => {
    const course = new Course();
    course.fail(15);
    expect(course.take(OK).turn).toBe("recovered");
    expect(course.health).toEqual({
      ...HEALTHY,
      lastSuccessAtMs: course.atMs,
      lastFailureAtMs: course.atMs,
    });
    expect(course.fail(9).filter((turn) => turn !== undefined)).toEqual([]);
    expect(course.health.breaker).toBe("closed");
  });

  it("does not hold the relay's own faults against anybody", () => {
    const course = new Course();
    for (let index = 0; index < 50; index += 1) course.take({ kind: "local", why: "no network" });
    expect(course.health).toEqual(HEALTHY);
  });
});

describe("an endpoint that asks for time", () => {
  it("is parked as long as it says, when it says that it is too much", () => {
    const course = new Course();
    course.take({ ...FAILED, isThrottled: true, retryAfterMs: 90_000 });
    expect(course.parkedForMs).toBe(90_000);
    expect(course.health.breaker).toBe("closed");
  });

  it("is not parked by a Retry-After of another kind: that is about the one delivery", () => {
    const course = new Course();
    course.take({ ...FAILED, retryAfterMs: 90_000 });
    expect(course.health.parkedUntilMs).toBeUndefined();
  });
});

describe("disabling", () => {
  it("comes after five days of nothing but failures", () => {
    const course = new Course();
    let days = 0;
    for (; days < 7; days += 0.25) {
      course.atMs = START_MS + days * DAY_MS;
      if (course.take(FAILED).disables !== undefined) break;
    }
    expect(days).toBe(5);
  });

  it("does not come when a single attempt a week fails", () => {
    const course = new Course();
    for (let week = 0; week < 30; week += 1) {
      course.atMs = START_MS + week * 7 * DAY_MS;
      expect(course.take(FAILED).disables).toBeUndefined();
    }
  });

  it("does not come when anything was delivered meanwhile", () => {
    const course = new Course();
    for (let hour = 0; hour < 24 * 8; hour += 6) {
      course.atMs = START_MS + hour * 3_600_000;
      expect(course.take(hour === 72 ? OK : FAILED).disables).toBeUndefined();
      if (hour === 7 * 24) break;
    }
  });

  it("comes at once when the receiver says that it is gone", () => {
    const gone = { reason: "gone", detail: "…" } as const;
    expect(new Course().take({ ...FAILED, disables: gone }).disables).toBe(gone);
  });
});
