// What of the relay's settings concerns how a room reads, laid over the plant's own values.
import type { ConnectionSettingsDocument } from "#common/contract/settings.ts";
import type { RoomConfig } from "../room/messages.ts";

/** `config` is as the plant's file has it; what its pack becomes is worked out by the room. */
export function withSettings(
  config: RoomConfig,
  document: ConnectionSettingsDocument | undefined,
): RoomConfig {
  if (document === undefined) return config;
  const { schedules = {}, initial_window_days: days } = document;
  const ms = (part: "poll_s" | "reconcile_s"): Record<string, number> =>
    Object.fromEntries(
      Object.entries(schedules).flatMap(([entity, given]) => {
        const seconds = given[part];
        return seconds === undefined ? [] : [[entity, Math.round(seconds * 1_000)]];
      }),
    );
  return {
    ...config,
    pollMs: { ...config.pollMs, ...ms("poll_s") },
    reconcileMs: { ...config.reconcileMs, ...ms("reconcile_s") },
    // Null is an answer: everything.
    ...(days === undefined ? {} : { initialWindowDays: days ?? undefined }),
    overlay: document,
  };
}
