// Prometheus metrics of the HTTP side. No label names a tenant, so that scraping needs no token.
import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from "prom-client";
import type { HttpServer } from "./http-types.ts";

const DURATION_BUCKETS_SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5];

interface RouteMeters {
  readonly observe: (seconds: number) => void;
  readonly count: () => void;
}

export class HttpMetrics {
  readonly registry = new Registry();
  readonly eventStreams: Gauge;
  readonly #requests: Counter<"route" | "method" | "status">;
  readonly #seconds: Histogram<"route">;
  /** Bounded by routes × methods × status codes. */
  readonly #meters = new Map<string, RouteMeters>();

  constructor() {
    const registers = [this.registry];
    collectDefaultMetrics({ register: this.registry, prefix: "millrace_relay_" });
    this.#requests = new Counter({
      name: "millrace_relay_http_requests_total",
      help: "Requests answered",
      labelNames: ["route", "method", "status"],
      registers,
    });
    this.#seconds = new Histogram({
      name: "millrace_relay_http_request_duration_seconds",
      help: "Time from the request's head to the answer's end; event streams are left out",
      labelNames: ["route"],
      buckets: DURATION_BUCKETS_SECONDS,
      registers,
    });
    this.eventStreams = new Gauge({
      name: "millrace_relay_event_streams",
      help: "Open server-sent event streams",
      registers,
    });
  }

  addTo(app: HttpServer): void {
    app.addHook("onResponse", (request, reply, done) => {
      const route = request.routeOptions.url ?? "none";
      const meters = this.#metersOf(route, request.method, reply.statusCode);
      meters.count();
      meters.observe(reply.elapsedTime / 1000);
      done();
    });
  }

  #metersOf(route: string, method: string, status: number): RouteMeters {
    const key = `${method} ${status} ${route}`;
    const known = this.#meters.get(key);
    if (known !== undefined) return known;
    const counter = this.#requests.labels(route, method, String(status));
    const histogram = this.#seconds.labels(route);
    const meters = {
      count: () => counter.inc(),
      observe: (seconds: number) => histogram.observe(seconds),
    };
    this.#meters.set(key, meters);
    return meters;
  }
}
