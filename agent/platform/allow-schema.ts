// The part of a connection's configuration that says what the relay may ask for: its schema, and the policy that it becomes.
import { Type, type Static } from "typebox";
import {
  MAX_NAMED_QUERY_ROWS,
  type NamedQuery,
  type PlantPolicy,
  type WriteRule,
} from "#agent/core/commands/plant-policy.ts";
import { WINDOW_PATTERN } from "#agent/core/load/pass-calendar.ts";

const closed = { additionalProperties: false } as const;
const NAME = "^[A-Za-z][A-Za-z0-9_.-]{0,99}$";
const MAX_WRITES_PER_MINUTE = 6_000;
const DEFAULT_QUERY_ROWS = 500;

const Mode = Type.Union([Type.Literal("apply"), Type.Literal("hold"), Type.Literal("refuse")]);

const Rule = Type.Union([
  Mode,
  Type.Object(
    {
      policy: Type.Unsafe<"apply" | "hold" | "refuse">({ ...Mode, default: "apply" }),
      windows: Type.Array(
        Type.String({
          pattern: WINDOW_PATTERN,
          patternText:
            "hours such as 06:00-18:00, with days such as mon-fri 06:00-18:00 or sat,sun 00:00-24:00",
        }),
        { default: [], maxItems: 50 },
      ),
      reason: Type.Optional(Type.String({ minLength: 1, maxLength: 500 })),
    },
    closed,
  ),
]);

const Parameter = Type.Object(
  {
    type: Type.Union([
      Type.Literal("text"),
      Type.Literal("decimal"),
      Type.Literal("integer"),
      Type.Literal("boolean"),
    ]),
    required: Type.Boolean({ default: true }),
  },
  closed,
);

const Query = Type.Object(
  {
    statement: Type.String({ minLength: 1, maxLength: 100_000 }),
    parameters: Type.Record(Type.String({ pattern: NAME }), Parameter, { default: {} }),
    max_rows: Type.Integer({ minimum: 1, maximum: MAX_NAMED_QUERY_ROWS, default: DEFAULT_QUERY_ROWS }),
    description: Type.Optional(Type.String({ minLength: 1, maxLength: 500 })),
  },
  closed,
);

export const SETTINGS_MEMBERS = [
  "schedules",
  "initial_window_days",
  "entities",
  "custom_fields",
  "custom_entities",
  "remap",
] as const;

export const AllowSection = Type.Object(
  {
    live_reads: Type.Boolean({
      default: false,
      description: "Single records may be read from the source at once (`source=live`).",
    }),
    browse: Type.Boolean({
      default: false,
      description: "The source's catalogue (tables, columns, nodes) may be seen.",
    }),
    sync: Type.Boolean({
      default: false,
      description:
        "`sync`, `resync`, `cancel`, `pause`, `resume` and `confirm-deletes` from outside. A pause made at the plant is ended only there.",
    }),
    writes: Type.Record(Type.String(), Type.Record(Type.String(), Rule), {
      default: {},
      description:
        "What may be written, by entity and operation, and what becomes of it: `apply` at once, `hold` until somebody at the plant approves it, `refuse`; or a mapping of `policy`, `windows` (hours in the connection's `time_zone` in which it is done) and `reason` (told to who asks when it is refused). Whatever is not named is refused. The connector's own `write.allow` is needed as well.",
    }),
    writes_per_minute: Type.Integer({
      minimum: 1,
      maximum: MAX_WRITES_PER_MINUTE,
      default: 30,
      description: "Most writes that are accepted in a minute, held ones included.",
    }),
    audit_values: Type.Boolean({
      default: false,
      description:
        "The audit trail of this connection's commands holds the values that were to be written. Otherwise it holds the fields' names and a hash.",
    }),
    queries: Type.Record(Type.String({ pattern: NAME }), Query, {
      default: {},
      description:
        "Reading queries that may be asked for by name: `statement` (one SELECT with `:name` for parameters), `parameters` (each with `type` text, decimal, integer or boolean, and `required`, true by default), `max_rows` (500 by default), `description`. The statement is never seen outside.",
    }),
    settings: Type.Array(
      Type.Unsafe<(typeof SETTINGS_MEMBERS)[number]>({
        ...Type.Union(SETTINGS_MEMBERS.map((name) => Type.Literal(name))),
      }),
      {
        default: [],
        maxItems: SETTINGS_MEMBERS.length,
        description: "Members of the connection's settings that the relay may set.",
      },
    ),
  },
  {
    ...closed,
    default: {},
    description: "What the relay may ask for. Nothing unless it stands here.",
  },
);
export type AllowSection = Static<typeof AllowSection>;

export function plantPolicy(section: AllowSection): PlantPolicy {
  return {
    liveReads: section.live_reads,
    browse: section.browse,
    sync: section.sync,
    writes: mapped(section.writes, (rules) => mapped(rules, writeRule)),
    writesPerMinute: section.writes_per_minute,
    auditValues: section.audit_values,
    queries: mapped(section.queries, query),
    settings: section.settings,
  };
}

function writeRule(rule: Static<typeof Rule>): WriteRule {
  if (typeof rule === "string") return { mode: rule, windows: [] };
  const { policy, windows, reason } = rule;
  return { mode: policy, windows, ...(reason === undefined ? {} : { reason }) };
}

function query({ statement, parameters, max_rows, description }: Static<typeof Query>): NamedQuery {
  return {
    statement,
    parameters: mapped(parameters, ({ type, required }) => ({ type, isRequired: required })),
    maxRows: max_rows,
    ...(description === undefined ? {} : { description }),
  };
}

function mapped<T, U>(record: Readonly<Record<string, T>>, change: (value: T) => U): Record<string, U> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, change(value)]));
}
