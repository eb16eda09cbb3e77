// What went wrong, by SQL Server's error numbers and by socket: the kind that the runner acts on and what to do about it.
import { ConnectorError, type ConnectorFailure, messageOf } from "#common/runtime/errors.ts";
import type { SqlServerSettings } from "./definition.ts";
import { grantSelect, quoteName, userOf } from "./grants.ts";

interface Verdict {
  readonly kind: ConnectorFailure;
  readonly advice: string;
}

const SCHEMA: Verdict = {
  kind: "misconfigured",
  advice: "The pack does not fit the source's tables, or these have changed: adapt the pack.",
};
const CLOSING: Verdict = { kind: "unavailable", advice: "The server is shutting down, paused or starting." };
const DATABASE_AWAY: Verdict = {
  kind: "unavailable",
  advice: "The database is being recovered or restored, is offline, or this copy of it may not be read.",
};
const RESOURCES: Verdict = {
  kind: "unavailable",
  advice: "The server is short of memory, disk or connections: tell its administrator.",
};
const DAMAGE: Verdict = {
  kind: "unavailable",
  advice: "The server reports damaged data: call its administrator (DBCC CHECKDB).",
};
const SNAPSHOT: Verdict = {
  kind: "unavailable",
  advice: "The snapshot of the data was not to be had any more. It is tried again.",
};
const BAD_VALUE: Verdict = {
  kind: "bad_data",
  advice: "A value in the source cannot be converted; the server's message names what is wrong with it.",
};
const PASSWORD: Verdict = {
  kind: "unauthorized",
  advice: "The password must be changed: set a new one for the login and put it into the settings.",
};

/** Microsoft's documentation, "Database Engine events and errors". Several numbers share a verdict. */
const VERDICTS: ReadonlyMap<number, Verdict> = new Map(
  (
    [
      [
        [18_456],
        {
          kind: "unauthorized",
          advice:
            "Check user and password. If they are right: the server's log names the reason by its state " +
            "(5 no such login, 7 disabled, 8 password, 11 and 12 no access, 38 database, 58 only Windows logins allowed).",
        },
      ],
      [[18_487, 18_488], PASSWORD],
      [[18_470], { kind: "unauthorized", advice: "The login is disabled: ALTER LOGIN … ENABLE." }],
      [
        [18_486],
        { kind: "unauthorized", advice: "The login is locked: ALTER LOGIN … WITH PASSWORD = … UNLOCK." },
      ],
      [
        [18_452],
        {
          kind: "unauthorized",
          advice:
            "The server does not trust the Windows domain of this user, or allows Windows logins only: check domain and authentication.",
        },
      ],
      [[18_451, 17_142, 6005, 6006, 18_461, 17_182], CLOSING],
      [
        [4060, 911, 916],
        {
          kind: "misconfigured",
          advice:
            "Check the setting database. If it is right, this login has no user in it: have an administrator run CREATE USER … FOR LOGIN …",
        },
      ],
      [
        [4064],
        { kind: "misconfigured", advice: "The login's default database cannot be opened: ALTER LOGIN …" },
      ],
      [
        [40_615, 40_914],
        { kind: "misconfigured", advice: "The server's firewall does not let this address in." },
      ],
      [[229, 230, 262, 297, 300, 371], { kind: "misconfigured", advice: "" }],
      [[207, 208, 209, 4104, 4121, 4413, 4502, 4506, 1934, 2812], SCHEMA],
      [[245, 248, 241, 242, 220, 232, 235, 295, 517, 529, 8114, 8115, 8152, 9420, 9455], BAD_VALUE],
      [
        [1222],
        {
          kind: "unavailable",
          advice:
            "A lock was not to be had in time: a long transaction holds it. It is tried again; ALLOW_SNAPSHOT_ISOLATION ends the waiting.",
        },
      ],
      [[1205], { kind: "unavailable", advice: "The agent gave way in a deadlock. It is tried again." }],
      [[3952, 3957, 3958, 3960, 3961, 3966, 3967, 3972, 41_302, 41_305], SNAPSHOT],
      [
        [22_105],
        {
          kind: "unavailable",
          advice: "Change Tracking was turned off. The source is opened anew, and followed in another way.",
        },
      ],
      [[701, 802, 1101, 1105, 8645, 8651, 8657, 9002, 17_809, 10_928, 10_929, 17_300], RESOURCES],
      [[40_197, 40_501, 40_613, 49_918, 49_919, 49_920, 4221], DATABASE_AWAY],
      [[904, 921, 922, 923, 924, 927, 942, 945, 952, 976, 978, 979, 981, 982, 983, 988], DATABASE_AWAY],
      [[605, 823, 824, 825, 829, 5242, 5243, 7105, 8966], DAMAGE],
      [
        [596, 233, 10_053, 10_054, 10_060, 64, 121, 3617, 1204],
        { kind: "unavailable", advice: "The session was ended." },
      ],
    ] satisfies [number[], Verdict][]
  ).flatMap(([numbers, verdict]) => numbers.map((number) => [number, verdict] as const)),
);

