// What a client hears after LOGIN7: who it speaks to and how, or why not.
import type { DatabaseError } from "#test/support/sql-engine/session.ts";
import { TdsProtocolError } from "./byte-reader.ts";
import type { ByteWriter } from "./byte-writer.ts";
import type { Login7 } from "./login7.ts";
import type { TdsServerOptions } from "./server-options.ts";
import {
  TDS_VERSION,
  TOKEN,
  writeCollationChange,
  writeDone,
  writeError,
  writeFeatureAck,
  writeInfo,
  writeLoginAck,
  writeRoute,
  writeTextChange,
} from "./tokens.ts";

const LANGUAGE = "us_english";
const PACKET_BYTES = { least: 512, most: 32_767, usual: 4096 };
const NUMBER = {
  cannotOpenDatabase: 4060,
  loginFailed: 18_456,
  changedDatabase: 5701,
  changedLanguage: 5703,
};

/** The client's size within what SQL Server allows. */
export function negotiatedPacketBytes({ packetBytes }: Login7): number {
  if (packetBytes === 0) return PACKET_BYTES.usual;
  return Math.min(PACKET_BYTES.most, Math.max(PACKET_BYTES.least, packetBytes));
}

/** The client's version, or the server's where that is older. @throws TdsProtocolError for clients of SQL Server 2000 */
export function negotiatedVersion({ tdsVersion }: Login7, options: TdsServerOptions): number {
  const most = TDS_VERSION[options.maxTdsVersion ?? "7.4"];
  // The number of TDS 8.0 is smaller than those before it.
  if (tdsVersion === TDS_VERSION["8.0"]) return most === TDS_VERSION["7.4"] ? tdsVersion : most;
  if (tdsVersion < TDS_VERSION["7.2"])
    throw new TdsProtocolError(
      `the client speaks TDS 0x${tdsVersion.toString(16)}; 7.2 is the oldest known here`,
    );
  return Math.min(tdsVersion, most);
}

export interface LoginAnswer {
  readonly login: Login7;
  readonly options: TdsServerOptions;
  readonly packetBytes: number;
  readonly tdsVersion: number;
}

export function writeLoginAnswer(
  writer: ByteWriter,
  { login, options, packetBytes, tdsVersion }: LoginAnswer,
): void {
  const database = login.database === "" ? (options.defaultDatabase ?? "master") : login.database;
  writeTextChange(writer, "database", database, "master");
  writeInfo(writer, {
    number: NUMBER.changedDatabase,
    message: `Changed database context to '${database}'.`,
    severity: 0,
  });
  writeCollationChange(writer, options.collation);
  writeTextChange(writer, "language", LANGUAGE);
  writeInfo(writer, {
    number: NUMBER.changedLanguage,
    message: `Changed language setting to ${LANGUAGE}.`,
    severity: 0,
  });
  writeLoginAck(writer, tdsVersion, options.majorVersion ?? 16);
  writeTextChange(writer, "packetSize", String(packetBytes), String(PACKET_BYTES.usual));
  const is74 = tdsVersion === TDS_VERSION["7.4"] || tdsVersion === TDS_VERSION["8.0"];
  if (is74 && login.hasFeatures) writeFeatureAck(writer);
  const route = login.isReadOnlyIntent ? options.readOnlyRoute : undefined;
  if (route !== undefined) writeRoute(writer, route.server, route.port);
  writeDone(writer, TOKEN.done);
}

/** A database that cannot be opened is followed by the failure of the login, which is what most drivers then show. */
export function writeLoginFailure(writer: ByteWriter, error: DatabaseError, user: string): void {
  writeError(writer, { number: error.number, message: error.message, severity: error.severity });
  if (error.number === NUMBER.cannotOpenDatabase)
    writeError(writer, {
      number: NUMBER.loginFailed,
      message: `Login failed for user '${user}'.`,
      severity: 14,
    });
  writeDone(writer, TOKEN.done, { isError: true });
}
