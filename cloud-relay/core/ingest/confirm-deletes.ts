// An operator's word on a sweep that was held: what a new epoch's snapshot did not confirm is deleted after all.
import { ENTITY_NAMES } from "#common/contract/model/entities.ts";
import type { ConnectionRow, Store, SyncRun } from "../store.ts";
import { sweep } from "./sweep.ts";

export interface ConfirmedDeletes {
  readonly entity: string;
  readonly deleted: number;
}

/** Runs of one entity that are looked through for the held one: polls that found something are runs as well. */
const RUNS_READ = 50_000;

/** By entity, those whose deletes were held; all of them unless one is named. Empty when nothing is held. */
export async function confirmDeletes(
  store: Store,
  connection: ConnectionRow,
  entity: string | undefined,
  nowMs: number,
): Promise<readonly ConfirmedDeletes[]> {
  const reported = (connection.report?.entities ?? []).map((each) => each.entity);
  const entities = entity === undefined ? new Set([...reported, ...ENTITY_NAMES]) : [entity];
  const confirmed: ConfirmedDeletes[] = [];
  for (const name of entities) {
    const run = await heldRun(store, connection, name);
    if (run !== undefined)
      confirmed.push({ entity: name, deleted: await finish(store, connection, run, nowMs) });
  }
  return confirmed;
}

type HeldRun = SyncRun & { readonly heldEpochNo: number };

async function heldRun(
  store: Store,
  { workspaceId, id }: ConnectionRow,
  entity: string,
): Promise<HeldRun | undefined> {
  const scope = { workspaceId, connectionIds: [id] };
  const runs = await store.reader.syncRuns(scope, id, entity, RUNS_READ);
  return runs.find((run): run is HeldRun => run.outcome === "held" && run.heldEpochNo !== undefined);
}

/** The run ends as it would have. A newer epoch may have begun: what it confirmed is not of an older one, and stays. */
function finish(store: Store, connection: ConnectionRow, run: HeldRun, nowMs: number): Promise<number> {
  const { id: connectionId, workspaceId } = connection;
  const { heldEpochNo: epochNo, error: _, ...rest } = run;
  return store.ingest(async (tx) => {
    const eventId = (position: number): string => `evt_r_${position}`;
    const { entity } = run;
    const swept = await sweep({
      tx,
      workspaceId,
      connectionId,
      entity,
      epochNo,
      nowMs,
      presence: "deleted",
      eventId,
    });
    const ended: SyncRun = { ...rest, outcome: "ok", deleted: (run.deleted ?? 0) + swept };
    await tx.putSyncRuns([ended]);
    const { connectionId: _id, ...data } = ended;
    const position = await tx.revisions(1, nowMs);
    await tx.appendEvents([
      {
        id: eventId(position),
        position,
        type: "sync.completed",
        workspaceId,
        connectionId,
        entity,
        recordId: undefined,
        origin: undefined,
        atMs: nowMs,
        data: JSON.stringify(data),
      },
    ]);
    return swept;
  });
}
