// What publishing and delivering report of themselves, to be counted.

export interface WebhookMeter {
  published(messages: number, deliveries: number): void;
  /** How far the slowest feed is behind what was committed, ms. */
  publishLag(lagMs: number): void;
  /** `outcome`: `2xx`, `5xx`, `timed_out`, …; `waitedMs`: from when it was due until it began. */
  attempted(outcome: string, tookMs: number, waitedMs: number): void;
  finished(state: "delivered" | "exhausted" | "discarded", count: number): void;
  /** Attempts under way, and those of them at endpoints that fail or are slow. */
  underWay(places: number, suspects: number): void;
}