/** Severities from here on end the session, whatever the number. */
const FATAL_SEVERITY = 20;

/** A ConnectorError as it is, anything of the driver's by its meaning, anything else unchanged: that is a bug. */
export function failureOf(error: unknown, settings: SqlServerSettings, doing: string): unknown {
  const first = firstOf(error);
  if (first instanceof ConnectorError || !(first instanceof Error)) return first;
  const where = `${doing} (SQL Server ${userOf(settings)}@${placeOf(settings)}/${settings.database})`;
  const number = numberOf(first);
  return number === undefined
    ? clientFailure(first, settings, where)
    : serverFailure(first, number, settings, where);
}

/** SQL Server's own number of an error, if it is one of the server's. */
export function numberOf(error: unknown): number | undefined {
  const first = firstOf(error);
  const number = (first as { readonly number?: unknown } | undefined)?.number;
  return typeof number === "number" ? number : undefined;
}

/** Several messages of one statement: the first says why, the others that the statement has ended. */
function firstOf(error: unknown): unknown {
  return error instanceof AggregateError && error.errors.length > 0 ? firstOf(error.errors[0]) : error;
}

function placeOf({ server, endpoint }: SqlServerSettings): string {
  return endpoint.by === "port" ? `${server}:${endpoint.port}` : `${server}\\${endpoint.instance}`;
}

function serverFailure(error: Error, number: number, settings: SqlServerSettings, where: string): unknown {
  const { state, class: severity } = error as { readonly state?: number; readonly class?: number };
  const verdict =
    VERDICTS.get(number) ??
    ((severity ?? 0) >= FATAL_SEVERITY
      ? { kind: "unavailable" as const, advice: "The server ended the session." }
      : undefined);
  if (verdict === undefined) return error;
  const advice = verdict.advice === "" ? grantAdvice(error.message, settings) : verdict.advice;
  const said = `${where}: ${messageOf(error)} (error ${number}, state ${state ?? 0})`;
  return new ConnectorError(verdict.kind, `${said}. ${advice}`, { cause: error });
}

/** `The SELECT permission was denied on the object 'po', database 'erp', schema 'dbo'.` */
function grantAdvice(message: string, settings: SqlServerSettings): string {
  const object = /on the (?:object|column '[^']*' of the object) '([^']+)'.*schema '([^']+)'/.exec(message);
  if (object === null) return "Have an administrator give this user the right that the message names.";
  const [, name = "", schema = ""] = object;
  if (message.includes("VIEW CHANGE TRACKING")) {
    const table = `${quoteName(schema)}.${quoteName(name)}`;
    return `Have an administrator run: GRANT VIEW CHANGE TRACKING ON OBJECT::${table} TO ${quoteName(userOf(settings))};`;
  }
  return `Have an administrator run: ${grantSelect({ schema, name }, userOf(settings))}`;
}

const UNTRUSTED =
  /SELF_SIGNED|DEPTH_ZERO|UNABLE_TO|CERT_|ERR_TLS_CERT|HOSTNAME_MISMATCH|self.signed certificate|certificate has expired|altnames/;
const OLD_TLS =
  /unsupported protocol|UNSUPPORTED_PROTOCOL|WRONG_VERSION|protocol version|PROTOCOL_VERSION|no protocols available|dh key too small|ee key too small|ca md too weak|handshake failure|HANDSHAKE_FAILURE|SIGNATURE_TYPE|sigalg|legacy renegotiation|no shared cipher/i;
