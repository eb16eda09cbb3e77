// Numbers of Oracle's network protocol (TNS packets, TTC messages and calls) as far as a thin client uses them.

export const PACKET = {
  connect: 1,
  accept: 2,
  refuse: 4,
  data: 6,
  marker: 12,
} as const;

export const MARKER = { break: 1, reset: 2, interrupt: 3 } as const;

export const DATA_FLAG = { endOfFile: 0x40, endOfRequest: 0x800 } as const;

export const MESSAGE = {
  protocol: 1,
  dataTypes: 2,
  function: 3,
  error: 4,
  rowHeader: 6,
  rowData: 7,
  parameter: 8,
  status: 9,
  ioVector: 11,
  lobData: 14,
  warning: 15,
  describe: 16,
  piggyback: 17,
  bitVector: 21,
} as const;

export const CALL = {
  reexecute: 4,
  fetch: 5,
  logOff: 9,
  commit: 14,
  rollback: 15,
  reexecuteAndFetch: 78,
  execute: 94,
  lob: 96,
  closeCursors: 105,
  authPhaseTwo: 115,
  authPhaseOne: 118,
  cancelCursors: 120,
  setEndToEnd: 135,
  ping: 147,
  setSchema: 152,
  appContext: 154,
} as const;

export const EXECUTE_OPTION = {
  parse: 0x01,
  define: 0x10,
  execute: 0x20,
  fetch: 0x40,
  commit: 0x100,
  notPlSql: 0x8000,
  describe: 0x20000,
  batchErrors: 0x80000,
} as const;

/** Of the ninth of a statement's thirteen numbers. */
export const EXECUTE_FLAG = { rowCounts: 0x4000 } as const;

export const ORACLE_TYPE = {
  varchar: 1,
  number: 2,
  binaryInteger: 3,
  long: 8,
  rowid: 11,
  date: 12,
  raw: 23,
  longRaw: 24,
  char: 96,
  binaryFloat: 100,
  binaryDouble: 101,
  clob: 112,
  blob: 113,
  timestamp: 180,
  timestampTz: 181,
  timestampLtz: 231,
  boolean: 252,
} as const;

/** Character set form: the database's own, or the national one (UTF-16). */
export const FORM = { none: 0, implicit: 1, national: 2 } as const;

export const CHARSET = { utf8: 873, utf16: 2000 } as const;

export const BIND_DIRECTION = { input: 32, inputOutput: 48 } as const;

export const CALL_STATUS = { inTransaction: 0x02 } as const;

/** A length above this one is written in chunks. */
export const MAX_SHORT_LENGTH = 252;
export const LONG_LENGTH = 254;
export const NULL_LENGTH = 255;

/** Header and data flags of a data packet. */
export const DATA_OFFSET = 10;

/** What the peer sent cannot be understood; the connection ends. */
export class ProtocolError extends Error {
  override readonly name = "ProtocolError";
}
