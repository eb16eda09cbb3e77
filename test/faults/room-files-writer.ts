// A process that commits batches as fast as it can until it is killed; its parent reads along.
import { RoomFiles } from "#agent/outbox/room-files.ts";
import { systemClock } from "#common/runtime/clock.ts";
import { silentLogger } from "#common/runtime/logger.ts";
import { randomBytes } from "node:crypto";

export type WriterMessage =
  | { readonly type: "opened"; readonly file: string; readonly reason: string; readonly counter: number }
  | { readonly type: "committed"; readonly counter: number }
  | { readonly type: "wrong"; readonly detail: string };

/** Told by the parent: what it holds durably. */
export interface AckMessage {
  readonly ackedSeq: number;
}

const SLOT = "count";
const newId = (): string => randomBytes(8).toString("hex");
const tell = (message: WriterMessage): void => void process.send?.(message);

const files = new RoomFiles({
  dir: process.argv[2] ?? "",
  newId,
  emptyBatch: () => ({ id: newId(), kind: "records", entries: 0, blob: Buffer.alloc(0) }),
  beginBatch: ({ detail }) => ({ id: newId(), kind: "records", entries: 1, blob: Buffer.from(detail) }),
  releaseFile: () => Promise.resolve(),
  logger: silentLogger,
});
const { store, reason } = await files.open();
let counter = Number(store.cursor(SLOT)?.["at"] ?? 0);
const [last] = store.read(store.position().nextSeq - 1, 1);
const lastCounter = last === undefined ? 0 : Number(Buffer.from(last.blob).toString().split(" ")[0]);
if (last !== undefined && lastCounter !== counter) {
  tell({ type: "wrong", detail: `cursor ${counter}, last batch ${lastCounter}` });
}
const [known] = store.known("vendor", ["latest"]);
if (counter > 0 && known?.version !== String(counter)) {
  tell({ type: "wrong", detail: `cursor ${counter}, known ${known?.version}` });
}
tell({ type: "opened", file: store.file, reason, counter });

process.on("message", ({ ackedSeq }: AckMessage) => store.trim(ackedSeq, ackedSeq - 20));
process.on("disconnect", () => process.exit());

function commitOne(): void {
  const padding = "x".repeat((counter * 7919) % 9000);
  const batches = Array.from({ length: 1 + (counter % 3) }, () => {
    counter += 1;
    return {
      id: newId(),
      kind: "records" as const,
      entries: 1,
      blob: Buffer.from(`${counter} ${padding}`),
    };
  });
  const latest = { key: "latest", hash: "", version: String(counter), seen: 1 };
  const others = Array.from({ length: 50 }, (_, index) => ({
    ...latest,
    key: `k${(counter * 31 + index) % 5000}`,
  }));
  store.commit({
    batches,
    known: [{ entity: "vendor", records: [latest, ...others] }],
    cursors: [{ slot: SLOT, cursor: { at: counter } }],
  });
  tell({ type: "committed", counter });
  systemClock.setTimer(0, commitOne);
  setImmediate(() => {});
}
setInterval(() => store.maintain(false), 20);
commitOne();
