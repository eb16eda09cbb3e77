// Control messages and close codes of the wire. JSON; unknown fields are ignored; `up` is agent → relay, `down` the reverse.
import { Type, type Static } from "typebox";
import { ConnectionDescription } from "./description.ts";
import { MAX_TAKEN_OVER_EPOCHS } from "./limits.ts";
import { DesiredSettings, ReportedSettings } from "./settings.ts";

const Id = Type.String({ minLength: 1, maxLength: 100 });
const Epoch = Type.String({ pattern: "^[0-9a-f]{16}$" });
const Seq = Type.Integer({ minimum: 0 });
const Base64 = Type.String({ maxLength: 1_000, description: "base64url without padding" });

// --- Handshake payloads (handshake.ts) -------------------------------------------------------------------------------

/** First payload, in the clear: the agent's name and what it speaks. Covered by both signatures. */
export const ClientHello = Type.Object({
  mode: Type.Union([Type.Literal("session"), Type.Literal("enroll")]),
  protocol_min: Type.Integer(),
  protocol_max: Type.Integer(),
  capabilities: Type.Array(Type.String({ maxLength: 100 }), { maxItems: 100 }),
  agent_id: Type.Optional(Id),
  nonce: Base64,
});
export type ClientHello = Static<typeof ClientHello>;

/** Second payload, sealed: the version chosen and the relay's identity key (raw Ed25519 public key). */
export const ServerHello = Type.Object({
  protocol: Type.Integer(),
  capabilities: Type.Array(Type.String({ maxLength: 100 }), { maxItems: 100 }),
  relay_key: Base64,
  nonce: Base64,
});
export type ServerHello = Static<typeof ServerHello>;

/** First sealed frame after the handshake: Ed25519 over "millrace.v1 relay" ‖ handshake hash. */
export const RelayProof = Type.Object({ type: Type.Literal("relay_proof"), signature: Base64 });
export type RelayProof = Static<typeof RelayProof>;

/** The agent's answer, once it has checked the relay's key and proof: Ed25519 over "millrace.v1 agent" ‖ handshake hash. */
export const AgentProof = Type.Object({
  type: Type.Literal("agent_proof"),
  signature: Base64,
  agent_version: Type.String({ maxLength: 100 }),
  /** Random per process start: tells two clones of one key apart. */
  instance_id: Id,
  platform: Type.String({ maxLength: 200 }),
});
export type AgentProof = Static<typeof AgentProof>;

/** Enrolment: the one-time secret and the key that the agent generated; the signature binds both to this handshake. */
export const Enroll = Type.Object({
  type: Type.Literal("enroll"),
  secret: Type.String({ maxLength: 200 }),
  agent_key: Base64,
  signature: Base64,
  name: Type.String({ minLength: 1, maxLength: 200 }),
});
export type Enroll = Static<typeof Enroll>;

export const BoundConnection = Type.Object({ id: Id, name: Type.String({ maxLength: 200 }) });
export type BoundConnection = Static<typeof BoundConnection>;

export const Enrolled = Type.Object({
  type: Type.Literal("enrolled"),
  agent_id: Id,
  workspace_id: Id,
  workspace_name: Type.String({ maxLength: 200 }),
  connections: Type.Array(BoundConnection, { maxItems: 256 }),
});
export type Enrolled = Static<typeof Enrolled>;

// --- Session: up -----------------------------------------------------------------------------------------------------

/** Opens one stream. `tail_id` is the id of the batch at `first_seq - 1` (the last one trimmed), empty if there was none. */
export const StreamOpen = Type.Object({
  type: Type.Literal("stream_open"),
  connection_id: Id,
  epoch: Epoch,
  first_seq: Seq,
  next_seq: Seq,
  /** What the agent holds to be acknowledged: more than the relay knows of means that the relay was rewound. */
  acked_seq: Seq,
  tail_id: Type.String({ maxLength: 16 }),
  /**
   * The epochs that the first batches were taken over from, newest first: batch 1 was batch `first_seq` there, under the
   * same id, and so on. A relay that holds the stream in one of them passes over what it has applied there.
   */
  taken_over: Type.Optional(
    Type.Array(Type.Object({ epoch: Epoch, first_seq: Seq }), { maxItems: MAX_TAKEN_OVER_EPOCHS }),
  ),
});
export type StreamOpen = Static<typeof StreamOpen>;

