// The relay's settings over the plant's own: what is absent stays, what is null says so.
import { expect, test } from "vitest";
import type { RoomConfig } from "#agent/core/room/messages.ts";
import { withSettings } from "#agent/core/settings/room-settings.ts";

const config: RoomConfig = {
  connectionId: "c",
  connection: "plant",
  connector: "sqlite",
  settings: {},
  pack: "demo-cmms",
  timeZone: "UTC",
  raw: true,
  hidden: [],
  roomDir: "/nowhere",
  pollMs: { "*": 5_000 },
  reconcileMs: {},
  initialWindowDays: 60,
  telemetryPolicy: "drop_oldest",
  massDeleteFraction: 0.5,
  heartbeatMs: 1_000,
  logLevel: "info",
};

test("the window is the plant's own, or the relay's, or none by the relay's word", () => {
  expect(withSettings(config, undefined).initialWindowDays).toBe(60);
  expect(withSettings(config, {}).initialWindowDays).toBe(60);
  expect(withSettings(config, { initial_window_days: 30 }).initialWindowDays).toBe(30);
  expect(withSettings(config, { initial_window_days: null }).initialWindowDays).toBeUndefined();
});

test("schedules are laid over the plant's, entity by entity", () => {
  const schedules = { vendor: { poll_s: 1.5 }, asset: { reconcile_s: 60 } };
  const { pollMs, reconcileMs } = withSettings(config, { schedules });
  expect(pollMs).toEqual({ "*": 5_000, vendor: 1_500 });
  expect(reconcileMs).toEqual({ asset: 60_000 });
});
