// The tokens of which a TDS answer consists, except rows.
import type { DbType, DbValue } from "#test/support/sql-engine/session.ts";
import type { ByteWriter } from "./byte-writer.ts";
import { collationOf } from "./collations.ts";
import { ROWVERSION_USER_TYPE, writeTypeInfo } from "./type-info.ts";
import { writeValue } from "./value-writer.ts";

export const TOKEN = {
  returnStatus: 0x79,
  columns: 0x81,
  error: 0xaa,
  info: 0xab,
  returnValue: 0xac,
  loginAck: 0xad,
  featureExtAck: 0xae,
  row: 0xd1,
  rowWithNullMap: 0xd2,
  envChange: 0xe3,
  sspi: 0xed,
  done: 0xfd,
  doneProcedure: 0xfe,
  doneInProcedure: 0xff,
} as const;

export const TDS_VERSION = {
  "7.1": 0x71000001,
  "7.2": 0x72090002,
  "7.3": 0x730b0003,
  "7.4": 0x74000004,
  "8.0": 0x08000000,
} as const;

export type DoneToken = (typeof TOKEN)["done" | "doneProcedure" | "doneInProcedure"];

const DONE = { more: 0x01, error: 0x02, count: 0x10, attention: 0x20 };
const CHANGE = {
  database: 1,
  language: 2,
  packetSize: 4,
  collation: 7,
  begin: 8,
  commit: 9,
  rollback: 10,
  reset: 18,
  route: 20,
};
const FEATURE_UTF8 = 0x0a;
const SERVER_NAME = "MILLRACE";

export interface DoneOptions {
  readonly hasMore?: boolean;
  readonly isError?: boolean;
  readonly isAttention?: boolean;
  /** Rows read or written; without it the client gets no count. */
  readonly count?: number | undefined;
}

export function writeDone(writer: ByteWriter, token: DoneToken, options: DoneOptions = {}): void {
  const status =
    (options.hasMore === true ? DONE.more : 0) |
    (options.isError === true ? DONE.error : 0) |
    (options.isAttention === true ? DONE.attention : 0) |
    (options.count === undefined ? 0 : DONE.count);
  writer
    .u8(token)
    .u16(status)
    .u16(0)
    .u64(BigInt(options.count ?? 0));
}

export interface MessageText {
  readonly number: number;
  readonly message: string;
  readonly severity: number;
  readonly procedure?: string;
}

export function writeError(writer: ByteWriter, error: MessageText): void {
  writeMessage(writer, TOKEN.error, error);
}

export function writeInfo(writer: ByteWriter, info: MessageText): void {
  writeMessage(writer, TOKEN.info, info);
}

function writeMessage(writer: ByteWriter, token: number, text: MessageText): void {
  writer.u8(token).sized((inner) =>
    inner
      .u32(text.number)
      .u8(1)
      .u8(text.severity)
      .usVarchar(text.message)
      .bVarchar(SERVER_NAME)
      .bVarchar(text.procedure ?? "")
      .u32(1),
  );
}

export function writeLoginAck(writer: ByteWriter, tdsVersion: number, major: number): void {
  writer
    .u8(TOKEN.loginAck)
    .sized((inner) =>
      inner.u8(1).u32BigEndian(tdsVersion).bVarchar("Microsoft SQL Server").u8(major).u8(0).u8(0).u8(0),
    );
}

/** The only feature that is acknowledged: text in UTF-8. */
export function writeFeatureAck(writer: ByteWriter): void {
  writer.u8(TOKEN.featureExtAck).u8(FEATURE_UTF8).u32(1).u8(1).u8(0xff);
}

export function writeSspi(writer: ByteWriter, bytes: Uint8Array): void {
  writer.u8(TOKEN.sspi).sized((inner) => inner.bytes(bytes));
}

export function writeTextChange(
  writer: ByteWriter,
  change: "database" | "language" | "packetSize",
  value: string,
  before = "",
): void {
  writer.u8(TOKEN.envChange).sized((inner) => inner.u8(CHANGE[change]).bVarchar(value).bVarchar(before));
}

export function writeCollationChange(writer: ByteWriter, collation: string | undefined): void {
  const { bytes } = collationOf(collation);
  writer.u8(TOKEN.envChange).sized((inner) => inner.u8(CHANGE.collation).u8(bytes.length).bytes(bytes).u8(0));
}

/** A begun transaction has a descriptor of 8 bytes, which the client repeats in each request. */
export function writeTransactionChange(
  writer: ByteWriter,
  change: "begin" | "commit" | "rollback",
  descriptor: Uint8Array,
): void {
  const isBegin = change === "begin";
  writer.u8(TOKEN.envChange).sized((inner) => {
    inner.u8(CHANGE[change]);
    if (isBegin) inner.u8(descriptor.length).bytes(descriptor).u8(0);
    else inner.u8(0).u8(descriptor.length).bytes(descriptor);
  });
}

export function writeResetDone(writer: ByteWriter): void {
  writer.u8(TOKEN.envChange).sized((inner) => inner.u8(CHANGE.reset).u8(0).u8(0));
}

/** The client is to connect there instead. */
export function writeRoute(writer: ByteWriter, server: string, port: number): void {
  const TCP = 0;
  writer.u8(TOKEN.envChange).sized((change) =>
    change
      .u8(CHANGE.route)
      .sized((to) => to.u8(TCP).u16(port).usVarchar(server))
      .u16(0),
  );
}

export function writeReturnStatus(writer: ByteWriter, status: number): void {
  writer.u8(TOKEN.returnStatus).i32(status);
}

export function writeReturnValue(
  writer: ByteWriter,
  ordinal: number,
  name: string,
  type: DbType,
  value: DbValue,
): void {
  writer
    .u8(TOKEN.returnValue)
    .u16(ordinal)
    .bVarchar(name === "" ? "" : `@${name}`)
    .u8(1);
  writer.u32(type.kind === "rowversion" ? ROWVERSION_USER_TYPE : 0).u16(1);
  writeTypeInfo(writer, type, true);
  writeValue(writer, type, true, value);
}
