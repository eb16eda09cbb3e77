// How the line to a source is secured: TLS of databases as it is seen, OPC UA's certificates and when they run out.
import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import type { Socket } from "node:net";
import { join } from "node:path";
import type { OpcUaSettings } from "#agent/connectors/opc-ua/settings.ts";
import type { OracleSettings } from "#agent/connectors/oracle/definition.ts";
import type { PostgresSettings } from "#agent/connectors/postgres/definition.ts";
import type { SqlServerSettings } from "#agent/connectors/sql-server/definition.ts";
import { lookAtTls, openLine, type TlsSight } from "#agent/uplink/way-probe.ts";
import { messageOf } from "#common/runtime/errors.ts";
import { type Checks, limited } from "./checks.ts";

const LIMIT_MS = 10_000;
const SOON_MS = 30 * 86_400_000;
/** PostgreSQL's SSLRequest (its protocol, 55.7): the length, and the number that asks for TLS. */
const SSL_REQUEST = Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]);

export interface SourceLine {
  readonly connector: string;
  /** As the connector's definition parsed them. */
  readonly settings: unknown;
  /** Where this connection's files may be: the room's folder, and that of commands. */
  readonly folders: readonly string[];
  readonly nowMs: number;
  readonly signal: AbortSignal;
}

/** Never throws: a line that cannot be had at all is what opening the source tells. */
export async function sourceLineChecks(checks: Checks, line: SourceLine): Promise<void> {
  switch (line.connector) {
    case "postgres":
      return await postgresLine(checks, line.settings as PostgresSettings, line);
    case "oracle":
      return await oracleLine(checks, line.settings as OracleSettings, line);
    case "sql-server":
      return await sqlServerLine(checks, line.settings as SqlServerSettings, line);
    case "opc-ua":
      return opcUaCertificates(checks, line.settings as OpcUaSettings, line);
    default:
  }
}

async function postgresLine(
  checks: Checks,
  { host, port, tls }: PostgresSettings,
  line: SourceLine,
): Promise<void> {
  if (tls.mode === "disable") return inTheClear(checks, "tls.mode: disable");
  const server = { host, port, caFile: tls.caFile, begin: askForTls };
  await look(checks, server, true, line);
}

async function oracleLine(
  checks: Checks,
  { target, tls, httpsProxy }: OracleSettings,
  line: SourceLine,
): Promise<void> {
  if (target.kind === "descriptor" || httpsProxy !== undefined)
    return checks.skipped("tls", "TLS is not looked at here: the way is the descriptor's, or a proxy's");
  if (tls.mode === "off") return inTheClear(checks, "tls.mode: off");
  const { host, port } = target;
  await look(checks, { host, port, caFile: tls.caFile, begin: undefined }, tls.serverDnMatch, line);
}

async function sqlServerLine(
  checks: Checks,
  { server, endpoint, tls }: SqlServerSettings,
  line: SourceLine,
): Promise<void> {
  if (tls.mode === "disable") return inTheClear(checks, "tls.mode: disable");
  if (tls.mode === "strict" && endpoint.by === "port")
    return await look(
      checks,
      { host: server, port: endpoint.port, caFile: tls.caFile, begin: undefined },
      tls.verify === "full",
      line,
    );
  // TLS begins within the server's own protocol: the driver alone sees it.
  if (tls.verify === "none" && tls.fingerprint === undefined)
    checks.warning(
      "tls",
      `TLS (${tls.mode}), and the server's certificate is not verified (tls.verify: none)`,
      [
        "Whoever stands between can read and change everything: set tls.ca_file to the server's authority, or tls.fingerprint.",
      ],
    );
  else if (tls.mode === "legacy")
    checks.warning("tls", "TLS with old versions and weak ciphers allowed (tls.mode: legacy)", [
      "Update the server, then use tls.mode: verify-full.",
    ]);
  else
    checks.ok(
      "tls",
      `TLS 1.2 or newer (tls.mode: ${tls.mode}), the server's certificate verified by the driver`,
    );
}

function inTheClear(checks: Checks, setting: string): void {
  checks.warning("tls", `no TLS (${setting}): login and rows go over the network in the clear`, [
    "Have TLS switched on at the server, then take the setting out.",
  ]);
}

interface Server {
  readonly host: string;
  readonly port: number;
  readonly caFile: string | undefined;
  /** What makes the server begin with TLS; false: it knows none. */
  readonly begin: ((socket: Socket, signal: AbortSignal) => Promise<boolean>) | undefined;
}

