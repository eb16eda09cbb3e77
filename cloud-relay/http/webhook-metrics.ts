// Counts what publishing and delivering report. No label names a tenant or an endpoint.
import { Counter, Gauge, Histogram, type Registry } from "prom-client";
import type { WebhookMeter } from "#relay/core/webhooks/webhook-meter.ts";

const TOOK_BUCKETS_S = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const WAITED_BUCKETS_S = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 300, 3_600];

export function webhookMetrics(registry: Registry): WebhookMeter {
  const registers = [registry];
  const deliveries = new Counter({
    name: "millrace_webhook_deliveries_published_total",
    help: "Deliveries made of events, one for each endpoint that wants the event",
    registers,
  });
  const messages = new Counter({
    name: "millrace_webhook_messages_published_total",
    help: "Events that at least one endpoint wants",
    registers,
  });
  const lag = new Gauge({
    name: "millrace_webhook_publish_lag_seconds",
    help: "How far the slowest feed is behind what was committed, when it was last looked at",
    registers,
  });
  // Counted here and handed over when somebody looks: finding a label costs more than counting.
  const outcomes = new Map<string, number>();
  const attempts = new Counter({
    name: "millrace_webhook_attempts_total",
    help: "Attempts to deliver, by outcome: the answer's class of status, or why there was none",
    labelNames: ["outcome"],
    registers,
    collect: () => {
      for (const [outcome, count] of outcomes) attempts.inc({ outcome }, count);
      outcomes.clear();
    },
  });
  const took = new Histogram({
    name: "millrace_webhook_attempt_duration_seconds",
    help: "Time of one attempt, name lookup and connecting included",
    buckets: TOOK_BUCKETS_S,
    registers,
  });
  const waited = new Histogram({
    name: "millrace_webhook_delivery_wait_seconds",
    help: "Time from when a delivery was due until its attempt began: paused endpoints and rates included",
    buckets: WAITED_BUCKETS_S,
    registers,
  });
  const ends = new Map<string, number>();
  const finished = new Counter({
    name: "millrace_webhook_deliveries_finished_total",
    help: "Deliveries that are over, by how: delivered, exhausted, discarded",
    labelNames: ["state"],
    registers,
    collect: () => {
      for (const [state, count] of ends) finished.inc({ state }, count);
      ends.clear();
    },
  });
  let [all, suspect] = [0, 0];
  const places = new Gauge({
    name: "millrace_webhook_attempts_under_way",
    help: "Attempts under way, by what is known of their endpoints: suspects fail or are slow",
    labelNames: ["endpoints"],
    registers,
    collect: () => {
      places.set({ endpoints: "all" }, all);
      places.set({ endpoints: "suspect" }, suspect);
    },
  });
  return {
    published: (messageCount, deliveryCount) => {
      messages.inc(messageCount);
      deliveries.inc(deliveryCount);
    },
    publishLag: (lagMs) => lag.set(lagMs / 1_000),
    attempted: (outcome, tookMs, waitedMs) => {
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
      took.observe(tookMs / 1_000);
      waited.observe(waitedMs / 1_000);
    },
    finished: (state, count) => void ends.set(state, (ends.get(state) ?? 0) + count),
    underWay: (total, suspects) => {
      all = total;
      suspect = suspects;
    },
  };
}
