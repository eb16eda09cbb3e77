// What a client asks for: SQL batches, procedure calls and transaction requests, read from their messages.
import type { BoundParameter } from "#test/support/sql-engine/session.ts";
import { ByteReader, TdsProtocolError } from "./byte-reader.ts";
import { readTypeInfo } from "./type-info.ts";
import { readValue } from "./value-reader.ts";

const BY_REFERENCE = 0x01;
const SPECIAL_PROCEDURES: Readonly<Record<number, string>> = {
  10: "sp_executesql",
  11: "sp_prepare",
  12: "sp_execute",
  13: "sp_prepexec",
  15: "sp_unprepare",
};
const TRANSACTION_KINDS: Readonly<Record<number, "begin" | "commit" | "rollback" | "save">> = {
  5: "begin",
  7: "commit",
  8: "rollback",
  9: "save",
};
const ISOLATION_LEVELS: Readonly<Record<number, string>> = {
  1: "READ UNCOMMITTED",
  2: "READ COMMITTED",
  3: "REPEATABLE READ",
  4: "SERIALIZABLE",
  5: "SNAPSHOT",
};

export interface CallParameter extends BoundParameter {
  readonly isOutput: boolean;
}

export interface CallRequest {
  readonly procedure: string;
  readonly parameters: readonly CallParameter[];
}

export interface TransactionRequest {
  readonly kind: "begin" | "commit" | "rollback" | "save";
  /** Undefined: the session's own stays. */
  readonly isolation: string | undefined;
  /** Empty for most. */
  readonly name: string;
}

export function parseBatch(payload: Buffer, hasHeaders: boolean): string {
  const reader = bodyOf(payload, hasHeaders);
  return reader.bytes(reader.left - (reader.left % 2)).toString("utf16le");
}

/** @throws TdsProtocolError for types and procedures that this server does not take */
export function parseCall(payload: Buffer, hasHeaders: boolean): CallRequest {
  const reader = bodyOf(payload, hasHeaders);
  const nameLength = reader.u16();
  const procedure = nameLength === 0xffff ? specialProcedure(reader.u16()) : reader.ucs2(nameLength);
  reader.u16();
  const parameters: CallParameter[] = [];
  while (reader.left > 0) {
    const name = reader.bVarchar().replace(/^@/, "");
    const status = reader.u8();
    const wire = readTypeInfo(reader);
    parameters.push({
      name,
      type: wire.type,
      value: readValue(reader, wire),
      isOutput: (status & BY_REFERENCE) !== 0,
    });
  }
  return { procedure, parameters };
}

/** @throws TdsProtocolError for distributed transactions */
export function parseTransaction(payload: Buffer, hasHeaders: boolean): TransactionRequest {
  const reader = bodyOf(payload, hasHeaders);
  const code = reader.u16();
  const kind = TRANSACTION_KINDS[code];
  if (kind === undefined)
    throw new TdsProtocolError(`transaction requests of kind ${code} are not taken here`);
  const isolation = kind === "begin" ? ISOLATION_LEVELS[reader.u8()] : undefined;
  return { kind, isolation, name: reader.ucs2(reader.u8() / 2) };
}

function specialProcedure(id: number): string {
  const name = SPECIAL_PROCEDURES[id];
  if (name === undefined) throw new TdsProtocolError(`the special procedure ${id} is not known here`);
  return name;
}

/** From TDS 7.2 on headers come first: transaction descriptor, trace. Nothing in them is needed here. */
function bodyOf(payload: Buffer, hasHeaders: boolean): ByteReader {
  const reader = new ByteReader(payload);
  if (hasHeaders) reader.bytes(reader.u32() - 4);
  return reader;
}

/** Names out of `@a int, @b decimal(18, 4) output`: parameters of a prepared statement may come without theirs. */
export function declaredNames(declaration: string): readonly string[] {
  return Array.from(declaration.matchAll(/(?:^|,)\s*@([\w$#@]+)\s/g), (match) => match[1] ?? "");
}
