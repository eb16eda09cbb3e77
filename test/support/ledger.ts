// Compares what a relay serves with what a plant's rows say: records, change feed, sync status.
import type { CompiledPack, MapperContext } from "#agent/core/mapping/mapping.ts";
import { ENTITIES, isEntity } from "#common/contract/model/entities.ts";
import { recordId } from "#common/contract/record-id.ts";
import type { Database } from "better-sqlite3";
import { entityOf, plantRecords } from "#test/demo/plant/plant-records.ts";
import type { RelayApi } from "#test/demo/relay-api.ts";

/** Record id → what the agent made of the row, as JSON with its members in order. */
export type Ledger = ReadonlyMap<string, string>;

export interface FeedEvent {
  readonly id: string;
  readonly type: string;
  readonly position: number;
  readonly entity: string | null;
  readonly record_id: string | null;
}

interface Page<T> {
  readonly data: readonly T[];
  readonly next_cursor: string | null;
}

/** Members that the relay adds to a record. */
const ENVELOPE = new Set([
  "id",
  "connection_id",
  "revision",
  "created_at",
  "updated_at",
  "deleted_at",
  "presence",
  "delete_reason",
  "incarnation",
  "origin",
  "remote_version",
  "content_hash",
  "mapping_version",
]);

export function plantLedger(
  db: Database,
  pack: CompiledPack,
  entity: string,
  context: MapperContext,
): Ledger {
  const records = plantRecords(db, entityOf(pack, entity), context);
  return new Map(
    [...records].map(([key, text]) => [
      recordId(context.connectionId, entity, key),
      canonical(JSON.parse(text)),
    ]),
  );
}

export interface Served {
  readonly records: Ledger;
  /** Record id → revision. */
  readonly revisions: ReadonlyMap<string, number>;
}

/** Every present record of an entity, by walking the public list to its end. */
export async function relayLedger(api: RelayApi, entity: string): Promise<Served> {
  if (!isEntity(entity)) throw new Error(`no entity ${entity}`);
  const records = new Map<string, string>();
  const revisions = new Map<string, number>();
  let query = "limit=200";
  for (;;) {
    const page: Page<Record<string, unknown>> = await api.get(`/v1/${ENTITIES[entity].path}?${query}`);
    for (const record of page.data) {
      const own = Object.entries(record).filter(([name]) => !ENVELOPE.has(name));
      records.set(String(record["id"]), canonical(Object.fromEntries(own)));
      revisions.set(String(record["id"]), Number(record["revision"]));
    }
    if (page.next_cursor === null) return { records, revisions };
    query = `limit=200&cursor=${encodeURIComponent(page.next_cursor)}`;
  }
}

/** The whole feed, oldest first. */
export async function wholeFeed(api: RelayApi): Promise<readonly FeedEvent[]> {
  const events: FeedEvent[] = [];
  let query = "limit=200";
  for (;;) {
    const page: Page<FeedEvent> = await api.get(`/v1/events?${query}`);
    events.push(...page.data);
    if (page.data.length === 0) return events;
    query = `limit=200&cursor=${encodeURIComponent(page.next_cursor ?? "")}`;
  }
}

/** What is wrong with a feed whose replay should leave exactly these records, at these revisions; empty: nothing. */
export function feedFaults(
  events: readonly FeedEvent[],
  revisions: ReadonlyMap<string, number>,
): readonly string[] {
  const faults: string[] = [];
  const ids = new Set<string>();
  /** Record → position of its last event. */
  const replayed = new Map<string, number>();
  let last = 0;
  for (const { id, type, position, record_id: record } of events) {
    if (ids.has(id)) faults.push(`${id} comes twice`);
    if (position <= last) faults.push(`${id} at ${position} comes after ${last}`);
    ids.add(id);
    last = position;
    if (record === null) continue;
    const verb = type.split(".")[1];
    const isThere = replayed.has(record);
    if (verb === "created" && isThere) faults.push(`${type} of ${record} that was there`);
    if (verb !== "created" && !isThere) faults.push(`${type} of ${record} that was not there`);
    if (verb === "deleted") replayed.delete(record);
    else replayed.set(record, position);
  }
  for (const [record, revision] of revisions) {
    const position = replayed.get(record);
    if (position === undefined) faults.push(`${record} is served, the feed lost it`);
    else if (position !== revision)
      faults.push(`${record} is at ${revision}, the feed's last word at ${position}`);
  }
  for (const record of replayed.keys())
    if (!revisions.has(record)) faults.push(`${record} is in the feed alone`);
  return faults;
}

/** A few of the records that differ, with both texts. */
export function differences(served: Ledger, truth: Ledger): readonly unknown[] {
  const ids = new Set([...served.keys(), ...truth.keys()]);
  return [...ids]
    .filter((id) => served.get(id) !== truth.get(id))
    .slice(0, 3)
    .map((id) => ({ id, served: served.get(id), truth: truth.get(id) }));
}

/** Members sorted, so that equal content is equal text. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, member: unknown) =>
    member !== null && typeof member === "object" && !Array.isArray(member)
      ? Object.fromEntries(Object.entries(member).toSorted(([one], [other]) => (one < other ? -1 : 1)))
      : member,
  );
}
