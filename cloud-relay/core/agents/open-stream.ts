// Decides where a stream goes on when an agent opens it, or that its history and ours have parted.
import type { StreamOpen } from "#common/contract/messages.ts";
import { FencedError, type IngestSession } from "../ingest/ingest.ts";
import type { IngestTx, Store, StreamState } from "../store.ts";

export type StreamOpening =
  | { readonly verdict: "resume"; readonly stream: StreamState; readonly isRewound: boolean }
  | {
      readonly verdict: "new_epoch";
      readonly reason: "agent_restored" | "relay_rewound";
      readonly isRewound: boolean;
    }
  | { readonly verdict: "refused"; readonly code: string; readonly detail: string };

/** `isRewound`: the agent holds acknowledgements that this store never gave, so the store was restored from a copy. */
export function openStream(store: Store, session: IngestSession, open: StreamOpen): Promise<StreamOpening> {
  return store.ingest(async (tx) => {
    if (!(await tx.isCurrentSession(session.agentId, session.session))) {
      throw new FencedError("a newer session of this agent has taken over");
    }
    const connection = await tx.connection(open.connection_id);
    if (connection === undefined || connection.workspaceId !== session.workspaceId) {
      return { verdict: "refused", code: "CONNECTION_UNKNOWN", detail: "this relay has no such connection" };
    }
    if (connection.agentId !== session.agentId) {
      return {
        verdict: "refused",
        code: "CONNECTION_NOT_BOUND",
        detail: "this connection is not served by this agent",
      };
    }
    if (connection.disconnectedAtMs !== undefined) {
      const detail =
        "this connection was disconnected at the relay; nothing of it is taken until it is reconnected";
      return { verdict: "refused", code: "CONNECTION_DISCONNECTED", detail };
    }
    const current = await tx.stream(open.connection_id);
    return current?.epoch === open.epoch ? resume(current, open) : begin(tx, current, open);
  });
}

function resume(stream: StreamState, open: StreamOpen): StreamOpening {
  const isRewound = open.acked_seq > stream.ackedSeq;
  if (stream.ackedSeq >= open.next_seq)
    return { verdict: "new_epoch", reason: "agent_restored", isRewound: false };
  if (stream.ackedSeq < open.first_seq - 1)
    return { verdict: "new_epoch", reason: "relay_rewound", isRewound };
  return { verdict: "resume", stream, isRewound };
}

/** How many of the batches that the epoch took over were applied under an epoch before; the agent checks the id. */
function alreadyApplied(current: StreamState | undefined, { taken_over, next_seq }: StreamOpen): number {
  const before = taken_over?.find(({ epoch }) => epoch === current?.epoch);
  if (current === undefined || before === undefined) return 0;
  const applied = current.ackedSeq - before.first_seq + 1;
  return applied > 0 && applied < next_seq ? applied : 0;
}

async function begin(
  tx: IngestTx,
  current: StreamState | undefined,
  open: StreamOpen,
): Promise<StreamOpening> {
  if (await tx.hasSeenEpoch(open.connection_id, open.epoch)) {
    return { verdict: "new_epoch", reason: "agent_restored", isRewound: false };
  }
  const isRewound = open.acked_seq > 0;
  // An epoch that began without us and is not whole any more.
  if (open.first_seq !== 1) return { verdict: "new_epoch", reason: "relay_rewound", isRewound };
  const applied = alreadyApplied(current, open);
  const stream: StreamState = {
    connectionId: open.connection_id,
    epoch: open.epoch,
    // Grows with the epoch entry: the batches before it were taken over from the epoch before.
    epochNo: current?.epochNo ?? 0,
    ackedSeq: applied,
    ackedId: applied > 0 ? (current?.ackedId ?? "") : "",
  };
  await tx.putStream(stream);
  return { verdict: "resume", stream, isRewound };
}
