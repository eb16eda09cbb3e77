// ROWIDs as Oracle writes them.
import type { RowRecord } from "./rows.ts";
import type { Table } from "./table.ts";

const BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/** Six characters of object, three of file, six of block, three of row. */
export function rowIdText(table: Table, record: RowRecord): string {
  return `${encode(table.objectId % 2 ** 32, 6)}AAE${encode(Math.floor(record.id / 100), 6)}${encode(record.id % 100, 3)}`;
}

function encode(value: number, width: number): string {
  let text = "";
  for (let left = value, at = 0; at < width; at += 1, left = Math.floor(left / 64))
    text = BASE64[left % 64]! + text;
  return text;
}
