// Simulated lines between agent and relay: delay, stall, silence, cut. Frames stay whole and in order, as sealed ones do.
import type { Channel, ChannelHandlers } from "#common/contract/channel.ts";
import type { SimClock } from "./sim-clock.ts";
import type { SimProcess } from "./sim-process.ts";
import type { SimRandom } from "./sim-random.ts";

type Accept = (channel: Channel, attach: (handlers: ChannelHandlers) => void) => void;

export class SimNetwork {
  readonly #clock: SimClock;
  readonly #random: SimRandom;
  readonly #lines = new Set<Line>();
  isDown = false;

  constructor(clock: SimClock, random: SimRandom) {
    this.#clock = clock;
    this.#random = random;
  }

  /** A line from the agent to the relay; undefined when there is no way. */
  connect(
    agent: SimProcess,
    relay: SimProcess | undefined,
    open: (channel: Channel) => ChannelHandlers,
    accept: Accept,
  ): Channel | undefined {
    if (this.isDown || relay === undefined || relay.isDead) return undefined;
    const line = new Line(this.#clock, this.#random.between(1, 40));
    this.#lines.add(line);
    const near = line.end("near", agent);
    const far = line.end("far", relay);
    near.attach(open(near));
    accept(far, (given) => far.attach(given));
    return near;
  }

  cutAll(): void {
    for (const line of this.#lines) line.cut();
    this.#lines.clear();
  }

  /** Frames vanish, nobody is told. */
  silenceAll(): void {
    for (const line of this.#lines) line.isSilent = true;
  }

  /** What the relay answers vanishes; what the agent sends arrives. */
  deafenAll(): void {
    for (const line of this.#lines) line.isDeaf = true;
  }

  /** Nothing arrives for a while, then all of it. */
  stallAll(ms: number): void {
    for (const line of this.#lines) line.stallUntilMs = this.#clock.monotonicMs() + ms;
  }
}

class Line {
  readonly #clock: SimClock;
  readonly #delayMs: number;
  isSilent = false;
  isDeaf = false;
  stallUntilMs = 0;
  readonly #ends: End[] = [];

  constructor(clock: SimClock, delayMs: number) {
    this.#clock = clock;
    this.#delayMs = delayMs;
  }

  end(side: "near" | "far", process: SimProcess): End {
    const end = new End(this, process, side);
    this.#ends.push(end);
    // The operating system closes the sockets of a dead process.
    process.onDeath(() =>
      this.carry(end, (other) => other.closed(1006, "the line broke without a farewell")),
    );
    return end;
  }

  carry(from: End, deliver: (to: End) => void): void {
    const isLost = (): boolean => this.isSilent || (this.isDeaf && from.side === "far");
    if (isLost()) return;
    const delayMs = Math.max(this.#delayMs, this.stallUntilMs - this.#clock.monotonicMs());
    this.#clock.setTimer(delayMs, () => {
      const to = this.#ends.find((end) => end !== from);
      if (to !== undefined && !isLost()) to.process.guard(() => deliver(to));
    });
  }

  cut(): void {
    for (const end of this.#ends) end.process.guard(() => end.closed(1006, "the line was cut"));
  }
}

class End implements Channel {
  readonly #line: Line;
  readonly process: SimProcess;
  readonly side: "near" | "far";
  #handlers: ChannelHandlers | undefined;
  #isClosed = false;

  constructor(line: Line, process: SimProcess, side: "near" | "far") {
    this.#line = line;
    this.process = process;
    this.side = side;
  }

  get bufferedBytes(): number {
    return 0;
  }

  attach(handlers: ChannelHandlers): void {
    this.#handlers = handlers;
  }

  send(frame: Uint8Array): void {
    if (this.process.isDead || this.#isClosed) return;
    this.process.moment();
    const copy = Uint8Array.from(frame);
    this.#line.carry(this, (to) => to.frame(copy));
    this.process.moment();
  }

  close(code: number, reason: string): void {
    if (this.process.isDead || this.#isClosed) return;
    this.#line.carry(this, (to) => to.closed(code, reason));
    this.closed(code, reason);
  }

  frame(bytes: Uint8Array): void {
    if (!this.#isClosed) this.#handlers?.onFrame(bytes);
  }

  closed(code: number, reason: string): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    queueMicrotask(() => this.process.guard(() => this.#handlers?.onClose(code, reason)));
  }
}
