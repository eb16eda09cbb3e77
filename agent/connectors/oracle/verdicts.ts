// What the codes of server and driver mean for the runner, and what a person can do about each.
import type { ConnectorFailure } from "#common/runtime/errors.ts";

export interface Verdict {
  readonly kind: ConnectorFailure;
  /** What the operator does next; `{user}` stands for the user's quoted name. */
  readonly advice: string;
}

const away = (advice: string): Verdict => ({ kind: "unavailable", advice });
const wrong = (advice: string): Verdict => ({ kind: "misconfigured", advice });
const refused = (advice: string): Verdict => ({ kind: "unauthorized", advice });
const bad = (advice: string): Verdict => ({ kind: "bad_data", advice });

const LISTENER = away(
  "Check that listener and database run and that host and port can be reached from here.",
);
const BROKEN = away(
  "The connection broke. It is made anew; if this stays, look into the database's alert log and at firewalls that end idle connections.",
);
const SERVICE = wrong(
  'The listener knows no such service: compare service_name with what "lsnrctl services" lists; a SID goes into sid instead. A database that is just starting registers within a minute.',
);
const SID = wrong(
  'The listener knows no such SID: compare sid with what "lsnrctl services" lists as instances; the name of a service goes into service_name instead.',
);
const ENCRYPTION = wrong(
  "The database asks for Oracle's native network encryption or checksums (sqlnet.ora), which thin mode cannot speak: set mode: thick with Oracle Instant Client, or let the administrator offer TLS and set tls.mode: tcps.",
);
const PACK = wrong("The pack does not fit the source's tables, or these have changed: adapt the pack.");
const WALLET = wrong(
  "Check tls.wallet_location (thin mode reads ewallet.pem in it: a client's key, its certificate and the authority) and tls.wallet_password. Where the server asks for no client certificate, tls.ca_file is enough.",
);
const VIEW = wrong("The view cannot be written or locked by row: name the table under it in the pack.");
const UNDO = away(
  "The database's undo does not reach back that far any more. It is tried again on the present state; if this stays, the administrator raises UNDO_RETENTION.",
);
const NO_NUMBER = bad(
  "A text that is no number stands where one is expected: in a view's column of this row, or in a filter or join of the pack.",
);
const NO_DATE = bad(
  "A text that is no date stands where one is expected: in a view's column of this row, or in a filter of the pack (written as 2026-05-04).",
);
const NO_VALUE = bad(
  "A value of this row cannot be written out: in a view's expression, or because its content is damaged. Correct it in the source, or leave the column out of the pack.",
);
const NO_RIGHT = wrong("");

