// What went wrong, by SQLSTATE and by socket: the kind that the runner acts on and a sentence for the operator.
import pg from "pg";
import { ConnectorError, type ConnectorFailure, messageOf } from "#common/runtime/errors.ts";
import type { PostgresSettings } from "./definition.ts";

interface Verdict {
  readonly kind: ConnectorFailure;
  readonly advice: string;
}

/** Exact codes first, then classes (the first two characters); PostgreSQL's documentation, appendix A. */
const VERDICTS: Readonly<Record<string, Verdict>> = {
  "28": { kind: "unauthorized", advice: "Check user, password and pg_hba.conf." },
  "3D000": { kind: "misconfigured", advice: "Check the setting database." },
  "3F": { kind: "misconfigured", advice: "Check the schema names in the pack." },
  "42501": { kind: "misconfigured", advice: "" },
  "42": {
    kind: "misconfigured",
    advice: "The pack does not fit the source's tables, or these have changed: adapt the pack.",
  },
  "0A": { kind: "misconfigured", advice: "The pack asks for something this server cannot do." },
  "22": {
    kind: "bad_data",
    advice: "A value in the source cannot be read; the server's message names what is wrong with it.",
  },
  "57014": {
    kind: "unavailable",
    advice:
      "The statement took too long or was cancelled: look for a missing index, or raise statement_timeout_ms.",
  },
  "57": { kind: "unavailable", advice: "The server is shutting down, starting or recovering." },
  "53300": { kind: "unavailable", advice: "The server has no free connection: raise max_connections." },
  "53": { kind: "unavailable", advice: "The server is short of memory, disk or connections." },
  "40": {
    kind: "unavailable",
    advice: "The server broke off the transaction (on a standby: conflict with recovery). It is tried again.",
  },
  "55P03": {
    kind: "unavailable",
    advice: "A lock was not to be had in time, perhaps during a change of the tables.",
  },
  "55": { kind: "unavailable", advice: "The server is not ready for this." },
  "25P03": { kind: "unavailable", advice: "The server ended an idle transaction." },
  "08": { kind: "unavailable", advice: "The connection broke." },
  "58": { kind: "unavailable", advice: "The server has trouble with its files." },
  "72": { kind: "unavailable", advice: "The server's snapshot was too old." },
  XX: {
    kind: "unavailable",
    advice: "The server reports internal trouble or damaged data: call its administrator.",
  },
};

/** A ConnectorError as it is, anything of the driver's by its meaning, anything else unchanged: that is a bug. */
export function failureOf(error: unknown, settings: PostgresSettings, doing: string): unknown {
  if (error instanceof ConnectorError) return error;
  const { host, port, database, user } = settings;
  const where = `${doing} (PostgreSQL ${user}@${host}:${port}/${database})`;
  if (error instanceof pg.DatabaseError) return serverFailure(error, settings, where);
  return clientFailure(error, where);
}

function serverFailure(error: pg.DatabaseError, settings: PostgresSettings, where: string): unknown {
  const code = error.code ?? "";
  const verdict = VERDICTS[code] ?? VERDICTS[code.slice(0, 2)];
  if (verdict === undefined) return error;
  const advice = code === "42501" ? grantAdvice(error, settings) : verdict.advice;
  return new ConnectorError(verdict.kind, `${where}: ${messageOf(error)} (${code}). ${advice}`, {
    cause: error,
  });
}

function grantAdvice(error: pg.DatabaseError, settings: PostgresSettings): string {
  const schema = /permission denied for schema (\S+)/.exec(error.message);
  if (schema !== null) return `Have an administrator run: ${grantUsage(schema[1]!, settings.user)}`;
  const table = /permission denied for (?:table|view|relation|materialized view|foreign table) (\S+)/.exec(
    error.message,
  );
  return `Have an administrator run: ${grantSelect(table?.[1] ?? "the table", settings.user)}`;
}

export function grantSelect(table: string, user: string): string {
  return `GRANT SELECT ON ${table} TO "${user.replaceAll('"', '""')}";`;
}

export function grantUsage(schema: string, user: string): string {
  return `GRANT USAGE ON SCHEMA ${schema} TO "${user.replaceAll('"', '""')}";`;
}

const TLS_CODES = /^(SELF_SIGNED|DEPTH_ZERO|UNABLE_TO|ERR_TLS|CERT_|ERR_SSL|HOSTNAME_MISMATCH)|^ERR_OSSL/;
const SOCKET_CODES =
  /^(ECONN|ENOTFOUND|ETIMEDOUT|EPIPE|EHOST|ENET|EAI_|EADDR|ESOCKET|ERR_STREAM|ERR_SOCKET|EACCES|ENOENT)/;
const GONE = /terminated|timeout|Connection ended|closed|not queryable|socket/i;

function clientFailure(error: unknown, where: string): unknown {
  if (!(error instanceof Error)) return error;
  const code = (error as NodeJS.ErrnoException).code ?? "";
  const said = `${where}: ${messageOf(error)}${code === "" ? "" : ` (${code})`}.`;
  const because = { cause: error };
  if (TLS_CODES.test(code)) {
    return new ConnectorError(
      "misconfigured",
      `${said} The server's certificate is not trusted: set tls.ca_file to its authority and host to a name in it.`,
      because,
    );
  }
  if (error.message.includes("does not support SSL")) {
    return new ConnectorError(
      "misconfigured",
      `${said} Turn TLS on in the server (ssl = on), or set tls.mode: disable to send everything in the clear.`,
      because,
    );
  }
  if (/password must be a (non-empty )?string|SASL/.test(error.message)) {
    return new ConnectorError("unauthorized", `${said} Set the password of the user.`, because);
  }
  if (SOCKET_CODES.test(code) || error instanceof AggregateError || GONE.test(error.message)) {
    return new ConnectorError(
      "unavailable",
      `${said} Check that the server runs and can be reached from here.`,
      because,
    );
  }
  return error;
}
