// The catalogue of security events: what a plant's monitoring may wait for. Numbers and names never change their meaning.

/** As the Windows Event Log calls them; on Linux syslog's info, warning and err. */
export type SecurityLevel = "information" | "warning" | "error";

export interface SecurityEventSpec {
  /** For ever; 1000 the agent itself, 1100 its line, 1200 commands, 1300 its records, 1400 secrets, 1500 doors. */
  readonly number: number;
  readonly level: SecurityLevel;
  readonly when: string;
  /** By name: what it holds. */
  readonly fields: Readonly<Record<string, string>>;
  /** What whoever sees it does. */
  readonly act: string;
}

const CONNECTION = "connection's name in agent.yaml";
const COMMAND = {
  connection: CONNECTION,
  command: "the command's id, as `millrace-agent commands` and the audit trail have it",
};
const ASKED = {
  ...COMMAND,
  what: "entity and operation, or the kind of command",
  actor: "who asked for it, as the relay says; empty if it does not say",
};
const RELAY = { relay: "the relay's address", reason: "what was said" };
const OPERATOR = "who at this machine asked for it (account name)";

export const SECURITY_EVENTS = {
  agent_started: {
    number: 1001,
    level: "information",
    when: "The agent's main process is up.",
    fields: {
      version: "Millrace's version",
      config: "the configuration file",
      config_sha256: "hash of that file's bytes",
    },
    act: "Nothing, if somebody meant it; otherwise find out who started it.",
  },
  agent_stopped: {
    number: 1002,
    level: "information",
    when: "The agent was asked to stop, and did. A crash leaves none: the next 1001 without a 1002 before it says so.",
    fields: { version: "Millrace's version" },
    act: "Nothing, if somebody meant it.",
  },
  configuration_changed: {
    number: 1003,
    level: "warning",
    when: "At a start: the configuration file is not the one of the last start.",
    fields: {
      config: "the configuration file",
      before_sha256: "hash of the file at the last start",
      config_sha256: "hash of the file now",
    },
    act: "Compare it with what your change management knows.",
  },
  installation_altered: {
    number: 1004,
    level: "error",
    when: "At a start: the installed files are not those that the signed manifest lists.",
    fields: { folder: "the installation's folder", problem: "the first thing that is wrong" },
    act: "Take the machine for tampered with until `millrace-agent doctor` and your own records say otherwise; install the package again.",
  },
  enrolled: {
    number: 1005,
    level: "information",
    when: "`millrace-agent enroll` gave this agent its identity.",
    fields: {
      relay: "the relay's address",
      workspace: "the workspace's name",
      agent: "the agent's id",
      by: OPERATOR,
    },
    act: "Nothing, if somebody meant it.",
  },
  identity_replaced: {
    number: 1006,
    level: "warning",
    when: "`millrace-agent enroll --replace` gave this agent another identity: from now on another relay or workspace may get its data.",
    fields: {
      relay: "the new relay's address",
      before: "the relay's address until then",
      workspace: "the workspace's name",
      agent: "the agent's new id",
      by: OPERATOR,
    },
    act: "Make sure that whoever runs the plant knows where its data goes now.",
  },
  personal_data_released: {
    number: 1007,
    level: "warning",
    when: "At a start: a connection lets fields that name people leave as they are which at the last start it did not.",
    fields: { connection: CONNECTION, fields: "the fields; * is all of them" },
    act: "Make sure that whoever answers for people's data has agreed.",
  },
  relay_key_mismatch: {
    number: 1101,
    level: "error",
    when: "Whoever answers at the relay's address does not have the key that was pinned at enrolment, or cannot prove to have it. Nothing was sent.",
    fields: RELAY,
    act: "Somebody stands in between, or the relay lost its key. Ask the relay's operator before you enrol anew.",
  },
  relay_refused: {
    number: 1102,
    level: "warning",
    when: "The relay does not accept this agent: unknown there, revoked, or its proof is wrong.",
    fields: RELAY,
    act: "Ask the relay's operator whether the agent was revoked; then `millrace-agent enroll --replace` with a new code.",
  },
  agent_quarantined: {
    number: 1103,
    level: "error",
    when: "The relay has locked this agent's key, because two installations used it in turns.",
    fields: RELAY,
    act: "Find the other copy (a cloned or restored machine), stop it for good, then `millrace-relay agent release`.",
  },
  clone_suspected: {
    number: 1104,
    level: "error",
    when: "Another session with this agent's key took over at the relay.",
    fields: RELAY,
    act: "As for 1103. Once, right after a restart of this agent, it may be its own earlier session.",
  },
  line_not_trusted: {
    number: 1105,
    level: "warning",
    when: "The certificate on the way to the relay comes from an authority that this machine does not trust, or is not good for the name: a proxy that inspects TLS, or an impostor. Nothing was sent.",
    fields: RELAY,
    act: "If it is your own proxy, put its authority into relay.ca_file; it sees sealed frames only. Otherwise find out who answers.",
  },
  command_refused: {
    number: 1201,
    level: "warning",
    when: "The relay asked for something that the plant's own file does not allow.",
    fields: { ...ASKED, code: "why, as the relay is told it" },
    act: "See whether somebody tries something. At most 30 a minute are noted one by one; the next says how many were not.",
  },
  write_held: {
    number: 1202,
    level: "information",
    when: "A write waits for somebody at the plant to approve it.",
    fields: ASKED,
    act: "`millrace-agent commands`, then `approve` or `reject`.",
  },
  write_approved: {
    number: 1203,
    level: "information",
    when: "Somebody at the plant approved a write.",
    fields: { ...COMMAND, by: OPERATOR },
    act: "Nothing.",
  },
  write_rejected: {
    number: 1204,
    level: "information",
    when: "Somebody at the plant rejected a write.",
    fields: { ...COMMAND, by: OPERATOR },
    act: "Nothing.",
  },
  write_done: {
    number: 1205,
    level: "information",
    when: "A write was carried out at the source.",
    fields: COMMAND,
    act: "Nothing; `millrace-agent audit show` has what and by whom.",
  },
  write_failed: {
    number: 1206,
    level: "warning",
    when: "A write that had been accepted was not carried out, or nobody knows whether it was.",
    fields: { ...COMMAND, outcome: "failed or unknown_outcome", code: "why" },
    act: "For unknown_outcome, look at the record in the source.",
  },
  halted: {
    number: 1207,
    level: "warning",
    when: "Somebody at the plant used the kill switch.",
    fields: { part: "writes or egress", by: OPERATOR },
    act: "Find out why; `millrace-agent unhalt` ends it.",
  },
  unhalted: {
    number: 1208,
    level: "warning",
    when: "Somebody at the plant ended the halt.",
    fields: { part: "writes or egress", by: OPERATOR },
    act: "Nothing, if somebody meant it.",
  },
  audit_chain_broken: {
    number: 1301,
    level: "error",
    when: "At a start: the audit trail of commands is not as it was written.",
    fields: { problem: "the first entry that is wrong" },
    act: "Somebody or something changed agent.db. Keep a copy, and hold it against the relay's (`millrace-agent audit verify`, `millrace-relay audit verify`).",
  },
  data_damaged: {
    number: 1302,
    level: "error",
    when: "The weekly check found agent.db damaged.",
    fields: { problem: "what SQLite says" },
    act: "Look at the disk; then docs/troubleshooting.md.",
  },
  secret_stored: {
    number: 1401,
    level: "information",
    when: "`millrace-agent secret set` stored or replaced a secret.",
    fields: {
      secret: "its name",
      binding: "sealed (this machine alone opens it), root or file",
      by: OPERATOR,
    },
    act: "Nothing, if somebody meant it.",
  },
  secret_removed: {
    number: 1402,
    level: "information",
    when: "`millrace-agent secret remove` removed a secret.",
    fields: { secret: "its name", by: OPERATOR },
    act: "Nothing, if somebody meant it.",
  },
  foreign_host_refused: {
    number: 1501,
    level: "warning",
    when: "The status page was asked under a name that is not this machine's own: a page in somebody's browser tries to read it (DNS rebinding), or a proxy was put before it.",
    fields: { host: "the name that was asked for" },
    act: "Find the browser on this machine that does it.",
  },
  control_refused: {
    number: 1502,
    level: "warning",
    when: "Something on this machine spoke to the control socket in a way that is no request of ours.",
    fields: { reason: "what was wrong" },
    act: "Find out which program of the agent's account or root's it was.",
  },
} as const satisfies Readonly<Record<string, SecurityEventSpec>>;

export type SecurityEventName = keyof typeof SECURITY_EVENTS;

export type SecurityFields<Name extends SecurityEventName> = Readonly<
  Record<keyof (typeof SECURITY_EVENTS)[Name]["fields"], string>
>;

/** Notes what has happened; never throws, never waits. */
export interface SecurityEvents {
  note<Name extends SecurityEventName>(name: Name, fields: SecurityFields<Name>): void;
}

export const NO_SECURITY_EVENTS: SecurityEvents = { note: () => {} };

/** One line for people: `relay_refused: relay=… reason=…`. */
export function securityMessage(name: SecurityEventName, fields: Readonly<Record<string, string>>): string {
  const told = Object.entries(fields)
    .filter(([, value]) => value !== "")
    .map(([field, value]) => `${field}=${JSON.stringify(value)}`);
  return `security event ${SECURITY_EVENTS[name].number} ${name}${told.length === 0 ? "" : `: ${told.join(" ")}`}`;
}
