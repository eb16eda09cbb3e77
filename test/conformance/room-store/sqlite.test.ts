// The room store on disk against the suite.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SqliteRoomStore } from "#agent/outbox/sqlite-room-store.ts";
import { EPOCH, describeRoomStore } from "./suite.ts";

describeRoomStore("sqlite", () => {
  const dir = mkdtempSync(join(tmpdir(), "millrace-room-"));
  const file = join(dir, `${EPOCH}.db`);
  let store = SqliteRoomStore.create(file, {
    epoch: EPOCH,
    takenOver: [],
    reason: "created",
    life: 1,
  });
  return {
    store: () => store,
    reopen: () => {
      store.close();
      store = SqliteRoomStore.open(file);
    },
    dispose: () => {
      store.close();
      rmSync(dir, { recursive: true });
    },
  };
});
