// What the HTTP side needs from the outside, and how Fastify's own types are narrowed to it.
import type { FastifyInstance, RawServerDefault } from "fastify";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { FastifyBaseLogger } from "fastify";
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type { Clock } from "#common/runtime/clock.ts";
import type { Logger } from "#common/runtime/logger.ts";
import type { Bus } from "#relay/core/bus.ts";
import type { RequestLog } from "#relay/core/requests/request-log.ts";
import type { RequestLimits } from "#relay/core/limits/rate-limits.ts";
import type { CommandTarget } from "#relay/core/commands/command-target.ts";
import type { Operations } from "#relay/core/operations/operations.ts";
import type { Sandboxes } from "#relay/core/sandbox/sandboxes.ts";
import type { Store } from "#relay/core/store.ts";
import type { Entropy, Principal } from "#relay/core/tokens.ts";
import type { Webhooks } from "#relay/core/webhooks/webhooks.ts";
import type { Users } from "#relay/core/users/users.ts";
import type { ListenerHub } from "./listener-hub.ts";
import type { HttpMetrics } from "./metrics.ts";

export interface HttpDeps {
  readonly store: Store;
  readonly bus: Bus;
  /** Asks the agents at the plants. */
  readonly commands: CommandTarget;
  readonly operations: Operations;
  /** Absent: this relay has no sandboxes. */
  readonly sandboxes?: Sandboxes;
  readonly users: Users;
  /** Absent: this relay sends none. */
  readonly webhooks?: Webhooks;
  /** Absent: nobody can listen. */
  readonly listeners?: ListenerHub;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly logger: Logger;
  readonly metrics: HttpMetrics;
  readonly limits: RequestLimits;
  /** How late the event loop was since the last call, ms, on average; absent: measured. */
  readonly loopDelayMs?: () => number;
  readonly requestLog: RequestLog;
  /** Raw Ed25519 public key of the relay, base64url; part of every enrolment code. */
  readonly relayPublicKey: string;
  /** How people and agents reach the relay; absent: as a request came. */
  readonly publicUrl?: string;
  /** PEM; absent for plain HTTP. */
  readonly tls?: { readonly cert: string; readonly key: string };
  /** Aborted when the relay begins to stop: readiness goes off and event streams end. */
  readonly stopping: AbortSignal;
  /** Folder of the built dashboard; absent: a page that says how to build it. */
  readonly dashboardDir?: string;
}

export type HttpServer = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>;

/**
 * Who may call a route. `public`: anybody. `read` and `write`: a workspace or connection token with that scope.
 * `admin`: the operator's admin token, or a workspace token with the scope admin (for its own workspace).
 * `manage`: a workspace token with the scope admin, or a connection's token with the scope write (for its own connection).
 */
export type Access = "public" | "read" | "write" | "admin" | "manage";

declare module "fastify" {
  interface FastifyContextConfig {
    access?: Access;
    /** Whether tokens that see some entities only may call it: the route itself shows them no other. */
    narrowsEntities?: boolean;
    /** False: what it does is no decision of anybody's, and comes too often for the audit trail. */
    audited?: boolean;
  }
  interface FastifyRequest {
    /** Set by the authentication hook for every route that is not public. */
    principal: Principal | undefined;
    /** By the monotonic clock, ms. */
    startedMs: number;
  }
}
