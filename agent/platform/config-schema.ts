// The schema of the agent's configuration file: types, defaults, units and the text of docs/configuration.md.
import { Type, type Static } from "typebox";
import { WINDOW_PATTERN } from "#agent/core/load/pass-calendar.ts";
import { Duration, Secret, Size } from "#common/runtime/config-schema.ts";
import { AllowSection } from "./allow-schema.ts";

const closed = { additionalProperties: false } as const;
const text = { minLength: 1, maxLength: 4_000 } as const;

function oneOf<const T extends string>(values: readonly T[], options: { default: T; description: string }) {
  return Type.Unsafe<T>({ ...Type.Union(values.map((value) => Type.Literal(value))), ...options });
}

const RelaySection = Type.Object(
  {
    url: Type.Optional(
      Type.String({
        ...text,
        description:
          "Address of the relay, `wss://relay.example.com`; `/agent` is added. It must be the relay that the agent is enrolled with.",
        defaultText: "the address given at enrolment",
      }),
    ),
    ca_file: Type.Optional(
      Type.String({
        ...text,
        description:
          "PEM file with certificate authorities to trust besides the usual ones, for a relay or proxy of your own.",
      }),
    ),
    proxy: Type.Optional(
      Type.String({
        ...text,
        description:
          "HTTP proxy to go through by CONNECT, `http://proxy:3128`. Without it the agent connects directly.",
      }),
    ),
    proxy_user: Type.Optional(Type.String({ ...text, description: "User name for the proxy (Basic)." })),
    proxy_password: Type.Optional(Secret({ description: "Password for the proxy (Basic)." })),
    allow_insecure: Type.Boolean({
      default: false,
      description:
        "Allows `ws://` to another machine. Frames are sealed all the same, but whoever looks on sees that it is Millrace.",
    }),
  },
  { ...closed, default: {}, description: "How to reach the relay." },
);

const SpaceSection = Type.Object(
  {
    total: Type.Optional(
      Size({
        minimum: "16MiB",
        defaultText: "the smaller of 4 GiB and half of the free disk",
        description: "Disk space for the outboxes and known records of all connections together.",
      }),
    ),
  },
  { ...closed, default: {}, description: "Disk space that the agent may use." },
);

const RoomSection = Type.Object(
  {
    heartbeat_timeout: Duration({
      default: "30s",
      minimum: "1s",
      maximum: "10m",
      description:
        "A connection's process that says nothing for this long is taken to hang: it is ended and started anew.",
    }),
    memory: Size({
      default: "512MiB",
      minimum: "128MiB",
      description:
        "Memory (resident) that a connection's process may hold; above it, it is ended and started anew.",
    }),
  },
  { ...closed, default: {}, description: "Limits of the process that runs each connection." },
);

/** 127.0.0.0/8 or ::1, and a port: nobody on the network can reach it. */
const LOOPBACK_LISTEN =
  "^(?:127(?:\\.(?:25[0-5]|2[0-4]\\d|1?\\d?\\d)){3}|\\[::1\\]):(?:0|[1-9]\\d{0,3}|[1-5]\\d{4}|6[0-4]\\d{3}|65[0-4]\\d{2}|655[0-2]\\d|6553[0-5])$";

const StatusPageSection = Type.Object(
  {
    listen: Type.String({
      pattern: LOOPBACK_LISTEN,
      patternText: "an address of this machine alone with a port, such as 127.0.0.1:8692 or [::1]:8692",
      default: "127.0.0.1:8692",
      description:
        "Where the page is: `127.0.0.0/8` or `[::1]`, so that nobody on the network reaches it. Whoever has an account on the machine can read it.",
    }),
  },
  {
    ...closed,
    description:
      "A page for people on this machine, `http://127.0.0.1:8692/`, with `/status.json` for programs and `/metrics` for Prometheus. Without this section there is none.",
  },
);

function perEntity(description: string, minimum: string) {
  const duration = Duration({ minimum, description: "" });
  return Type.Optional(
    Type.Unsafe<number | Record<string, number>>({
      anyOf: [duration, Type.Record(Type.String(), duration)],
      description: `${description} One duration for all entities, or one for each: \`{ default: 2s, asset: 1m }\`.`,
      defaultText: "the pack's own",
    }),
  );
}

const LoadSection = Type.Object(
  {
    rows_per_second: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 10_000_000,
        defaultText: "no limit",
        description:
          "Most rows read on average, rows of child tables included. Pages shrink to at most a second's rows. Polls go first: passes over everything get what polls leave.",
      }),
    ),
    statements: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 16,
        defaultText: "no limit",
        description:
          "Most reading statements under way at once. Changes and single records go before passes: with 1, they wait for the page that is just being read, and for no more.",
      }),
    ),
    full_passes: Type.Array(
      Type.String({
        pattern: WINDOW_PATTERN,
        patternText:
          "hours such as 22:00-05:00, with days such as sat-sun 00:00-24:00 or mon,wed 12:00-13:00",
        description: "",
      }),
      {
        default: [],
        defaultText: "at any time",
        maxItems: 50,
        description:
          "Hours in the connection's `time_zone` in which passes over everything may run; hours that begin before midnight and end after it belong to the day on which they begin. Outside of them comparisons (`reconcile`) pause and go on in the next window, and a new reading of everything (after a changed pack, or lost changes) waits to begin, while changes are followed all the same. The first reading, entities without a change marker, and what is asked for by `millrace-agent sync` or `resync` do not wait.",
      },
    ),
  },
  {
    ...closed,
    default: {},
    description: "What may be asked of a database; telemetry has limits of its own.",
  },
);