export const ConnectionReport = Type.Object({
  type: Type.Literal("connection_report"),
  connection_id: Id,
  status: Type.Union([
    Type.Literal("synchronizing"),
    Type.Literal("online"),
    Type.Literal("offline"),
    Type.Literal("degraded"),
    Type.Literal("reauthorization_required"),
    Type.Literal("paused"),
  ]),
  reason: Type.Optional(Type.String({ maxLength: 2_000 })),
  /** What to do about it, for a person. */
  advice: Type.Optional(Type.String({ maxLength: 2_000 })),
  system: Type.Optional(Type.String({ maxLength: 200 })),
  /** What an operator at the plant has stopped: `writes`. */
  halted: Type.Optional(Type.Array(Type.String({ maxLength: 50 }), { maxItems: 10 })),
  backlog_batches: Type.Optional(Type.Number()),
  backlog_bytes: Type.Optional(Type.Number()),
  /** What the source was asked, a second, on average over the last minute; children count as rows. */
  load: Type.Optional(Type.Object({ rows_per_s: Type.Number(), statements_per_s: Type.Number() })),
  entities: Type.Optional(
    Type.Array(
      Type.Object({
        entity: Type.String({ maxLength: 100 }),
        strategy: Type.Optional(Type.String({ maxLength: 100 })),
        /** Why it is followed so. */
        reason: Type.Optional(Type.String({ maxLength: 500 })),
        /** What the source's administrator could allow to make it better. */
        advice: Type.Optional(Type.String({ maxLength: 500 })),
        state: Type.String({ maxLength: 100 }),
        read: Type.Optional(Type.Number()),
        total: Type.Optional(Type.Number()),
        next_run_ms: Type.Optional(Type.Number()),
        /** When the source last told all that was asked of it; absent: not yet in this run. */
        read_at_ms: Type.Optional(Type.Number()),
        error: Type.Optional(Type.String({ maxLength: 2_000 })),
        /** What holds back the reading that is due or under way: its window, or the plant's limit of rows. */
        waits: Type.Optional(Type.String({ maxLength: 200 })),
      }),
      { maxItems: 500 },
    ),
  ),
});
export type ConnectionReport = Static<typeof ConnectionReport>;

export const Ping = Type.Object({ type: Type.Literal("ping"), n: Type.Integer() });
export const Pong = Type.Object({ type: Type.Literal("pong"), n: Type.Integer() });

/**
 * A journalled command waits: for somebody's approval, for a window, or it is being done. Told once for each state, so that an
 * operation shows it; the result follows, however late.
 */
export const CommandState = Type.Object({
  type: Type.Literal("command_state"),
  command_id: Id,
  state: Type.Union([Type.Literal("held"), Type.Literal("waiting_window"), Type.Literal("executing")]),
  detail: Type.Optional(Type.String({ maxLength: 2_000 })),
});
export type CommandState = Static<typeof CommandState>;

/**
 * The end of a command. Results of journalled commands are kept at the plant, and sent again in every session, until
 * `command_settled` says that the relay holds them.
 */
