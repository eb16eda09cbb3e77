// Prometheus metrics of the HTTP side. No label names a tenant, so that scraping needs no token. Requests are counted in
// plain numbers and given their labels when somebody looks: a labelled observation costs as much as a cached answer.
import { Counter, Gauge, Registry, collectDefaultMetrics } from "prom-client";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { Clock } from "#common/runtime/clock.ts";
import type { HttpServer } from "./http-types.ts";

const BUCKETS_MS = [0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1_000, 5_000] as const;
const DURATION = "millrace_relay_http_request_duration_seconds";

interface RouteMeter {
  readonly byStatus: Map<number, number>;
  /** Answers per bucket, the last beyond all. */
  readonly buckets: number[];
  totalMs: number;
}

export class HttpMetrics {
  readonly registry = new Registry();
  readonly eventStreams: Gauge;
  /** By what refused them: a quota's name, `at_once`, or the class of work that was shed. */
  readonly refused: Counter;
  /** By route and method: bounded by the routes there are. */
  readonly #meters = new Map<string, Map<string, RouteMeter>>();

  constructor() {
    const registers = [this.registry];
    const meters = this.#meters;
    collectDefaultMetrics({ register: this.registry, prefix: "millrace_relay_" });
    const requests = new Counter({
      name: "millrace_relay_http_requests_total",
      help: "Requests answered",
      labelNames: ["route", "method", "status"],
      registers,
      collect: () => {
        requests.reset();
        for (const [route, methods] of meters) {
          for (const [method, { byStatus }] of methods) {
            for (const [status, count] of byStatus) requests.inc({ route, method, status }, count);
          }
        }
      },
    });
    this.refused = new Counter({
      name: "millrace_relay_http_requests_refused_total",
      help: "Requests refused to protect the relay: by a quota, too many at once, or load that was shed",
      labelNames: ["by"],
      registers,
    });
    this.eventStreams = new Gauge({
      name: "millrace_relay_event_streams",
      help: "Open server-sent event streams",
      registers,
    });
  }

  addTo(app: HttpServer, clock: Clock): void {
    // Fastify's own `elapsedTime` stands still as long as nothing is logged.
    app.decorateRequest("startedMs", 0);
    app.addHook("onRequest", (request, _reply, done) => {
      request.startedMs = clock.monotonicMs();
      done();
    });
    const count = (request: FastifyRequest, reply: FastifyReply, route: string): void => {
      const meter = this.#meter(route, request.method);
      const { statusCode } = reply;
      meter.byStatus.set(statusCode, (meter.byStatus.get(statusCode) ?? 0) + 1);
      const ms = clock.monotonicMs() - request.startedMs;
      const bucket = BUCKETS_MS.findIndex((limit) => ms <= limit);
      const index = bucket < 0 ? BUCKETS_MS.length : bucket;
      meter.buckets[index] = (meter.buckets[index] ?? 0) + 1;
      meter.totalMs += ms;
    };
    // Each route has a hook of its own: asking a request for its route costs more than counting it.
    app.addHook("onRoute", (route) => {
      const { url } = route;
      route.onSend = [route.onSend ?? []].flat().concat((request, reply, payload, done) => {
        count(request, reply, url);
        done(null, payload);
      });
    });
    app.addHook("onSend", (request, reply, payload, done) => {
      if (request.is404) count(request, reply, "none");
      done(null, payload);
    });
  }

  /** Prometheus text format, version 0.0.4. */
  async text(): Promise<string> {
    return `${await this.registry.metrics()}\n${this.#durations()}`;
  }

  #durations(): string {
    const lines = [
      `# HELP ${DURATION} Time from the request's head until the answer is handed to the socket; event streams are left out`,
      `# TYPE ${DURATION} histogram`,
    ];
    for (const [route, methods] of this.#meters) {
      for (const [method, { buckets, totalMs }] of methods) {
        const labels = `route="${route}",method="${method}"`;
        let count = 0;
        for (const [index, inBucket] of buckets.entries()) {
          count += inBucket;
          const limit = BUCKETS_MS[index];
          lines.push(
            `${DURATION}_bucket{le="${limit === undefined ? "+Inf" : limit / 1_000}",${labels}} ${count}`,
          );
        }
        lines.push(`${DURATION}_sum{${labels}} ${totalMs / 1_000}`, `${DURATION}_count{${labels}} ${count}`);
      }
    }
    return `${lines.join("\n")}\n`;
  }

  #meter(route: string, method: string): RouteMeter {
    const methods = this.#meters.get(route) ?? new Map<string, RouteMeter>();
    const known = methods.get(method);
    if (known !== undefined) return known;
    const buckets = Array.from({ length: BUCKETS_MS.length + 1 }, () => 0);
    const meter: RouteMeter = { byStatus: new Map(), buckets, totalMs: 0 };
    this.#meters.set(route, methods.set(method, meter));
    return meter;
  }
}