/** ORA- numbers (Oracle Database Error Messages). The first two kinds of right are answered with a GRANT. */
export const SERVER_VERDICTS: Readonly<Record<number, Verdict>> = {
  18: away("The database has no free session: raise SESSIONS and PROCESSES."),
  20: away("The database has no free process: raise PROCESSES."),
  28: away("An administrator ended the session. It is made anew."),
  54: away("A lock was not to be had in time, perhaps during a change of the tables."),
  60: away("The database broke off a deadlock. It is tried again."),
  600: away(
    "The database reports an internal error: its administrator finds the trace named in the alert log.",
  ),
  604: away("A dictionary statement or a logon trigger of the database failed; its own message says which."),
  942: NO_RIGHT,
  972: wrong("A name in the pack is too long for this database: correct it."),
  997: wrong(
    "A LONG column stands where the database forbids one: leave it out of the pack, or have its owner change it to CLOB.",
  ),
  1002: away("The cursor became invalid. It is tried again."),
  1005: refused("Set the password of the user."),
  1008: PACK,
  1012: BROKEN,
  1013: away(
    "The statement was broken off. If nobody did so, look for a missing index, or raise statement_timeout_ms.",
  ),
  1017: refused("Check user and password; names and passwords in quotes follow case."),
  1031: NO_RIGHT,
  1033: away("The database is starting or stopping. It is tried again."),
  1034: away("The database is not started. Its listener runs already."),
  1035: refused("The database is open in restricted mode: its administrator lets users in again."),
  1045: refused("The user may not log in. Have an administrator run: GRANT CREATE SESSION TO {user};"),
  1089: away("The database is shutting down. It is tried again until it is back."),
  1092: away("The database instance ended. It is tried again."),
  1109: away("The database is not open yet. It is tried again; if this stays, an administrator opens it."),
  1219: away(
    "The database is mounted and not open. It is tried again; if this stays, an administrator opens it.",
  ),
  1426: NO_VALUE,
  1446: PACK,
  1455: NO_VALUE,
  1456: wrong("The transaction only reads: this is not where the agent writes. Report it."),
  1466: away("The table's definition was changed just now. It is tried again."),
  1476: NO_VALUE,
  1489: NO_VALUE,
  1555: UNDO,
  1578: away("A block of the table is corrupt: an administrator restores it (RMAN RECOVER ... BLOCK)."),
  1652: away("The database's temporary space is full, or the user's share of it."),
  1722: NO_NUMBER,
  1732: VIEW,
  1733: VIEW,
  1779: VIEW,
  1795: PACK,
  1830: NO_DATE,
  1839: NO_DATE,
  1840: NO_DATE,
  1841: bad("A date in the source is none: the year is outside of what Oracle holds."),
  1843: NO_DATE,
  1847: NO_DATE,
  1858: NO_DATE,
  1861: NO_DATE,
  1877: NO_VALUE,
  1878: NO_VALUE,
  2014: VIEW,
  2063: away("The message comes from a database behind a database link: its administrator knows more."),
  2391: away("The user has more sessions than its profile allows (SESSIONS_PER_USER): Millrace needs three."),
  2396: away("The profile of the user ends idle sessions (IDLE_TIME). It is made anew."),
  3113: BROKEN,
  3114: BROKEN,
  3135: BROKEN,
  3136: away("The server gave up waiting for the login (SQLNET.INBOUND_CONNECT_TIMEOUT)."),
  4021: away("A lock on the table's definition was not to be had in time. It is tried again."),
  4031: away("The database is short of shared memory: its administrator looks at SHARED_POOL_SIZE."),
  4036: away("The database is short of memory (PGA_AGGREGATE_LIMIT)."),
  4061: away("A package in the database was compiled anew. It is tried again."),
  4063: wrong("A view that the pack reads has errors: its owner compiles it anew."),
  4068: away("A package in the database was compiled anew. It is tried again."),
  4098: wrong("A trigger of the table has errors: its owner compiles it anew."),
  6502: NO_VALUE,
  6550: wrong(
    "A procedure that the pack calls is not there, takes other arguments, or may not be executed by this user: compare the pack with the source, and have its owner grant EXECUTE.",
  ),
  8103: away("The table was truncated or rebuilt while it was read. It is tried again."),
  8176: away("Consistent data was not to be had (an index was rebuilt). It is tried again."),
  8180: UNDO,
  8181: UNDO,
  12154: wrong(
    "The name in connect_descriptor is not known: write the whole descriptor, or set mode: thick with client_config_dir.",
  ),
  12170: LISTENER,
  12502: away("The listener handed the connection on to nobody. It is tried again."),
  12505: SID,
  12506: wrong(
    "The listener's access list shuts this machine out (valid node checking): have its address added.",
  ),
  12514: SERVICE,
  12516: away("The database has no free process for another connection: raise PROCESSES."),
  12518: away("The listener could not hand the connection on: the server may be out of processes or memory."),
  12519: away("The database has no free process for another connection: raise PROCESSES."),
  12520: away(
    "The listener has no handler of this kind free: raise PROCESSES, or leave SERVER out of connect_descriptor.",
  ),
  12521: SERVICE,
  12526: away("The database is in restricted mode. It is tried again until its administrator lets users in."),
  12527: away("The database is in restricted mode. It is tried again until its administrator lets users in."),
  12528: away("The database blocks new connections, as it does while it starts."),
  12529: wrong("The listener refused by its filter rules: have this machine's address allowed."),
  12537: BROKEN,
  12541: LISTENER,
  12543: LISTENER,
  12545: wrong("The host name is not known here: check host."),
  12547: BROKEN,
  12560: LISTENER,
  12564: wrong("The listener refused: check service_name or sid."),
  12570: BROKEN,
  12599: ENCRYPTION,
  12606: away(
    "The server did not answer in time while connecting: look at its load, or raise connect_timeout_ms.",
  ),
  12609: away(
    "The server did not answer in time: look at its load and at firewalls that end idle connections.",
  ),
  12637: ENCRYPTION,
  12650: ENCRYPTION,
  12660: ENCRYPTION,
  12801: away("A parallel part of the statement failed; its own message says why."),
  16000: wrong("The database is a standby or opened for reading only: name the primary."),
  16456: away("A standby is changing its role. It is tried again."),
  19011: NO_VALUE,
  22835: NO_VALUE,
  22922: NO_VALUE,
  24450: wrong("A table holds a type that cannot be read: leave its column out of the pack."),
  25408: BROKEN,
  28000: refused(
    "Have an administrator run: ALTER USER {user} ACCOUNT UNLOCK; and look for who used a wrong password.",
  ),
  28001: refused(
    'Have an administrator set a new password (ALTER USER {user} IDENTIFIED BY "…";), and give it to the agent.',
  ),
  28002: away("The password expires soon: have it set anew, and give it to the agent."),
  28003: refused("The new password does not meet the database's rules."),
  28009: refused("SYS may only log in as SYSDBA: use a user with SELECT rights only."),
  28040: refused(
    "Server and client have no login protocol in common (SQLNET.ALLOWED_LOGON_VERSION_SERVER): have the user's password set anew, or set mode: thick.",
  ),
  28759: WALLET,
  28860: wrong("The TLS handshake failed: check protocol versions and cipher suites of the listener."),
  29024: wrong("The server's certificate is not trusted: put its authority into the wallet."),
  29275: NO_VALUE,
  30006: away("A lock was not to be had in time. It is tried again."),
  30052: UNDO,
  31011: NO_VALUE,
  40441: NO_VALUE,
  64203: NO_VALUE,
};