export const CommandResult = Type.Object({
  type: Type.Literal("command_result"),
  command_id: Id,
  outcome: Type.Union([Type.Literal("succeeded"), Type.Literal("failed"), Type.Literal("unknown_outcome")]),
  /** Of COMMAND_FAILURES (commands.ts); others may come. */
  code: Type.Optional(Type.String({ maxLength: 100 })),
  detail: Type.Optional(Type.String({ maxLength: 2_000 })),
  /** The source's own code, such as a constraint's or an error's number. */
  source_code: Type.Optional(Type.String({ maxLength: 200 })),
  /** Fields that are wrong: `lines.0.quantity`. */
  errors: Type.Optional(
    Type.Array(
      Type.Object({ field: Type.String({ maxLength: 500 }), detail: Type.String({ maxLength: 2_000 }) }),
      { maxItems: 200 },
    ),
  ),
  retry_after_ms: Type.Optional(Type.Integer({ minimum: 0 })),
  /**
   * The newest entry of the plant's audit trail when this was said, with writes: whoever keeps it can tell later whether the
   * trail's end was cut off or written anew.
   */
  audit_head: Type.Optional(
    Type.Object({ seq: Type.Integer({ minimum: 0 }), hash: Type.String({ maxLength: 64 }) }),
  ),
  /** The answer of the command's kind (commands.ts). */
  result: Type.Optional(Type.Unknown()),
});
export type CommandResult = Static<typeof CommandResult>;

const AuditSeq = Type.Integer({ minimum: 1 });
const AuditHash = Type.String({ minLength: 1, maxLength: 64 });

/** Answer to `relay_audit`: the newest entry of the plant's audit trail, whose hash covers the relay's head. */
export const PlantAudit = Type.Object({ type: Type.Literal("plant_audit"), seq: AuditSeq, hash: AuditHash });
export type PlantAudit = Static<typeof PlantAudit>;

export const UpMessage = Type.Union([
  StreamOpen,
  ConnectionReport,
  ConnectionDescription,
  ReportedSettings,
  CommandState,
  CommandResult,
  PlantAudit,
  Ping,
  Pong,
]);
export type UpMessage = Static<typeof UpMessage>;

// --- Session: down ---------------------------------------------------------------------------------------------------

export const Welcome = Type.Object({
  type: Type.Literal("welcome"),
  session: Type.Integer({ minimum: 1, description: "The higher number fences the lower" }),
  workspace_id: Id,
  connections: Type.Array(BoundConnection, { maxItems: 256 }),
  relay_time_ms: Type.Number(),
});
export type Welcome = Static<typeof Welcome>;

/** Bindings changed while the session was up. */
export const Bindings = Type.Object({
  type: Type.Literal("bindings"),
  connections: Type.Array(BoundConnection, { maxItems: 256 }),
});

/**
 * Answer to `stream_open`. `resume`: send from `acked_seq + 1`, if the agent's batch at `acked_seq` has the id
 * `acked_id`; otherwise the histories have parted and the agent starts a new epoch by itself. `new_epoch`: start a new epoch for `reason` (the relay holds another history than the agent's files).
 */
export const StreamReady = Type.Object({
  type: Type.Literal("stream_ready"),
  connection_id: Id,
  stream: Type.Integer({ minimum: 0, maximum: 65_535 }),
  epoch: Epoch,
  acked_seq: Seq,
  acked_id: Type.String({ maxLength: 16 }),
  verdict: Type.Union([Type.Literal("resume"), Type.Literal("new_epoch")]),
  reason: Type.Optional(Type.String({ maxLength: 100 })),
});
export type StreamReady = Static<typeof StreamReady>;

/** The relay cannot serve this stream (not this agent's connection, deleted, …). */
export const StreamRefused = Type.Object({
  type: Type.Literal("stream_refused"),
  connection_id: Id,
  code: Type.String({ maxLength: 100 }),
  detail: Type.String({ maxLength: 2_000 }),
});

/** Cumulative, sent after the durable commit. */
export const Ack = Type.Object({ type: Type.Literal("ack"), stream: Type.Integer({ minimum: 0 }), seq: Seq });