async function look(
  checks: Checks,
  { host, port, caFile, begin }: Server,
  isVerified: boolean,
  line: SourceLine,
): Promise<void> {
  const signal = limited(line.signal, LIMIT_MS);
  try {
    const ca = caFile === undefined ? [] : [readFileSync(caFile, "utf8")];
    const socket = await openLine(host, port, signal);
    if (begin !== undefined && !(await begin(socket, signal))) {
      socket.destroy();
      checks.failed("tls", `${host}:${port} has TLS switched off, and the settings ask for it`, [
        "Have it switched on at the server (PostgreSQL: ssl = on), or accept that everything goes in the clear: tls.mode: disable.",
      ]);
      return;
    }
    const sight = await lookAtTls(socket, host, ca, signal);
    sight.socket.destroy();
    said(checks, sight, isVerified, line.nowMs);
  } catch (error) {
    checks.skipped("tls", `TLS with ${host}:${port} could not be looked at: ${messageOf(error)}`);
  }
}

function said(
  checks: Checks,
  { protocol, cipher, chain, problem }: TlsSight,
  isVerified: boolean,
  nowMs: number,
): void {
  const [leaf] = chain;
  if (leaf === undefined) return checks.warning("tls", `${protocol} (${cipher}), without a certificate`);
  const text = `${protocol} (${cipher}), certificate of ${leaf.subject} by ${leaf.issuer}, valid to ${dayOf(leaf.toMs)}`;
  if (!isVerified)
    checks.warning("tls", `${text}; it is not verified, by the settings`, [
      "Whoever stands between can read and change everything.",
    ]);
  else if (problem !== undefined)
    checks.warning("tls", `${text}; not trusted: ${problem}`, [
      "Set tls.ca_file to its authority and the host to a name in it; opening the source tells whether the driver takes it.",
      `SHA-256 ${leaf.fingerprint}`,
    ]);
  else if (leaf.toMs - nowMs < SOON_MS)
    checks.warning("tls", `${text}: it runs out soon`, ["Have it renewed at the server."]);
  else checks.ok("tls", `${text}; verified`);
}

async function askForTls(socket: Socket, signal: AbortSignal): Promise<boolean> {
  socket.write(SSL_REQUEST);
  const [answer] = (await once(socket, "data", { signal })) as [Buffer];
  socket.pause();
  return answer[0] === "S".charCodeAt(0);
}

function opcUaCertificates(checks: Checks, settings: OpcUaSettings, { folders, nowMs }: SourceLine): void {
  if (settings.mode === "None")
    checks.warning(
      "security",
      "security: None: values and login go over the network in the clear, and anybody can answer for the server",
      ["Set security to what the server offers; docs/telemetry.md, trust step by step."],
    );
  const trusted = settings.fingerprints.length + settings.trustedFiles.length;
  if (settings.mode !== "None" && trusted === 0)
    checks.warning(
      "server_trust",
      "no server is trusted yet: neither server_fingerprint nor trusted_certificates is set",
      [
        "Opening the source below tells the fingerprint that the server shows: compare it at the server, then set server_fingerprint.",
      ],
    );
  for (const file of settings.trustedFiles)
    certificate(checks, "trusted_certificate", file, nowMs, "is renewed at the server");
  for (const folder of folders)
    certificate(
      checks,
      "own_certificate",
      join(folder, "pki", "own", "certificate.pem"),
      nowMs,
      "move it aside, and its key: a new one is made, which the server must trust anew",
    );
}

/** Says nothing of a file that is not there: it is made when it is first needed. */
function certificate(checks: Checks, check: string, file: string, nowMs: number, renewal: string): void {
  let found: X509Certificate;
  try {
    found = new X509Certificate(readFileSync(file));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
    checks.failed(check, `${file} cannot be read as a certificate: ${messageOf(error)}`);
    return;
  }
  const toMs = found.validToDate.getTime();
  const text = `${file}: ${found.subject.replaceAll("\n", ", ")}, valid to ${dayOf(toMs)}, SHA-256 ${found.fingerprint256.replaceAll(":", "").toLowerCase()}`;
  if (toMs < nowMs) checks.failed(check, `${text}: it has run out`, [`Renew it: ${renewal}.`]);
  else if (toMs - nowMs < SOON_MS)
    checks.warning(check, `${text}: it runs out soon`, [`Renew it: ${renewal}.`]);
  else checks.ok(check, text);
}

function dayOf(atMs: number): string {
  return new Date(atMs).toISOString().slice(0, 10);
}