/** NJS- numbers of the driver, thin and thick (node-oracledb's own list). */
export const DRIVER_VERDICTS: Readonly<Record<number, Verdict>> = {
  3: BROKEN,
  40: away("No connection was free in time. It is tried again."),
  45: wrong("The driver's library for mode: thick is missing on this platform: set mode: thin."),
  76: away("Too many wait for a connection. It is tried again."),
  100: wrong("The database's national character set is UTF8, which thin mode cannot read: set mode: thick."),
  101: refused("Set user and password."),
  102: BROKEN,
  103: BROKEN,
  113: BROKEN,
  115: NO_VALUE,
  116: refused(
    'The user has only an old 10G password verifier, which thin mode refuses: have the password set anew (ALTER USER {user} IDENTIFIED BY "…"; with SEC_CASE_SENSITIVE_LOGON true), or set mode: thick.',
  ),
  118: wrong("Another connection of this process uses thin mode already: restart the agent."),
  123: away("The call took too long: look for a missing index, or raise statement_timeout_ms."),
  125: wrong("Set host and service_name, or connect_descriptor."),
  138: wrong(
    "This server is older than 12.1, which thin mode cannot speak to: set mode: thick with Oracle Instant Client 11.2 to 19.",
  ),
  500: BROKEN,
  501: BROKEN,
  503: LISTENER,
  504: away("The web proxy refused or is away: check https_proxy."),
  505: WALLET,
  506: wrong(
    "The TLS handshake failed: is the port one for TCPS, is the server's authority in tls.ca_file or the wallet, and is host a name in the certificate?",
  ),
  507: wrong("The server's certificate has another distinguished name than tls.server_cert_dn."),
  508: wrong(
    "The server's certificate is for another name: set host to a name in it, or tls.server_cert_dn to its distinguished name.",
  ),
  509: ENCRYPTION,
  510: LISTENER,
  511: LISTENER,
  512: wrong("Correct connect_descriptor."),
  513: BROKEN,
  514: wrong("Correct connect_descriptor: its brackets do not match."),
  515: wrong("Correct connect_descriptor."),
  516: wrong("Write the whole descriptor into connect_descriptor: no tnsnames.ora is read."),
  517: wrong("Write the whole descriptor into connect_descriptor: no tnsnames.ora is read."),
  518: SERVICE,
  519: SID,
  520: wrong("Write the whole descriptor into connect_descriptor: no tnsnames.ora is read."),
  521: BROKEN,
  522: wrong("Shorten connect_descriptor."),
  529: WALLET,
  530: away("The host name is not known here, or the name service is away: check host."),
  531: ENCRYPTION,
  532: ENCRYPTION,
  533: ENCRYPTION,
  536: away("The listener redirects in a circle: name the database's own host and port."),
};

/** A line that is cut before the login is through, with no word of why. */
export const CUT_AT_LOGIN: Verdict = away(
  "The server ended the connection at once. It may be restarting; if this stays, it may ask for native network encryption (set mode: thick), speak TLS on this port (set tls.mode: tcps), or be no Oracle listener (check port).",
);
/** The same where TLS was asked for. */
export const CUT_IN_TLS: Verdict = away(
  "The server ended the connection at once. It may be restarting; if this stays, the port may not be one for TLS (check port, often 2484, or set tls.mode: off).",
);
/** Said where TLS was asked for and nothing came back. */
export const IS_TLS_PORT = "If it is there: a port without TLS does not answer tls.mode: tcps.";

/** What the parser refuses and is not listed above (ORA-00900 to ORA-00999). */
export const REFUSED_TEXT: Verdict = PACK;

/** The server's undo no longer holds what a flashback asks for: a snapshot goes on at a newer state. */
export const SNAPSHOT_TOO_OLD: ReadonlySet<number> = new Set([1555, 8180, 8181, 30052, 1466]);

/** Not there, or no right to it: Oracle tells both the same way. */
export const NO_RIGHTS: ReadonlySet<number> = new Set([942, 1031]);
