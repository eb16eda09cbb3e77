// What went wrong, by ORA and NJS number: the kind that the runner acts on and a sentence for the operator.
import { ConnectorError, type ConnectorFailure, messageOf } from "#common/runtime/errors.ts";
import type { OracleSettings } from "./definition.ts";
import { targetLabel } from "./driver.ts";
import {
  CUT_AT_LOGIN,
  CUT_IN_TLS,
  DRIVER_VERDICTS,
  IS_TLS_PORT,
  NO_RIGHTS,
  REFUSED_TEXT,
  SERVER_VERDICTS,
  SNAPSHOT_TOO_OLD,
  type Verdict,
} from "./verdicts.ts";

/** A failure that still knows its number, for those who can go on in another way. */
export class OracleError extends ConnectorError {
  override name = "OracleError";
  /** The database's own number; undefined where the driver alone failed. */
  readonly serverNumber: number | undefined;

  constructor(
    kind: ConnectorFailure,
    message: string,
    options: ErrorOptions & { readonly serverNumber: number | undefined },
  ) {
    super(kind, message, options);
    this.serverNumber = options.serverNumber;
  }
}

export function isSnapshotTooOld(error: unknown): boolean {
  return error instanceof OracleError && SNAPSHOT_TOO_OLD.has(error.serverNumber ?? 0);
}

/** The server refused the statement itself: a missing object, column or right, or something that it cannot do. */
export function isRefused(error: unknown): boolean {
  return error instanceof OracleError && error.serverNumber !== undefined && error.kind !== "unavailable";
}

/** Not there, or no right to it. */
export function isWithoutRight(error: unknown): boolean {
  return error instanceof OracleError && NO_RIGHTS.has(error.serverNumber ?? 0);
}

export const CONNECTING = "Connecting";
const CUT_NUMBERS: ReadonlySet<number> = new Set([500, 501, 521]);
const TIMED_OUT = 510;
/** Of the driver's words: where to read more about it, and what only it and the listener's log know. */
const ASIDES =
  /\s*Help: https:\S+|\s*\(CONNECTION_ID=[^)]*\)\.?|; if the root CA is installed locally.*?--use-system-ca/g;

export interface FailedCall {
  /** What was tried, as the beginning of a sentence. */
  readonly doing: string;
  /** The statement, to find the tables whose right is missing. */
  readonly text?: string;
}

/** A ConnectorError as it is, anything of the driver's by its meaning, anything else unchanged: that is a bug. */
export function failureOf(error: unknown, settings: OracleSettings, call: FailedCall): unknown {
  if (error instanceof ConnectorError || !(error instanceof Error)) return error;
  const { server, driver } = numbersOf(error);
  const isTls = settings.tls.mode === "tcps";
  const isCut = call.doing === CONNECTING && server === undefined && CUT_NUMBERS.has(driver ?? 0);
  const verdict = isCut ? (isTls ? CUT_IN_TLS : CUT_AT_LOGIN) : verdictOf(server, driver);
  if (verdict === undefined) return error;
  const isRight = server !== undefined && NO_RIGHTS.has(server);
  const advice = isRight
    ? grantAdvice(call.text, settings.user)
    : verdict.advice.replaceAll("{user}", quotedUser(settings.user));
  const said = messageOf(error).replace(ASIDES, "").replace(/\.$/, "");
  const words = [
    `${call.doing} (Oracle ${targetLabel(settings)}): ${said}.`,
    advice,
    ...(isTls && driver === TIMED_OUT ? [IS_TLS_PORT] : []),
  ];
  return new OracleError(verdict.kind, words.join(" "), { cause: error, serverNumber: server });
}

function verdictOf(server: number | undefined, driver: number | undefined): Verdict | undefined {
  // The driver's own number says more about connecting; the server's about anything else.
  if (driver !== undefined && DRIVER_VERDICTS[driver] !== undefined) {
    const isVague = driver === 500 || driver === 501 || driver === 511;
    const inner = isVague && server !== undefined ? SERVER_VERDICTS[server] : undefined;
    return inner ?? DRIVER_VERDICTS[driver];
  }
  if (server === undefined) return undefined;
  const isParsing = server >= 900 && server <= 999;
  return SERVER_VERDICTS[server] ?? (isParsing ? REFUSED_TEXT : UNKNOWN);
}

/** There are thousands; nearly all of the rest pass by themselves or say in their text what is to be done. */
const UNKNOWN: Verdict = {
  kind: "unavailable",
  advice: "The database's own documentation explains the number.",
};

interface Numbers {
  readonly server: number | undefined;
  readonly driver: number | undefined;
}

/** DPI- codes stand for the driver in thick mode; those that matter are told by NJS- or ORA- numbers as well. */
function numbersOf(error: Error): Numbers {
  const { code, errorNum } = error as Error & { code?: unknown; errorNum?: unknown };
  const text = `${typeof code === "string" ? code : ""} ${error.message}`;
  const server = /ORA-(\d{5})/.exec(text)?.[1] ?? /TNS-(\d{5})/.exec(text)?.[1];
  // "Connection closed" is followed by what closed it.
  const driver = [...text.matchAll(/NJS-(\d{3})/g)]
    .map((match) => match[1])
    .findLast((number) => number !== "500");
  const closed = text.includes("NJS-500") ? "500" : undefined;
  const fallback =
    typeof errorNum === "number" && errorNum > 0 && driver === undefined && closed === undefined
      ? errorNum
      : undefined;
  return {
    server: server === undefined ? fallback : Number(server),
    driver: (driver ?? closed) === undefined ? undefined : Number(driver ?? closed),
  };
}

const NAMED = /(DELETE FROM|FROM|INSERT INTO|UPDATE) ("[^"]+"\."[^"]+")/g;
const RIGHTS: Readonly<Record<string, string>> = {
  "DELETE FROM": "DELETE",
  FROM: "SELECT",
  "INSERT INTO": "INSERT",
  UPDATE: "UPDATE",
};

/** Oracle says the same about a table that is not there and one that may not be read. */
function grantAdvice(text: string | undefined, user: string): string {
  const grants = [
    ...new Set(
      [...(text ?? "").matchAll(NAMED)].map(([, verb = "", name = ""]) => grant(RIGHTS[verb]!, name, user)),
    ),
  ];
  const what = grants.length === 0 ? grantSelect("the table", user) : grants.join(" ");
  return `The table is gone, or the right to read or write it. Have its owner or an administrator run: ${what}`;
}

/** `table` quoted already. */
export function grantSelect(table: string, user: string): string {
  return grant("SELECT", table, user);
}

/** `object` quoted already. */
export function grant(right: string, object: string, user: string): string {
  return `GRANT ${right} ON ${object} TO ${quotedUser(user)};`;
}

/** Users are upper-case unless they were created in quotes, and are then logged in with them. */
export function quotedUser(user: string): string {
  return user.startsWith('"') ? user : `"${user.toUpperCase()}"`;
}