/** The relay dead-lettered one record. The agent sends that key again when its content or mapping changes. */
export const RecordRejected = Type.Object({
  type: Type.Literal("record_rejected"),
  connection_id: Id,
  entity: Type.String({ maxLength: 100 }),
  key: Type.String({ maxLength: 4_000 }),
  code: Type.String({ maxLength: 100 }),
  detail: Type.String({ maxLength: 2_000 }),
});
export type RecordRejected = Static<typeof RecordRejected>;

/** An undecodable batch was passed over: read this connection anew. */
export const Resnapshot = Type.Object({
  type: Type.Literal("resnapshot"),
  connection_id: Id,
  reason: Type.String({ maxLength: 100 }),
});

/** The relay is about to stop: reconnect within the given time, spread at random. */
export const Drain = Type.Object({
  type: Type.Literal("drain"),
  reconnect_in_ms: Type.Integer({ minimum: 0 }),
});

/** A command of a kind of commands.ts. `ttl_ms` is what remains of its time to begin; after it, it is EXPIRED. */
export const Command = Type.Object({
  type: Type.Literal("command"),
  command_id: Id,
  connection_id: Id,
  kind: Type.String({ maxLength: 100 }),
  ttl_ms: Type.Integer({ minimum: 0 }),
  body: Type.Optional(Type.Unknown()),
  /** W3C Trace Context of whoever asked, for the plant's journal and log. */
  traceparent: Type.Optional(Type.String({ maxLength: 100 })),
});
export type Command = Static<typeof Command>;

/** The caller has gone or thought better of it. What has begun to write goes on; the result says which. */
export const CommandCancel = Type.Object({ type: Type.Literal("command_cancel"), command_id: Id });
export type CommandCancel = Static<typeof CommandCancel>;

/** The relay holds the command's result: the plant may forget that it must be sent. */
export const CommandSettled = Type.Object({ type: Type.Literal("command_settled"), command_id: Id });
export type CommandSettled = Static<typeof CommandSettled>;

/**
 * The newest entry of the workspace's audit trail at the relay, now and then: the plant writes it into its own trail, and
 * answers with `plant_audit`, which the relay writes into its own.
 */
export const RelayAudit = Type.Object({ type: Type.Literal("relay_audit"), seq: AuditSeq, hash: AuditHash });
export type RelayAudit = Static<typeof RelayAudit>;

export const DownMessage = Type.Union([
  Welcome,
  Bindings,
  StreamReady,
  StreamRefused,
  Ack,
  RecordRejected,
  Resnapshot,
  Drain,
  Command,
  CommandCancel,
  CommandSettled,
  RelayAudit,
  DesiredSettings,
  Ping,
  Pong,
]);
export type DownMessage = Static<typeof DownMessage>;

/** WebSocket close codes, with what the other side does on them. */
export const CLOSE = {
  /** The agent stops, or its operator has halted egress: its connections are offline at once. */
  STOPPING: 1000,
  /** Orderly stop or restart: reconnect soon. */
  RESTARTING: 1012,
  /** A frame over MAX_FRAME_BYTES. */
  TOO_BIG: 1009,
  /** A frame that does not open, decode or fit the state. */
  PROTOCOL_ERROR: 4000,
  /** The handshake's proof is wrong, the agent is unknown or revoked: reconnect slowly and tell the operator. */
  UNAUTHENTICATED: 4001,
  /** The enrolment code is unknown, used or expired. */
  ENROLMENT_REFUSED: 4002,
  /** No common protocol version. */
  VERSION: 4003,
  /** Nothing heard for DEAD_AFTER_MS. */
  SILENT: 4008,
  /** A newer session of the same agent took over. */
  FENCED: 4009,
  /** Two clones of one key take turns; an operator must decide. */
  QUARANTINED: 4011,
  /** The relay is too busy; reconnect after a while. */
  OVERLOADED: 4013,
  /** The relay failed inside (disk full, …): reconnect with backoff; nothing was acknowledged. */
  INTERNAL: 4014,
} as const;
