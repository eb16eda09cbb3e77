// The columns of a record as it is read, and the record that they make.
import type { Origin } from "#common/contract/entry.ts";
import type { Presence } from "#common/contract/model/entities.ts";
import type { StoredRecord } from "../../core/store.ts";
import { idAsHex, idOfHex } from "./columns.ts";
import type { Names } from "./names.ts";

/** In the order of COLUMNS. An array, because an object costs a third more. */
export type RecordColumns = readonly [
  id: string,
  listNo: number,
  revision: number,
  incarnation: number,
  presenceNo: number,
  originNo: number,
  mappingNo: number,
  createdAtMs: number,
  updatedAtMs: number,
  deletedAtMs: number | null,
  reasonNo: number | null,
  hash: string,
  version: string | null,
  key: string,
  text: string,
  raw?: string | null,
];

const COLUMNS = `SELECT ${idAsHex("id")}, list_no, revision, incarnation, presence_no, origin_no, mapping_no, created_ms,
  updated_ms, deleted_ms, reason_no, hash, version, key, text`;
/** Without the source's own row, which may be as long again, and with it. */
export const BARE_RECORD = `${COLUMNS} FROM records`;
export const RAW_RECORD = `${COLUMNS}, raw FROM records`;

export function storedRecord(row: RecordColumns, names: Names): StoredRecord {
  const [id, listNo, revision, incarnation, presenceNo, originNo, mappingNo, createdAtMs, updatedAtMs] = row;
  const [, , , , , , , , , deletedAtMs, reasonNo, hash, version, key, text, raw] = row;
  const { connectionId, entity } = names.list(listNo);
  return {
    id: idOfHex(id),
    connectionId,
    entity,
    key,
    text,
    raw: raw ?? undefined,
    hash,
    version: version ?? undefined,
    revision,
    createdAtMs,
    updatedAtMs,
    deletedAtMs: deletedAtMs ?? undefined,
    presence: names.term(presenceNo) as Presence,
    deleteReason: names.optionalTerm(reasonNo),
    incarnation,
    origin: names.term(originNo) as Origin,
    mappingVersion: names.term(mappingNo),
  };
}
