// Protects the relay from too much: quotas with their headers, requests under way, and shedding by class of work.
import { monitorEventLoopDelay } from "node:perf_hooks";
import type { FastifyReply, onRequestHookHandler, RouteOptions } from "fastify";
import { LoadShedder, type LoadClass } from "#relay/core/limits/load-shedder.ts";
import {
  RateLimits,
  type Charge,
  type Quota,
  type RequestLimits,
  type Standing,
} from "#relay/core/limits/rate-limits.ts";
import { Problem } from "#relay/core/problem.ts";
import type { Principal } from "#relay/core/tokens.ts";
import type { FloodGate } from "./flood-gate.ts";
import type { HttpDeps, HttpServer } from "./http-types.ts";

const WINDOW_MS = 60_000;
/** How often the event loop's delay is looked at. */
const LOOK_EVERY_MS = 500;
const RESOLUTION_MS = 20;
const SHED_RETRY_S = 5;
const AT_ONCE_RETRY_S = 1;

declare module "fastify" {
  interface FastifyContextConfig {
    /** Absent: `read` for GET, `write` for all other methods. */
    load?: LoadClass;
  }
}

/** After authentication, before any body is read. */
export function addProtection(app: HttpServer, deps: HttpDeps, gate: FloodGate): void {
  const shedder = watchLoad(app, deps);
  const charging = new Charging(deps, gate);
  app.addHook("onRoute", (route) => {
    const work = classOf(route);
    const hooks = [route.onRequest ?? []].flat();
    const shed: onRequestHookHandler = (_request, _reply, done) => {
      if (!shedder.refuses(work)) return done();
      deps.metrics.refused.inc({ by: `shed_${work}` });
      done(overloaded(work));
    };
    // Shedding is first, so that it costs nothing; quotas need to know who asks.
    if (work !== "health") hooks.unshift(shed);
    if (route.config?.access === "public") gate.leaveOpen(route.url);
    else hooks.push(charging.hook);
    route.onRequest = hooks;
  });
}

function classOf({ config, method }: RouteOptions): LoadClass {
  if (config?.load !== undefined) return config.load;
  if (config?.access === "public") return "health";
  return [method].flat().every((name) => name === "GET" || name === "HEAD") ? "read" : "write";
}

function watchLoad(app: HttpServer, deps: HttpDeps): LoadShedder {
  const shedder = new LoadShedder();
  const delayMs = deps.loopDelayMs ?? measuredDelay(app);
  let cancel = (): void => {};
  const look = (): void => {
    shedder.look(delayMs());
    cancel = deps.clock.setTimer(LOOK_EVERY_MS, look);
  };
  look();
  app.addHook("onClose", () => cancel());
  return shedder;
}

function measuredDelay(app: HttpServer): () => number {
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delay.enable();
  app.addHook("onClose", () => {
    delay.disable();
  });
  return () => {
    // The histogram counts whole intervals, of which one resolution is no delay.
    const lateMs = delay.mean / 1e6 - RESOLUTION_MS;
    delay.reset();
    return Number.isFinite(lateMs) ? Math.max(0, lateMs) : 0;
  };
}

/** What a token is charged for, and in whose name. */
interface Caller {
  readonly charges: readonly Charge[];
  /** The header RateLimit-Policy. */
  readonly policies: string;
  readonly owner: string;
}

class Charging {
  readonly #limits: RequestLimits;
  readonly #clock: HttpDeps["clock"];
  readonly #refused: HttpDeps["metrics"]["refused"];
  readonly #quotas = new RateLimits();
  readonly #connection: Quota;
  readonly #workspace: Quota;
  readonly #atOnce = new Map<string, number>();
  readonly #callers = new WeakMap<Principal, Caller>();
  readonly #gate: FloodGate;

  constructor({ limits, clock, metrics }: HttpDeps, gate: FloodGate) {
    this.#gate = gate;
    this.#refused = metrics.refused;
    this.#limits = limits;
    this.#clock = clock;
    this.#connection = { name: "connection", requests: limits.connectionPerMinute, windowMs: WINDOW_MS };
    this.#workspace = { name: "workspace", requests: limits.workspacePerMinute, windowMs: WINDOW_MS };
  }