const NETWORK =
  /^(ECONN|ENOTFOUND|ETIMEDOUT|ETIMEOUT|EPIPE|EHOST|ENET|EAI_|EADDR|ESOCKET|ECLOSE|EINVALIDSTATE|ECANCEL|ESILENT|ENCPREC|ENOENT|EACCES|UNKNOWN|ERR_STREAM|ERR_SOCKET)/;

function clientFailure(error: Error, settings: SqlServerSettings, where: string): unknown {
  const links = chainOf(error);
  const codes = links.map((link) => (link as NodeJS.ErrnoException).code ?? "").filter((code) => code !== "");
  const text = [...codes, ...links.map((link) => link.message)].join(" ");
  const said = `${where}: ${messageOf(error)}${codes.length === 0 ? "" : ` (${codes.join(", ")})`}.`;
  const verdict = clientVerdict(text, codes, settings);
  return verdict === undefined
    ? error
    : new ConnectorError(verdict.kind, `${said} ${verdict.advice}`, { cause: error });
}

function clientVerdict(
  text: string,
  codes: readonly string[],
  settings: SqlServerSettings,
): Verdict | undefined {
  if (UNTRUSTED.test(text)) {
    return {
      kind: "misconfigured",
      advice:
        "The server's certificate is not trusted: set tls.ca_file to its authority (and tls.server_name to a name in it), " +
        "or pin the certificate itself with tls.fingerprint.",
    };
  }
  if (OLD_TLS.test(text)) {
    return {
      kind: "misconfigured",
      advice:
        settings.tls.mode === "legacy"
          ? "Even with tls.mode: legacy there is no common protocol: have the server's TLS settings looked at."
          : "The server knows only TLS versions or keys that are not safe any more: update it (TLS 1.2), or accept the risk with tls.mode: legacy.",
    };
  }
  if (codes.includes("EENCRYPT")) {
    return {
      kind: "misconfigured",
      advice:
        settings.tls.mode === "disable"
          ? "The server wants encryption: remove tls.mode: disable."
          : "The server does not encrypt: turn it on there, or set tls.mode: disable to send everything in the clear.",
    };
  }
  // A Browser that is blocked says nothing, and the whole time for connecting is over.
  const isLookup = settings.endpoint.by === "instance" && codes.includes("ETIMEOUT") && /connect/i.test(text);
  if (codes.includes("EINSTLOOKUP") || isLookup) {
    return {
      kind: "unavailable",
      advice:
        "The SQL Server Browser (UDP 1434) does not know the instance or is blocked by a firewall: set port to the instance's TCP port " +
        "(SQL Server Configuration Manager shows it), then nobody needs to be asked.",
    };
  }
  if (codes.includes("ETIMEOUT") && !/connect/i.test(text)) {
    return {
      kind: "unavailable",
      advice:
        "The statement took too long and was cancelled: look for a missing index, or raise request_timeout_ms.",
    };
  }
  if (codes.includes("ELOGIN") || codes.includes("EFEDAUTH")) {
    return { kind: "unauthorized", advice: "Check user, password and authentication." };
  }
  const isHungUp = codes.includes("ECONNRESET") && text.includes("Failed to connect");
  if (isHungUp && settings.tls.mode === "verify-full") {
    return {
      kind: "unavailable",
      advice:
        "The server hung up while connecting. If it runs, it may know no TLS 1.2: update it, or accept the risk with tls.mode: legacy.",
    };
  }
  if (codes.some((code) => NETWORK.test(code))) {
    return { kind: "unavailable", advice: "Check that the server runs and can be reached from here." };
  }
  if (["EPROTOCOL", "ETDS", "EINTERFACENOTSUPP"].some((code) => codes.includes(code))) {
    return {
      kind: "unavailable",
      advice: "The server's answer was not to be understood; the connection was cut and is made anew.",
    };
  }
  return undefined;
}

/** The error, what caused it, and what was tried beside it. */
function chainOf(error: unknown, depth = 0): readonly Error[] {
  if (!(error instanceof Error) || depth > 5) return [];
  const beside = error instanceof AggregateError ? error.errors : [];
  return [error, ...chainOf(error.cause, depth + 1), ...beside.flatMap((other) => chainOf(other, depth + 1))];
}