const ConnectionSection = Type.Object(
  {
    name: Type.String({
      pattern: "^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$",
      patternText: "a name of letters, digits, `.`, `_` and `-` that starts with a letter or digit",
      description: "Name of the connection, as the relay knows it.",
    }),
    connector: Type.String({
      ...text,
      description: "Kind of source: `sqlite`, `postgres`, `sql-server`, `oracle` or `opc-ua`.",
    }),
    pack: Type.Optional(
      Type.String({
        ...text,
        description:
          "Mapping from the source's tables to unified records: the name of a bundled pack, or the path of a pack file. Telemetry connectors have none.",
      }),
    ),
    pack_settings: Type.Record(Type.String(), Type.Unknown(), {
      default: {},
      description:
        "What the pack asks of this installation, e.g. its `company` or `client`. Every pack has `schema` (where the tables are) and `entities` (a list: only these are read).",
    }),
    settings: Type.Unknown({
      default: {},
      description:
        "Settings of the connector, see its own page. References to secrets are resolved everywhere in it.",
    }),
    time_zone: Type.String({
      ...text,
      default: "UTC",
      description: "IANA time zone of the source's local wall-clock times, e.g. `Europe/Berlin`.",
    }),
    raw: Type.Boolean({
      default: true,
      description: "Whether the source's own row travels along with the unified record.",
    }),
    hide: Type.Array(Type.String(text), {
      default: [],
      maxItems: 1_000,
      description:
        "What must not leave the plant: source columns (`COMPANIES.TAXID`) and unified fields (`vendor.tax_id`); hidden in the record and in the raw row.",
    }),
    mask: Type.Array(Type.String(text), {
      default: [],
      maxItems: 1_000,
      description:
        "Unified fields that leave the plant empty (null), e.g. `vendor.tax_id`. The columns that they come from are in no raw row and no custom field.",
    }),
    pseudonymise: Type.Array(Type.String(text), {
      default: [],
      maxItems: 1_000,
      description:
        "Unified text fields that leave the plant as a pseudonym, e.g. `work_order.location_code`: `p_` and a hash by a key that only this agent has. Equal values have equal pseudonyms.",
    }),
    release_personal: Type.Boolean({
      default: false,
      description:
        "Fields that name people (marked in the model, `x-personal`) leave as they are. Otherwise they leave as pseudonyms, see [privacy](privacy.md).",
    }),
    release: Type.Array(Type.String(text), {
      default: [],
      maxItems: 1_000,
      description:
        "Those of the fields that name people which leave as they are, e.g. `vendor.name`, or `vendor.contacts` with all that is in it.",
    }),
    poll: perEntity("How often to ask the source for changes.", "100ms"),
    reconcile: perEntity("How often to compare all keys, which finds deletes.", "1s"),
    initial_window_days: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 3_650,
        defaultText: "all",
        description:
          "How far back the first reading of documents goes: purchase orders, work orders and the like from so many days ago on, without a date, or still open where the pack can tell (`document_date` and `open_when` in [packs](packs.md)). Master data is always read whole, and changes are always taken, however old the document. The first day is fixed when reading begins, and again when this setting changes: with more days the rest is read; with fewer, what is then outside leaves as `out_of_scope`.",
      }),
    ),
    load: LoadSection,
    allow: AllowSection,
    telemetry_policy: oneOf(["drop_oldest", "decimate", "last_value"], {
      default: "drop_oldest",
      description:
        "What becomes of buffered telemetry when 95 % of the space is used. Every loss is recorded as a gap.",
    }),
    mass_delete_guard: Type.Number({
      default: 0.5,
      minimum: 0,
      maximum: 1,
      description:
        "Share of an entity's records that may vanish in one pass without being asked; more is held until `millrace-agent confirm-deletes`.",
    }),
  },
  { ...closed, description: "One source system." },
);

export const AgentConfigSchema = Type.Object(
  {
    relay: RelaySection,
    data_dir: Type.Optional(
      Type.String({
        ...text,
        defaultText: "`/var/lib/millrace-agent`; on Windows `%ProgramData%\\Millrace Agent\\data`",
        description:
          "Folder for the agent's key, outboxes and cursors. On a local disk, never on a network share.",
      }),
    ),
    log_level: oneOf(["debug", "info", "warn", "error"], {
      default: "info",
      description: "The least level that is logged.",
    }),
    space: SpaceSection,
    room: RoomSection,
    status_page: Type.Optional(StatusPageSection),
    connections: Type.Array(ConnectionSection, {
      default: [],
      maxItems: 256,
      description: "The source systems that this agent serves.",
    }),
  },
  closed,
);
export type AgentConfigFile = Static<typeof AgentConfigSchema>;