  readonly hook: onRequestHookHandler = (request, reply, done) => {
    const { principal } = request;
    if (principal === undefined) return done();
    const caller = this.#caller(principal);
    const standing = this.#quotas.take(caller.charges, this.#clock.monotonicMs());
    if (standing !== undefined) tell(reply, caller.policies, standing);
    if (standing?.isAllowed === false) {
      this.#refused.inc({ by: standing.quota.name });
      return done(this.#refusal(request.headers.authorization, caller.policies, standing));
    }
    done(this.#enter(reply, caller.owner));
  };

  #refusal(authorization: string | undefined, policies: string, standing: Standing): Problem {
    const problem = tooMany(standing);
    const { quota, resetMs } = standing;
    const headers = { "ratelimit-policy": policies, ratelimit: standingText(standing) };
    if (authorization !== undefined) {
      this.#gate.refused(authorization, { problem, headers, by: quota.name, resetMs });
    }
    return problem;
  }

  #leave(key: string): void {
    const left = (this.#atOnce.get(key) ?? 1) - 1;
    if (left === 0) this.#atOnce.delete(key);
    else this.#atOnce.set(key, left);
  }

  /** The authenticator gives the same principal for a while. */
  #caller(principal: Principal): Caller {
    const known = this.#callers.get(principal);
    if (known !== undefined) return known;
    const charges = this.#charges(principal);
    const policies = charges.map(({ quota: { name, requests, windowMs } }) => {
      return `"${name}";q=${requests};w=${windowMs / 1_000}`;
    });
    const owner = principal.scope?.workspaceId ?? principal.tokenId;
    const caller = { charges, policies: policies.join(", "), owner };
    this.#callers.set(principal, caller);
    return caller;
  }

  /** A connection's token also draws on its workspace's quota: many tokens do not make one workspace larger than another. */
  #charges({ kind, scope, tokenId }: Principal): readonly Charge[] {
    const workspace = { quota: this.#workspace, key: `w ${scope?.workspaceId ?? tokenId}` };
    const [connectionId] = scope?.connectionIds ?? [];
    if (kind !== "connection" || connectionId === undefined) return [workspace];
    return [{ quota: this.#connection, key: `c ${connectionId}` }, workspace];
  }

  #enter(reply: FastifyReply, key: string): Problem | undefined {
    const underWay = this.#atOnce.get(key) ?? 0;
    if (underWay >= this.#limits.workspaceAtOnce) {
      this.#refused.inc({ by: "at_once" });
      return new Problem(
        "RATE_LIMIT_EXCEEDED",
        `${underWay} requests of this workspace are under way, which is the limit. Wait for some of them to end.`,
        { retryAfterSeconds: AT_ONCE_RETRY_S },
      );
    }
    this.#atOnce.set(key, underWay + 1);
    // Also when the caller goes away before the answer.
    reply.raw.once("close", () => this.#leave(key));
    return undefined;
  }
}

function tell(reply: FastifyReply, policies: string, standing: Standing): void {
  reply.header("ratelimit-policy", policies);
  reply.header("ratelimit", standingText(standing));
}

function standingText({ quota, remaining, resetMs }: Standing): string {
  return `"${quota.name}";r=${remaining};t=${seconds(resetMs)}`;
}

function tooMany({ quota, resetMs }: Standing): Problem {
  const whose = quota.name === "connection" ? "this connection's tokens" : "this workspace";
  return new Problem(
    "RATE_LIMIT_EXCEEDED",
    `The quota of ${quota.requests} requests a minute of ${whose} is used up. It is whole again in ${seconds(resetMs)} s; Retry-After says the same.`,
    { retryAfterSeconds: seconds(resetMs) },
  );
}

function seconds(ms: number): number {
  return Math.max(1, Math.ceil(ms / 1_000));
}

function overloaded(work: LoadClass): Problem {
  return new Problem(
    "OVERLOADED",
    `The relay is behind with its work and takes no ${work === "bulk" ? "bulk reads" : `${work}s`} for the moment.`,
    { retryAfterSeconds: SHED_RETRY_S },
  );
}
