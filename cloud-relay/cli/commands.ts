// The table of commands: words, flags and help texts. What each does stands in administration.ts and serve.ts.
import type { CommandSpec, FlagSpec } from "./command-line.ts";

const dataDir: FlagSpec = { value: "<folder>", help: "the relay's data directory" };
const config: FlagSpec = { value: "<file.yaml>", help: "settings file (default $MILLRACE_RELAY_CONFIG)" };
const where = { "data-dir": dataDir, config } as const;
const workspace: FlagSpec = { value: "<id|name>", help: "the workspace, by id or name", isRequired: true };

const relayUrl: FlagSpec = { value: "<url>", help: "the relay (default http://127.0.0.1:8080)" };
const tokenFlags = {
  token: { value: "<token>", help: "of a connection with the scope write, or a workspace with admin" },
  "token-file": { value: "<file>", help: "file that holds the token; otherwise MILLRACE_TOKEN" },
} as const;

export const COMMANDS = [
  {
    words: ["serve"],
    summary: "Run the relay: the API, the agents' gateway and the store.",
    notes: "Flags win over the file. Stops on Ctrl-C or SIGTERM, after requests under way are answered.",
    flags: {
      config,
      "data-dir": dataDir,
      host: { value: "<address>", help: "address to listen on (default 127.0.0.1)" },
      port: { value: "<port>", help: "port to listen on (default 8080; 0 for any free one)" },
      "tls-cert": { value: "<file.pem>", help: "certificate chain; serves HTTPS together with --tls-key" },
      "tls-key": { value: "<file.pem>", help: "private key of the certificate" },
      "public-url": { value: "<url>", help: "how agents and integrators reach the relay" },
      "log-level": { value: "<level>", help: "debug, info, warn, error or silent (default info)" },
    },
  },
  {
    words: ["listen", "replay"],
    summary: "Send stored deliveries again: a file of `listen --store`, or one by its id.",
    argument: "<file|id>",
    notes:
      "A file's deliveries go to --forward with their own headers; --secret signs them anew, because receivers refuse old signatures. An id (whd_…) is sent again by the relay.",
    flags: {
      forward: { value: "<url>", help: "where a file's deliveries go" },
      secret: { value: "<whsec_…>", help: "signs them anew" },
      url: relayUrl,
      ...tokenFlags,
    },
  },
  {
    words: ["listen"],
    summary: "Receive webhooks on this machine, over a connection that it opens: no tunnel is needed.",
    notes:
      "Makes an endpoint for as long as it runs, shows each delivery, checks its signature, and hands it on to --forward with its original headers and body; the answer there is the outcome in the relay's log.",
    flags: {
      url: relayUrl,
      ...tokenFlags,
      connection: { value: "<id>", help: "only events of this connection" },
      types: { value: "<types>", help: "event types, separated by commas (default *)" },
      condition: { value: "<CEL>", help: "only events for which it is true" },
      forward: { value: "<url>", help: "your own receiver, e.g. http://localhost:3000/hook" },
      since: { value: "<2h|instant>", help: "also what happened since then" },
      store: { value: "<file>", help: "keeps each delivery as a line of JSON" },
      verbose: { help: "shows each body" },
    },
  },
  {
    words: ["webhook", "list"],
    summary: "List webhook endpoints of a relay that runs, with how they fare.",
    flags: { url: relayUrl, ...tokenFlags },
  },
  {
    words: ["webhook", "add"],
    summary: "Make a webhook endpoint. Its secret is shown once.",
    flags: {
      address: { value: "<url>", help: "where events are posted, https", isRequired: true },
      types: { value: "<types>", help: "event types, separated by commas (default *)" },
      name: { value: "<name>", help: "its name" },
      connection: { value: "<id>", help: "only events of this connection" },
      condition: { value: "<CEL>", help: "only events for which it is true" },
      url: relayUrl,
      ...tokenFlags,
    },
  },
  {
    words: ["webhook", "test"],
    summary: "Send a sample to an endpoint at once.",
    argument: "<id>",
    flags: {
      type: { value: "<type>", help: "event type, e.g. purchase_order.updated", isRequired: true },
      url: relayUrl,
      ...tokenFlags,
    },
  },
  {
    words: ["webhook", "deliveries"],
    summary: "List deliveries, newest first.",
    flags: {
      endpoint: { value: "<id>", help: "only of this endpoint" },
      state: { value: "<states>", help: "pending, delivered, exhausted, discarded" },
      type: { value: "<types>", help: "only these event types" },
      limit: { value: "<n>", help: "at most 200 (default 50)" },
      url: relayUrl,
      ...tokenFlags,
    },
  },
  {
    words: ["webhook", "retry"],
    summary: "Send a delivery again, or all of an endpoint that were given up.",
    flags: {
      delivery: { value: "<id>", help: "this one, whatever became of it" },
      endpoint: { value: "<id>", help: "all of this endpoint that were given up" },
      url: relayUrl,
      ...tokenFlags,
    },
  },
  {
    words: ["workspace", "create"],
    summary: "Make a workspace: a tenant that consumes the API.",
    flags: { name: { value: "<name>", help: "its name", isRequired: true }, ...where },
  },
  { words: ["workspace", "list"], summary: "List workspaces.", flags: where },
  {
    words: ["connection", "create"],
    summary: "Make a connection: one source system at one plant.",
    notes: "The agent's settings bind the connection by its name.",
    flags: {
      workspace,
      name: { value: "<name>", help: "its name, unique in the workspace", isRequired: true },
      customer: { value: "<name>", help: "whose plant it is" },
      environment: {
        value: "<name>",
        help: "production (default), test, …; tokens of production begin with mr_live_, all others with mr_test_",
      },
      label: { value: "<key=value>", help: "a label; may be given several times", isMultiple: true },
      sandbox: { help: "it lives in the relay, filled with sample data; writes to it change nothing" },
      ...where,
    },
  },
  {
    words: ["connection", "list"],
    summary: "List the connections of a workspace.",
    flags: { workspace, ...where },
  },
  {
    words: ["connection", "show"],
    summary: "Show one connection with its status.",
    argument: "<id|name>",
    flags: { workspace, ...where },
  },
  {
    words: ["connection", "confirm-deletes"],
    summary: "Let a mass delete through that was held after a new first reading.",
    argument: "<id|name>",
    notes:
      "After a new epoch the relay deletes what the source does not have any more, unless that is more than half of an entity. Look at the source first: what is deleted here is told to every consumer.",
    flags: {
      workspace,
      entity: {
        value: "<entity>",
        help: "only this one, e.g. purchase_order; all that are held if not given",
      },
      ...where,
    },
  },
  {
    words: ["connection", "update"],
    summary: "Change what is noted of a connection.",
    argument: "<id|name>",
    notes: "What is not given stays. Name and environment are fixed.",
    flags: {
      workspace,
      customer: { value: "<name>", help: "whose plant it is; empty for none" },
      label: {
        value: "<key=value>",
        help: "all of its labels; may be given several times",
        isMultiple: true,
      },
      metadata: {
        value: "<key=value>",
        help: "all of your own notes; may be given several times",
        isMultiple: true,
      },
      "when-offline": {
        value: "<serve|refuse>",
        help: "stored reads while the plant is away: serve them with their age, or refuse them",
      },
      ...where,
    },
  },
  {
    words: ["connection", "disconnect"],
    summary: "End a connection: its tokens are dead, its agent is refused.",
    argument: "<id|name>",
    notes: "What it held stays until it is deleted; a workspace's token reads it.",
    flags: { workspace, ...where },
  },
  {
    words: ["connection", "reconnect"],
    summary: "Let the agent of a disconnected connection in again.",
    argument: "<id|name>",
    notes: "It goes on where it stood. Dead tokens stay dead: make new ones.",
    flags: { workspace, ...where },
  },
  {
    words: ["connection", "delete"],
    summary: "Delete a disconnected connection with its records, events and samples.",
    argument: "<id|name>",
    flags: { workspace, ...where },
  },
  {
    words: ["connection-link", "create"],
    summary: "Make a link that leads people at a plant through connecting it. It is shown once.",
    notes:
      "Its page shows the one command that enrols the agent, a fragment for the agent's settings, and how far it has come. Without --connection a new connection is made.",
    flags: {
      workspace,
      connection: { value: "<id|name>", help: "one that waits for an agent" },
      name: { value: "<name>", help: "of the new connection; made of customer and system if not given" },
      customer: { value: "<name>", help: "whose plant it is" },
      environment: { value: "<name>", help: "production (default), test, …" },
      label: { value: "<key=value>", help: "a label; may be given several times", isMultiple: true },
      system: { value: "<pack>", help: "what is to be connected: maximo, sap-ecc, opc-ua, …" },
      "webhook-url": { value: "<https://…>", help: "kept with the link for the workspace's own use" },
      ttl: { value: "<duration>", help: "how long it can be used: 1d (default), 5m to 7d" },
      "public-url": { value: "<url>", help: "how people reach the relay; as its settings say if not given" },
      ...where,
    },
  },
  {
    words: ["connection-link", "list"],
    summary: "List the connection links of a workspace, without their addresses.",
    flags: { workspace, ...where },
  },
  {
    words: ["connection-link", "revoke"],
    summary: "Revoke a connection link with its enrolment code.",
    argument: "<id>",
    flags: { workspace, ...where },
  },
  {
    words: ["enrollment-code", "create"],
    summary: "Make a one-time code that enrols one agent.",
    notes: "At the plant: millrace-agent enroll. The code is shown once.",
    flags: {
      workspace,
      connection: {
        value: "<a,b>",
        help: "ids or names of the connections that the agent will serve, by commas",
        isRequired: true,
        isMultiple: true,
      },
      ttl: { value: "<duration>", help: "how long it can be used: 30m (default), 1h, 7d, …" },
      ...where,
    },
  },
  {
    words: ["token", "create"],
    summary: "Make an API token. It is shown once.",
    notes:
      "One of --admin, --workspace, or --workspace with --connection says what the token is bound to. A connection's token sees that connection only.",
    flags: {
      admin: { help: "the operator's token: administers every workspace, reads no data" },
      workspace: { ...workspace, isRequired: false },
      connection: { value: "<id|name>", help: "the connection, by id or name" },
      name: { value: "<name>", help: "what it is for" },
      scope: {
        value: "<scope>",
        help: "read (default), write or admin; may be given several times",
        isMultiple: true,
      },
      expires: { value: "<duration>", help: "how long it is good: 90d, 1h, …; for ever if not given" },
      "only-connection": {
        value: "<id|name>",
        help: "a workspace's token: only this connection; may be given several times",
        isMultiple: true,
      },
      "only-label": {
        value: "<key=value>",
        help: "a workspace's token: only connections with this label; may be given several times",
        isMultiple: true,
      },
      "only-entity": {
        value: "<entity>",
        help: "a workspace's token: only this entity; may be given several times",
        isMultiple: true,
      },
      ...where,
    },
  },
  {
    words: ["token", "list"],
    summary: "List the tokens of a workspace, without their secrets.",
    flags: { workspace, ...where },
  },
  {
    words: ["token", "revoke"],
    summary: "Revoke a token. A running relay refuses it within a second.",
    argument: "<id>",
    flags: where,
  },
  {
    words: ["user", "create"],
    summary: "Let somebody sign in to the dashboard. Shows the password that was made up, once.",
    flags: {
      workspace,
      email: { value: "<address>", help: "what they sign in with", isRequired: true },
      name: { value: "<name>", help: "how they are called; the address's first part if not given" },
      role: { value: "<role>", help: "viewer (default), operator (also writes) or admin (also administers)" },
      ...where,
    },
  },
  {
    words: ["user", "list"],
    summary: "List who may sign in to the dashboard.",
    flags: { workspace, ...where },
  },
  {
    words: ["user", "update"],
    summary: "Change a user's role, set a new password, or shut them out.",
    argument: "<id|e-mail>",
    notes: "A new role, a new password or being disabled signs them out everywhere within a second.",
    flags: {
      workspace,
      role: { value: "<role>", help: "viewer, operator or admin" },
      "new-password": { help: "makes up a new password and shows it once" },
      disable: { help: "they may not sign in any more" },
      enable: { help: "they may sign in again" },
      ...where,
    },
  },
  {
    words: ["user", "delete"],
    summary: "Remove a user.",
    argument: "<id|e-mail>",
    flags: { workspace, ...where },
  },
  { words: ["agent", "list"], summary: "List the agents of a workspace.", flags: { workspace, ...where } },
  {
    words: ["agent", "revoke"],
    summary: "Refuse an agent's key for good.",
    argument: "<id>",
    flags: where,
  },
  {
    words: ["agent", "release"],
    summary: "Let an agent in again that was quarantined as a clone.",
    argument: "<id>",
    notes: "First make sure that only one copy of the agent runs.",
    flags: where,
  },
  {
    words: ["audit", "list"],
    summary: "List what was changed, newest first.",
    notes: "Without --workspace: the relay's own trail, with what this command line did.",
    flags: {
      workspace: { ...workspace, isRequired: false },
      limit: { value: "<n>", help: "entries, at most 1000 (default 50)" },
      ...where,
    },
  },
  {
    words: ["audit", "verify"],
    summary: "Check that an audit trail is as it was written.",
    notes:
      "Prints its head: keep it, and a trail that was cut off or made anew shows. With --workspace also the heads of its plants' trails, as their agents said: `millrace-agent audit verify --has` holds one against the plant's own.",
    flags: {
      workspace: { ...workspace, isRequired: false },
      has: { value: "<entry>:<hash>", help: "an entry that the trail must have, as a plant keeps it" },
      ...where,
    },
  },
] as const satisfies readonly CommandSpec[];
