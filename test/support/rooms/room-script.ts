// What planted rooms share: they speak to the supervisor as a real room does, and count in the open.
import type { FromRoom, RoomConfig, ToRoom } from "#agent/core/room/messages.ts";

export function tell(message: FromRoom): void {
  process.send?.(message);
}

/** Waits for `start`, then sends heartbeats and "commits" one batch every 50 ms; ends with its parent or when told to. */
export function liveAsRoom(onStarted: (config: RoomConfig) => void = () => {}): void {
  process.on("disconnect", () => process.exit(0));
  process.on("message", (message: ToRoom) => {
    if (message.type === "stop") {
      tell({ type: "stopped" });
      process.disconnect();
      return;
    }
    if (message.type !== "start") return;
    let seq = 1;
    setInterval(() => {
      const { rss, heapUsed } = process.memoryUsage();
      const bytes = { rssBytes: rss, heapBytes: heapUsed, outboxBytes: 0, knownBytes: 0 };
      tell({ type: "heartbeat", ...bytes, changes: seq });
      seq += 1;
      tell({ type: "committed", epoch: "0123456789abcdef", nextSeq: seq });
    }, 50);
    onStarted(message.config);
  });
}
