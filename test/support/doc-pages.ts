// Pages of docs/ that are made from the code; `npm run docs` writes them, a test compares them.
import { COMMANDS } from "#agent/commands/command-line.ts";
import { commandReference } from "#agent/commands/help.ts";
import { AgentConfigSchema } from "#agent/platform/config-schema.ts";
import { renderConfigReference } from "#common/runtime/config-docs.ts";
import { networkPage, securityEventsPage } from "./agent-pages.ts";

export interface DocPage {
  /** From the project's folder. */
  readonly file: string;
  readonly render: () => string;
}

const NOTICE = "<!-- Made by `npm run docs`; change the code that it describes, not this page. -->";

export const EXAMPLE_AGENT_CONFIG = `relay:
  url: wss://relay.example.com
  ca_file: company-ca.pem
  proxy: http://proxy.example.com:3128
  proxy_user: millrace
  proxy_password: "{credential:proxy-password}"
data_dir: /var/lib/millrace-agent
space:
  total: 4GiB
connections:
  - name: plant-erp
    connector: postgres
    pack: demo-cmms
    settings:
      host: erp-db.plant.example.com
      database: erp
      user: millrace_reader
      password: "{file:/etc/millrace-agent/erp-password}"
    time_zone: Europe/Berlin
    hide: [COMPANIES.TAXID, vendor.tax_id]
    poll: { default: 2s, asset: 1m }
`;

const SECRETS = `## Secrets

\`millrace-agent secret set <name>\` asks for a value, or reads it from standard input, and stores it on this machine; it is never an
argument, never shown again, and never in the configuration file. \`{credential:<name>}\` refers to it, in any setting: passwords of
connections, \`relay.proxy_password\`, private keys. Where it is kept, the first that fits:

| where the agent runs | kept as | who can open it |
|---|---|---|
| Linux package, systemd 250 or later | \`/etc/millrace-agent/credentials/<name>\`, encrypted by \`systemd-creds\` with a key of the machine (its TPM, if it has one); systemd hands it to the service at its start, in memory | root on this machine, and the service while it runs |
| Linux package, older systemd | the same file, mode 0600, not encrypted (\`LoadCredential=\`) | root |
| Windows | \`secrets\\<name>\` beside \`agent.yaml\`, encrypted by DPAPI for this machine, readable by administrators and the service | administrators on this machine, and the service |
| anywhere else | \`secrets/<name>\` in the data folder, mode 0600, not encrypted; refused while others may read it | the agent's account, and root |

A copy of the disk does not open what is encrypted, unless the machine's own key is copied with it (on Linux without a TPM that key is a
file that root reads: encrypt the disk too). \`secret list\` says how each is protected, which settings use it, and what is missing.

The agent's identity (its key for the relay) and the key of its pseudonyms are in \`agent.db\`, mode 0600 in a folder of mode 0700, and not
bound to the machine: a copy of the folder is a second agent, which the relay [notices](operations.md#clones).
`;

function configurationPage(): string {
  return `${NOTICE}

# The agent's configuration

One YAML file, \`/etc/millrace-agent/agent.yaml\` unless \`--config\` or \`MILLRACE_AGENT_CONFIG\` says otherwise.
\`millrace-agent check-config\` reports every problem at once, with line and column, and touches no source. Changes take
effect when the agent starts.

- Relative paths start from the file's own folder.
- Durations are written \`250ms\`, \`30s\`, \`5m\`, \`1h\`, \`1d\`; sizes \`512KiB\`, \`64MiB\`, \`4GiB\`. A bare number is a mistake.
- An unknown setting is a mistake, and the nearest known one is named.
- Secrets need not stand in the file. Any text may be a reference: \`{file:…}\` (a file's content, without its last line
  break), \`{env:…}\` (an environment variable), \`{credential:…}\` (a secret of this machine, best: stored by
  \`millrace-agent secret set <name>\`, see [below](#secrets)).
  What a reference gave, and every setting whose name says password, secret, token or key, is masked in summaries and logs.

\`\`\`yaml
${EXAMPLE_AGENT_CONFIG}\`\`\`

${renderConfigReference(AgentConfigSchema)}
${SECRETS}`;
}

function cliPage(): string {
  return `${NOTICE}

# The agent's command line

\`millrace-agent <command>\` (in a checkout: \`npm run agent -- <command>\`). Exit codes: 0 done, 1 tried and failed,
2 wrong usage or configuration, 3 refused (enroll: trying again is of no use).

The usual way: write the [configuration](configuration.md), \`check-config\`, \`preview\` an entity or two, \`enroll\` with
the code that the relay's operator gives you, then \`run\` (as a rule by systemd or as a Windows service).

\`status\` and the commands that steer a connection talk to the running agent through a socket in its data folder that only
its own account, and root, can open. One agent runs in a data folder at a time.

## What the agent does when something fails

Each connection runs in a process of its own, its *room*. A room that crashes, gives no sign of life for
\`room.heartbeat_timeout\`, or holds more memory than \`room.memory\` is ended and started again, within a second at first and after up
to a minute later on; a minute of health makes it start from the shortest delay again. A room whose settings are wrong is
left down, and tried every five minutes, because what is wrong may be in the source. The other connections do not notice.
Every such end is logged once with its reason, counted, and shown by \`status\`.

${commandReference(COMMANDS)}`;
}

export const DOC_PAGES: readonly DocPage[] = [
  { file: "docs/configuration.md", render: configurationPage },
  { file: "docs/agent-cli.md", render: cliPage },
  { file: "docs/security-events.md", render: () => securityEventsPage(NOTICE) },
  { file: "docs/network.md", render: () => networkPage(NOTICE) },
];
