// From the accepted connection to a session: capabilities, data types, and the two steps of authentication.
import type { ServedDatabase, DatabaseSession } from "../sql-engine/session.ts";
import { writeParameters, writeStatus, writeWarning, type OracleError } from "./answers.ts";
import type { TnsFaults } from "./faults.ts";
import type { MessageReader } from "./message-reader.ts";
import type { MessageWriter } from "./message-writer.ts";
import { CHARSET, MESSAGE } from "./protocol.ts";
import { LoginExchange } from "./verifier.ts";

export interface ServerIdentity {
  readonly serviceName: string;
  readonly sid: string;
  /** `12.1.0.2.0` */
  readonly version: string;
  /** Of the database; a region's name makes clients ask for it in SQL. */
  readonly timeZone: { readonly name: string; readonly offsetMinutes: number; readonly isRegion: boolean };
  readonly maxStringSize: 4000 | 32767;
  readonly nationalCharset: "AL16UTF16" | "UTF8";
}

export interface LoginDeps {
  readonly database: ServedDatabase;
  readonly identity: ServerIdentity;
  /** By name in upper case. */
  readonly passwords: ReadonlyMap<string, string>;
  readonly faults: TnsFaults;
}

/** Oracle 12.1: what was added in 12.2 and later is not spoken. */
const FIELD_VERSION = 7;
/** In the runtime capabilities. */
const TIME_ZONE_AT = 1;
const LONG_STRINGS_AT = 6;
const WRONG_PASSWORD: OracleError = { number: 1017, text: "invalid username/password; logon denied" };

export interface LoggedIn {
  readonly session: DatabaseSession;
  readonly user: string;
  readonly program: string;
  readonly driver: string;
  /** As the client set it for its session. */
  readonly timeZone: string;
}

export function writeProtocol(writer: MessageWriter, identity: ServerIdentity): void {
  const compileCapabilities = Buffer.alloc(45);
  compileCapabilities[7] = FIELD_VERSION;
  const runtimeCapabilities = Buffer.alloc(7);
  runtimeCapabilities[0] = 2;
  runtimeCapabilities[TIME_ZONE_AT] = 1;
  runtimeCapabilities[LONG_STRINGS_AT] = identity.maxStringSize === 32767 ? 4 : 0;
  // The national character set stands behind six bytes and two empty lists.
  const formats = Buffer.alloc(11);
  formats.writeUInt16BE(identity.nationalCharset === "UTF8" ? 871 : CHARSET.utf16, 9);
  writer
    .u8(MESSAGE.protocol)
    .u8(6)
    .u8(0)
    .raw(Buffer.from("Linux x86_64\0"))
    .u16le(CHARSET.utf8)
    .u8(1)
    .u16le(0)
    .u16(formats.length)
    .raw(formats)
    .bytes(compileCapabilities)
    .bytes(runtimeCapabilities);
}

/** With the zone of the database as an interval: hours and minutes with a bias of 60. */
export function writeDataTypes(writer: MessageWriter, { timeZone }: ServerIdentity): void {
  const interval = Buffer.alloc(11);
  interval.writeUInt32BE(0x8000_0000);
  interval[4] = timeZone.isRegion ? 181 : Math.trunc(timeZone.offsetMinutes / 60) + 60;
  interval[5] = timeZone.isRegion ? 0 : (timeZone.offsetMinutes % 60) + 60;
  interval[6] = 0x80;
  writer.u8(MESSAGE.dataTypes).raw(interval).u16(0);
}

export class LoginDialogue {
  readonly #deps: LoginDeps;
  #exchange: LoginExchange | undefined;
  #user = "";
  #program = "";

  constructor(deps: LoginDeps) {
    this.#deps = deps;
  }

  get user(): string {
    return this.#user;
  }

  phaseOne(reader: MessageReader, writer: MessageWriter): void {
    const { user, values } = readKeyValues(reader);
    this.#user = user.toUpperCase();
    this.#program = values.get("AUTH_PROGRAM_NM") ?? "";
    // An unknown user gets a challenge too, and fails like a wrong password.
    const password = this.#deps.passwords.get(this.#user) ?? `no password ${Math.random()}`;
    this.#exchange = new LoginExchange(this.#deps.faults.verifier, password);
    writeParameters(writer, this.#exchange.challenge);
    writeStatus(writer, false);
  }

  /** @returns the session, or why there is none. @throws DatabaseError of the engine */
  phaseTwo(reader: MessageReader, writer: MessageWriter): LoggedIn | OracleError {
    const { values } = readKeyValues(reader);
    const { database, identity, passwords, faults } = this.#deps;
    const proof = this.#exchange?.accept(values.get("AUTH_SESSKEY") ?? "", values.get("AUTH_PASSWORD") ?? "");
    if (proof === undefined) return WRONG_PASSWORD;
    if (faults.loginError !== undefined) return faults.loginError;
    const session = database.logIn({
      user: values.get("PROXY_CLIENT_NAME")?.toUpperCase() ?? this.#user,
      password: passwords.get(this.#user) ?? "",
      database: identity.serviceName,
      applicationName: this.#program,
      isReadOnlyIntent: false,
    });
    writeParameters(writer, [
      { key: "AUTH_SVR_RESPONSE", value: proof },
      { key: "AUTH_VERSION_STRING", value: "- 64bit Production" },
      { key: "AUTH_VERSION_NO", value: String(versionNumber(identity.version)) },
      { key: "AUTH_SC_DBUNIQUE_NAME", value: identity.sid },
      { key: "AUTH_SC_REAL_DBUNIQUE_NAME", value: identity.sid },
      { key: "AUTH_SC_SERVICE_NAME", value: identity.serviceName },
      { key: "AUTH_SC_DB_DOMAIN", value: "" },
      { key: "AUTH_INSTANCENAME", value: identity.sid },
      { key: "AUTH_DBNAME", value: identity.sid },
      { key: "AUTH_MAX_OPEN_CURSORS", value: "300" },
      { key: "AUTH_MAX_IDEN_LENGTH", value: "30" },
    ]);
    if (faults.loginWarning !== undefined) writeWarning(writer, faults.loginWarning);
    writeStatus(writer, false);
    const zone = /TIME_ZONE\s*=\s*'?([^'\0]+)/.exec(values.get("AUTH_ALTER_SESSION") ?? "");
    return {
      session,
      user: this.#user,
      program: this.#program,
      driver: values.get("SESSION_CLIENT_DRIVER_NAME") ?? "",
      timeZone: zone?.[1] ?? "",
    };
  }
}

/** Both steps have the same form. */
function readKeyValues(reader: MessageReader): {
  readonly user: string;
  readonly values: ReadonlyMap<string, string>;
} {
  reader.u8();
  const userBytes = reader.int();
  reader.int();
  reader.u8();
  const pairs = reader.int();
  reader.skip(2);
  const user = userBytes > 0 ? reader.text() : "";
  const values = new Map<string, string>();
  for (let left = pairs; left > 0; left -= 1) {
    const key = reader.countedText();
    values.set(key, reader.countedText());
    reader.int();
  }
  return { user, values };
}

/** As clients of field version 7 take it apart. */
function versionNumber(version: string): number {
  const [major = 12, minor = 1, update = 0, port = 2, portUpdate = 0] = version.split(".").map(Number);
  return major * 2 ** 24 + (minor << 20) + (update << 12) + (port << 8) + portUpdate;
}
