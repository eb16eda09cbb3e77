// docs/security-events.md and docs/network.md, made from the agent's own lists.
import { NETWORK_USES, NEVER, type Direction } from "#agent/core/network-uses.ts";
import { SECURITY_EVENTS, type SecurityEventSpec } from "#agent/core/security-events.ts";

const LEVELS = { information: "information", warning: "**warning**", error: "**error**" } as const;

export function securityEventsPage(notice: string): string {
  const events = Object.entries<SecurityEventSpec>(SECURITY_EVENTS);
  const rows = events.map(
    ([name, { number, level, when, act }]) =>
      `| ${number} | \`${name}\` | ${LEVELS[level]} | ${when} | ${act} |`,
  );
  const fields = events.map(
    ([name, { number, fields: each }]) =>
      `| ${number} \`${name}\` | ${Object.entries(each)
        .map(([field, meaning]) => `\`${field}\`: ${meaning}`)
        .join("; ")} |`,
  );
  return `${notice}

# Security events

What the agent tells a plant's monitoring: each event has a number and a name that never change their meaning. New ones get new
numbers.

| number | name | level | when | what to do |
|---|---|---|---|---|
${rows.join("\n")}

## Where they are

**In the agent's log**, one JSON line each, with \`security_event\` (the number), \`event\` (the name) and the fields below.

**On Linux, in the journal** (agents that systemd runs), with fields of their own: \`MILLRACE_EVENT\` (the number),
\`MILLRACE_EVENT_NAME\`, \`MILLRACE_<FIELD>\` for each field, a \`MESSAGE_ID\` for each number, and \`PRIORITY\` 6, 4 or 3. The command line
(\`enroll\`, \`secret\`) writes there too.

\`\`\`sh
journalctl MILLRACE_EVENT=1201                            # commands that the plant's file refused
journalctl SYSLOG_IDENTIFIER=millrace-agent --since today # everything of today
journalctl -o json MILLRACE_EVENT_NAME=relay_key_mismatch # for a collector, all fields
\`\`\`

**On Windows, in the Event Log** *Application*, source \`Millrace Agent\`, with the number as event id:

\`\`\`powershell
Get-WinEvent -FilterHashtable @{ LogName = 'Application'; ProviderName = 'Millrace Agent'; Id = 1201 }
\`\`\`

At most 30 events of one kind are noted in a minute; the next one says how many were not. No event holds a secret, a key of a
record or a value of one: the [audit trail](commands.md) has what was asked.

## Fields

| event | fields |
|---|---|
${fields.join("\n")}
`;
}

const TITLES: Readonly<Record<Direction, string>> = {
  out: "Connections that it makes",
  listens: "What it listens to",
  machine: "Inside the machine",
};

export function networkPage(notice: string): string {
  const sections = (["out", "listens", "machine"] as const).map((direction) => {
    const rows = NETWORK_USES.filter((use) => use.direction === direction).map(
      ({ what, peer, protocol, when, why, proxy, verified }) =>
        `| ${what} | ${peer} | ${protocol} | ${when} | ${why} | ${proxy} | ${verified} |`,
    );
    return `## ${TITLES[direction]}

| what | host and port | protocol | when | why | proxy | what is verified |
|---|---|---|---|---|---|---|
${rows.join("\n")}
`;
  });
  return `${notice}

# The agent on the network

Every connection that the agent makes, and everything it listens to: for whoever writes the firewall's rules. A plant whose
agent reads one database needs two rules, both outwards: to that database, and to the relay (or to the proxy).

Nothing ever connects inwards to the agent from the network.

${sections.join("\n")}
## What it never does

${NEVER.map((text) => `- It never ${text}.`).join("\n")}

## How this is known

A test installs the agent, lets it live (enrolment, first reading of every kind of source, a proxy, a relay that goes away and comes
back, \`doctor\`, the status page), records each socket call of all its processes with \`strace\`, and fails on any address, port or kind of
socket that is not on this list. The same test plants a connection that is not listed, and sees that it is found.
To see it for yourself: \`ss -tunap | grep millrace\`, or \`strace -f -e trace=connect,bind,listen,sendto\` on a copy.
`;
}
