// Notices two installations that share one key: they evict each other in turn.
import type { Clock } from "#common/runtime/clock.ts";

const WINDOW_MS = 600_000;
/** Alternating evictions within the window that only clones make; a restarted agent never comes back as an older instance. */
const ALTERNATIONS = 3;

interface Eviction {
  readonly atMs: number;
  readonly from: string;
  readonly to: string;
}

export class CloneWatch {
  readonly #clock: Clock;
  readonly #evictions = new Map<string, Eviction[]>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** An instance took over from another; true when this is the third time that they took turns. */
  evicted(agentId: string, from: string, to: string): boolean {
    if (from === to) return false;
    const nowMs = this.#clock.monotonicMs();
    const recent = (this.#evictions.get(agentId) ?? []).filter(({ atMs }) => nowMs - atMs < WINDOW_MS);
    recent.push({ atMs: nowMs, from, to });
    this.#evictions.set(agentId, recent.slice(-ALTERNATIONS * 2));
    let alternations = 1;
    for (let index = recent.length - 1; index > 0; index -= 1) {
      const later = recent[index];
      const earlier = recent[index - 1];
      if (later?.to !== earlier?.from || later?.from !== earlier?.to) break;
      alternations += 1;
    }
    if (alternations < ALTERNATIONS) return false;
    this.#evictions.delete(agentId);
    return true;
  }
}
